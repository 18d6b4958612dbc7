//! The server as a process.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{INBOUND_KEY, N8n, OPERATOR_TOKEN, SHARED_SECRET, TempStore, open_api, private::Private};

/// Headers that a client may rely on, and that the `OpenAPI` document therefore announces.
const RELIED_ON: [&str; 6] = [
    "location",
    "etag",
    "idempotent-replayed",
    "retry-after",
    "allow",
    "x-request-id",
];

/// The environment of a process that is to be started.
pub struct DeskOptions {
    vars: BTreeMap<String, String>,
    folder: PathBuf,
    file_kib: Option<u32>,
    program: Option<PathBuf>,
}

impl DeskOptions {
    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.vars.insert(variable.into(), value.into());
        self
    }

    /// All variables.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.vars
    }

    /// Sends notifications there.
    #[must_use]
    pub fn telling(self, n8n: &N8n) -> Self {
        self.set("N8N_TICKET_CREATED_WEBHOOK", &n8n.url())
            .set("N8N_SHARED_SECRET", SHARED_SECRET)
    }

    /// Lets no file grow beyond so many KiB: writing more fails, as on a full disk.
    #[must_use]
    pub fn with_file_limit(mut self, kib: u32) -> Self {
        self.file_kib = Some(kib);
        self
    }

    /// Runs another program than the shipped binary.
    #[must_use]
    pub fn run_by(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// The binary with these arguments, not started yet. It ends when it is dropped.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = self.program.clone().unwrap_or_else(server_binary);
        let mut command = match self.file_kib {
            None => Command::new(program),
            Some(kib) => {
                // A write beyond the limit ends a process, unless the signal is ignored: then it fails.
                let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
                let mut shell = Command::new("/bin/bash");
                shell.args(["-c", &script]).arg(program);
                shell
            }
        };
        command
            .args(arguments)
            .env_clear()
            .envs(&self.vars)
            .current_dir(&self.folder)
            .kill_on_drop(true);
        command
    }

    /// Starts the binary with these arguments, its standard error going there.
    pub fn spawn(&self, arguments: &[&str], errors: Stdio) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the binary starts")
    }

    /// Runs the binary with these arguments to its end: exit status, standard output, standard error.
    pub async fn run(&self, arguments: &[&str]) -> (ExitStatus, String, String) {
        let output = timeout(Duration::from_secs(30), self.command(arguments).output());
        let output = output
            .await
            .expect("the command ends within 30 s")
            .expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 output");
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Starts the server and waits until it listens.
    pub async fn start(&self) -> TestServer {
        let mut command = self.command(&["serve"]);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Log::default());
        let readers = [
            tokio::spawn(log.clone().read(process.stdout.take().expect("a pipe"))),
            tokio::spawn(log.clone().read(process.stderr.take().expect("a pipe"))),
        ];
        let mut address = log.address.subscribe();
        let listening = timeout(Duration::from_secs(30), address.wait_for(Option::is_some)).await;
        let Ok(Ok(found)) = listening.map(|found| found.map(|found| *found)) else {
            panic!("the server did not start:\n{}", log.text());
        };
        let client = Client::builder()
            .no_proxy()
            // An answer is what the server said, not where it leads.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        let private = Private::default();
        for (variable, value) in &self.vars {
            private.note(variable, value);
        }
        TestServer {
            process,
            log,
            private,
            is_checked: false,
            readers,
            address: found.expect("an address"),
            client,
            document: OnceLock::new(),
            metrics_asked: tokio::sync::Mutex::default(),
        }
    }
}

