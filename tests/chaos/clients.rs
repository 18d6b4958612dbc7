//! Realistic clients, and what they expect to find. A website repeats a form with its `Idempotency-Key` until it knows
//! the result; n8n repeats a call with its `externalId`. Neither repeats a permanent rejection.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use black_box::{
    CUSTOMER, FakeN8n, INBOUND_KEY, MANAGER, OPERATOR_TOKEN, Response, http_client, sum_of_metrics, ticket_with, until,
};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

/// Pause before a client's next attempt.
const AGAIN: Duration = Duration::from_millis(200);

/// A client's timeout. Nobody should ever wait this long.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// How old the notification counts in `/metrics` may be.
const METRICS_AGE: Duration = Duration::from_millis(1_050);

/// Notifications that are to be sent.
const PENDING: [&str; 2] = ["notifications{state=\"waiting\"}", "notifications{state=\"leased\"}"];

/// A response: status and JSON, null if the body is none.
pub(crate) type StatusAndBody = (u16, Value);

/// What clients know.
#[derive(Default)]
pub(crate) struct Expected {
    /// Forms that got 201, with their references.
    pub(crate) forms: BTreeMap<u32, String>,
    /// Messages that got 200, with their forms.
    pub(crate) messages: BTreeMap<u32, u32>,
    /// Messages that became unmatched because their ticket was not certain.
    pub(crate) unmatched: BTreeSet<u32>,
    /// The longest wait for a complete response or a failure, and for which request.
    pub(crate) slowest: (Duration, String),
    /// Requests without a response, now and at most.
    waiting: u32,
    pub(crate) in_flight: u32,
    /// How many responses said that the store is not available.
    pub(crate) refused: usize,
    /// What must never happen; the first few say enough.
    pub(crate) anomalies: Vec<String>,
}

impl Expected {
    fn note_anomaly(&mut self, what: String) {
        if self.anomalies.len() < 5 {
            self.anomalies.push(what);
        }
    }
}

/// The number of the form with this text.
pub(crate) fn form_of(text: &str) -> Option<u32> {
    text.strip_prefix("form ")?.split(':').next()?.parse().ok()
}

/// The numbers of the message with this text and of its form.
pub(crate) fn message_of(text: &str) -> Option<(u32, u32)> {
    let (message, rest) = text.strip_prefix("message ")?.split_once(" for form ")?;
    Some((message.parse().ok()?, rest.split(':').next()?.parse().ok()?))
}

