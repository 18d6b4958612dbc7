//! What operators ask is answered by indexes, however much there is.

use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};
use store_diesel::{PostgresStore, testing::TestDatabase};
use ticket_domain::{
    Awaiting, EntryId, Listing, MessageId, Priority, Status, TicketId,
    ports::{Desk, Outbox},
};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use crate::fixture::{connect, connection};

/// 20,000 tickets of all kinds, the newest open, with an operator's act each; and 3,000 messages that have none.
const CROWD: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    SELECT md5('t' || n)::uuid, 'T-20250115-' || lpad(n::text, 6, '0'), 'John Doe', '+1234567890', 'john@example.com',
        'Bottles', (ARRAY['low', 'medium', 'high', 'urgent'])[1 + n % 4],
        CASE WHEN n > 18000 THEN 'open' ELSE (ARRAY['resolved', 'closed'])[1 + n % 2] END,
        repeat('0', 32), repeat('1', 32), 1, now() + n * interval '1 second', now() + n * interval '1 second'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
    SELECT md5('m' || n)::uuid, md5('t' || n)::uuid, 1, (ARRAY['customer', 'manager'])[1 + n % 2], 'web',
        'common' || CASE WHEN n % 5000 = 0 THEN ' rare' ELSE '' END || CASE WHEN n <= 11000 THEN ' old' ELSE '' END,
        now()
    FROM generate_series(1, 20000) AS n;
    INSERT INTO messages (id, sender, channel, body, created_at)
    SELECT md5('u' || n)::uuid, 'manager', 'whatsapp', 'Lost', now() FROM generate_series(1, 3000) AS n;
    INSERT INTO trail (id, at, ticket_id, act, was, became)
    SELECT md5('e' || n)::uuid, now(), md5('t' || n)::uuid, 'status', 'open', 'closed'
    FROM generate_series(1, 20000) AS n;
    ANALYZE";

/// Of each table that is asked, whether it was read from end to end, and whether by an index.
const READ: &str = "
    SELECT relname::text AS name, seq_scan AS whole, idx_scan AS by_index FROM pg_stat_user_tables
    WHERE relname IN ('tickets', 'messages', 'ticket_search', 'trail') ORDER BY name";

#[derive(QueryableByName, Debug, PartialEq, Clone)]
struct Reads {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::BigInt)]
    whole: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    by_index: i64,
}

/// What was read so far, once all others are gone: a connection tells it at its end.
async fn reads(connection: &mut PgConnection) -> Vec<Reads> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = sql_types::BigInt)]
        count: i64,
    }
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    timeout(Duration::from_secs(10), async {
        while sql_query(OTHERS).get_result::<Count>(connection).unwrap().count > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the others gone");
    sql_query(READ).load(connection).unwrap()
}

/// Asks for every list in every way.
async fn ask_everything(store: &PostgresStore) {
    for status in [None, Some(Status::Open), Some(Status::Closed)] {
        for priority in [None, Some(Priority::Urgent)] {
            for awaiting in [None, Some(Awaiting::Manager), Some(Awaiting::Customer)] {
                for text in [
                    None,
                    Some("common"),
                    Some("rare"),
                    Some("old"),
                    Some("ol"),
                    Some("none"),
                ] {
                    let listing = Listing {
                        status,
                        priority,
                        awaiting,
                        text: text.map(|text| text.parse().unwrap()),
                        after: None,
                        limit: 50,
                    };
                    let after = store.list(listing.clone()).await.unwrap().next;
                    store.list(Listing { after, ..listing }).await.unwrap();
                }
            }
        }
    }
    assert_eq!(store.attention().await.unwrap().awaiting_manager, 1_000);
    let unmatched = store.unmatched(None, 50).await.unwrap();
    assert_eq!(unmatched.len(), 50);
    store.unmatched(Some(MessageId(Uuid::nil())), 50).await.unwrap();
    store.message(unmatched[0].id).await.unwrap().unwrap();
    let trail = store.trail(None, None, 50).await.unwrap();
    let ticket = TicketId(Uuid::from_u128(1));
    for of in [None, Some(ticket)] {
        for before in [None, Some(trail[49].id), Some(EntryId(Uuid::nil()))] {
            store.trail(of, before, 50).await.unwrap();
        }
    }
    store.dead_elsewhere(50).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_is_read_from_end_to_end() {
    let database = TestDatabase::create().await;
    database.execute(CROWD).await;
    let mut connection = connection(database.url()).await;
    let before = reads(&mut connection).await;
    let store = connect(database.url(), 1).await.unwrap();
    ask_everything(&store).await;
    drop(store);
    let after = reads(&mut connection).await;
    assert_eq!(before.len(), 4);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.whole, before.whole, "{} was read from end to end", after.name);
        assert!(after.by_index > before.by_index, "{after:?}");
    }

    // The question itself must be able to see it.
    database.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off; SELECT FROM tickets WHERE number = 1").await;
    let whole = |reads: &[Reads]| reads.iter().map(|reads| reads.whole).sum::<i64>();
    assert!(whole(&reads(&mut connection).await) > whole(&after));
}
