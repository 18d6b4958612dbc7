//! Realistic clients. A website repeats a form with its `Idempotency-Key` until it knows the result; n8n repeats a call with
//! its `externalId`. Neither repeats a permanent rejection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use black_box::{CUSTOMER, FakeN8n, INBOUND_KEY, MANAGER, OPERATOR_TOKEN, http_client, sum_of_metrics};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::expected::{Expected, form_text, message_text};

/// Pause before a client's next attempt.
const AGAIN: Duration = Duration::from_millis(200);

/// A client's timeout. Nobody should ever wait this long.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// How old the notification counts in `/metrics` may be.
const COUNTED_ANEW_AFTER: Duration = Duration::from_millis(1_050);

/// A response: status and JSON, null if the body is none.
pub(crate) type Response = (u16, Value);

/// All clients of the servers.
pub(crate) struct Clients {
    http: Client,
    servers: RwLock<Vec<SocketAddr>>,
    turn: AtomicUsize,
    forms: AtomicU32,
    messages: AtomicU32,
    expected: Mutex<Expected>,
    n8n: Arc<FakeN8n>,
}

impl Clients {
    /// Clients that can quote messages which `n8n` accepted.
    pub(crate) fn new(n8n: Arc<FakeN8n>) -> Self {
        Self {
            http: http_client(NO_ANSWER),
            servers: RwLock::default(),
            turn: AtomicUsize::new(0),
            forms: AtomicU32::new(0),
            messages: AtomicU32::new(0),
            expected: Mutex::default(),
            n8n,
        }
    }

    /// Sends all requests to these servers from now on, in turns.
    pub(crate) fn go_to(&self, servers: &[SocketAddr]) {
        *self.servers.write().unwrap() = servers.to_vec();
    }

