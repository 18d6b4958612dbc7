//! Who may see a ticket, and what it costs to see that nothing changed.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use store_contract::{Fixture, memory::MemoryStore};
use ticket_domain::{
    Access, ExternalId, Head, Message, Standing, Thread, ThreadState, Ticket, TicketRef, Timestamp,
    ports::{Append, Appended, Keep, Kept, LookUp, Opened, Opening, StoreError, TicketStore},
    use_cases::{Credentials, Look, ViewError, ViewTicket},
};

/// Counts how many threads are read.
#[derive(Default)]
struct Counted {
    inner: Arc<MemoryStore>,
    threads: AtomicUsize,
}

#[async_trait]
impl TicketStore for Counted {
    async fn open(&self, opening: Opening) -> Result<Opened, StoreError> {
        self.inner.open(opening).await
    }
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.inner.opened_since(since).await
    }
    async fn find(&self, look_up: LookUp) -> Result<Option<Ticket>, StoreError> {
        self.inner.find(look_up).await
    }
    async fn head(&self, reference: TicketRef) -> Result<Option<Head>, StoreError> {
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
    async fn keep_unmatched(&self, keep: Keep) -> Result<Kept, StoreError> {
        self.inner.keep_unmatched(keep).await
    }
}

struct World {
    store: Arc<Counted>,
    view: ViewTicket,
    ticket: Ticket,
    state: ThreadState,
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

    async fn look(&self, known: Option<ThreadState>, key: Option<&str>) -> Result<(Look, Standing), ViewError> {
        let credentials = Credentials {
            key,
            is_operator: false,
        };
        self.view.view_unless(known, self.ticket.reference, credentials).await
    }

    fn threads(&self) -> usize {
        self.store.threads.load(SeqCst)
    }
}

#[tokio::test]
async fn who_knows_how_a_ticket_stands_has_no_thread_read() {
    let world = World::new(Access::Open).await;
    let (look, standing) = world.look(Some(world.state), None).await.unwrap();
    assert_eq!((look, standing), (Look::Unchanged(world.state), Standing::Anyone));
    assert_eq!(world.threads(), 0);

    let older = ThreadState {
        version: 0,
        ..world.state
    };
    for known in [None, Some(older)] {
        let (look, _) = world.look(known, None).await.unwrap();
        assert!(
            matches!(look, Look::Changed(thread) if thread.state() == world.state),
            "{known:?}"
        );
    }
    assert_eq!(world.threads(), 2);
}

#[tokio::test]
async fn a_private_ticket_does_not_even_say_that_nothing_changed() {
    let world = World::new(Access::Private).await;
    let keys = &world.ticket.keys;
    for (key, expected) in [
        (None, None),
        (Some("wrong"), None),
        (Some(keys.reader.as_str()), Some(Standing::Reader)),
        (Some(keys.customer.as_str()), Some(Standing::Customer)),
    ] {
        let looked = world.look(Some(world.state), key).await;
        match (looked, expected) {
            (Ok((Look::Unchanged(state), standing)), Some(expected)) => {
                assert_eq!((state, standing), (world.state, expected));
            }
            (Err(ViewError::NotFound), None) => {}
            (looked, _) => panic!("{looked:?}"),
        }
    }
    assert_eq!(world.threads(), 0);
}
