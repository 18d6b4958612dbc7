//! Who may see a ticket, and what it costs to see that nothing changed.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use store_contract::{Fixture, memory::MemoryStore};
use ticket_domain::{
    Access, AccessLevel, ExternalId, Message, Thread, Ticket, TicketRef, TicketSummary, TicketVersion, Timestamp,
    ports::{
        Append, Appended, OpenResult, Opening, StoreError, StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore,
    },
    use_cases::{Admitted, Credentials, ViewError, ViewTicket},
};

/// Counts how many threads and heads are read.
#[derive(Default)]
struct Counted {
    inner: Arc<MemoryStore>,
    threads: AtomicUsize,
    heads: AtomicUsize,
}

#[async_trait]
impl TicketStore for Counted {
    async fn open(&self, opening: Opening) -> Result<OpenResult, StoreError> {
        self.inner.open(opening).await
    }
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.inner.opened_since(since).await
    }
    async fn find(&self, look_up: TicketLookup) -> Result<Option<Ticket>, StoreError> {
        self.inner.find(look_up).await
    }
    async fn head(&self, reference: TicketRef) -> Result<Option<TicketSummary>, StoreError> {
        self.heads.fetch_add(1, SeqCst);
        self.inner.head(reference).await
    }
    async fn thread(&self, reference: TicketRef) -> Result<Option<Thread>, StoreError> {
        self.threads.fetch_add(1, SeqCst);
        self.inner.thread(reference).await
    }
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.inner.append(append).await
    }
    async fn kept(&self, external_id: ExternalId) -> Result<Option<Message>, StoreError> {
        self.inner.kept(external_id).await
    }
    async fn store_unmatched(&self, keep: StoreUnmatched) -> Result<StoredUnmatched, StoreError> {
        self.inner.store_unmatched(keep).await
    }
}

struct World {
    store: Arc<Counted>,
    view: ViewTicket,
    ticket: Ticket,
    state: TicketVersion,
}

impl World {
    async fn new(access: Access) -> Self {
        let store = Arc::new(Counted::default());
        let fixture = Fixture::new(store.inner.clone());
        let opening = fixture.opening(Timestamp::from_unix_micros(0).unwrap());
        let ticket = opening.ticket.clone();
        store.open(opening).await.unwrap();
        let state = store.head(ticket.reference).await.unwrap().unwrap().state;
        Self {
            view: ViewTicket::new(store.clone(), access),
            store,
            ticket,
            state,
        }
    }

    async fn admit(&self, key: Option<&str>, looks: bool) -> Result<Admitted, ViewError> {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        self.view.admit(self.ticket.reference, credentials, looks).await
    }

    /// How many heads and how many threads were read since the last time.
    fn read(&self) -> (usize, usize) {
        (self.store.heads.swap(0, SeqCst), self.store.threads.swap(0, SeqCst))
    }
}

#[tokio::test]
async fn who_knows_how_a_ticket_stands_has_no_thread_read() {
    let world = World::new(Access::Open).await;
    world.read();
    let admitted = world.admit(None, true).await.unwrap();
    assert_eq!(
        (admitted.state(), admitted.access_level()),
        (Some(world.state), AccessLevel::Anyone)
    );
    assert_eq!(world.read(), (1, 0));
    let view = world.view.read(admitted).await.unwrap();
    assert_eq!(
        (view.thread.state(), view.access_level),
        (world.state, AccessLevel::Anyone)
    );
    assert_eq!(world.read(), (0, 1));
}

#[tokio::test]
async fn where_there_is_nothing_to_compare_the_thread_is_enough() {
    let world = World::new(Access::Open).await;
    world.read();
    let admitted = world.admit(None, false).await.unwrap();
    assert_eq!((admitted.state(), admitted.access_level()), (None, AccessLevel::Anyone));
    world.view.read(admitted).await.unwrap();
    assert_eq!(world.read(), (0, 1));
    for access in [Access::Open, Access::Private] {
        let world = World::new(access).await;
        world.read();
        let operator = Credentials {
            key: Some("whatever"),
            is_operator: true,
        };
        let view = world.view.view(world.ticket.reference, operator).await.unwrap();
        assert_eq!((view.access_level, world.read()), (AccessLevel::Operator, (0, 1)));
    }
}

#[tokio::test]
async fn a_key_is_compared_before_the_thread_is_read() {
    for access in [Access::Open, Access::Private] {
        let world = World::new(access).await;
        let keys = world.ticket.keys.clone();
        world.read();
        for (key, expected) in [
            (Some("wrong"), AccessLevel::Anyone),
            (Some(keys.reader.as_str()), AccessLevel::Reader),
            (Some(keys.customer.as_str()), AccessLevel::Customer),
        ] {
            match (world.admit(key, false).await, access, expected) {
                (Err(ViewError::NotFound), Access::Private, AccessLevel::Anyone) => {}
                (Ok(admitted), _, _) => {
                    assert_eq!(
                        (admitted.access_level(), admitted.state()),
                        (expected, Some(world.state))
                    );
                }
                (admitted, ..) => panic!("{access:?} {admitted:?}"),
            }
            assert_eq!(world.read(), (1, 0), "{access:?} {expected:?}");
        }
    }
}

#[tokio::test]
async fn where_everybody_may_read_a_key_costs_no_second_look() {
    let world = World::new(Access::Open).await;
    let keys = world.ticket.keys.clone();
    world.read();
    for (key, expected) in [
        (Some("wrong"), AccessLevel::Anyone),
        (Some(keys.reader.as_str()), AccessLevel::Reader),
        (Some(keys.customer.as_str()), AccessLevel::Customer),
    ] {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        let view = world.view.view(world.ticket.reference, credentials).await.unwrap();
        assert_eq!((view.access_level, view.thread.state()), (expected, world.state));
        assert_eq!(world.read(), (0, 1), "{expected:?}");
    }
}

#[tokio::test]
async fn a_private_ticket_costs_and_tells_whoever_has_no_key_no_more_than_one_that_is_not_there() {
    let world = World::new(Access::Private).await;
    let missing = "T-19700101-0000".parse::<TicketRef>().unwrap();
    assert_ne!(missing, world.ticket.reference);
    world.read();
    for key in [None, Some("wrong")] {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        for reference in [world.ticket.reference, missing] {
            let viewed = world.view.view(reference, credentials).await;
            assert!(matches!(viewed, Err(ViewError::NotFound)), "{viewed:?}");
            assert_eq!(world.read(), (1, 0), "{key:?} {reference}");
        }
    }
}
