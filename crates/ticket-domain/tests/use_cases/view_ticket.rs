//! Who may see a ticket, and what it costs to see that nothing changed.

use std::sync::Arc;

use store_contract::{FailingStore, Fixture};
use store_diesel::SqliteStore;
use ticket_domain::{
    Access, AccessLevel, Ticket, TicketRef, TicketVersion, Timestamp,
    ports::TicketStore,
    use_cases::{Admitted, Credentials, ViewError, ViewTicket},
};

struct World {
    store: Arc<FailingStore>,
    view: ViewTicket,
    ticket: Ticket,
    state: TicketVersion,
}

impl World {
    async fn new(access: Access) -> Self {
        let store = Arc::new(FailingStore::new(Arc::new(SqliteStore::temporary().unwrap()), false));
        let fixture = Fixture::new(store.clone());
        let opening = fixture.opening(Timestamp::from_unix_micros(0).unwrap());
        let ticket = opening.ticket.clone();
        store.open(opening).await.unwrap();
        let state = store.summary(ticket.reference).await.unwrap().unwrap().state;
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
        (self.store.take_calls("summary"), self.store.take_calls("thread"))
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
