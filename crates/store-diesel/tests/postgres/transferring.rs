//! A database takes everything of another store or nothing, and is afterwards what it was before but for the rows.

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use store_diesel::postgres::{PostgresTarget, TargetError, testing::TestDatabase};
use ticket_domain::{
    Sender,
    ports::{
        OpenResult, TicketStore,
        transfer::{Rows, Seat, Step, StoredMessage, StoredTicket, Table, Tally, TransferTarget},
    },
};
use tokio::task::spawn_blocking;

use crate::fixture::{connect, connection, opening, unavailable};

fn rows(count: i64) -> Vec<Rows> {
    let (mut tickets, mut messages) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let opening = opening();
        messages.push(StoredMessage {
            message: opening.message,
            seat: Some(Seat {
                ticket: opening.ticket.id,
                seq: 1,
            }),
            question: None,
        });
        tickets.push(StoredTicket {
            number: number * 3,
            ticket: opening.ticket,
            last_sender: Sender::Customer,
        });
    }
    vec![Rows::TicketPage(tickets), Rows::Messages(messages)]
}

fn tally(rows: &[Rows]) -> Tally {
    let mut tally = Tally::default();
    for rows in rows {
        tally.add(rows);
    }
    tally
}

async fn open(database: &TestDatabase) -> Result<PostgresTarget, TargetError> {
    let url = database.url().to_owned();
    spawn_blocking(move || PostgresTarget::open(&url)).await.unwrap()
}

/// Everything that stands on the tables, in the catalogue's words.
async fn structure(database: &TestDatabase) -> String {
    #[derive(QueryableByName)]
    struct Parts {
        #[diesel(sql_type = Text)]
        parts: String,
    }
    const PARTS: &str = "
        SELECT string_agg(part, chr(10) ORDER BY part) AS parts FROM (
            SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT pg_get_triggerdef(oid) || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
        ) AS parts (part)";
    let mut connection = connection(database.url()).await;
    let parts: Parts = spawn_blocking(move || sql_query(PARTS).get_result(&mut connection).unwrap())
        .await
        .unwrap();
    parts.parts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_there_and_everything_stands_again() {
    let database = TestDatabase::create().await;
    // One that an owner has switched off stays so, and one for replicas stays for them.
    database
        .execute("ALTER TABLE messages DISABLE TRIGGER messages_attached; ALTER TABLE messages ENABLE REPLICA TRIGGER messages_written")
        .await;
    let before = structure(&database).await;
    let mut target = open(&database).await.unwrap();
    let (target, steps) = spawn_blocking(move || {
        let rows = rows(3);
        let sent = tally(&rows);
        for rows in rows {
            target.write(rows).unwrap();
        }
        let mut steps = Vec::new();
        target.complete(&mut |step| steps.push(step)).unwrap();
        let mut found = Tally::default();
        target.read_back(&mut |rows| found.add(&rows)).unwrap();
        assert_eq!(sent.differences(&found), []);
        assert_eq!(found.of(Table::Messages).rows, 3);
        (target, steps)
    })
    .await
    .unwrap();
    assert_eq!(steps.first(), Some(&Step::GatheringWords));
    assert_eq!(steps.last(), Some(&Step::CheckingReferences));
    spawn_blocking(move || target.commit().unwrap()).await.unwrap();

    assert_eq!(structure(&database).await, before);
    database
        .execute("DO $$ BEGIN ASSERT (SELECT count(*) FROM ticket_search) = 3; END $$")
        .await;
    assert!(matches!(open(&database).await, Err(TargetError::NotEmpty(what)) if what.starts_with("3 rows in tickets")));
    // The next ticket has the number after the last one.
    let store = connect(database.url(), 1).await.unwrap();
    assert_eq!(store.open(opening()).await.unwrap(), OpenResult::Opened);
    database
        .execute("DO $$ BEGIN ASSERT (SELECT max(number) FROM tickets) = 10; END $$")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_then_nobody_else_writes_and_without_it_nothing_is_left() {
    let database = TestDatabase::create().await;
    let before = structure(&database).await;
    let store = connect(database.url(), 1).await.unwrap();
    let mut target = open(&database).await.unwrap();
    let target = spawn_blocking(move || {
        for rows in rows(2) {
            target.write(rows).unwrap();
        }
        target
    })
    .await
    .unwrap();
    unavailable(store.open(opening()).await);
    assert!(matches!(open(&database).await, Err(TargetError::InUse)));
    drop(target);
    assert_eq!(store.open(opening()).await.unwrap(), OpenResult::Opened);
    database
        .execute("DO $$ BEGIN ASSERT (SELECT max(number) FROM tickets) < 3; END $$")
        .await;
    assert_eq!(structure(&database).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_nothing_is_noticed() {
    let database = TestDatabase::create().await;
    let mut target = open(&database).await.unwrap();
    let error = spawn_blocking(move || {
        target.write(rows(1).pop().unwrap()).unwrap();
        target.complete(&mut |_| {}).unwrap_err()
    })
    .await
    .unwrap();
    // Its words can't be gathered without its ticket.
    assert_eq!(error.to_string(), "the target failed");
}
