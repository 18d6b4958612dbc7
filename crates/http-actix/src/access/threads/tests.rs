use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, Content, Message, Ticket, Timestamp, Visibility,
    ports::{Append, TicketStore},
};

use super::*;

struct World {
    store: Arc<SqliteStore>,
    fixture: Fixture,
    threads: SharedThreads,
}

const AT: Timestamp = Timestamp::UNIX_EPOCH;

impl World {
    fn new(access: Access) -> Self {
        Self::with_budget(access, ByteBudget::new(TOTAL_KIB, SMALL))
    }

    fn with_budget(access: Access, budget: ByteBudget) -> Self {
        let store = Arc::new(SqliteStore::temporary().unwrap());
        let view = ViewTicket::new(store.clone(), access);
        Self {
            fixture: Fixture::new(store.clone()),
            threads: SharedThreads {
                budget,
                ..SharedThreads::new(view)
            },
            store,
        }
    }

    async fn open(&self) -> Ticket {
        let opening = self.fixture.opening(AT);
        let ticket = opening.ticket.clone();
        self.store.open(opening).await.unwrap();
        ticket
    }

    async fn append(&self, to: &Ticket, body: &str, visibility: Visibility) {
        let append = Append {
            to: to.id,
            message: Message {
                content: Content::new(body.parse().unwrap(), None).unwrap(),
                visibility,
                ..self.fixture.message(AT)
            },
            attachments: Vec::new(),
            notifications: Vec::new(),
            reopen: false,
            idempotency: None,
            note: None,
            max_of_sender: None,
        };
        self.store.append(append).await.unwrap();
    }

    async fn view(&self, ticket: &Ticket, level: AccessLevel) -> SharedView {
        let key = match level {
            AccessLevel::Customer => Some(ticket.keys.customer.as_str()),
            AccessLevel::Reader => Some(ticket.keys.reader.as_str()),
            AccessLevel::Anyone | AccessLevel::Operator => None,
        };
        let is_operator = level == AccessLevel::Operator;
        let view = self.threads.view(ticket.reference, Credentials { key, is_operator });
        let view = view.await.unwrap();
        assert_eq!(view.access_level, level);
        view
    }
}

const LEVELS: [AccessLevel; 4] = [
    AccessLevel::Anyone,
    AccessLevel::Reader,
    AccessLevel::Customer,
    AccessLevel::Operator,
];

#[tokio::test]
async fn whoever_reads_at_the_same_time_shares_one_copy_of_the_newest_state() {
    let world = World::new(Access::Open);
    let ticket = world.open().await;
    for (body, visibility) in [
        ("One", Visibility::Public),
        ("For us", Visibility::Internal),
        ("Two", Visibility::Public),
    ] {
        let before = world.view(&ticket, AccessLevel::Operator).await;
        world.append(&ticket, body, visibility).await;
        let first = world.view(&ticket, AccessLevel::Operator).await;
        assert!(!Arc::ptr_eq(&before.copy, &first.copy));
        for level in LEVELS {
            let view = world.view(&ticket, level).await;
            assert!(Arc::ptr_eq(&view.copy, &first.copy), "{level:?} {body}");
            let thread = world.store.thread(ticket.reference).await.unwrap().unwrap();
            assert_eq!(view.thread(), &*thread.shown_to(level));
        }
    }
    // What nobody reads takes no memory.
    let copy = Arc::downgrade(&world.view(&ticket, AccessLevel::Customer).await.copy);
    assert!(copy.upgrade().is_none());
}

#[tokio::test]
async fn a_copy_is_shown_to_nobody_without_access() {
    let world = World::new(Access::Private);
    let (ticket, other) = (world.open().await, world.open().await);
    let _shown = world.view(&ticket, AccessLevel::Customer).await;
    for key in [None, Some(other.keys.customer.as_str()), Some("wrong")] {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        let view = world.threads.view(ticket.reference, credentials).await;
        assert!(matches!(view, Err(ReadError::View(ViewError::NotFound))), "{view:?}");
    }
}

#[tokio::test]
async fn long_threads_share_a_budget_and_short_ones_need_none() {
    let world = World::with_budget(Access::Open, ByteBudget::new(64, SMALL));
    let (long, other, short) = (world.open().await, world.open().await, world.open().await);
    for ticket in [&long, &other] {
        for _ in 0..4 {
            world.append(ticket, &"x".repeat(10_000), Visibility::Public).await;
        }
    }
    let readers = [
        world.view(&long, AccessLevel::Customer).await,
        world.view(&long, AccessLevel::Anyone).await,
    ];
    let refused = world.threads.view(other.reference, Credentials::default()).await;
    assert!(matches!(refused, Err(ReadError::TooMany(_))), "{refused:?}");
    world.view(&short, AccessLevel::Anyone).await;
    drop(readers);
    world.view(&other, AccessLevel::Anyone).await;
}

#[tokio::test]
async fn places_that_nobody_uses_are_removed() {
    let world = World::new(Access::Open);
    for number in 0..20_000 {
        let reference = format!("T-20250115-{number:05}").parse().unwrap();
        let _ = world.threads.view(reference, Credentials::default()).await;
    }
    assert!(world.threads.places.lock().unwrap().len() < 4 * TIDY_FROM);
}
