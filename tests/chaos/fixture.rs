//! The fixture of an experiment: a store, a fake n8n, clients, and what was broken when.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{
    Engine, FakeN8n, FakeSmtp, MailReaction, Reaction, ReceivedMail, ServerOptions, TempStore, TestServer, peak_kib,
    resident_kib, until,
};
use reqwest::Method;
use tokio::time::sleep;

use crate::{
    audit::{Repeats, audit},
    clients::{Clients, Load},
    report::{Memory, Outcome, RECOVER_WITHIN},
};

/// Timeout of a recovery. The limit that passes is much lower.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);

/// Timeout until the outbox is empty. The limit that passes is lower.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(75);

/// An interrupted attempt is repeated within this time, since its lease has to end first. The same goes for a claim whose
/// response was lost with the database.
pub(crate) const TRIED_AGAIN_WITHIN: Duration = Duration::from_mins(1);

/// How long a server works before its memory is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long the mail server takes for each mail: so long that a cut interrupts some.
const MAIL_TAKES: Duration = Duration::from_millis(30);

/// The fixture.
pub(crate) struct Fixture {
    pub(crate) store: TempStore,
    pub(crate) n8n: Arc<FakeN8n>,
    /// Where customers are mailed, if they are.
    smtp: Option<FakeSmtp>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) repeats: Option<Repeats>,
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

    /// The same with mails to customers.
    pub(crate) async fn mailing(engine: Engine) -> Self {
        let smtp = FakeSmtp::start();
        smtp.always(MailReaction::AcceptAfter(MAIL_TAKES));
        Self {
            smtp: Some(smtp),
            ..Self::new(engine).await
        }
    }

    /// The same with this store.
    pub(crate) fn on(store: TempStore) -> Self {
        let n8n = Arc::new(FakeN8n::start());
        n8n.always(Reaction::AcceptWithOwnId);
        Self {
            store,
            clients: Arc::new(Clients::new(n8n.clone())),
            n8n,
            smtp: None,
            repeats: None,
            outcome: Outcome::default(),
            cuts: Vec::new(),
            mended: None,
            watched: Vec::new(),
        }
    }

    /// How to start a server here.
    pub(crate) fn options(&self) -> ServerOptions {
        let options = TestServer::on(&self.store).notifying(&self.n8n);
        match &self.smtp {
            Some(smtp) => options.mailing(smtp),
            None => options,
        }
    }

    /// All mails so far, if there are any.
    pub(crate) fn mails(&self) -> Option<Vec<ReceivedMail>> {
        self.smtp.as_ref().map(FakeSmtp::received)
    }

    /// Stops the mail server if there is one, and otherwise n8n.
    pub(crate) async fn receiver_goes_away(&self) {
        match &self.smtp {
            Some(smtp) => smtp.go_away().await,
            None => self.n8n.go_away().await,
        }
    }

    /// Starts it again.
    pub(crate) fn receiver_comes_back(&self) {
        match &self.smtp {
            Some(smtp) => smtp.come_back(),
            None => self.n8n.come_back(),
        }
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

    /// Breaks something under a steady load on one server, then waits until everything is delivered within `limit`, by
    /// default that of [`Self::drains`], and audits.
    pub(crate) async fn under_load(
        mut self,
        options: &ServerOptions,
        limit: Option<Duration>,
        breaks: impl AsyncFnOnce(&mut Self),
    ) -> Outcome {
        let server = self.start_with(options).await;
        let load = self.load(10, 5);
        self.warm_up(&[server.pid()]).await;
        breaks(&mut self).await;
        load.end().await;
        match limit {
            None => self.drains().await,
            Some(limit) => self.drains_within(limit).await,
        }
        let outcome = self.audited().await;
        server.stop().await;
        outcome
    }

    /// Starts a load of forms and messages per second.
    pub(crate) fn load(&self, forms: u32, messages: u32) -> Load {
        Load::start(&self.clients, forms, messages)
    }

    /// Lets servers work for a moment and measures their memory.
    pub(crate) async fn warm_up(&mut self, pids: &[u32]) {
        sleep(WARM_UP).await;
        self.watched.extend_from_slice(pids);
        let memory = pids.iter().map(|pid| {
            let warm = resident_kib(*pid);
            Memory {
                warm,
                end: warm,
                peak: warm,
            }
        });
        self.outcome.memory.extend(memory);
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
        let end = since + RECOVERY_TIMEOUT;
        let left = || end.saturating_duration_since(Instant::now());
        let opening = tokio::time::timeout(left(), self.clients.form()).await;
        if let Ok(Some(reference)) = &opening {
            let path = format!("/api/ticket/{reference}");
            let is_whole = until(left(), async || {
                let is_readable = matches!(self.clients.get(&path).await, Some((200, _)));
                (is_readable && self.n8n.newest_about(reference).is_some()).then_some(())
            });
            if is_whole.await.is_none() {
                self.fault("it did not recover");
            }
        } else if opening.is_err() {
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
        if !self.clients.drained(DRAIN_TIMEOUT.max(limit)).await {
            let why = self.clients.operate(Method::GET, "/api/notifications").await;
            let why: String = why.to_string().chars().take(600).collect();
            self.fault(format!("notifications still wait: {why}"));
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

    /// Measures the memory of servers that still run, and audits everything. Unless the experiment said otherwise, an
    /// attempt may be repeated for each interruption.
    pub(crate) async fn audited(mut self) -> Outcome {
        for (memory, pid) in self.outcome.memory.iter_mut().zip(&self.watched) {
            (memory.end, memory.peak) = (resident_kib(*pid), peak_kib(*pid));
        }
        let mails = self.mails();
        let repeats = self.repeats.take().unwrap_or(Repeats::OnceFor(self.cuts));
        let (counts, faults) = audit(&self.clients, &self.n8n, mails.as_deref(), &repeats).await;
        let expected = self.clients.expected();
        let mut outcome = Outcome {
            counts,
            in_flight: expected.in_flight,
            slowest: expected.slowest.clone(),
            ..self.outcome
        };
        outcome.faults.extend(faults);
        outcome.faults.extend(expected.anomalies.iter().cloned());
        outcome
    }

    /// Sends all clients to these servers, in turns.
    pub(crate) fn go_to(&self, servers: &[&TestServer]) {
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address()).collect();
        self.clients.go_to(&addresses);
    }
}
