use std::{future::Future, sync::atomic::AtomicUsize};

use async_trait::async_trait;
use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, ExternalId, Message, Status, Ticket, TicketSummary, Timestamp,
    ports::{Append, Appended, OpenResult, Opening, StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore},
};

use super::*;

/// A store, seen from outside: it counts its reads, makes them wait, fails, forgets, and panics as told.
struct Watched {
    inner: Arc<SqliteStore>,
    begun: watch::Sender<usize>,
    /// One for each read that may go on.
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

impl Watched {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(SqliteStore::temporary().unwrap()),
            begun: watch::Sender::new(0),
            gate: Semaphore::new(ALWAYS),
            state: Mutex::new(State::Well),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        })
    }

    fn reads(&self) -> usize {
        *self.begun.borrow()
    }

    async fn wait_for_reads(&self, wanted: usize) {
        let mut begun = self.begun.subscribe();
        soon(begun.wait_for(|begun| *begun >= wanted)).await.unwrap();
    }

    fn become_(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

/// What must come, comes within ten minutes of the tests' own clock.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(10), future).await.expect("it comes")
}

#[async_trait]
impl TicketStore for Watched {
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        let now = self.at_once.fetch_add(1, Relaxed) + 1;
        self.most_at_once.fetch_max(now, Relaxed);
        self.begun.send_modify(|begun| *begun += 1);
        self.gate.acquire().await.unwrap().forget();
        self.at_once.fetch_sub(1, Relaxed);
        let cause = || Arc::new(std::io::Error::other("no answer"));
        let state = *self.state.lock().unwrap();
        match state {
            State::Well => self.inner.thread(reference).await,
            State::Down => Err(StoreError::Unavailable(cause())),
            State::Corrupt => Err(StoreError::corrupt("tickets", "email", std::io::Error::other("bad"))),
            State::Forgetful => Ok(None),
            State::Panicking => panic!("a fault of the store's own"),
        }
    }
    async fn summary(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.inner.summary(reference).await
    }
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.inner.open(opening).await
    }
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.inner.opened_since(since).await
    }
    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.inner.find(look_up).await
    }
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.inner.append(append).await
    }
    async fn unmatched_message(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.inner.unmatched_message(external_id).await
    }
    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        self.inner.store_unmatched(keep).await
    }
}

struct World {
    store: Arc<Watched>,
    live: Arc<TicketSubscriptions>,
    fixture: Fixture,
}

