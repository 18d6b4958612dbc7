//! A web server that stands where n8n would.

use std::{
    collections::{HashMap, VecDeque},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::StatusCode, web};
use serde_json::Value;
use tokio::sync::watch;

/// How the server behaves towards a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Takes the request and never answers.
    Hang,
    /// Answers after a while.
    After(Duration, Box<Reaction>),
    /// Takes the message, whose outside id is `SM-` and the request's `webhook-id`.
    TakenByItsId,
}

impl Reaction {
    /// An answer without headers or body.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    /// What our workflow answers when Twilio took the message.
    pub fn taken(external_id: &str) -> Self {
        Self::Answer(
            200,
            Vec::new(),
            serde_json::json!({ "ok": true, "externalId": external_id }).to_string(),
        )
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path, with its query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Instant,
    /// When it was answered with a 2xx, all of it at once.
    pub taken: Option<Instant>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The `webhook-id`.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The ticket it tells of.
    pub fn ticket_ref(&self) -> String {
        self.json()["ticketRef"].as_str().expect("a reference").to_owned()
    }
}

#[derive(Default)]
struct Script {
    next: VecDeque<Reaction>,
    otherwise: Option<Reaction>,
    received: Vec<Received>,
}

/// The server. It takes everything unless it is told otherwise, and remembers what came.
pub struct N8n {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    count: Arc<watch::Sender<usize>>,
    server: Mutex<Option<ServerHandle>>,
}

impl N8n {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let n8n = Self {
            address,
            script: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
            server: Mutex::default(),
        };
        n8n.serve(listener);
        n8n
    }

    fn serve(&self, listener: TcpListener) {
        let (script, count) = (self.script.clone(), self.count.clone());
        let app = move || {
            let (script, count) = (script.clone(), count.clone());
            let take = move |request: HttpRequest, body: web::Bytes| {
                let (number, reaction) = note(&script, &count, &request, &body);
                let external_id = format!("SM-{}", header(&request, "webhook-id"));
                let script = script.clone();
                async move {
                    let answer = react(reaction, external_id).await;
                    if answer.status().is_success() {
                        script.lock().unwrap().received[number].taken = Some(Instant::now());
                    }
                    answer
                }
            };
            App::new()
                .app_data(web::PayloadConfig::new(1 << 20))
                .default_service(web::to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("a listener").run();
        *self.server.lock().unwrap() = Some(server.handle());
        tokio::spawn(server);
    }

    /// Where it takes notifications.
    pub fn url(&self) -> String {
        format!("http://{}/webhook/ticket-created", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it behaves so.
    pub fn always(&self, reaction: Reaction) {
        self.script.lock().unwrap().otherwise = Some(reaction);
    }

    /// From now on it takes everything.
    pub fn works(&self) {
        self.script.lock().unwrap().otherwise = None;
    }

    /// Behaves so towards the next request, after those that were said before.
    pub fn then(&self, reaction: Reaction) {
        self.script.lock().unwrap().next.push_back(reaction);
    }

    /// Goes away: connections are refused.
    pub async fn go_away(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            server.stop(false).await;
        }
    }

    /// Comes back on the same port.
    pub fn come_back(&self) {
        self.serve(TcpListener::bind(self.address).expect("the same port"));
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().unwrap().received.clone()
    }

    /// Whether something came for which `wanted` says so; the newest is looked at first.
    pub fn has(&self, wanted: impl Fn(&Received) -> bool) -> bool {
        self.script.lock().unwrap().received.iter().rev().any(wanted)
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until `count` requests came, in all.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Vec<Received> {
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(patience, counter.wait_for(|came| *came >= count)).await;
        let received = self.received();
        assert!(
            came.is_ok(),
            "{} of {count} notifications came within {patience:?}",
            received.len()
        );
        received
    }
}

/// Takes a request down: which one it is, and how the server is to behave.
fn note(script: &Mutex<Script>, count: &watch::Sender<usize>, request: &HttpRequest, body: &[u8]) -> (usize, Reaction) {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let mut script = script.lock().unwrap();
    let number = script.received.len();
    script.received.push(Received {
        path: request.uri().to_string(),
        headers: headers.collect(),
        body: body.to_vec(),
        at: Instant::now(),
        taken: None,
    });
    count.send_modify(|count| *count += 1);
    let next = script.next.pop_front();
    let reaction = next.or_else(|| script.otherwise.clone());
    (number, reaction.unwrap_or_else(|| Reaction::status(200)))
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn react(mut reaction: Reaction, external_id: String) -> HttpResponse {
    loop {
        match reaction {
            Reaction::Answer(status, headers, body) => {
                let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
                for header in headers {
                    response.insert_header(header);
                }
                return response.body(body);
            }
            Reaction::Hang => std::future::pending().await,
            Reaction::TakenByItsId => reaction = Reaction::taken(&external_id),
            Reaction::After(delay, then) => {
                tokio::time::sleep(delay).await;
                reaction = *then;
            }
        }
    }
}
