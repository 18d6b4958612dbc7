//! The server under load, as it runs in production: its log goes to a file, and nobody reads along.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use black_box::{Response, ServerOptions, TempStore, http_client};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

/// How often readiness is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A running server.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    pub(crate) client: Client,
    /// The time from the start of the process until it was ready.
    pub(crate) ready_in: Duration,
}

impl Server {
    /// Starts one on `store` without rate limits, and waits until it is ready.
    pub(crate) async fn start(store: &TempStore, options: ServerOptions) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.unwrap();
        let log = store.folder().join("log");
        let port = address.port().to_string();
        let options = options.set("PORT", &port).set("RATE_LIMITS", "off");
        let begun = Instant::now();
        let mut command = options.command(&["serve"]);
        command.stdout(File::create(&log).unwrap()).stderr(Stdio::inherit());
        let mut server = Self {
            process: command.spawn().unwrap(),
            address,
            client: http_client(Duration::from_mins(1)),
            ready_in: Duration::ZERO,
        };
        let ready = timeout(Duration::from_mins(1), async {
            let ask = || server.client.get(server.url("/health/ready")).send();
            while !ask().await.is_ok_and(|reply| reply.status() == 200) {
                sleep(POLL_INTERVAL).await;
            }
        });
        assert!(
            ready.await.is_ok(),
            "the server is not ready; its log is {}",
            log.display()
        );
        server.ready_in = begun.elapsed();
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, followed by `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A POST of JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(self.url(path)).json(body)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Ends it at once.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// How long a request took, whose response must have this status.
pub(crate) async fn time(request: RequestBuilder, status: u16) -> Duration {
    let response = Response::of(request).await.unwrap();
    assert_eq!(response.status, status, "{}", response.text);
    response.took
}
