//! A web server in the place of n8n.

use std::{
    collections::{HashMap, VecDeque},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::StatusCode, web};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How the server reacts to a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Responds with a status, headers and a body.
    Respond(u16, Vec<(&'static str, String)>, String),
    /// Never responds.
    Hang,
    /// Reacts after a delay.
    After(Duration, Box<Reaction>),
    /// Accepts the message under the external id `SM-` followed by the request's `webhook-id`.
    AcceptWithOwnId,
}

impl Reaction {
    /// A response without headers or body.
    pub fn status(status: u16) -> Self {
        Self::Respond(status, Vec::new(), String::new())
    }

    /// A JSON response with status 200.
    pub fn json(body: &Value) -> Self {
        Self::Respond(200, Vec::new(), body.to_string())
    }

    /// What our workflow responds when Twilio accepted the message.
    pub fn accepted(external_id: &str) -> Self {
        Self::json(&json!({ "ok": true, "externalId": external_id }))
    }

    /// The same reaction, later.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }
}

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path with its query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// When the request arrived.
    pub at: Instant,
    /// When the 2xx response was ready; nothing if there was none.
    pub accepted_at: Option<Instant>,
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

    /// The external id that [`Reaction::AcceptWithOwnId`] gives this message.
    pub fn external_id(&self) -> String {
        format!("SM-{}", self.id())
    }

    /// The ticket in the notification.
    pub fn ticket_ref(&self) -> String {
        self.json()["ticketRef"].as_str().expect("a reference").to_owned()
    }
}

#[derive(Default)]
struct Script {
    next: VecDeque<Reaction>,
    default: Option<Reaction>,
    received: Vec<Received>,
}

impl Script {
    /// Records a request; returns its index and the reaction to it.
    fn record(&mut self, request: &HttpRequest, body: &[u8]) -> (usize, Reaction) {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        self.received.push(Received {
            path: request.uri().to_string(),
            headers: headers.collect(),
            body: body.to_vec(),
            at: Instant::now(),
            accepted_at: None,
        });
        let reaction = self.next.pop_front().or_else(|| self.default.clone());
        let reaction = reaction.unwrap_or_else(|| Reaction::status(200));
        (self.received.len() - 1, reaction)
    }
}

/// A web server that reacts as scripted to every path, and records all requests. Unscripted, it responds 200.
pub struct FakeN8n {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    count: Arc<watch::Sender<usize>>,
    server: Mutex<Option<ServerHandle>>,
}

impl Drop for FakeN8n {
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().ok().and_then(Option::take) {
            // The command is sent at once; nobody waits for the end.
            drop(server.stop(false));
        }
    }
}

impl FakeN8n {
    /// Starts it on a free port.
    pub fn start() -> Self {
        Self::start_at(0)
    }

    /// Starts it on this port.
    pub fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let n8n = Self {
            address: listener.local_addr().expect("an address"),
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
            let handler = move |request: HttpRequest, body: web::Bytes| {
                let (script, count) = (script.clone(), count.clone());
                async move {
                    let (index, reaction) = script.lock().unwrap().record(&request, &body);
                    count.send_modify(|count| *count += 1);
                    let response = respond(reaction, &request).await;
                    if response.status().is_success() {
                        script.lock().unwrap().received[index].accepted_at = Some(Instant::now());
                    }
                    response
                }
            };
            App::new()
                .app_data(web::PayloadConfig::new(1 << 20))
                .default_service(web::to(handler))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("a listener").run();
        *self.server.lock().unwrap() = Some(server.handle());
        tokio::spawn(server);
    }

    /// The URL for notifications.
    pub fn url(&self) -> String {
        format!("{}/webhook/ticket-created", self.origin())
    }

    /// Its scheme, host and port.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reacts this way from now on.
    pub fn always(&self, reaction: Reaction) {
        self.script.lock().unwrap().default = Some(reaction);
    }

    /// Reacts this way to the next request that has no reaction yet.
    pub fn then(&self, reaction: Reaction) {
        self.script.lock().unwrap().next.push_back(reaction);
    }

    /// Stops listening: connections are refused.
    pub async fn go_away(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            server.stop(false).await;
        }
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        self.serve(TcpListener::bind(self.address).expect("the same port"));
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.script.lock().unwrap().received.clone()
    }

    /// The newest request for which `wanted` holds.
    pub fn newest(&self, wanted: impl Fn(&Received) -> bool) -> Option<Received> {
        let script = self.script.lock().unwrap();
        script.received.iter().rev().find(|received| wanted(received)).cloned()
    }

    /// How many requests were received so far.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until `count` requests were received in all.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(timeout, counter.wait_for(|came| *came >= count)).await;
        let received = self.received();
        assert!(
            came.is_ok(),
            "{} of {count} requests came within {timeout:?}",
            received.len()
        );
        received
    }
}

async fn respond(mut reaction: Reaction, request: &HttpRequest) -> HttpResponse {
    loop {
        match reaction {
            Reaction::Respond(status, headers, body) => {
                let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
                for header in headers {
                    response.insert_header(header);
                }
                return response.body(body);
            }
            Reaction::Hang => std::future::pending().await,
            Reaction::AcceptWithOwnId => {
                let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok());
                reaction = Reaction::accepted(&format!("SM-{}", id.unwrap_or_default()));
            }
            Reaction::After(delay, then) => {
                tokio::time::sleep(delay).await;
                reaction = *then;
            }
        }
    }
}
