//! A web server in the place of n8n.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use crate::fake_server::{FakeServer, Journal};

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

    async fn respond(mut self, request: &Received) -> HttpResponse {
        loop {
            match self {
                Self::Respond(status, headers, body) => {
                    let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
                    for header in headers {
                        response.insert_header(header);
                    }
                    return response.body(body);
                }
                Self::Hang => std::future::pending().await,
                Self::AcceptWithOwnId => self = Self::accepted(&request.external_id()),
                Self::After(delay, then) => {
                    tokio::time::sleep(delay).await;
                    self = *then;
                }
            }
        }
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
    /// When the 2xx response was ready; `None` if there was none.
    pub accepted_at: Option<Instant>,
}

impl Received {
    fn new(request: &HttpRequest, body: &[u8]) -> Self {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        Self {
            path: request.uri().to_string(),
            headers: headers.collect(),
            body: body.to_vec(),
            at: Instant::now(),
            accepted_at: None,
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The `webhook-id`; empty if there is none.
    pub fn id(&self) -> &str {
        self.headers.get("webhook-id").map_or("", String::as_str)
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

/// The next reactions, and the one to all other requests.
#[derive(Default)]
struct Script {
    next: VecDeque<Reaction>,
    default: Option<Reaction>,
}

#[derive(Default)]
struct State {
    script: Mutex<Script>,
    received: Journal<Received>,
}

impl State {
    async fn handle(self: Arc<Self>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
        let reaction = {
            let mut script = self.script.lock().unwrap();
            script.next.pop_front().or_else(|| script.default.clone())
        };
        let received = Received::new(&request, &body);
        let index = self.received.push(received.clone());
        let reaction = reaction.unwrap_or_else(|| Reaction::status(200));
        let response = reaction.respond(&received).await;
        if response.status().is_success() {
            self.received
                .change(|received| received[index].accepted_at = Some(Instant::now()));
        }
        response
    }
}

/// A web server that reacts as scripted to every path, and records all requests. Unscripted, it responds 200.
pub struct FakeN8n {
    address: SocketAddr,
    state: Arc<State>,
    server: Mutex<Option<FakeServer>>,
}

impl FakeN8n {
    /// Starts it on a free port.
    pub fn start() -> Self {
        Self::start_at(0)
    }

    /// Starts it on this port.
    pub fn start_at(port: u16) -> Self {
        let state = Arc::<State>::default();
        let server = serve(port, &state);
        Self {
            address: server.address(),
            state,
            server: Mutex::new(Some(server)),
        }
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
        self.state.script.lock().unwrap().default = Some(reaction);
    }

    /// Reacts this way to the next request that has no reaction yet.
    pub fn then(&self, reaction: Reaction) {
        self.state.script.lock().unwrap().next.push_back(reaction);
    }

    /// Stops listening: connections are refused.
    pub async fn go_away(&self) {
        let server = self.server.lock().unwrap().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        *self.server.lock().unwrap() = Some(serve(self.address.port(), &self.state));
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.look(<[Received]>::to_vec)
    }

    /// The newest request about a ticket.
    pub fn newest_about(&self, reference: &str) -> Option<Received> {
        // Without parsing each: this may be asked often, of many.
        let named = format!("\"ticketRef\":\"{reference}\"");
        let is_about = |received: &&Received| String::from_utf8_lossy(&received.body).contains(&named);
        self.state.received.look(|all| all.iter().rev().find(is_about).cloned())
    }

    /// How many requests were received so far.
    pub fn count(&self) -> usize {
        self.state.received.look(<[Received]>::len)
    }

    /// Waits until `count` requests were received in all.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        let what = format!("{count} requests");
        self.state
            .received
            .wait_for(timeout, &what, |all| all.len() >= count)
            .await
    }
}

fn serve(port: u16, state: &Arc<State>) -> FakeServer {
    let state = state.clone();
    FakeServer::start(port, move |request, body| state.clone().handle(request, body))
}
