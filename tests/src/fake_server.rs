//! What the fakes of n8n and Twilio have in common: a web server in this process, and a journal of what it received.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use tokio::sync::watch;

/// A web server with one handler for all requests. Stops when it is dropped.
pub(crate) struct FakeServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl FakeServer {
    /// Serves at this port of this machine; 0 takes a free one.
    pub(crate) fn start<F, R>(port: u16, handler: F) -> Self
    where
        F: Fn(HttpRequest, web::Bytes) -> R + Clone + Send + 'static,
        R: Future<Output = HttpResponse> + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = move || {
            let limit = web::PayloadConfig::new(1 << 20);
            App::new().app_data(limit).default_service(web::to(handler.clone()))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("a listener").run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, handle }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and ends pending requests.
    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        // The command is sent at once; nobody waits for the end.
        drop(self.handle.stop(false));
    }
}

/// What a fake received, oldest first.
pub(crate) struct Journal<T>(watch::Sender<Vec<T>>);

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl<T: Clone> Journal<T> {
    /// Adds an entry; returns its index.
    pub(crate) fn push(&self, entry: T) -> usize {
        let mut index = 0;
        self.0.send_modify(|entries| {
            index = entries.len();
            entries.push(entry);
        });
        index
    }

    /// Changes the entries.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<T>)) {
        self.0.send_modify(change);
    }

    /// What `look` sees in the entries so far.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        look(&self.0.borrow())
    }

    /// Waits until `is_enough`, then returns all entries. Panics with `what` after `timeout`.
    pub(crate) async fn wait_for(&self, timeout: Duration, what: &str, is_enough: impl Fn(&[T]) -> bool) -> Vec<T> {
        let mut entries = self.0.subscribe();
        let came = tokio::time::timeout(timeout, entries.wait_for(|entries| is_enough(entries))).await;
        // Copied from what was found: it is locked, and a second look would wait for a writer that waits for the first.
        if let Ok(Ok(entries)) = came {
            return entries.to_vec();
        }
        panic!("no {what} within {timeout:?}, but {} entries", self.look(<[T]>::len));
    }
}
