//! What the cases work with: a store, and makers of things that are all different.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ticket_domain::{
    Address, AuditEntryId, AuditStamp, Channel, Content, EventKind, ExternalId, LeaseToken, Message, MessageId,
    Notification, NotificationId, NotificationRecord, Payload, Question, QuestionId, QuestionKind, Recipient, Sender,
    Thread, Ticket, TicketId, TicketRef, Timestamp, Visibility,
    ports::{
        Append, Appended, AttemptOutcome, Claim, Claimed, Idempotency, NewQuestion, OpenResult, Opening, RecordResult,
        Store, StoreUnmatched, StoredUnmatched, TicketLookup, Vitals,
    },
    testing::{TicketBuilder, actors},
};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::calls::Must;
pub(crate) use crate::values::{
    append_to, asking, dead, delivered, diverted, fallback, keep_silently, retry_at, returned,
};

/// How long a lease of [`Fixture::claim`] lasts, in seconds.
pub(crate) const LEASE: i64 = 30;

/// So many seconds after the moment at which most cases begin.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_123_456 + seconds * 1_000_000).unwrap()
}

/// Long after everything that happens in a case.
pub(crate) fn later() -> Timestamp {
    at(365 * 24 * 3_600)
}

/// Runs `tasks` at the same moment, as far as the machine can, and gives their results in their order.
pub(crate) async fn at_once<T>(tasks: impl IntoIterator<Item = T>) -> Vec<T::Output>
where
    T: Future<Output: Send + 'static> + Send + 'static,
{
    let tasks: Vec<T> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut ended = Vec::with_capacity(running.len());
    for task in running {
        ended.push(task.await.unwrap());
    }
    ended
}

/// A thing that differs from another in what a case is about.
pub(crate) trait With: Sized {
    /// Applies `change`.
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> With for T {}

/// How many of `all` are `one`.
pub(crate) fn count<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().filter(|other| *other == one).count()
}

/// The place of `one`, which must be among `all`.
pub(crate) fn place_of<T: PartialEq + std::fmt::Debug>(all: &[T], one: &T) -> usize {
    let place = all.iter().position(|other| other == one);
    place.unwrap_or_else(|| panic!("no {one:?} in {all:?}"))
}

/// A store, and makers of tickets, messages and notifications that differ from all others that it made.
pub struct Fixture {
    store: Arc<dyn Store>,
    made: AtomicU64,
}

