//! What is asked of a store, by way of the server where people ask it so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{Engine, INBOUND_KEY, MANAGER, TempStore, TestServer};
use serde_json::json;
use store_contract::Fixture;
use store_diesel::PostgresStore;
use store_diesel::SqliteStore;
use ticket_domain::{
    Timestamp,
    ports::{AttemptOutcome, RecordResult, Store},
};
use tokio::task::spawn_blocking;

use crate::measure::server::Server;

/// What each turn asks, in this order.
pub(crate) const REQUESTS: [&str; 4] = [
    "create",
    "claim of the one notification that is due",
    "inbound",
    "thread",
];

/// So far ahead that everything is due.
const NOW: i64 = 4_102_444_800_000_000;

/// A store with its server, and the same store by its port, since nobody asks for a claim from outside.
pub(crate) struct Side {
    server: Server,
    fixture: Fixture,
    tickets: u32,
}

impl Side {
    /// Starts the server on a store with this many tickets.
    pub(crate) async fn start(engine: Engine, store: &TempStore, tickets: u32) -> Self {
        let server = Server::start(TestServer::on(store), &store.folder().join("log")).await;
        let (file, url) = (store.file(), store.url());
        let open = move || -> Arc<dyn Store> {
            match engine {
                Engine::Sqlite => Arc::new(SqliteStore::open(&file).unwrap()),
                Engine::Postgres => Arc::new(PostgresStore::connect(&url, 1).unwrap()),
            }
        };
        let store = spawn_blocking(open).await.unwrap();
        Self {
            server,
            fixture: Fixture::new(store),
            tickets,
        }
    }

    /// Asks everything once, and says how long each took.
    pub(crate) async fn turn(&self, turn: usize) -> [Duration; REQUESTS.len()] {
        // All over the store, and never the same one twice.
        let number = u32::try_from(turn).unwrap() * 7_919 % self.tickets;
        let reference = format!("T-20250115-{number:07}");
        [
            self.create().await,
            self.claim().await,
            self.inbound(&reference, turn).await,
            self.thread(&reference).await,
        ]
    }

    async fn create(&self) -> Duration {
        let request = self.server.post("/api/ticket", black_box::ticket().to_string());
        let begun = Instant::now();
        let reply = request.send().await.unwrap();
        let status = reply.status();
        reply.bytes().await.unwrap();
        let took = begun.elapsed();
        assert_eq!(status, 201);
        took
    }

    async fn claim(&self) -> Duration {
        let now = Timestamp::from_unix_micros(NOW).unwrap();
        let (store, claim) = (self.fixture.store(), self.fixture.claim_at(now));
        let begun = Instant::now();
        let claimed = store.claim(claim, 10).await.unwrap();
        let took = begun.elapsed();
        assert_eq!(claimed.len(), 1);
        let outcome = AttemptOutcome::Delivered {
            at: now,
            external_id: None,
        };
        let settled = store
            .record_attempt(claimed[0].id, claimed[0].lease, outcome)
            .await
            .unwrap();
        assert_eq!(settled, RecordResult::Recorded);
        took
    }

    async fn inbound(&self, reference: &str, turn: usize) -> Duration {
        let body = json!({
            "ticketRef": reference, "from": MANAGER, "channel": "whatsapp", "externalId": format!("SM-{reference}-{turn}"),
            "message": "We look into it and answer you today.",
        });
        let request = self.server.post("/api/ticket/inbound", body.to_string());
        let begun = Instant::now();
        let reply = request.header("x-api-key", INBOUND_KEY).send().await.unwrap();
        let status = reply.status();
        reply.bytes().await.unwrap();
        let took = begun.elapsed();
        assert_eq!(status, 200);
        took
    }

    async fn thread(&self, reference: &str) -> Duration {
        let request = self.server.get(&format!("/api/ticket/{reference}"));
        let begun = Instant::now();
        let reply = request.send().await.unwrap();
        let status = reply.status();
        reply.bytes().await.unwrap();
        let took = begun.elapsed();
        assert_eq!(status, 200);
        took
    }

    /// Ends the server.
    pub(crate) async fn end(self) {
        self.server.kill().await;
    }
}
