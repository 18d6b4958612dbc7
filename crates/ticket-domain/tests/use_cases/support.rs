//! A world whose time and chance a test decides, around the in-memory store.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, Channel, Content, DeliveryRoute, ExternalId, Fallback, Managers, NotificationId, Payload, Priority,
    Recipient, RetrySchedule, TicketLinks, TicketRequest, Timestamp,
    ports::{
        AttemptOutcome, Claimed, Clock, Composer, Composers, Delivering, DeliveryResult, Event, Failure, FailureKind,
        NextStep, Notifier, QuestionMessage, Random, Rejection, Store, WakeSignal,
    },
    testing,
    use_cases::{
        Capacity, Context, Deliver, OpenTicket, OpenedTicket, ReceiveReply, Redeliver, Reply, ReportReceipt, TicketName,
    },
};

pub const MANAGER: &str = "+919655716000";
pub const OTHER_MANAGER: &str = "+15550000000";
pub const CUSTOMER: &str = "+1234567890";

/// A clock that stands still until it is moved. Begins at 2025-01-15T10:30:00Z.
pub struct HandClock(AtomicI64);

impl Default for HandClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_736_937_000_000_000))
    }
}

impl HandClock {
    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn set_back(&self, by: Duration) {
        self.0
            .fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Draws the same in every run, or what a test laid out first.
#[derive(Default)]
pub struct HandRandom {
    drawn: testing::SeededRandom,
    pub next_bits: Mutex<VecDeque<u64>>,
}

impl Random for HandRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() == 8
            && let Some(bits) = self.next_bits.lock().unwrap().pop_front()
        {
            bytes.copy_from_slice(&bits.to_be_bytes());
        } else {
            self.drawn.fill(bytes);
        }
    }
}

/// Writes an event as a line.
pub struct LineComposer;

impl Composer for LineComposer {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        let line = format!(
            "{} {} {} {}",
            event.kind, event.ticket.reference, event.ticket_url, event.message
        );
        Some(Payload(line.into_bytes().into()))
    }

    fn compose_question(&self, question: QuestionMessage<'_>) -> Option<Payload> {
        let rows: Vec<&str> = question.rows.iter().map(|row| row.payload.as_str()).collect();
        let text = format!("{} {}\n{}", question.to, question.text, rows.join("\n"));
        Some(Payload(text.into_bytes().into()))
    }

    /// The second number is next, where its mark is in the text; after error 63016, a template. Without a code, the
    /// message is sent again; after error 20003, once the owner has acted.
    fn after_refusal(&self, route: &DeliveryRoute, payload: &Payload, refusal: Rejection) -> NextStep {
        let text = String::from_utf8(payload.0.to_vec()).unwrap();
        let next = match (route.as_str(), refusal) {
            (_, Rejection::Reported(None)) => return NextStep::Retry { to_repair: None },
            (_, Rejection::Reported(Some(20_003))) => {
                return NextStep::Retry {
                    to_repair: Some(REPAIR),
                };
            }
            ("text", Rejection::Reported(Some(63_016))) => "template",
            ("text" | "template", _) if text.contains(HAS_BACKUP) => "backup",
            ("backup", Rejection::Reported(Some(63_016))) => "backup_template",
            _ => return NextStep::GiveUp,
        };
        NextStep::Fallback(Fallback {
            route: DeliveryRoute::new(next),
            payload: Payload(format!("{text} by {next}").into_bytes().into()),
        })
    }

    fn on_first_route(&self, payload: &Payload) -> Option<Payload> {
        let text = String::from_utf8(payload.0.to_vec()).unwrap();
        Some(Payload(format!("{text} by text").into_bytes().into()))
    }

    /// Who left is no longer told.
    fn retarget(&self, _: &DeliveryRoute, payload: &Payload) -> Option<Payload> {
        let text = String::from_utf8(payload.0.to_vec()).unwrap();
        let readdressed = text.replace(WHO_LEFT, "to who came");
        (readdressed != text).then(|| Payload(readdressed.into_bytes().into()))
    }
}

/// What the owner must do after error 20003.
pub const REPAIR: &str = "correct the credentials";

/// A message for somebody who is no longer the one to be told.
pub const WHO_LEFT: &str = "to who left";

/// A message of a ticket whose manager has a second number.
pub const HAS_BACKUP: &str = "second number";

/// Answers as it was told to, and remembers what came. Takes everything when it was told nothing.
#[derive(Default)]
pub struct ScriptedNotifier {
    pub answers: Mutex<VecDeque<DeliveryResult>>,
    pub otherwise: Mutex<Option<DeliveryResult>>,
    pub received: Mutex<Vec<(NotificationId, Payload)>>,
    /// Which message of its notification each was.
    pub rounds: Mutex<Vec<u16>>,
}

