//! A server process and the requests to it.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::watch,
    time::timeout,
};

use crate::{
    INBOUND_KEY, OPERATOR_TOKEN, Response, ServerOptions, Signal, TempStore, http_client, open_api,
    private_data::PrivateData, signal, sum_of_metrics,
};

/// How long anything may take that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between two looks at something that changes.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Headers that clients rely on, so the `OpenAPI` document has to announce them.
const ANNOUNCED_HEADERS: [&str; 6] = [
    "location",
    "etag",
    "idempotent-replayed",
    "retry-after",
    "allow",
    "x-request-id",
];

/// What a process wrote, line by line.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    address: watch::Sender<Option<SocketAddr>>,
    count: watch::Sender<usize>,
}

impl Log {
    async fn read(self: Arc<Self>, pipe: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(entry) = serde_json::from_str::<Value>(&line)
                && entry["message"] == "listening"
            {
                let address = entry["address"].as_str().and_then(|address| address.parse().ok());
                self.address.send_replace(address);
            }
            self.lines.lock().unwrap().push(line);
            self.count.send_modify(|count| *count += 1);
        }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

/// A running server.
///
/// Every response is checked against the server's own `OpenAPI` document, and the log is checked for private data when
/// the server ends.
pub struct TestServer {
    process: Child,
    log: Arc<Log>,
    private_data: PrivateData,
    log_is_checked: bool,
    readers: [tokio::task::JoinHandle<()>; 2],
    address: SocketAddr,
    client: Client,
    document: OnceLock<Value>,
    metrics_read_at: tokio::sync::Mutex<Option<Instant>>,
}

impl TestServer {
    /// How to start a server on `store`.
    pub fn on(store: &TempStore) -> ServerOptions {
        ServerOptions::new(store)
    }

    pub(crate) async fn start(options: &ServerOptions) -> Self {
        let mut command = options.command(&["serve"]);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Log::default());
        let readers = [
            tokio::spawn(log.clone().read(process.stdout.take().expect("a pipe"))),
            tokio::spawn(log.clone().read(process.stderr.take().expect("a pipe"))),
        ];
        let mut address = log.address.subscribe();
        let listening = timeout(TIMEOUT, address.wait_for(Option::is_some)).await;
        let Ok(Ok(address)) = listening.map(|found| found.map(|found| *found)) else {
            panic!("the server did not start:\n{}", log.text());
        };
        let private_data = PrivateData::default();
        for (variable, value) in options.variables() {
            private_data.note(variable, value);
        }
        Self {
            process,
            log,
            private_data,
            log_is_checked: false,
            readers,
            address: address.expect("an address"),
            client: http_client(TIMEOUT),
            document: OnceLock::new(),
            metrics_read_at: tokio::sync::Mutex::default(),
        }
    }

    /// Its address, followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("a running process")
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits for a log line that contains `part`.
    pub async fn wait_for_log(&self, part: &str) {
        let mut count = self.log.count.subscribe();
        let seen = count.wait_for(|_| self.log.lines.lock().unwrap().iter().any(|line| line.contains(part)));
        assert!(
            timeout(TIMEOUT, seen).await.is_ok(),
            "no line with {part:?} in:\n{}",
            self.log()
        );
    }

