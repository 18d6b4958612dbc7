use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;
use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, AccessLevel, Status, Thread, Ticket, Timestamp,
    ports::{Append, Appended, TicketStore},
    use_cases::{Credentials, ViewTicket},
};
use tokio::time::Instant;

use super::*;

/// Reads of tickets: they are counted, wait at a gate, and fail when a test wants it.
struct Reads {
    view: ViewTicket,
    begun: watch::Sender<usize>,
    /// One permit for each read that may go on.
    gate: Semaphore,
    state: Mutex<State>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    Down,
    Corrupt,
    Forgetful,
    Panicking,
}

const ALWAYS: usize = Semaphore::MAX_PERMITS / 2;

impl Reads {
    async fn read(self: Arc<Self>, reference: TicketRef) -> Result<Thread, ViewError> {
        let now = self.at_once.fetch_add(1, Relaxed) + 1;
        self.most_at_once.fetch_max(now, Relaxed);
        self.begun.send_modify(|begun| *begun += 1);
        self.gate.acquire().await.unwrap().forget();
        self.at_once.fetch_sub(1, Relaxed);
        let cause = || std::io::Error::other("no answer");
        let state = *self.state.lock().unwrap();
        match state {
            State::Well => {
                let credentials = Credentials {
                    is_operator: true,
                    ..Credentials::default()
                };
                Ok(self.view.view(reference, credentials).await?.thread)
            }
            State::Down => Err(StoreError::Unavailable(Arc::new(cause())).into()),
            State::Corrupt => Err(StoreError::corrupt("tickets", "email", cause()).into()),
            State::Forgetful => Err(ViewError::NotFound),
            State::Panicking => panic!("a fault of the store's own"),
        }
    }

    fn count(&self) -> usize {
        *self.begun.borrow()
    }

    async fn wait_for(&self, wanted: usize) {
        let mut begun = self.begun.subscribe();
        soon(begun.wait_for(|begun| *begun >= wanted)).await.unwrap();
    }