#[async_trait]
impl Notifier for ScriptedNotifier {
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult {
        self.received
            .lock()
            .unwrap()
            .push((delivering.id, delivering.payload.clone()));
        self.rounds.lock().unwrap().push(delivering.round);
        let next = self.answers.lock().unwrap().pop_front();
        next.or_else(|| self.otherwise.lock().unwrap().clone())
            .unwrap_or(DeliveryResult::Accepted { external_id: None })
    }
}

#[derive(Default)]
pub struct CountingBell(pub AtomicU64);

impl WakeSignal for CountingBell {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn failure(kind: FailureKind, retry_after: Option<u64>) -> DeliveryResult {
    DeliveryResult::Failed(Failure {
        reason: "it said no".into(),
        kind,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

pub fn accepted(id: &str) -> DeliveryResult {
    DeliveryResult::Accepted {
        external_id: Some(id.parse().unwrap()),
    }
}

pub struct World {
    pub clock: Arc<HandClock>,
    pub random: Arc<HandRandom>,
    pub bell: Arc<CountingBell>,
    pub notifier: Arc<ScriptedNotifier>,
    pub store: Arc<dyn Store>,
    pub has_receiver: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            clock: Arc::default(),
            random: Arc::default(),
            bell: Arc::default(),
            notifier: Arc::default(),
            store: Arc::new(SqliteStore::temporary().unwrap()),
            has_receiver: true,
        }
    }
}

impl World {
    pub fn context(&self) -> Context {
        Context {
            clock: self.clock.clone(),
            random: self.random.clone(),
            composers: Composers::default().with(Recipient::Manager, Arc::new(LineComposer), self.has_receiver),
            wake: self.bell.clone(),
            links: TicketLinks::new("https://desk.example", Access::Open),
        }
    }

    pub fn opener(&self) -> OpenTicket {
        OpenTicket::new(self.store.clone(), self.context())
    }

    pub fn receiver(&self) -> ReceiveReply {
        self.receiver_for(Managers::new(vec![
            MANAGER.parse().unwrap(),
            OTHER_MANAGER.parse().unwrap(),
        ]))
    }

    pub fn receiver_for(&self, managers: Managers) -> ReceiveReply {
        ReceiveReply::new(
            self.store.clone(),
            self.store.clone(),
            self.store.clone(),
            self.store.clone(),
            self.context(),
            managers,
        )
    }

    pub fn redeliver(&self) -> Redeliver {
        Redeliver::new(self.store.clone(), self.context())
    }

    pub fn receipts(&self) -> ReportReceipt {
        ReportReceipt::new(self.store.clone(), self.context(), RetrySchedule::new(8))
    }

    pub fn deliver(&self, slow_retries: u8) -> Deliver {
        let (notifier, schedule) = (self.notifier.clone(), RetrySchedule::new(slow_retries));
        Deliver::new(
            self.store.clone(),
            Recipient::Manager,
            notifier,
            self.context(),
            schedule,
        )
    }

    /// Opens another ticket, also with the same message.
    pub async fn open(&self, message: &str) -> OpenedTicket {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let key = format!("ticket {}", OPENED.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap();
        self.opener().open(request(message), Some(key), None).await.unwrap()
    }

    /// One round of the delivery: claims, sends and settles; gives the verdicts.
    pub async fn round(&self, deliver: &Deliver) -> Vec<AttemptOutcome> {
        let mut outcomes = Vec::new();
        for claimed in claim(deliver).await {
            let outcome = deliver.send(&claimed).await;
            deliver.record_attempt(&claimed, outcome.clone()).await.unwrap();
            outcomes.push(outcome);
        }
        outcomes
    }

    pub fn tries(&self) -> usize {
        self.notifier.received.lock().unwrap().len()
    }

    pub fn fails(&self, answer: DeliveryResult) {
        *self.notifier.otherwise.lock().unwrap() = Some(answer);
    }

    pub fn works(&self) {
        *self.notifier.otherwise.lock().unwrap() = None;
    }
}

/// Everything that there is to send now.
pub async fn claim(deliver: &Deliver) -> Vec<Claimed> {
    let room = Capacity {
        in_all: 100,
        for_others: 100,
    };
    let claims = deliver.claim(room).await.unwrap();
    claims.first_tries.into_iter().chain(claims.others).collect()
}

pub fn request(message: &str) -> TicketRequest {
    let mut request = testing::request(message);
    request.details.customer.phone = CUSTOMER.parse().unwrap();
    request.details.subject = "Bottles".parse().unwrap();
    request.details.priority = Priority::High;
    request
}

pub fn reply(from: &str, text: &str) -> Reply {
    Reply {
        ticket: TicketName::Absent,
        content: Content::new(ticket_domain::MessageBody::lenient(text), None).unwrap(),
        from: ticket_domain::Address::lenient(from),
        from_user_id: None,
        channel: Channel::Whatsapp,
        external_id: None,
        replied_to: None,
        lost_medium: false,
        is_forwarded: false,
        thread: None,
        is_automatic: false,
        button_payload: None,
    }
}

pub fn external_id(raw: &str) -> ExternalId {
    raw.parse().unwrap()
}