/// Whether the manager writes the message of this number. The customer writes every fifth.
pub(crate) fn is_answer(number: u32) -> bool {
    number % 5 != 3
}

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
    pub(crate) fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap()
    }

    /// Sends one request with this header. Returns `None` if there was no complete response.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        header: (&str, &str),
        body: Option<&Value>,
    ) -> Option<StatusAndBody> {
        let server = {
            let servers = self.servers.read().unwrap();
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            *servers.get(turn % servers.len().max(1))?
        };
        let request = self.http.request(method.clone(), format!("http://{server}{path}"));
        let mut request = request.header(header.0, header.1);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.fetch(request, &format!("{method} {path}")).await?;
        let body = serde_json::from_str(&response.text).unwrap_or_default();
        Some((response.status, body))
    }

    /// Gets a path with any key.
    pub(crate) async fn get(&self, path: &str) -> Option<StatusAndBody> {
        self.ask(Method::GET, path, ("accept", "*/*"), None).await
    }

    /// The whole response. The time counts until the end, whatever it is: a client whose connection is refused or whose
    /// server is killed notices at once, so a long wait is too long in any case.
    async fn fetch(&self, request: RequestBuilder, what: &str) -> Option<Response> {
        let begun = Instant::now();
        {
            let mut expected = self.expected();
            expected.waiting += 1;
            expected.in_flight = expected.in_flight.max(expected.waiting);
        }
        let response = Response::of(request).await;
        let mut expected = self.expected();
        expected.waiting -= 1;
        if begun.elapsed() > expected.slowest.0 {
            let end = match &response {
                Ok(response) => response.status.to_string(),
                Err(error) => error.to_string(),
            };
            expected.slowest = (begun.elapsed(), format!("{what}: {end}"));
        }
        response.ok()
    }

    /// Sends a request as an operator until the response is 200.
    pub(crate) async fn operate(&self, method: Method, path: &str) -> Value {
        let bearer = format!("Bearer {OPERATOR_TOKEN}");
        let answered = until(Duration::from_secs(30), async || {
            let answer = self.ask(method.clone(), path, ("authorization", &bearer), None).await;
            answer.filter(|(status, _)| *status == 200).map(|(_, body)| body)
        });
        answered.await.unwrap_or_else(|| panic!("{path} is not answered"))
    }

    /// Posts until the result is known: neither a lost response nor a store that is not available is one.
    async fn post(&self, path: &str, header: (&str, &str), body: &Value) -> StatusAndBody {
        loop {
            match self.ask(Method::POST, path, header, Some(body)).await {
                Some((500, body)) if body["code"] == "storage_unavailable" => self.expected().refused += 1,
                Some(answer) => return answer,
                None => {}
            }
            sleep(AGAIN).await;
        }
    }

    /// Sends a form. Returns the reference.
    pub(crate) async fn form(&self) -> Option<String> {
        let number = self.forms.fetch_add(1, Ordering::Relaxed);
        let form = ticket_with(&json!({ "message": format!("form {number}: I received broken ware.") }));
        let key = format!("form-{number}");
        let answer = self.post("/api/ticket", ("idempotency-key", &key), &form).await;
        let reference = answer.1["ticketRef"].as_str().filter(|_| answer.0 == 201);
        if let Some(reference) = reference {
            self.expected().forms.insert(number, reference.to_owned());
        } else {
            self.expected().note_anomaly(format!("form {number} got {answer:?}"));
        }
        reference.map(str::to_owned)
    }

    /// Sends a message for one of the known tickets.
    pub(crate) async fn message(&self) {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let Some((form, reference)) = self.any_ticket(number) else {
            return;
        };
        let body = self.message_body(number, form, &reference);
        let answer = self
            .post("/api/ticket/inbound", ("x-api-key", INBOUND_KEY), &body)
            .await;
        let mut expected = self.expected();
        match &answer {
            (200, body) => {
                if body["ticketRef"] != *reference {
                    expected.note_anomaly(format!("message {number} for {reference} got {body}"));
                }
                expected.messages.insert(number, form);
            }
            // The quoted message is not known yet: the server stores the reply as unmatched.
            (400, body) if body["code"] == "ticket_not_named" => {
                expected.unmatched.insert(number);
            }
            answer => expected.note_anomaly(format!("message {number} for {reference} got {answer:?}")),
        }
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
        let text = format!("message {number} for form {form}: we look into it.");
        let mut body = json!({ "message": text, "from": MANAGER, "externalId": format!("SM-chaos-{number}") });
        let quoted = (number % 5 == 1).then(|| self.n8n.newest_about(reference)).flatten();
        match (number % 5, quoted) {
            (1, Some(quoted)) => body["repliedToExternalId"] = json!(quoted.external_id()),
            (2, _) => body["message"] = json!(format!("{text} {reference}")),
            _ if !is_answer(number) => {
                body["ticketRef"] = json!(reference);
                body["from"] = json!(CUSTOMER);
            }
            _ => body["ticketRef"] = json!(reference),
        }
        body
    }

    /// Waits until so many answers of the manager are acknowledged; returns whether they are.
    pub(crate) async fn answered(&self, count: usize) -> bool {
        let answered = || {
            let expected = self.expected();
            expected.messages.keys().filter(|number| is_answer(**number)).count()
        };
        until(NO_ANSWER * 6, async || (answered() >= count).then_some(()))
            .await
            .is_some()
    }

    /// The sum of the samples of `/metrics` that start with one of `names`. `None` while the store is away.
    pub(crate) async fn metric(&self, names: &[&str]) -> Option<f64> {
        let server = *self.servers.read().unwrap().first()?;
        let request = self.http.get(format!("http://{server}/metrics"));
        let response = self.fetch(request, "GET /metrics").await?;
        sum_of_metrics(&response.text, names)
    }

    /// Waits until no notification is waiting or being sent; returns whether that happened in time.
    pub(crate) async fn drained(&self, limit: Duration) -> bool {
        // Counts from before the call prove nothing.
        sleep(METRICS_AGE).await;
        let is_drained = async || (self.metric(&PENDING).await == Some(0.0)).then_some(());
        until(limit, is_drained).await.is_some()
    }
}

/// A steady load of forms and messages that runs until it is ended.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Load {
    /// Starts this many forms and messages per second.
    pub(crate) fn start(clients: &Arc<Clients>, forms: u32, messages: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(clients.clone(), forms, messages, stopped));
        Self { stop, running }
    }

    /// Ends the load and waits for all pending requests.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.expect("clients that do not panic");
    }
}

async fn run(clients: Arc<Clients>, forms: u32, messages: u32, mut stopped: watch::Receiver<bool>) {
    let beat = |a_second: u32| {
        let mut beat = interval(Duration::from_secs(1) / a_second);
        // Missed ticks are not made up for in a burst.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat
    };
    let (mut forms, mut messages) = (beat(forms), beat(messages));
    let mut busy = JoinSet::new();
    loop {
        let clients = clients.clone();
        tokio::select! {
            _ = stopped.changed() => break,
            _ = forms.tick() => drop(busy.spawn(async move { drop(clients.form().await) })),
            _ = messages.tick() => drop(busy.spawn(async move { clients.message().await })),
            Some(_) = busy.join_next() => {}
        }
    }
    let answered = timeout(Duration::from_mins(1), async {
        while busy.join_next().await.is_some() {}
    })
    .await;
    if answered.is_err() {
        let anomaly = format!("{} clients never got an answer", busy.len());
        clients.expected().note_anomaly(anomaly);
    }
}
