//! Stores on databases of their own, and tickets to put into them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};
use store_diesel::{PostgresStore, postgres::ConnectError};
use ticket_domain::{
    MessageId, NotificationId, TicketId, Timestamp,
    ports::{Opening, StoreError},
    testing::{self, MessageBuilder, TicketBuilder},
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// What the store promises for every call, whatever the database does, and a little for a busy machine.
pub(crate) const CALL_LIMIT: Duration = Duration::from_millis(4_300);

pub(crate) async fn connect(url: &str, pool_size: u32) -> Result<PostgresStore, ConnectError> {
    let url = url.to_owned();
    spawn_blocking(move || PostgresStore::connect(&url, pool_size))
        .await
        .unwrap()
}

/// A connection past the store, to get into its way. Dropped, it lets go of every lock.
pub(crate) async fn connection(url: &str) -> PgConnection {
    let url = url.to_owned();
    spawn_blocking(move || PgConnection::establish(&url).unwrap())
        .await
        .unwrap()
}

/// The number that a query gives as `count`.
pub(crate) fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = sql_types::BigInt)]
        count: i64,
    }
    sql_query(sql).get_result::<Count>(connection).unwrap().count
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap()
}

/// A ticket that differs from all others.
pub(crate) fn opening() -> Opening {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let id = |kind: u128| Uuid::from_u128((kind << 64) + u128::from(number));
    Opening {
        ticket: TicketBuilder::with_id(TicketId(id(1)), format!("T-20250115-{number:06}").parse().unwrap())
            .created_at(now())
            .build(),
        message: MessageBuilder::new(MessageId(id(2)), "The bottles are broken")
            .created_at(now())
            .build(),
        attachments: Vec::new(),
        notifications: vec![testing::notification(NotificationId(id(3)), b"{}", now())],
        idempotency: None,
    }
}

/// The result of a call, which must come in time.
pub(crate) async fn in_time<T>(call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let ended = call.await;
    let took = begun.elapsed();
    assert!(took < CALL_LIMIT, "a call took {took:?}");
    ended
}

/// Expects "unavailable"; gives everything that the error says.
pub(crate) fn unavailable<T: std::fmt::Debug>(ended: Result<T, StoreError>) -> String {
    match ended {
        Err(error @ StoreError::Unavailable(_)) => everything(&error),
        other => panic!("expected `Unavailable`, got {other:?}"),
    }
}

/// Everything that an error and its sources say, in both manners.
pub(crate) fn everything(error: &dyn std::error::Error) -> String {
    let mut said = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        said = format!("{said}: {error}");
        next = error.source();
    }
    said
}