impl World {
    fn new() -> Self {
        let store = Watched::new();
        let view = ViewTicket::new(store.clone(), Access::Private);
        Self {
            fixture: Fixture::new(store.inner.clone()),
            live: Arc::new(TicketSubscriptions::new(Arc::new(view))),
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
        self.live.follow(ticket.reference, ticket.id)
    }

    /// A message more, and the news of it.
    async fn add(&self, ticket: &Ticket, seconds: i64) {
        self.add_silently(ticket, seconds).await;
        self.live.on_change(ChangeEvent::Ticket(ticket.id));
    }

    /// A message more, which nobody tells of.
    async fn add_silently(&self, ticket: &Ticket, seconds: i64) {
        let append = Append {
            to: ticket.id,
            message: self.fixture.message(at(seconds)),
            notifications: Vec::new(),
            reopen: false,
            ends_question_of: None,
            idempotency: None,
            note: None,
        };
        assert_eq!(self.store.append(append).await.unwrap(), Appended::Added);
    }

    fn entries(&self) -> usize {
        self.live.followed().len()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_000_000 + seconds * 1_000_000).unwrap()
}

async fn messages(following: &mut Subscription) -> Option<usize> {
    soon(following.next()).await.map(|thread| thread.messages.len())
}

/// Lets every task that can go on do so, without the clock moving.
async fn let_tasks_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_sees_the_ticket_first_and_then_each_change() {
    let world = World::new();
    let ticket = world.open().await;
    let mut following = world.follow(&ticket);
    let first = soon(following.next()).await.unwrap();
    assert_eq!(
        (first.ticket.id, first.ticket.status, first.messages.len()),
        (ticket.id, Status::Open, 1)
    );
    for seconds in 1..4 {
        world.add(&ticket, seconds).await;
        assert_eq!(
            messages(&mut following).await,
            Some(usize::try_from(seconds).unwrap() + 1)
        );
    }
    assert_eq!(world.store.reads(), 4);
}

#[tokio::test(start_paused = true)]
async fn news_without_a_change_and_news_of_others_are_not_told() {
    let world = World::new();
    let (ticket, other) = (world.open().await, world.open().await);
    let mut following = world.follow(&ticket);
    assert_eq!(messages(&mut following).await, Some(1));
    world.live.on_change(ChangeEvent::Unmatched);
    world.add(&other, 1).await;
    let_tasks_run().await;
    assert_eq!(world.store.reads(), 1);
    world.live.on_change(ChangeEvent::Ticket(ticket.id));
    world.store.wait_for_reads(2).await;
    assert!(timeout(Duration::from_secs(1), following.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn many_followers_cost_one_read_a_change() {
    let world = World::new();
    let ticket = world.open().await;
    let mut followings: Vec<Subscription> = (0..500).map(|_| world.follow(&ticket)).collect();
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(1));
    }
    let_tasks_run().await;
    let before = world.store.reads();
    assert!(before <= 2, "{before}");
    world.add(&ticket, 1).await;
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(2));
    }
    let_tasks_run().await;
    assert_eq!(world.store.reads(), before + 1);
    assert_eq!(world.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_read_are_one_more_read() {
    let world = World::new();
    let ticket = world.open().await;
    let mut following = world.follow(&ticket);
    assert_eq!(messages(&mut following).await, Some(1));
    world.store.gate.forget_permits(ALWAYS);
    world.add(&ticket, 1).await;
    world.store.wait_for_reads(2).await;
    for seconds in 2..12 {
        world.add(&ticket, seconds).await;
    }
    world.store.gate.add_permits(ALWAYS);
    let mut last = 0;
    while last < 12 {
        last = messages(&mut following).await.unwrap();
    }
    let_tasks_run().await;
    assert_eq!(world.store.reads(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_has_the_ticket_looked_at_again() {
    let world = World::new();
    let ticket = world.open().await;
    let mut first = world.follow(&ticket);
    assert_eq!(messages(&mut first).await, Some(1));
    world.add_silently(&ticket, 1).await;
    let mut second = world.follow(&ticket);
    assert_eq!(messages(&mut first).await, Some(2));
    let mut seen = 0;
    while seen < 2 {
        seen = messages(&mut second).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_found_when_it_is_said_and_otherwise_within_a_minute() {
    let world = World::new();
    let (ticket, other) = (world.open().await, world.open().await);
    let mut followings = [world.follow(&ticket), world.follow(&other)];
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(1));
    }
    let silently = async |seconds| {
        world.add_silently(&ticket, seconds).await;
        world.add_silently(&other, seconds).await;
    };
    silently(1).await;
    world.live.on_change(ChangeEvent::Resync);
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(2));
    }
    silently(2).await;
    let began = tokio::time::Instant::now();
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(3));
    }
    assert!(
        began.elapsed() <= LOOK_AGAIN + Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_asked_again_until_it_answers() {
    let world = World::new();
    let ticket = world.open().await;
    world.store.become_(State::Down);
    let mut following = world.follow(&ticket);
    world.store.wait_for_reads(5).await;
    world.store.become_(State::Well);
    assert_eq!(messages(&mut following).await, Some(1));

    world.store.become_(State::Down);
    let before = world.store.reads();
    world.add(&ticket, 1).await;
    world.store.wait_for_reads(before + 3).await;
    world.store.become_(State::Well);
    assert_eq!(messages(&mut following).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_corrupt_is_not_asked_for_every_second() {
    let world = World::new();
    let ticket = world.open().await;
    let mut following = world.follow(&ticket);
    assert_eq!(messages(&mut following).await, Some(1));
    world.store.become_(State::Corrupt);
    world.add(&ticket, 1).await;
    world.store.wait_for_reads(2).await;
    assert!(timeout(LOOK_AGAIN / 2, following.next()).await.is_err());
    assert_eq!(world.store.reads(), 2);
    world.store.become_(State::Well);
    world.live.on_change(ChangeEvent::Ticket(ticket.id));
    assert_eq!(messages(&mut following).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_gone_ends_its_followers_and_can_be_followed_again() {
    for state in [State::Forgetful, State::Panicking] {
        let world = World::new();
        let ticket = world.open().await;
        let mut followings = [world.follow(&ticket), world.follow(&ticket)];
        for following in &mut followings {
            assert_eq!(messages(following).await, Some(1));
        }
        world.store.become_(state);
        world.live.on_change(ChangeEvent::Ticket(ticket.id));
        for following in &mut followings {
            assert_eq!(messages(following).await, None, "{state:?}");
        }
        world.store.become_(State::Well);
        let mut again = world.follow(&ticket);
        assert_eq!(messages(&mut again).await, Some(1));
        // Those of the reader before leave without taking the new one along.
        drop(followings);
        assert_eq!(world.entries(), 1);
        world.add(&ticket, 1).await;
        assert_eq!(messages(&mut again).await, Some(2));
        drop(again);
        assert_eq!(world.entries(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_follower_who_leaves_ends_the_reading() {
    let world = World::new();
    let ticket = world.open().await;
    let mut first = world.follow(&ticket);
    let second = world.follow(&ticket);
    assert_eq!(messages(&mut first).await, Some(1));
    drop(second);
    assert_eq!(world.entries(), 1);
    world.add(&ticket, 1).await;
    assert_eq!(messages(&mut first).await, Some(2));
    drop(first);
    assert_eq!(world.entries(), 0);
    let_tasks_run().await;
    let before = world.store.reads();
    world.add(&ticket, 2).await;
    tokio::time::advance(LOOK_AGAIN * 2).await;
    let_tasks_run().await;
    assert_eq!(world.store.reads(), before);
}

#[tokio::test(start_paused = true)]
async fn a_follower_may_leave_while_the_ticket_is_being_read() {
    let world = World::new();
    let tickets = [world.open().await, world.open().await];
    world.store.gate.forget_permits(ALWAYS);
    for round in 1..=20 {
        let following = world.follow(&tickets[0]);
        world.store.wait_for_reads(round).await;
        drop(following);
        let_tasks_run().await;
    }
    assert_eq!(world.entries(), 0);
    // None of them took a place along.
    world.store.gate.add_permits(ALWAYS);
    assert_eq!(messages(&mut world.follow(&tickets[1])).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn few_tickets_are_read_at_once_however_many_are_followed() {
    let world = World::new();
    let mut followings = Vec::new();
    for _ in 0..50 {
        followings.push(world.follow(&world.open().await));
    }
    for following in &mut followings {
        assert_eq!(messages(following).await, Some(1));
    }
    world.store.gate.forget_permits(ALWAYS);
    world.live.on_change(ChangeEvent::Resync);
    let_tasks_run().await;
    assert_eq!(world.store.reads(), 50 + READS_AT_ONCE);
    world.store.gate.add_permits(ALWAYS);
    world.store.wait_for_reads(100).await;
    assert_eq!(world.store.most_at_once.load(Relaxed), READS_AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_everybody_home_whoever_comes_later_too() {
    let world = World::new();
    let ticket = world.open().await;
    let mut waiting = world.follow(&ticket);
    assert_eq!(messages(&mut waiting).await, Some(1));
    let mut has_news = world.follow(&ticket);
    let mut is_closed = world.live.is_closed();
    world.live.close();
    assert_eq!(messages(&mut waiting).await, None);
    // Also one who has not seen everything.
    assert_eq!(messages(&mut has_news).await, None);
    assert_eq!(messages(&mut world.follow(&ticket)).await, None);
    assert!(*soon(is_closed.wait_for(|is_closed| *is_closed)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn all_news_are_counted() {
    let world = World::new();
    let mut any = world.live.any();
    for news in [
        ChangeEvent::Unmatched,
        ChangeEvent::Resync,
        ChangeEvent::Ticket(world.open().await.id),
    ] {
        world.live.on_change(news);
        soon(any.changed()).await.unwrap();
    }
    assert_eq!(*any.borrow(), 3);
}

#[test]
fn an_error_tells_what_lies_beneath_it() {
    let error = StoreError::Unavailable(Arc::new(std::io::Error::other("no route")));
    assert_eq!(causes(&error), "the store is unavailable: no route");
}