/// The server that is tested: the one that `SERVER_BINARY` names, or else the release that was built here.
pub fn server_binary() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "which binary is tested is the runner's to say")]
    let named = std::env::var_os("SERVER_BINARY").map(PathBuf::from);
    let built = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/server"));
    let path = named.unwrap_or_else(built);
    assert!(
        path.is_file(),
        "there is no server at {}: run the tests with `make test`, or build it with `cargo build --release -p server`",
        path.display()
    );
    path.canonicalize().expect("a path")
}

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
                self.address
                    .send_replace(entry["address"].as_str().and_then(|address| address.parse().ok()));
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
pub struct TestServer {
    process: Child,
    log: Arc<Log>,
    /// What it was told, and told.
    private: Private,
    is_checked: bool,
    readers: [tokio::task::JoinHandle<()>; 2],
    address: SocketAddr,
    client: Client,
    document: OnceLock<Value>,
    metrics_asked: tokio::sync::Mutex<Option<Instant>>,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a text"))
    }

    /// The `code` of a problem, after a look at whether it is one.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(
            (&body["ok"], &body["status"]),
            (&json!(false), &json!(self.status)),
            "{body}"
        );
        for member in ["type", "title", "detail", "code"] {
            assert!(body[member].is_string(), "{member} in {body}");
        }
        body["code"].as_str().expect("a code").to_owned()
    }

    /// The fields that a problem names, in order.
    pub fn faulty_fields(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["field"].as_str().expect("a field").to_owned())
            .collect()
    }
}

impl TestServer {
    /// A server on `place`, on a free port of this machine, without a webhook, with everything else set.
    pub fn on(place: &TempStore) -> DeskOptions {
        DeskOptions {
            vars: BTreeMap::new(),
            folder: place.folder().to_owned(),
            file_kib: None,
            program: None,
        }
        .set("HOST", "127.0.0.1")
        .set("PORT", "0")
        .set("BASE_URL", "https://desk.example")
        .set("DATABASE_URL", &place.url())
        .set("RAILWAY_INBOUND_SECRET", INBOUND_KEY)
        .set("OPERATOR_TOKEN", OPERATOR_TOKEN)
        .set("AGENT_PHONE", crate::MANAGER)
        .set("LOG_FORMAT", "json")
    }

