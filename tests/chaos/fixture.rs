//! The fixture of an experiment: a store, a fake n8n, clients, and what was broken when.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{Engine, FakeN8n, Reaction, ServerOptions, TempStore, TestServer, peak_kib, resident_kib};
use reqwest::Method;
use tokio::time::{sleep, timeout};

use crate::{
    audit::{Repeats, audit},
    clients::Clients,
    load::Load,
    outcome::{Memory, Outcome, RECOVER_WITHIN},
};

/// Timeout of a recovery. The limit that passes is much lower.
const PATIENCE: Duration = Duration::from_mins(1);

/// Timeout until the outbox is empty. The limit that passes is lower.
const UNTIL_SETTLED: Duration = Duration::from_secs(75);

/// An interrupted attempt is repeated within this time, since its lease has to end first. The same goes for a claim whose
/// response was lost with the database.
pub(crate) const TRIED_AGAIN_WITHIN: Duration = Duration::from_mins(1);

/// How long a server works before its memory is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// The fixture.
pub(crate) struct Fixture {
    pub(crate) store: TempStore,
    pub(crate) n8n: Arc<FakeN8n>,
    pub(crate) clients: Arc<Clients>,
    outcome: Outcome,
    cuts: Vec<Instant>,
    mended: Option<Instant>,
    watched: Vec<u32>,
}

impl Fixture {
    /// An empty store, and an n8n that accepts everything.
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::on(TempStore::new(engine).await)
    }

    /// The same with this store.
    pub(crate) fn on(store: TempStore) -> Self {
        let n8n = Arc::new(FakeN8n::start());
        n8n.always(Reaction::AcceptWithOwnId);
        Self {
            store,
            clients: Arc::new(Clients::new(n8n.clone())),
            n8n,
            outcome: Outcome::default(),
            cuts: Vec::new(),
            mended: None,
            watched: Vec::new(),
        }
    }

    /// How to start a server here.
    pub(crate) fn options(&self) -> ServerOptions {
        TestServer::on(&self.store).notifying(&self.n8n)
    }

    /// Starts a server and sends all clients to it.
    pub(crate) async fn start(&self) -> TestServer {
        self.start_with(&self.options()).await
    }

    /// The same with these options.
    pub(crate) async fn start_with(&self, options: &ServerOptions) -> TestServer {
        let server = options.start().await;
        self.clients.go_to(&[server.address()]);
        server
    }

    /// Starts a load of forms and messages per second.
    pub(crate) fn load(&self, forms: u32, messages: u32) -> Load {
        Load::start(&self.clients, forms, messages)
    }

    /// Lets servers work for a moment and measures their memory.
    pub(crate) async fn warm_up(&mut self, pids: &[u32]) {
        sleep(WARM_UP).await;
        for pid in pids {
            let warm = resident_kib(*pid);
            self.watched.push(*pid);
            self.outcome.memory.push(Memory {
                warm,
                end: warm,
                peak: warm,
            });
        }
    }

    /// Measures their memory again.
    pub(crate) fn look_at_memory(&mut self) {
        for (memory, pid) in self.outcome.memory.iter_mut().zip(&self.watched) {
            (memory.end, memory.peak) = (resident_kib(*pid), peak_kib(*pid));
        }
    }

    /// Notes that something is broken now.
    pub(crate) fn broken(&mut self) -> Instant {
        self.outcome.times += 1;
        Instant::now()
    }

    /// Notes that something is broken now that may interrupt an attempt.
    pub(crate) fn cut(&mut self) -> Instant {
        let now = self.broken();
        self.cuts.push(now);
        now
    }

    /// Notes a failure of the system.
    pub(crate) fn fault(&mut self, what: impl Into<String>) {
        self.outcome.faults.push(what.into());
    }

    /// Fails if no request was rejected, since then nothing was really broken.
    pub(crate) fn was_felt(&mut self) {
        if self.clients.expected().refused == 0 {
            self.fault("nobody felt it");
        }
    }

    /// Measures the recovery since `since`: until a ticket is acknowledged, readable and sent to n8n.
    pub(crate) async fn recovers(&mut self, since: Instant) {
        self.mended = Some(since);
        let (clients, n8n) = (&self.clients, &self.n8n);
        let whole = timeout(PATIENCE, async {
            let Some(reference) = clients.form().await else {
                return;
            };
            let path = format!("/api/ticket/{reference}");
            while !matches!(clients.ask(Method::GET, &path, &[], None).await, Some((200, _))) {
                sleep(Duration::from_millis(20)).await;
            }
            while n8n.newest(|received| received.ticket_ref() == reference).is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        if whole.await.is_err() {
            self.fault("it did not recover");
        }
        self.outcome.recovery = self.outcome.recovery.max(Some(since.elapsed()));
    }

    /// Waits for an empty outbox. The backlog goes out with the first success, unless an attempt was interrupted.
    pub(crate) async fn drains(&mut self) {
        let limit = if self.cuts.is_empty() {
            RECOVER_WITHIN
        } else {
            TRIED_AGAIN_WITHIN
        };
        self.drains_within(limit).await;
    }

    /// The same within this limit after the recovery.
    pub(crate) async fn drains_within(&mut self, limit: Duration) {
        if !self.clients.drained(UNTIL_SETTLED.max(limit)).await {
            let why = self.clients.operate(Method::GET, "/api/notifications").await;
            self.fault(format!("notifications still wait: {}", first(&why)));
        }
        if let Some(mended) = self.mended {
            let drained = mended.elapsed();
            self.outcome.drained = self.outcome.drained.max(Some(drained));
            if drained > limit {
                self.fault(format!("what waited took {drained:.1?}, not {limit:.0?}"));
            }
        }
        let dead = self.clients.metric(&["notifications{state=\"dead\"}"]).await;
        if dead != Some(0.0) {
            self.fault(format!("{dead:?} notifications are dead"));
        }
    }

    /// Audits everything. An attempt may be repeated for each interruption.
    pub(crate) async fn counted(self) -> Outcome {
        let repeats = Repeats::OnceFor(self.cuts.clone());
        self.counted_with(repeats).await
    }

    /// Audits everything with these allowed repeats.
    pub(crate) async fn counted_with(mut self, repeats: Repeats) -> Outcome {
        let (counts, faults) = audit(&self.clients, &self.n8n, &repeats).await;
        let expected = self.clients.expected();
        self.outcome.counts = counts;
        self.outcome.in_flight = expected.in_flight;
        self.outcome.slowest = expected.slowest.clone();
        self.outcome.faults.extend(faults);
        self.outcome.faults.extend(expected.anomalies.iter().cloned());
        drop(expected);
        self.outcome
    }

    /// Sends all clients to these servers, in turns.
    pub(crate) fn go_to(&self, servers: &[&TestServer]) {
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address()).collect();
        self.clients.go_to(&addresses);
    }
}

/// The beginning of an operator's response.
fn first(told: &serde_json::Value) -> String {
    told.to_string().chars().take(600).collect()
}