    /// Sends a request and checks the response against the `OpenAPI` document.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Response {
        let response = self.try_send(method, path, headers, body).await.expect("a response");
        let announced = ANNOUNCED_HEADERS.into_iter();
        let announced: Vec<&str> = announced.filter(|name| response.headers.contains_key(*name)).collect();
        let document = self.document().await;
        if let Some(objection) = open_api::objection(document, method, path, response.status, &announced) {
            panic!("the OpenAPI document is wrong: {objection}");
        }
        response
    }

    /// Sends a request without checking the response; the server may be gone.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Response> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, self.url(path));
        self.private_data.note_address(path);
        for (name, value) in headers {
            self.private_data.note(name, value);
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            self.private_data.note_body(&body);
            request = request.body(body);
        }
        let response = Response::of(request).await?;
        self.private_data.note_body(response.text.as_bytes());
        for (name, value) in &response.headers {
            self.private_data
                .note(name.as_str(), value.to_str().unwrap_or_default());
        }
        Ok(response)
    }

    async fn document(&self) -> &Value {
        if self.document.get().is_none() {
            let document = self.try_send("GET", "/api/openapi.json", &[], None).await;
            drop(self.document.set(document.expect("the document").json()));
        }
        self.document.get().expect("the document")
    }

    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], None).await
    }

    /// Sends a GET as an operator.
    pub async fn get_as_operator(&self, path: &str) -> Response {
        let bearer = format!("Bearer {OPERATOR_TOKEN}");
        self.send("GET", path, &[("authorization", &bearer)], None).await
    }

    /// Sends a JSON body as an operator.
    pub async fn send_as_operator(&self, method: &str, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {OPERATOR_TOKEN}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        self.send(method, path, &headers, Some(body.to_string().into_bytes()))
            .await
    }

    /// Sends a POST with a JSON body.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, Some(body.to_string().into_bytes())).await
    }

    /// Sends the form to the API.
    pub async fn create(&self, form: &Value) -> Response {
        self.post("/api/ticket", &[], form).await
    }

    /// Opens a ticket and returns its reference.
    pub async fn open(&self) -> String {
        let response = self.create(&crate::ticket()).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.field("ticketRef")
    }

    /// Reads a ticket.
    pub async fn ticket(&self, reference: &str) -> Value {
        let response = self.get(&format!("/api/ticket/{reference}")).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }

    /// The texts of a ticket's messages, oldest first.
    pub async fn messages(&self, reference: &str) -> Vec<String> {
        let ticket = self.ticket(reference).await;
        let messages = ticket["messages"].as_array().expect("messages").iter();
        messages
            .map(|message| message["body"].as_str().expect("a text").to_owned())
            .collect()
    }

    /// Calls the inbound endpoint with the right key.
    pub async fn inbound(&self, body: &Value) -> Response {
        self.post("/api/ticket/inbound", &[("x-api-key", INBOUND_KEY)], body)
            .await
    }

    /// The delivery state of a ticket's newest notification.
    pub async fn delivery(&self, reference: &str) -> String {
        let ticket = self.ticket(reference).await;
        let state = ticket["ticket"]["delivery"]["state"].as_str();
        state.expect("a state").to_owned()
    }

    /// Waits for a delivery state of a ticket's newest notification.
    pub async fn wait_for_delivery(&self, reference: &str, state: &str) {
        let reached = timeout(TIMEOUT, async {
            while self.delivery(reference).await != state {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        assert!(reached.await.is_ok(), "{reference} did not become {state}");
    }

    /// The sum of the samples of `/metrics` whose lines start with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics(&[name]).await
    }

    /// The sum of several samples of one moment, which is not before the call: the server keeps what it asked the store
    /// for a second, so this waits until that is over.
    async fn metrics(&self, names: &[&str]) -> f64 {
        let mut read_at = self.metrics_read_at.lock().await;
        if let Some(read_at) = *read_at {
            tokio::time::sleep_until((read_at + Duration::from_millis(1_050)).into()).await;
        }
        let text = self.get("/metrics").await.text;
        *read_at = Some(Instant::now());
        sum_of_metrics(&text, names).unwrap_or_default()
    }

    /// Waits until a metric has a value.
    pub async fn wait_for_metric(&self, name: &str, value: f64) {
        let reached = timeout(TIMEOUT, async {
            while (self.metric(name).await - value).abs() > f64::EPSILON {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        assert!(reached.await.is_ok(), "{name} did not become {value}");
    }

    /// Waits until no notification is due, scheduled or being sent.
    pub async fn wait_for_empty_outbox(&self) {
        let empty = timeout(Duration::from_mins(1), async {
            // Both of one moment: a notification whose lease ends between two looks would be missed by both.
            let pending = ["notifications{state=\"waiting\"}", "notifications{state=\"leased\"}"];
            while self.metrics(&pending).await > 0.0 {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        assert!(empty.await.is_ok(), "notifications are still waiting");
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("the process is killed");
        self.check_log().await;
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(self.pid(), Signal::TERM);
    }

    /// Sends SIGTERM and waits up to 25 seconds for the exit.
    pub async fn stop(mut self) -> ExitStatus {
        self.terminate();
        let status = timeout(Duration::from_secs(25), self.process.wait()).await;
        let status = status.expect("it stops within 25 s").expect("a status");
        self.check_log().await;
        status
    }

    /// Fails if a log line shows a secret or what people wrote.
    async fn check_log(&mut self) {
        for reader in &mut self.readers {
            reader.await.expect("the log is read to its end");
        }
        self.log_is_checked = true;
        self.assert_log_is_private();
    }

    fn assert_log_is_private(&self) {
        let log = self.log.text();
        let found = self.private_data.found_in(&log);
        assert!(found.is_empty(), "the log shows {}\n\n{log}", found.join("\n"));
    }
}

/// A test may end without stopping its server; what the server wrote until then is checked all the same.
impl Drop for TestServer {
    fn drop(&mut self) {
        if !self.log_is_checked && !std::thread::panicking() {
            self.assert_log_is_private();
        }
    }
}