    /// Its address, followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The operating system's number of the process.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("a running process")
    }

    /// Its resident set in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits for a line of the log.
    pub async fn wait_for_log(&self, part: &str) {
        let mut count = self.log.count.subscribe();
        let seen = count.wait_for(|_| self.log.lines.lock().unwrap().iter().any(|line| line.contains(part)));
        assert!(
            timeout(Duration::from_secs(30), seen).await.is_ok(),
            "no line with {part:?} in:\n{}",
            self.log()
        );
    }

    /// Sends a request; holds the answer against the `OpenAPI` document.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Reply {
        let reply = self.try_send(method, path, headers, body).await.expect("an answer");
        let relied_on = RELIED_ON
            .iter()
            .filter(|name| reply.headers.contains_key(**name))
            .map(ToString::to_string);
        let relied_on: Vec<String> = relied_on.collect();
        let document = self.document().await;
        if let Some(objection) = open_api::objection(document, method, path, reply.status, &relied_on) {
            panic!("the OpenAPI document is not true: {objection}");
        }
        reply
    }

    /// Sends a request; the server may be gone.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Reply> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, self.url(path));
        self.private.address(path);
        for (name, value) in headers {
            self.private.note(name, value);
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            self.private.body(&body);
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        self.private.body(text.as_bytes());
        for (name, value) in &headers {
            self.private.note(name.as_str(), value.to_str().unwrap_or_default());
        }
        Ok(Reply { status, headers, text })
    }

    async fn document(&self) -> &Value {
        if self.document.get().is_none() {
            let reply = self
                .try_send("GET", "/api/openapi.json", &[], None)
                .await
                .expect("the document");
            drop(self.document.set(reply.json()));
        }
        self.document.get().expect("the document")
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    /// Reads as an operator.
    pub async fn get_as_operator(&self, path: &str) -> Reply {
        self.send(
            "GET",
            path,
            &[("authorization", &format!("Bearer {OPERATOR_TOKEN}"))],
            None,
        )
        .await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, Some(body.to_string().into_bytes())).await
    }

    /// Posts a form.
    pub async fn create(&self, form: &Value) -> Reply {
        self.post("/api/ticket", &[], form).await
    }

    /// Opens a ticket; gives its reference.
    pub async fn open(&self) -> String {
        let reply = self.create(&crate::ticket()).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["ticketRef"].as_str().expect("a reference").to_owned()
    }

    /// Reads a ticket.
    pub async fn ticket(&self, reference: &str) -> Value {
        let reply = self.get(&format!("/api/ticket/{reference}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Calls the inbound endpoint with the right key.
    pub async fn inbound(&self, body: &Value) -> Reply {
        self.post("/api/ticket/inbound", &[("x-api-key", INBOUND_KEY)], body)
            .await
    }

    /// Tells how far a message got, with the right key.
    pub async fn status(&self, body: &Value) -> Reply {
        self.post("/api/ticket/inbound/status", &[("x-api-key", INBOUND_KEY)], body)
            .await
    }

    /// How far a ticket's newest notification got.
    pub async fn delivery(&self, reference: &str) -> String {
        let ticket = self.ticket(reference).await;
        ticket["ticket"]["delivery"]["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// Waits until a ticket's newest notification is so far.
    pub async fn wait_for_delivery(&self, reference: &str, wanted: &str) {
        let reached = timeout(Duration::from_secs(30), async {
            while self.delivery(reference).await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(reached.await.is_ok(), "{reference} did not become {wanted}");
    }

    /// One number of `/metrics`: the sum of the lines that start with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics(&[name]).await
    }

    /// The sum of several numbers, all of one moment, which is not before the call: what the store is asked for may be a
    /// second old, so nobody asks sooner than that.
    async fn metrics(&self, names: &[&str]) -> f64 {
        let mut asked = self.metrics_asked.lock().await;
        if let Some(asked) = *asked {
            tokio::time::sleep_until((asked + Duration::from_millis(1_050)).into()).await;
        }
        let text = self.get("/metrics").await.text;
        *asked = Some(Instant::now());
        drop(asked);
        let lines = text
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until a metric has a value; asks again and again.
    pub async fn wait_for_metric(&self, name: &str, wanted: f64) {
        let reached = timeout(Duration::from_secs(30), async {
            while (self.metric(name).await - wanted).abs() > f64::EPSILON {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(reached.await.is_ok(), "{name} did not become {wanted}");
    }

    /// Waits until no notification waits or is under way.
    pub async fn all_settled(&self) {
        let settled = timeout(Duration::from_mins(1), async {
            // Of one moment: one whose lease ends between two looks would be seen by neither.
            let unsettled = ["notifications{state=\"waiting\"}", "notifications{state=\"leased\"}"];
            while self.metrics(&unsettled).await > 0.0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(settled.await.is_ok(), "notifications still wait");
    }

    /// Ends it as a power cut would.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("the process is killed");
        self.check_log().await;
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let killed = std::process::Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
    }

    /// Asks it to stop, and waits for its end.
    pub async fn stop(mut self) -> ExitStatus {
        self.terminate();
        let status = timeout(Duration::from_secs(25), self.process.wait()).await;
        let status = status.expect("it stops within 25 s").expect("a status");
        self.check_log().await;
        status
    }

    /// No log line may show a secret or what people wrote.
    async fn check_log(&mut self) {
        for reader in &mut self.readers {
            reader.await.expect("the log is read to its end");
        }
        self.is_checked = true;
        self.object_to_log();
    }

    fn object_to_log(&self) {
        let log = self.log.text();
        let found = self.private.found_in(&log);
        assert!(found.is_empty(), "the log shows {}\n\n{log}", found.join("\n"));
    }
}

/// A test may end without stopping its server; what that wrote until then is looked at all the same.
impl Drop for TestServer {
    fn drop(&mut self) {
        if !self.is_checked && !std::thread::panicking() {
            self.object_to_log();
        }
    }
}
