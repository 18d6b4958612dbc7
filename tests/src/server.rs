//! A server process and the requests to it.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    INBOUND_KEY, OPERATOR_TOKEN, Response, ServerOptions, Signal, TempStore, http_client, private_data::PrivateData,
    signal, sum_of_metrics, until,
};

/// How long anything may take that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

const JSON: (&str, &str) = ("content-type", "application/json");

/// The lines that a process wrote.
#[derive(Default)]
struct Log(watch::Sender<Vec<String>>);

impl Log {
    async fn read(self: Arc<Self>, pipe: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.0.send_modify(|lines| lines.push(line));
        }
    }

    /// Waits for a line that contains `part`, and returns it.
    async fn wait_for(&self, part: &str) -> String {
        let mut lines = self.0.subscribe();
        let is_it = |line: &&String| line.contains(part);
        let seen = lines.wait_for(|lines| lines.iter().any(|line| is_it(&line)));
        if let Ok(Ok(lines)) = timeout(TIMEOUT, seen).await {
            return lines.iter().find(is_it).expect("this line").clone();
        }
        panic!("no line with {part:?} in:\n{}", self.text());
    }

    fn text(&self) -> String {
        self.0.borrow().join("\n")
    }
}

/// A running server. Its log is checked for private data when it ends.
pub struct TestServer {
    process: Child,
    log: Arc<Log>,
    private_data: PrivateData,
    log_is_checked: bool,
    readers: [JoinHandle<()>; 2],
    address: SocketAddr,
    client: Client,
    metrics_read_at: Mutex<Option<Instant>>,
}

impl TestServer {
    /// How to start a server on `store`.
    pub fn on(store: &TempStore) -> ServerOptions {
        ServerOptions::new(store)
    }

    pub(crate) async fn start(options: &ServerOptions) -> Self {
        let mut command = options.command(&["serve"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let log = Arc::new(Log::default());
        let readers = [
            tokio::spawn(log.clone().read(process.stdout.take().expect("a pipe"))),
            tokio::spawn(log.clone().read(process.stderr.take().expect("a pipe"))),
        ];
        let listening = log.wait_for("\"message\":\"listening\"").await;
        let listening: Value = serde_json::from_str(&listening).expect("a line of JSON");
        let address = listening["address"].as_str().and_then(|address| address.parse().ok());
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
            metrics_read_at: Mutex::default(),
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
        self.log.wait_for(part).await;
    }

    /// Sends a request.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Response {
        self.try_send(method, path, headers, body).await.expect("a response")
    }

    /// Sends a request to a server that may be gone.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<Response> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, self.url(path));
        self.private_data.note_address(path);
        for (name, value) in headers {
            self.private_data.note(name, value);
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            self.private_data.note_body(body.as_bytes());
            request = request.body(body);
        }
        let response = Response::of(request).await?;
        self.private_data.note_body(response.text.as_bytes());
        for (name, value) in &response.headers {
            let value = value.to_str().unwrap_or_default();
            self.private_data.note(name.as_str(), value);
        }
        Ok(response)
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
        let headers = [JSON, ("authorization", &bearer)];
        self.send(method, path, &headers, Some(body.to_string())).await
    }

    /// Sends a POST with a JSON body.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let headers = [&[JSON], headers].concat();
        self.send("POST", path, &headers, Some(body.to_string())).await
    }

    /// Sends the form to the API, under a key of its own, so that the same form is another ticket.
    pub async fn create(&self, form: &Value) -> Response {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let key = format!("form {}", CREATED.fetch_add(1, Ordering::Relaxed));
        self.post("/api/ticket", &[("idempotency-key", &key)], form).await
    }

    /// Opens a ticket and returns its reference.
    pub async fn open(&self) -> String {
        self.open_with(&crate::ticket()).await
    }

    /// The same with this form.
    pub async fn open_with(&self, form: &Value) -> String {
        let response = self.create(form).await;
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
        let reached = until(TIMEOUT, async || {
            (self.delivery(reference).await == state).then_some(())
        });
        assert!(reached.await.is_some(), "{reference} did not become {state}");
    }

    /// The sum of the samples of `/metrics` whose lines start with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics(&[name]).await
    }

    /// The sum of several samples of one moment, which is not before the call: the server keeps what it asked the store
    /// for a second, so this waits until that is over.
    async fn metrics(&self, names: &[&str]) -> f64 {
        let read_at = *self.metrics_read_at.lock().unwrap();
        if let Some(read_at) = read_at {
            tokio::time::sleep_until((read_at + Duration::from_millis(1_050)).into()).await;
        }
        let text = self.get("/metrics").await.text;
        *self.metrics_read_at.lock().unwrap() = Some(Instant::now());
        sum_of_metrics(&text, names).unwrap_or_default()
    }

    /// Waits until a metric is at least `value`.
    pub async fn wait_for_metric(&self, name: &str, value: f64) {
        let reached = until(TIMEOUT, async || (self.metric(name).await >= value).then_some(()));
        assert!(reached.await.is_some(), "{name} did not become {value}");
    }

    /// Waits until no notification is due, scheduled or being sent.
    pub async fn wait_for_empty_outbox(&self) {
        // Both of one moment: a notification whose lease ends between two looks would be missed by both.
        let pending = ["notifications{state=\"waiting\"}", "notifications{state=\"leased\"}"];
        let is_empty = async || (self.metrics(&pending).await < 1.0).then_some(());
        let empty = until(Duration::from_mins(1), is_empty);
        assert!(empty.await.is_some(), "notifications are still waiting");
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("the process is killed");
        self.check_log().await;
    }

    /// Sends SIGTERM and waits up to 25 seconds for the exit.
    pub async fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        let status = timeout(Duration::from_secs(25), self.process.wait()).await;
        let status = status.expect("it stops within 25 s").expect("a status");
        self.check_log().await;
        status
    }

    /// Sends SIGTERM and asserts that it ends well.
    pub async fn end(self) {
        let status = self.stop().await;
        assert!(status.success(), "{status}");
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
