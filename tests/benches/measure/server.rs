//! The server under load, as it runs in production: its log goes to a file, and nobody reads along.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use black_box::{ServerOptions, cpu_time, http_client, peak_kib, resident_kib};
use reqwest::{Client, RequestBuilder};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

/// How often it is asked whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A running server.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    client: Client,
    /// From the start of the process until it said that it is ready.
    pub(crate) ready_in: Duration,
}

impl Server {
    /// Starts one without limits on `place`, which logs to `log`, and waits until it is ready.
    pub(crate) async fn start(options: ServerOptions, log: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let options = options
            .set("PORT", &address.port().to_string())
            .set("RATE_LIMITS", "off");
        let begun = Instant::now();
        let process = options
            .command(&["serve"])
            .stdout(File::create(log).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let client = http_client(Duration::from_mins(1));
        let mut server = Self {
            process,
            address,
            client,
            ready_in: Duration::ZERO,
        };
        let ready = timeout(Duration::from_mins(1), async {
            while !server.is_ready().await {
                sleep(LOOK_EVERY).await;
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

    async fn is_ready(&self) -> bool {
        let reply = self.client.get(self.url("/health/ready")).send().await;
        reply.is_ok_and(|reply| reply.status() == 200)
    }

    /// Its address, followed by `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Begins a request by a connection that is kept.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    /// Begins a request by a connection that is kept.
    pub(crate) fn post(&self, path: &str, body: String) -> RequestBuilder {
        let request = self.client.post(self.url(path));
        request.header("content-type", "application/json").body(body)
    }

    fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// The memory that it has now, in KiB.
    pub(crate) fn resident_kib(&self) -> u32 {
        resident_kib(self.pid())
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> u32 {
        peak_kib(self.pid())
    }

    /// The processor time that it has used, its own and the kernel's for it.
    pub(crate) fn processor_time(&self) -> Duration {
        cpu_time(self.pid())
    }

    /// Ends it at once.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}
