//! A server, its store, and a fake n8n.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use black_box::{Engine, FakeN8n, Response, ServerOptions, TempStore, TestServer, ticket_with};
use serde_json::{Value, json};

/// Everything but the browser.
pub(crate) struct Backend {
    /// The server.
    pub(crate) server: TestServer,
    /// Where it sends notifications.
    pub(crate) n8n: FakeN8n,
    /// Its origin, as browsers know it.
    pub(crate) base: String,
    store: TempStore,
}

/// A free port. The server has to know its own address before it starts, so it can't choose a port
/// itself. The range is below that of outgoing connections and above that of `scripts/with-postgres`.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 30_000;
    const COUNT: u16 = 2_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Concurrent runs begin at different ports.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below 2,000");
    loop {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Backend {
    pub(crate) async fn new(engine: Engine, settings: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let store = TempStore::new(engine).await;
        let n8n = FakeN8n::start();
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}");
        let options = TestServer::on(&store)
            .notifying(&n8n)
            .set("PORT", &port.to_string())
            .set("BASE_URL", &base);
        let server = settings(options).start().await;
        Self {
            server,
            n8n,
            base,
            store,
        }
    }

    /// A URL on the server.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Opens a ticket through the API; returns its reference and the path of its page, with the
    /// key.
    pub(crate) async fn ticket(&self, changes: Value) -> (String, String) {
        let reply = self.server.create(&ticket_with(&changes)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let url = reply.field("ticketUrl");
        let path = url.strip_prefix(&self.base).expect("our own address").to_owned();
        (reply.field("ticketRef"), path)
    }

    /// The manager answers by WhatsApp.
    pub(crate) async fn manager_says(&self, reference: &str, message: &str) -> Response {
        let body = json!({ "ticketRef": reference, "message": message, "from": black_box::MANAGER });
        let reply = self.server.inbound(&body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// An operator changes the status of a ticket.
    pub(crate) async fn set_status(&self, reference: &str, status: &str) {
        let path = format!("/api/ticket/{reference}");
        let changed = self
            .server
            .send_as_operator("PATCH", &path, &json!({ "status": status }))
            .await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    /// Reads a ticket, also a private one.
    async fn read(&self, reference: &str) -> Value {
        self.server
            .get_as_operator(&format!("/api/ticket/{reference}"))
            .await
            .json()
    }

    /// The status of a ticket.
    pub(crate) async fn status_of(&self, reference: &str) -> String {
        self.read(reference).await["ticket"]["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// The texts of a thread, oldest first.
    pub(crate) async fn thread(&self, reference: &str) -> Vec<String> {
        let ticket = self.read(reference).await;
        let messages = ticket["messages"].as_array().expect("messages").iter();
        messages
            .map(|message| message["body"].as_str().expect("a text").to_owned())
            .collect()
    }

    /// How many tickets there are.
    pub(crate) async fn tickets(&self) -> usize {
        let list = self.server.get_as_operator("/api/tickets?limit=100").await.json();
        list["tickets"].as_array().expect("tickets").len()
    }

    /// Waits until every notification is delivered, and stops it. The harness checks its log for private data.
    pub(crate) async fn end(self: Arc<Self>) {
        let backend = Arc::into_inner(self).expect("the scenario is over");
        backend.server.wait_for_empty_outbox().await;
        backend.server.end().await;
        drop(backend.store);
    }
}