impl Fixture {
    /// Works on `store`, which must be empty for the cases.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            made: AtomicU64::new(0),
        }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The store, each of whose calls must succeed.
    pub(crate) fn must(&self) -> Must {
        Must(self.store())
    }

    /// A number that was not given before.
    pub(crate) fn number(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.number()) + (1 << 100))
    }

    pub(crate) fn lease(&self) -> LeaseToken {
        LeaseToken(self.uuid())
    }

    pub(crate) fn reference(&self) -> TicketRef {
        format!("T-20250115-{:06}", self.number()).parse().unwrap()
    }

    /// An outside id that nothing has yet.
    pub fn external_id(&self) -> ExternalId {
        format!("SM{:032x}", self.number()).parse().unwrap()
    }

    /// A record of a new key and a new digest.
    pub fn idempotency(&self, expires_at: Timestamp) -> Idempotency {
        let number = self.number();
        let mut digest = [0xa5; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        Idempotency {
            key: format!("key {number}").parse().unwrap(),
            digest,
            expires_at,
        }
    }

    pub(crate) fn ticket(&self, created_at: Timestamp) -> Ticket {
        TicketBuilder::with_id(TicketId(self.uuid()), self.reference())
            .created_at(created_at)
            .build()
    }

    /// What a manager wrote, without an outside id.
    pub fn message(&self, created_at: Timestamp) -> Message {
        let text = format!("We investigate, no. {}.", self.number());
        Message {
            id: MessageId(self.uuid()),
            sender: Sender::Manager,
            channel: Channel::Whatsapp,
            from: Some("+919655716000".parse().unwrap()),
            content: Content::new(text.parse().unwrap(), None).unwrap(),
            attachments: Vec::new(),
            visibility: Visibility::Public,
            external_id: None,
            created_at,
        }
    }

    /// What a manager wrote, under an outside id.
    pub fn message_of(&self, external_id: &ExternalId, created_at: Timestamp) -> Message {
        Message {
            external_id: Some(external_id.clone()),
            ..self.message(created_at)
        }
    }

    /// A manager's address that was not given before.
    pub(crate) fn manager(&self) -> Address {
        format!("+9196557{:06}", self.number()).parse().unwrap()
    }

    /// What this manager wrote, under an outside id of its own.
    pub(crate) fn message_from(&self, manager: &Address, created_at: Timestamp) -> Message {
        Message {
            from: Some(manager.clone()),
            ..self.message_of(&self.external_id(), created_at)
        }
    }

    /// A question to a manager about a batch, with nothing to choose from.
    pub fn question(&self, of: &Address, now: Timestamp) -> Question {
        Question {
            id: QuestionId(self.uuid()),
            of: of.clone(),
            kind: QuestionKind::Batch,
            choices: Vec::new(),
            text: "Which ticket is this for?".into(),
            sent_at: now,
            asked_at: now,
            closed_at: None,
        }
    }

    /// Keeps a new message of a manager who has no open question, and asks about it.
    pub(crate) async fn asked(&self, manager: &Address, now: Timestamp) -> (Message, Question) {
        let message = self.message_from(manager, now);
        let question = self.question(manager, now);
        self.stored(&message, asking(&question)).await;
        (message, question)
    }

    /// Keeps another message of the open question's batch.
    pub(crate) async fn joined(&self, question: &Question, now: Timestamp) -> Message {
        let message = self.message_from(&question.of, now);
        let another = self.question(&question.of, now);
        let stored = self.keep(&message, asking(&another)).await;
        assert_eq!(stored, StoredUnmatched::Joined(question.clone()));
        message
    }

    /// A notification that asks a question.
    pub(crate) fn question_notification(&self, created_at: Timestamp) -> Notification {
        self.notification(EventKind::Question, created_at)
    }

    pub(crate) async fn keep(&self, message: &Message, asking: Option<NewQuestion>) -> StoredUnmatched {
        let message = message.clone();
        self.store
            .store_unmatched(StoreUnmatched { message, asking })
            .await
            .unwrap()
    }

    /// Stores an unmatched message, which must be new.
    pub(crate) async fn stored(&self, message: &Message, asking: Option<NewQuestion>) {
        assert_eq!(self.keep(message, asking).await, StoredUnmatched::Stored);
    }

    /// Appends a message, which must be new.
    pub(crate) async fn added(&self, append: Append) {
        assert_eq!(self.must().append(append).await, Appended::Added);
    }

    /// The newest open question of a person.
    pub async fn open_question(&self, of: &Address) -> Option<Question> {
        let questions = self.store.questions_since(of.clone(), Timestamp::UNIX_EPOCH).await;
        questions
            .unwrap()
            .into_iter()
            .find(|question| question.closed_at.is_none())
    }

    pub(crate) async fn unmatched(&self) -> u64 {
        self.vitals(later()).await.unmatched
    }

    pub(crate) fn notification(&self, event: EventKind, created_at: Timestamp) -> Notification {
        let payload = format!("{{\"number\": {}}}", self.number());
        Notification {
            id: NotificationId(self.uuid()),
            recipient: Recipient::Manager,
            event,
            payload: Payload(payload.into_bytes().into()),
            addressed: true,
            created_at,
            due_at: created_at,
        }
    }

    /// A ticket with a message and a notification, both of the same moment; the notification is due at once. No key.
    pub fn opening(&self, created_at: Timestamp) -> Opening {
        Opening {
            ticket: self.ticket(created_at),
            message: self.message(created_at),
            attachments: Vec::new(),
            notifications: vec![self.notification(EventKind::Created, created_at)],
            idempotency: None,
        }
    }

    /// Opens `opening`, which must succeed.
    pub(crate) async fn open(&self, opening: Opening) -> Opening {
        assert_eq!(self.store.open(opening.clone()).await.unwrap(), OpenResult::Opened);
        opening
    }

    /// Opens a ticket, whose notification is due from `created_at` on.
    pub(crate) async fn opened(&self, created_at: Timestamp) -> Opening {
        self.open(self.opening(created_at)).await
    }

    /// Appends a message with a notification to `ticket`, and gives that notification.
    pub(crate) async fn updated(&self, ticket: &Ticket, created_at: Timestamp) -> Notification {
        let notification = self.notification(EventKind::Updated, created_at);
        let append = Append {
            notifications: vec![notification.clone()],
            ..append_to(ticket, self.message(created_at))
        };
        self.store.append(append).await.unwrap();
        notification
    }

    pub(crate) async fn thread(&self, reference: TicketRef) -> Thread {
        self.store
            .thread(reference)
            .await
            .unwrap()
            .expect("a ticket of this reference")
    }

    pub(crate) async fn quoted(&self, external_id: &ExternalId) -> Option<TicketRef> {
        let found = self
            .store
            .find(TicketLookup::Quoted(external_id.clone()))
            .await
            .unwrap();
        found.map(|ticket| ticket.reference)
    }

    pub(crate) async fn record(&self, id: NotificationId) -> NotificationRecord {
        self.store
            .notification(id)
            .await
            .unwrap()
            .expect("a notification of this id")
    }

    pub(crate) async fn vitals(&self, now: Timestamp) -> Vitals {
        self.store.vitals(now).await.unwrap()
    }

    /// What an act of this moment is called in the trail.
    pub fn note(&self, at: Timestamp) -> AuditStamp {
        let number = usize::try_from(self.number()).unwrap();
        let actors = actors();
        AuditStamp {
            id: AuditEntryId(self.uuid()),
            at,
            by: actors[number % actors.len()],
        }
    }

    /// A claim under a new lease, for 30 seconds.
    pub fn claim_at(&self, now: Timestamp) -> Claim {
        Claim {
            recipient: Recipient::Manager,
            now,
            lease: self.lease(),
            until: now.plus(Duration::from_secs(LEASE.unsigned_abs())),
            first_tries_only: false,
        }
    }

    /// Claims everything that is due, for [`LEASE`] seconds.
    pub(crate) async fn claim(&self, now: Timestamp) -> Vec<Claimed> {
        self.store.claim(self.claim_at(now), 1_000).await.unwrap()
    }

    /// Claims, and expects to get this one alone.
    pub(crate) async fn claim_only(&self, id: NotificationId, now: Timestamp) -> Claimed {
        let mut claimed = self.claim(now).await;
        let ids: Vec<NotificationId> = claimed.iter().map(|claimed| claimed.id).collect();
        assert_eq!(ids, [id]);
        claimed.remove(0)
    }

    pub(crate) async fn record_attempt(&self, claimed: &Claimed, outcome: AttemptOutcome) -> RecordResult {
        self.store
            .record_attempt(claimed.id, claimed.lease, outcome)
            .await
            .unwrap()
    }

    /// Writes a verdict, which must count.
    pub(crate) async fn settled(&self, claimed: &Claimed, outcome: AttemptOutcome) {
        assert_eq!(self.record_attempt(claimed, outcome).await, RecordResult::Recorded);
    }

    /// Opens a ticket at `now` and has its notification delivered under `external_id`.
    pub(crate) async fn delivered(&self, external_id: &ExternalId, now: Timestamp) -> Opening {
        let opening = self.opened(now).await;
        let claimed = self.claim_only(opening.notifications[0].id, now).await;
        self.settled(&claimed, delivered(now, Some(external_id))).await;
        opening
    }
}