    /// What they expect to find.
    pub(crate) fn expected(&self) -> std::sync::MutexGuard<'_, Expected> {
        self.expected.lock().unwrap()
    }

    /// Sends one request. Returns nothing if there was no complete response.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Response> {
        let server = {
            let servers = self.servers.read().unwrap();
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            *servers.get(turn % servers.len().max(1))?
        };
        let mut request = self.http.request(method.clone(), format!("http://{server}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let (status, text) = self.fetch(request, &format!("{method} {path}")).await?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// The status and the whole body. The time counts until the end, whatever it is: a client whose connection is refused or
    /// whose server is killed notices at once, so a long wait is too long in any case.
    async fn fetch(&self, request: RequestBuilder, what: &str) -> Option<(u16, String)> {
        let begun = Instant::now();
        self.expected().begin();
        let fetched = async {
            let response = request.send().await.map_err(|_| "no answer".to_owned())?;
            let status = response.status().as_u16();
            let text = response.text().await.map_err(|_| format!("{status}, broken off"))?;
            Ok((status, text))
        };
        let fetched: Result<_, String> = fetched.await;
        let end = match &fetched {
            Ok((status, _)) => status.to_string(),
            Err(end) => end.clone(),
        };
        self.expected().waited(begun.elapsed(), format!("{what}: {end}"));
        fetched.ok()
    }

    /// Sends a request as an operator until the response is 200.
    pub(crate) async fn operate(&self, method: Method, path: &str) -> Value {
        let key = format!("Bearer {OPERATOR_TOKEN}");
        let asked = timeout(Duration::from_secs(30), async {
            loop {
                let answer = self.ask(method.clone(), path, &[("authorization", &key)], None).await;
                if let Some((200, body)) = answer {
                    return body;
                }
                sleep(AGAIN).await;
            }
        });
        asked.await.unwrap_or_else(|_| panic!("{path} is not answered"))
    }

    /// Sends a form and repeats it until its result is known. Returns the reference.
    pub(crate) async fn form(&self) -> Option<String> {
        let number = self.forms.fetch_add(1, Ordering::Relaxed);
        let mut form = black_box::ticket();
        form["message"] = json!(form_text(number));
        let key = format!("form-{number}");
        loop {
            let answer = self
                .ask(Method::POST, "/api/ticket", &[("idempotency-key", &key)], Some(&form))
                .await;
            match answer {
                Some((201, body)) => {
                    let reference = body["ticketRef"].as_str()?.to_owned();
                    self.expected().forms.insert(number, reference.clone());
                    return Some(reference);
                }
                Some(answer) if !is_passing(&answer) => {
                    self.expected().note_anomaly(format!("form {number} got {answer:?}"));
                    return None;
                }
                answer => self.be_refused(answer.as_ref()).await,
            }
        }
    }

    /// Sends a message for one of the known tickets and repeats it until its result is known.
    pub(crate) async fn message(&self) {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let Some((form, reference)) = self.any_ticket(number) else {
            return;
        };
        let body = self.message_body(number, form, &reference);
        loop {
            let answer = self
                .ask(
                    Method::POST,
                    "/api/ticket/inbound",
                    &[("x-api-key", INBOUND_KEY)],
                    Some(&body),
                )
                .await;
            match answer {
                Some((200, answer)) => {
                    let mut expected = self.expected();
                    if answer["ticketRef"] != *reference {
                        expected.note_anomaly(format!("message {number} for {reference} got {answer}"));
                    }
                    expected.messages.insert(number, form);
                    return;
                }
                // The quoted message is not known yet: the server stores the reply as unmatched.
                Some((400, answer)) if answer["code"] == "ticket_not_named" => {
                    self.expected().kept.insert(number);
                    return;
                }
                Some(answer) if !is_passing(&answer) => {
                    self.expected()
                        .note_anomaly(format!("message {number} for {reference} got {answer:?}"));
                    return;
                }
                answer => self.be_refused(answer.as_ref()).await,
            }
        }
    }

    /// Waits a little before the next attempt.
    async fn be_refused(&self, answer: Option<&Response>) {
        if answer.is_some() {
            self.expected().refused += 1;
        }
        sleep(AGAIN).await;
    }

    /// An acknowledged ticket, each equally likely.
    fn any_ticket(&self, number: u32) -> Option<(u32, String)> {
        let expected = self.expected();
        // Knuth's multiplicative hash: scattered and reproducible.
        let at = number.wrapping_mul(2_654_435_761) as usize % expected.forms.len().max(1);
        let found = expected.forms.iter().nth(at);
        found.map(|(form, reference)| (*form, reference.clone()))
    }

    /// In turns: n8n names the ticket; the manager names or quotes it; the customer writes. The text names its form, so that a
    /// message in the wrong ticket is noticed.
    fn message_body(&self, number: u32, form: u32, reference: &str) -> Value {
        let text = message_text(number, form);
        let mut body = json!({ "message": text, "from": MANAGER, "externalId": format!("SM-chaos-{number}") });
        let quoted = if number % 5 == 1 {
            self.quotable(reference)
        } else {
            None
        };
        match (number % 5, quoted) {
            (1, Some(quoted)) => body["repliedToExternalId"] = json!(quoted),
            (2, _) => body["message"] = json!(format!("{text} {reference}")),
            (3, _) => {
                body["ticketRef"] = json!(reference);
                body["from"] = json!(CUSTOMER);
            }
            _ => body["ticketRef"] = json!(reference),
        }
        body
    }

    /// The external id of a notification of the ticket.
    fn quotable(&self, reference: &str) -> Option<String> {
        let newest = self.n8n.newest(|received| received.ticket_ref() == reference);
        newest.map(|received| received.external_id())
    }

    /// The sum of the samples of `/metrics` that start with one of `names`. Nothing while the store is away.
    pub(crate) async fn metric(&self, names: &[&str]) -> Option<f64> {
        let server = *self.servers.read().unwrap().first()?;
        let request = self.http.get(format!("http://{server}/metrics"));
        let (_, text) = self.fetch(request, "GET /metrics").await?;
        sum_of_metrics(&text, names)
    }

    /// Waits until no notification is waiting or being sent; returns whether that happened in time.
    pub(crate) async fn drained(&self, patience: Duration) -> bool {
        // Counts from before the call prove nothing.
        sleep(COUNTED_ANEW_AFTER).await;
        let unsettled = ["notifications{state=\"waiting\"}", "notifications{state=\"leased\"}"];
        let drained = timeout(patience, async {
            while self.metric(&unsettled).await != Some(0.0) {
                sleep(Duration::from_millis(50)).await;
            }
        });
        drained.await.is_ok()
    }
}

/// Whether a client repeats a request with this response.
fn is_passing((status, body): &Response) -> bool {
    *status == 500 && body["code"] == "storage_unavailable"
}