    fn become_(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

/// Waits for up to ten minutes of the tests' own clock.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(10), future).await.expect("it comes")
}

struct World {
    store: Arc<SqliteStore>,
    reads: Arc<Reads>,
    subscriptions: Arc<TicketSubscriptions>,
    fixture: Fixture,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(SqliteStore::temporary().unwrap());
        let reads = Arc::new(Reads {
            view: ViewTicket::new(store.clone(), Access::Private),
            begun: watch::Sender::new(0),
            gate: Semaphore::new(ALWAYS),
            state: Mutex::new(State::Well),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let reader = reads.clone();
        let read = move |reference| {
            let reader = reader.clone();
            async move { Ok(ThreadCopy::alone(reader.read(reference).await?)) }.boxed()
        };
        Self {
            fixture: Fixture::new(store.clone()),
            subscriptions: Arc::new(TicketSubscriptions::reading(Box::new(read))),
            reads,
            store,
        }
    }

    async fn open(&self) -> Ticket {
        let opening = self.fixture.opening(at(0));
        let ticket = opening.ticket.clone();
        self.store.open(opening).await.unwrap();
        ticket
    }

    fn follow(&self, ticket: &Ticket) -> Subscription {
        self.subscriptions.follow(ticket.reference, ticket.id)
    }

    /// Subscribes, and waits for the ticket with its first message.
    async fn follow_from_start(&self, ticket: &Ticket) -> Subscription {
        let mut subscription = self.follow(ticket);
        assert_eq!(messages(&mut subscription).await, Some(1));
        subscription
    }

    /// Adds a message, and publishes the change.
    async fn add(&self, ticket: &Ticket, seconds: i64) {
        self.add_silently(ticket, seconds).await;
        self.subscriptions.on_change(ChangeEvent::Ticket(ticket.id));
    }

    async fn add_silently(&self, ticket: &Ticket, seconds: i64) {
        let append = Append {
            to: ticket.id,
            message: self.fixture.message(at(seconds)),
            attachments: Vec::new(),
            notifications: Vec::new(),
            reopen: false,
            idempotency: None,
            note: None,
            max_of_sender: None,
        };
        assert_eq!(self.store.append(append).await.unwrap(), Appended::Added);
    }

    fn followed(&self) -> usize {
        self.subscriptions.tickets().len()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_000_000 + seconds * 1_000_000).unwrap()
}

async fn messages(subscription: &mut Subscription) -> Option<usize> {
    let copy = soon(subscription.next()).await?;
    Some(copy.shown_to(AccessLevel::Operator).messages.len())
}

/// Lets every task that can go on do so, without the clock moving.
async fn let_tasks_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_the_ticket_first_and_then_each_change() {
    let world = World::new();
    let ticket = world.open().await;
    let mut subscription = world.follow(&ticket);
    let first = soon(subscription.next()).await.unwrap();
    let first = first.shown_to(AccessLevel::Operator);
    assert_eq!(
        (first.ticket.id, first.ticket.status, first.messages.len()),
        (ticket.id, Status::Open, 1)
    );
    for (seconds, count) in [(1, 2), (2, 3), (3, 4)] {
        world.add(&ticket, seconds).await;
        assert_eq!(messages(&mut subscription).await, Some(count));
    }
    assert_eq!(world.reads.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_change_and_events_of_others_are_not_passed_on() {
    let world = World::new();
    let (ticket, other) = (world.open().await, world.open().await);
    let mut subscription = world.follow_from_start(&ticket).await;
    world.subscriptions.on_change(ChangeEvent::Unmatched);
    world.add(&other, 1).await;
    let_tasks_run().await;
    assert_eq!(world.reads.count(), 1);
    world.subscriptions.on_change(ChangeEvent::Ticket(ticket.id));
    world.reads.wait_for(2).await;
    assert!(timeout(Duration::from_secs(1), subscription.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn many_subscribers_cost_one_read_per_change() {
    let world = World::new();
    let ticket = world.open().await;
    let mut subscriptions: Vec<Subscription> = (0..500).map(|_| world.follow(&ticket)).collect();
    for subscription in &mut subscriptions {
        assert_eq!(messages(subscription).await, Some(1));
    }
    let_tasks_run().await;
    let before = world.reads.count();
    assert!(before <= 2, "{before}");
    world.add(&ticket, 1).await;
    for subscription in &mut subscriptions {
        assert_eq!(messages(subscription).await, Some(2));
    }
    let_tasks_run().await;
    assert_eq!((world.reads.count(), world.followed()), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_read_cause_one_more_read() {
    let world = World::new();
    let ticket = world.open().await;
    let mut subscription = world.follow_from_start(&ticket).await;
    world.reads.gate.forget_permits(ALWAYS);
    world.add(&ticket, 1).await;
    world.reads.wait_for(2).await;
    for seconds in 2..12 {
        world.add(&ticket, seconds).await;
    }
    world.reads.gate.add_permits(ALWAYS);
    while messages(&mut subscription).await != Some(12) {}
    let_tasks_run().await;
    assert_eq!(world.reads.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn another_subscriber_has_the_ticket_read_again() {
    let world = World::new();
    let ticket = world.open().await;
    let mut first = world.follow_from_start(&ticket).await;
    world.add_silently(&ticket, 1).await;
    let mut second = world.follow(&ticket);
    assert_eq!(messages(&mut first).await, Some(2));
    while messages(&mut second).await != Some(2) {}
}

#[tokio::test(start_paused = true)]
async fn changes_without_an_event_are_found_at_a_resync_and_within_a_minute() {
    let world = World::new();
    let tickets = [world.open().await, world.open().await];
    let mut subscriptions = [
        world.follow_from_start(&tickets[0]).await,
        world.follow_from_start(&tickets[1]).await,
    ];
    for (seconds, count) in [(1, 2), (2, 3)] {
        for ticket in &tickets {
            world.add_silently(ticket, seconds).await;
        }
        let began = Instant::now();
        if seconds == 1 {
            world.subscriptions.on_change(ChangeEvent::Resync);
        }
        for subscription in &mut subscriptions {
            assert_eq!(messages(subscription).await, Some(count));
        }
        assert!(began.elapsed() <= READ_EVERY + Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_asked_again_until_it_answers() {
    let world = World::new();
    let ticket = world.open().await;
    world.reads.become_(State::Down);
    let mut subscription = world.follow(&ticket);
    world.reads.wait_for(5).await;
    world.reads.become_(State::Well);
    assert_eq!(messages(&mut subscription).await, Some(1));

    world.reads.become_(State::Down);
    let before = world.reads.count();
    world.add(&ticket, 1).await;
    world.reads.wait_for(before + 3).await;
    world.reads.become_(State::Well);
    assert_eq!(messages(&mut subscription).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_row_is_not_read_every_second() {
    let world = World::new();
    let ticket = world.open().await;
    let mut subscription = world.follow_from_start(&ticket).await;
    world.reads.become_(State::Corrupt);
    world.add(&ticket, 1).await;
    world.reads.wait_for(2).await;
    assert!(timeout(READ_EVERY / 2, subscription.next()).await.is_err());
    assert_eq!(world.reads.count(), 2);
    world.reads.become_(State::Well);
    world.subscriptions.on_change(ChangeEvent::Ticket(ticket.id));
    assert_eq!(messages(&mut subscription).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_gone_ends_its_subscriptions_and_can_be_followed_again() {
    for state in [State::Forgetful, State::Panicking] {
        let world = World::new();
        let ticket = world.open().await;
        let mut ended = [
            world.follow_from_start(&ticket).await,
            world.follow_from_start(&ticket).await,
        ];
        world.reads.become_(state);
        world.subscriptions.on_change(ChangeEvent::Ticket(ticket.id));
        for subscription in &mut ended {
            assert_eq!(messages(subscription).await, None, "{state:?}");
        }
        world.reads.become_(State::Well);
        let mut again = world.follow_from_start(&ticket).await;
        // Those that ended leave without the new one.
        drop(ended);
        assert_eq!(world.followed(), 1);
        world.add(&ticket, 1).await;
        assert_eq!(messages(&mut again).await, Some(2));
        drop(again);
        assert_eq!(world.followed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_subscriber_who_leaves_ends_the_reading() {
    let world = World::new();
    let ticket = world.open().await;
    let mut first = world.follow(&ticket);
    let second = world.follow(&ticket);
    assert_eq!(messages(&mut first).await, Some(1));
    drop(second);
    assert_eq!(world.followed(), 1);
    world.add(&ticket, 1).await;
    assert_eq!(messages(&mut first).await, Some(2));
    drop(first);
    assert_eq!(world.followed(), 0);
    let_tasks_run().await;
    let before = world.reads.count();
    world.add(&ticket, 2).await;
    tokio::time::advance(READ_EVERY * 2).await;
    let_tasks_run().await;
    assert_eq!(world.reads.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_may_leave_during_a_read() {
    let world = World::new();
    let tickets = [world.open().await, world.open().await];
    world.reads.gate.forget_permits(ALWAYS);
    for round in 1..=20 {
        let subscription = world.follow(&tickets[0]);
        world.reads.wait_for(round).await;
        drop(subscription);
        let_tasks_run().await;
    }
    assert_eq!(world.followed(), 0);
    // None of them kept a permit.
    world.reads.gate.add_permits(ALWAYS);
    world.follow_from_start(&tickets[1]).await;
}

#[tokio::test(start_paused = true)]
async fn few_tickets_are_read_at_once_however_many_are_followed() {
    let world = World::new();
    let mut subscriptions = Vec::new();
    for _ in 0..50 {
        subscriptions.push(world.follow_from_start(&world.open().await).await);
    }
    world.reads.gate.forget_permits(ALWAYS);
    world.subscriptions.on_change(ChangeEvent::Resync);
    let_tasks_run().await;
    assert_eq!(world.reads.count(), 50 + READS_AT_ONCE);
    world.reads.gate.add_permits(ALWAYS);
    world.reads.wait_for(100).await;
    assert_eq!(world.reads.most_at_once.load(Relaxed), READS_AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_every_subscription_also_later_ones() {
    let world = World::new();
    let ticket = world.open().await;
    let mut waiting = world.follow_from_start(&ticket).await;
    let mut has_unseen = world.follow(&ticket);
    let mut is_closed = world.subscriptions.is_closed();
    world.subscriptions.close();
    for subscription in [&mut waiting, &mut has_unseen, &mut world.follow(&ticket)] {
        assert_eq!(messages(subscription).await, None);
    }
    assert!(*soon(is_closed.wait_for(|is_closed| *is_closed)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn every_event_is_counted() {
    let world = World::new();
    let mut events = world.subscriptions.events();
    let ticket = ChangeEvent::Ticket(world.open().await.id);
    for event in [ChangeEvent::Unmatched, ChangeEvent::Resync, ticket] {
        world.subscriptions.on_change(event);
        soon(events.changed()).await.unwrap();
    }
    assert_eq!(*events.borrow(), 3);
}
