//! A row that no value type accepts is named by table and column, and nothing of it is repeated.

use std::{slice, time::Duration};

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::{
    Choice, LeaseToken, MessageStatus, NotificationId, Question, QuestionId, Reason, Receipt, Recipient, Timestamp,
    ports::{
        AnswerQuestion, Claim, Idempotency, OpenResult, Opening, Outbox, Precondition, QuestionUpdate, Questions,
        Receipts, StoreError, StoreHealth, StoreUnmatched, StoredUnmatched, TicketLookup, TicketStore,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fixture::{connect, connection, everything, now, opening};

/// Every column that is parsed, and what its type refuses.
const COLUMNS: [(&str, &str, &str); 33] = [
    ("tickets", "reference", "'bad'"),
    ("tickets", "customer_name", "E'bad\\tbad'"),
    ("tickets", "customer_phone", "'bad'"),
    ("tickets", "customer_email", "'bad'"),
    ("tickets", "subject", "E'bad\\nbad'"),
    ("tickets", "priority", "'bad'"),
    ("tickets", "status", "'bad'"),
    ("tickets", "customer_key", "'bad'"),
    ("tickets", "reader_key", "'bad'"),
    ("tickets", "version", "-1"),
    ("messages", "sender", "'bad'"),
    ("messages", "channel", "'bad'"),
    ("messages", "from_phone", "'bad'"),
    ("messages", "body", "E'bad\\x01'"),
    ("messages", "body", "''"),
    ("messages", "media_url", "'bad'"),
    (
        "messages",
        "external_id",
        "CASE external_id WHEN 'SM1' THEN '' ELSE external_id END",
    ),
    ("notifications", "event", "'bad'"),
    ("notifications", "state", "'bad'"),
    ("notifications", "failed_attempts", "-1"),
    ("notifications", "settled_at", "NULL"),
    ("notifications", "external_id", "''"),
    ("notifications", "progress", "'bad'"),
    ("notifications", "route", "''"),
    ("idempotency_keys", "digest", "'bad'"),
    ("questions", "of_phone", "'bad'"),
    ("questions", "choices", "'T-20250115-1111 bad'"),
    ("questions", "attached", "-1"),
    ("questions", "attached", "4294967296"),
    ("questions", "attached", "NULL"),
    ("receipts", "status", "'bad'"),
    ("receipts", "error_code", "-1"),
    ("receipts", "error_code", "4294967296"),
];

/// Asks for everything that there is of a ticket, and gives the first error.
async fn read_all(store: &PostgresStore, opening: &Opening) -> Result<(), StoreError> {
    // A repetition under the key, which draws another reference.
    let mut again = crate::fixture::opening();
    again.idempotency = opening.idempotency.clone();
    store.notification(opening.notifications[0].id).await?;
    store.find(TicketLookup::Quoted("SM1".parse().unwrap())).await?;
    store.thread(opening.ticket.reference).await?;
    store.open(again).await?;
    store.open_tickets(5).await?;
    store.sent_notification("SM1".parse().unwrap()).await?;
    store.overtaken(now(), 9).await?;
    store.keep_receipt(receipt(), now()).await?;
    store.store_unmatched(kept("SM2", QuestionUpdate::None)).await?;
    store.picked("SM3".parse().unwrap()).await?;
    Ok(())
}

fn receipt() -> Receipt {
    Receipt {
        external_id: "SM1".parse().unwrap(),
        status: MessageStatus::Sent,
        error_code: Some(63_016),
        at: now(),
    }
}

/// A message that differs from all others except for its external id.
fn kept(external_id: &str, asking: QuestionUpdate) -> StoreUnmatched {
    let mut message = opening().message;
    message.external_id = Some(external_id.parse().unwrap());
    StoreUnmatched { message, asking }
}

/// Asks two questions about messages `SM2` and `SM4`, and has that of `SM4` answered by `SM3`.
async fn ask(store: &PostgresStore, opening: &Opening) {
    let choice = Choice {
        reference: opening.ticket.reference,
        subject: opening.ticket.details.subject.clone(),
    };
    for (number, external_id) in [(1, "SM4"), (2, "SM2")] {
        let id = QuestionId(Uuid::from_u128(number));
        let of = "+919655716000".parse().unwrap();
        let question = Question::new(id, of, Reason::NoHint, slice::from_ref(&choice), now());
        let asking = QuestionUpdate::Ask {
            question,
            instead_of: Precondition::Only(None),
        };
        let kept = store.store_unmatched(kept(external_id, asking)).await.unwrap();
        assert_eq!(kept, StoredUnmatched::Stored);
        let picking = AnswerQuestion {
            question: id,
            by: Some("SM3".parse().unwrap()),
            ticket: Some(opening.ticket.id),
            at: now(),
        };
        store.answer(picking).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_that_no_type_accepts_is_named() {
    for (table, column, bad) in COLUMNS {
        let database = TestDatabase::create().await;
        let store = connect(database.url(), 1).await.unwrap();
        let mut written = opening();
        written.message.external_id = Some("SM1".parse().unwrap());
        written.idempotency = Some(Idempotency {
            key: "key".parse().unwrap(),
            digest: [7; 32],
            expires_at: now().plus(Duration::from_mins(1)),
        });
        store.open(written.clone()).await.unwrap();
        database
            .execute(
                "UPDATE notifications SET state = 'delivered', due_at = NULL, settled_at = created_at,
                    external_id = 'SM1'",
            )
            .await;
        ask(&store, &written).await;
        store.keep_receipt(receipt(), now()).await.unwrap();
        read_all(&store, &written).await.unwrap();

        // Past the checks, as a hand with SQL or a later version may.
        database
            .execute(&format!(
                "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_{column}_check;
                 ALTER TABLE questions DROP CONSTRAINT questions_count_what_an_answer_brought,
                     DROP CONSTRAINT questions_are_closed_by_an_answer;
                 UPDATE {table} SET {column} = {bad}"
            ))
            .await;
        match read_all(&store, &written).await {
            Err(
                error @ StoreError::Corrupt {
                    table: of, column: at, ..
                },
            ) => {
                assert_eq!((of, at), (table, column));
                assert!(!everything(&error).contains("bad"), "{}", everything(&error));
            }
            other => panic!("{table}.{column}: {other:?}"),
        }
    }
}

/// Opens three tickets, a second apart, and spoils the notification of the first.
async fn one_spoilt_of_three(
    database: &TestDatabase,
    column: &str,
    value: &str,
) -> (PostgresStore, [NotificationId; 3]) {
    let store = connect(database.url(), 1).await.unwrap();
    let mut ids = Vec::new();
    for seconds in 0..3 {
        let mut written = opening();
        written.notifications[0].created_at = now().plus(Duration::from_secs(seconds));
        ids.push(written.notifications[0].id);
        assert_eq!(store.open(written).await.unwrap(), OpenResult::Opened);
    }
    let first = ids[0].0;
    database
        .execute(&format!(
            "ALTER TABLE notifications DROP CONSTRAINT IF EXISTS notifications_{column}_check;
             UPDATE notifications SET {column} = {value} WHERE id = '{first}'"
        ))
        .await;
    (store, ids.try_into().unwrap())
}

fn claim_at(now: Timestamp) -> Claim {
    Claim {
        recipient: Recipient::Manager,
        now,
        lease: LeaseToken(Uuid::from_u128(7)),
        until: now.plus(Duration::from_secs(30)),
        first_tries_only: false,
    }
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Dead {
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    last_error: String,
}

/// The notifications that are dead as they have to be.
async fn dead(database: &TestDatabase, settled_at: Timestamp) -> Vec<Dead> {
    sql_query(
        "SELECT id, last_error FROM notifications
         WHERE state = 'dead' AND due_at IS NULL AND lease IS NULL AND settled_at = $1",
    )
    .bind::<sql_types::Timestamptz, _>(OffsetDateTime::from(settled_at))
    .load(&mut connection(database.url()).await)
    .unwrap()
}

const UNCLAIMABLE: [(&str, &str); 6] = [
    ("event", "'ticket.lost'"),
    ("failed_attempts", "-1"),
    ("failed_attempts", "65536"),
    ("route", "''"),
    ("round", "-1"),
    ("round", "65536"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_back_from_a_claim() {
    for (column, value) in UNCLAIMABLE {
        let database = TestDatabase::create().await;
        let (store, [first, second, third]) = one_spoilt_of_three(&database, column, value).await;
        let soon = now().plus(Duration::from_secs(5));
        let claimed = store.claim(claim_at(soon), 9).await.unwrap();
        let ids: Vec<NotificationId> = claimed.iter().map(|claimed| claimed.id).collect();
        assert_eq!(ids, [second, third], "{column}");

        let last_error = format!("notifications.{column} holds a value that the domain refuses");
        let id = first.0;
        assert_eq!(dead(&database, soon).await, [Dead { id, last_error }]);
        let vitals = store.vitals(soon).await.unwrap();
        assert_eq!((vitals.waiting, vitals.leased, vitals.dead), (2, 2, 1), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_back_from_a_probe() {
    for (column, value) in UNCLAIMABLE {
        let database = TestDatabase::create().await;
        let (store, [first, second, _]) = one_spoilt_of_three(&database, column, value).await;
        let before = now().minus(Duration::from_secs(50));
        let probed = store.claim_probe(claim_at(before), before).await.unwrap();
        assert_eq!(probed, None, "{column}");
        let last_error = format!("notifications.{column} holds a value that the domain refuses");
        let id = first.0;
        assert_eq!(dead(&database, before).await, [Dead { id, last_error }]);

        let probed = store.claim_probe(claim_at(before), before).await.unwrap();
        assert_eq!(probed.map(|claimed| claimed.id), Some(second), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_out_of_the_list() {
    let cases = [
        ("event", "'ticket.lost'"),
        ("failed_attempts", "-1"),
        ("state", "'lost', due_at = NULL"),
    ];
    for (column, value) in cases {
        let database = TestDatabase::create().await;
        let (store, [_, second, third]) = one_spoilt_of_three(&database, column, value).await;
        let listed = store.undelivered(9).await.unwrap();
        let ids: Vec<NotificationId> = listed.iter().map(|record| record.id).collect();
        assert_eq!(ids, [third, second], "{column}");
    }
}
