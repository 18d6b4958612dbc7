//! A row that holds what no value type accepts is an error that names its column, and nothing of what is in it.

use std::{path::Path, slice, sync::Arc, time::Duration};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query, sql_types,
};
use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    Choice, MessageStatus, NotificationId, QuestionId, Reason, Receipt, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, AttemptOutcome, OpenResult, Opening, Precondition, QuestionUpdate, StoreError,
        StoreUnmatched, StoredUnmatched, TicketLookup,
    },
};

/// What is asked of a store that holds one ticket.
#[derive(Clone, Copy)]
enum Call {
    Find,
    Thread,
    Record,
    OpenAgain,
    KeptAgain,
    OpenTickets,
    Question,
    PickedBy,
    HandedAs,
    KeepReceipt,
}

use Call::{Find, HandedAs, KeepReceipt, KeptAgain, OpenAgain, OpenTickets, PickedBy, Question, Record, Thread};

/// By which a question was answered, another is open, and a message was handed over.
const PICK: &str = "SM-pick";
const ASKED: &str = "SM-asked";
const HANDED: &str = "SM-handed";

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap()
}

async fn make(call: Call, fixture: &Fixture, opening: &Opening) -> Result<(), StoreError> {
    let store = fixture.store();
    let (reference, id) = (opening.ticket.reference, opening.notifications[0].id);
    match call {
        Find => store.find(TicketLookup::Reference(reference)).await.map(drop),
        Thread => store.thread(reference).await.map(drop),
        Record => store.notification(id).await.map(drop),
        OpenAgain => store.open(opening.clone()).await.map(drop),
        KeptAgain => {
            let keep = StoreUnmatched {
                message: fixture.message_of(&ASKED.parse().unwrap(), now()),
                asking: QuestionUpdate::None,
            };
            store.store_unmatched(keep).await.map(drop)
        }
        OpenTickets => store.open_tickets(5).await.map(drop),
        Question => store.question(fixture.message(now()).from.unwrap()).await.map(drop),
        PickedBy => store.picked(PICK.parse().unwrap()).await.map(drop),
        HandedAs => store.sent_notification(HANDED.parse().unwrap()).await.map(drop),
        KeepReceipt => store.keep_receipt(receipt(), now()).await,
    }
}

fn receipt() -> Receipt {
    Receipt {
        external_id: HANDED.parse().unwrap(),
        status: MessageStatus::Delivered,
        error_code: Some(63_016),
        at: now(),
    }
}

/// Asks two questions, and has the first answered.
async fn ask(fixture: &Fixture, opening: &Opening) {
    let store = fixture.store();
    let choice = Choice {
        reference: opening.ticket.reference,
        subject: opening.ticket.details.subject.clone(),
    };
    for is_answered in [true, false] {
        let message = if is_answered {
            fixture.message(now())
        } else {
            fixture.message_of(&ASKED.parse().unwrap(), now())
        };
        let (id, of) = (QuestionId(message.id.0), message.from.clone().unwrap());
        let question = ticket_domain::Question::new(id, of, Reason::NoHint, slice::from_ref(&choice), now());
        let asking = QuestionUpdate::Ask {
            question,
            instead_of: Precondition::Only(None),
        };
        assert_eq!(
            store.store_unmatched(StoreUnmatched { message, asking }).await.unwrap(),
            StoredUnmatched::Stored
        );
        if is_answered {
            let picking = AnswerQuestion {
                question: id,
                by: Some(PICK.parse().unwrap()),
                ticket: None,
                at: now(),
            };
            assert!(matches!(
                store.answer(picking).await.unwrap(),
                AnswerResult::Answered(_)
            ));
        }
    }
}

/// Runs SQL past every rule of the schema, and gives the connection.
fn spoil(path: &Path, sql: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = 2500; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {sql}"
        ))
        .unwrap();
    connection
}

/// Spoils `table.column` of a store with one ticket, and expects `call`, which succeeds before, to say so.
async fn expect_corrupt(table: &str, column: &str, value: &str, call: Call) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let fixture = Fixture::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let store = fixture.store();
    let mut opening = fixture.opening(now());
    opening.idempotency = Some(fixture.idempotency(now().plus(Duration::from_hours(1))));
    opening.message.external_id = Some(fixture.external_id());
    assert_eq!(store.open(opening.clone()).await.unwrap(), OpenResult::Opened);
    ask(&fixture, &opening).await;
    store.keep_receipt(receipt(), now()).await.unwrap();
    if value.starts_with("delivered: ") {
        let claimed = store.claim(fixture.claim_at(now()), 1).await.unwrap().remove(0);
        let outcome = AttemptOutcome::Delivered {
            at: now(),
            external_id: Some(HANDED.parse().unwrap()),
        };
        store.record_attempt(claimed.id, claimed.lease, outcome).await.unwrap();
    }
    make(call, &fixture, &opening).await.unwrap();

    let value = value.trim_start_matches("delivered: ");
    spoil(&path, &format!("UPDATE {table} SET {column} = {value}"));
    let error = make(call, &fixture, &opening).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Corrupt { .. }),
        "{table}.{column}: {error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("{table}.{column} holds a value that the domain refuses")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_ticket_is_told() {
    let cases: &[(&str, &str, Call)] = &[
        ("reference", "'T-1'", Record),
        ("customer_name", "''", Find),
        ("customer_phone", "'none'", Find),
        ("customer_email", "'nobody'", Find),
        ("subject", "'a' || char(10) || 'b'", Find),
        ("subject", "''", OpenTickets),
        ("reference", "'T-1'", OpenTickets),
        ("priority", "'extreme'", Find),
        ("status", "'lost'", Find),
        ("customer_key", "'short'", Find),
        ("reader_key", "'SHORT'", Find),
        ("version", "-1", Find),
    ];
    for &(column, value, call) in cases {
        expect_corrupt("tickets", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_message_is_told() {
    let cases: &[(&str, &str, Call)] = &[
        ("sender", "'bot'", Thread),
        ("channel", "'fax'", Thread),
        ("from_phone", "'x'", Thread),
        ("body", "'a' || char(7)", Thread),
        ("body", "''", Thread),
        ("media_url", "'http://media.example'", Thread),
        ("external_id", "replace(hex(zeroblob(rowid)), '00', ' ')", Thread),
    ];
    for &(column, value, call) in cases {
        expect_corrupt("messages", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_notification_is_told() {
    let cases: &[(&str, &str, Call)] = &[
        ("recipient", "'nobody'", Record),
        ("event", "'ticket.lost'", Record),
        ("event", "delivered: 'ticket.lost'", HandedAs),
        ("progress", "delivered: 'lost'", Thread),
        ("progress", "delivered: 'lost'", HandedAs),
        ("route", "delivered: ''", HandedAs),
        ("state", "'lost'", Thread),
        ("due_at", "NULL", Record),
        ("failed_attempts", "-1", Record),
        ("external_id", "delivered: ''", Record),
        ("settled_at", "delivered: NULL", Thread),
    ];
    for &(column, value, call) in cases {
        expect_corrupt("notifications", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_question_is_told() {
    let cases: &[(&str, &str, Call)] = &[
        ("of_phone", "'x'", KeptAgain),
        ("choices", "'T-1'", Question),
        ("attached", "-1", PickedBy),
        ("attached", "4294967296", PickedBy),
        ("attached", "NULL", PickedBy),
    ];
    for &(column, value, call) in cases {
        expect_corrupt("questions", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_receipt_is_told() {
    let cases: &[(&str, &str, Call)] = &[
        ("status", "'lost'", KeepReceipt),
        ("error_code", "-1", KeepReceipt),
        ("error_code", "delivered: 4294967296", HandedAs),
        ("status", "delivered: 'lost'", HandedAs),
    ];
    for &(column, value, call) in cases {
        expect_corrupt("receipts", column, value, call).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_receipt_keeps_no_other_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let fixture = Fixture::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let store = fixture.store();
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let opening = fixture.opening(now());
        assert_eq!(store.open(opening).await.unwrap(), OpenResult::Opened);
        let external_id = fixture.external_id();
        let claimed = store.claim(fixture.claim_at(now()), 1).await.unwrap().remove(0);
        let outcome = AttemptOutcome::Delivered {
            at: now(),
            external_id: Some(external_id.clone()),
        };
        store.record_attempt(claimed.id, claimed.lease, outcome).await.unwrap();
        let receipt = Receipt {
            external_id,
            ..receipt()
        };
        store.keep_receipt(receipt.clone(), now()).await.unwrap();
        receipts.push(receipt);
    }
    let first = &receipts[0].external_id;
    spoil(
        &path,
        &format!("UPDATE receipts SET error_code = -5 WHERE external_id = '{first}'"),
    );
    assert_eq!(store.overtaken(now(), 9).await.unwrap(), receipts[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_key_is_told() {
    expect_corrupt("idempotency_keys", "digest", "x'00'", OpenAgain).await;
}

/// What reading a whole query would fail at can't be written: an id of another length than 16 bytes, or a moment beyond
/// the calendar.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_row_could_be_read_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let fixture = Fixture::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let mut opening = fixture.opening(now());
    opening.idempotency = Some(fixture.idempotency(now().plus(Duration::from_hours(1))));
    fixture.store().open(opening.clone()).await.unwrap();
    ask(&fixture, &opening).await;
    fixture.store().keep_receipt(receipt(), now()).await.unwrap();
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    for (table, ids, moments) in [
        ("tickets", &["id"][..], &["created_at", "updated_at"][..]),
        ("messages", &["id", "ticket_id", "question_id"], &["created_at"]),
        (
            "notifications",
            &["id", "ticket_id", "lease"],
            &[
                "due_at",
                "scheduled_at",
                "attempted_at",
                "probed_at",
                "settled_at",
                "created_at",
            ],
        ),
        ("idempotency_keys", &["ticket_id", "message_id"], &["expires_at"]),
        (
            "questions",
            &["id", "answered_with"],
            &["begun_at", "asked_at", "closed_at"],
        ),
        ("receipts", &[], &["at"]),
    ] {
        let values = ids.iter().map(|id| (id, "randomblob(5)"));
        let moments = moments.iter().flat_map(|at| {
            ["9223372036854775807", "-9223372036854775808", "-62167219200000001"].map(|micros| (at, micros))
        });
        for (column, value) in values.chain(moments) {
            let refused = connection.batch_execute(&format!("UPDATE {table} SET {column} = {value}"));
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("CHECK constraint failed"), "{table}.{column}: {error}");
        }
    }
}

/// Opens three tickets, a second apart, and spoils the notification of the first.
async fn one_spoilt_of_three(
    path: &Path,
    column: &str,
    value: &str,
) -> (Fixture, [NotificationId; 3], SqliteConnection) {
    let fixture = Fixture::new(Arc::new(SqliteStore::open(path).unwrap()));
    let mut ids = Vec::new();
    for seconds in 0..3 {
        let opening = fixture.opening(now().plus(Duration::from_secs(seconds)));
        ids.push(opening.notifications[0].id);
        assert_eq!(fixture.store().open(opening).await.unwrap(), OpenResult::Opened);
    }
    let first = now().unix_micros();
    let sql = format!("UPDATE notifications SET {column} = {value} WHERE due_at = {first}");
    (fixture, ids.try_into().unwrap(), spoil(path, &sql))
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Dead {
    #[diesel(sql_type = sql_types::Text)]
    last_error: String,
}

/// The only notification that is dead, as it has to be.
fn dead(connection: &mut SqliteConnection, settled_at: Timestamp) -> Vec<Dead> {
    sql_query(
        "SELECT last_error FROM notifications
         WHERE state = 'dead' AND due_at IS NULL AND lease IS NULL AND settled_at = ?",
    )
    .bind::<sql_types::BigInt, _>(settled_at.unix_micros())
    .load(connection)
    .unwrap()
}

const UNCLAIMABLE: [(&str, &str); 6] = [
    ("route", "''"),
    ("round", "-1"),
    ("round", "65536"),
    ("event", "'ticket.lost'"),
    ("failed_attempts", "-1"),
    ("failed_attempts", "65536"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_back_from_a_claim() {
    for (column, value) in UNCLAIMABLE {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickets.db");
        let (fixture, [_, second, third], mut connection) = one_spoilt_of_three(&path, column, value).await;
        let store = fixture.store();
        let soon = now().plus(Duration::from_secs(5));
        let claimed = store.claim(fixture.claim_at(soon), 9).await.unwrap();
        let ids: Vec<NotificationId> = claimed.iter().map(|claimed| claimed.id).collect();
        assert_eq!(ids, [second, third], "{column}");

        let last_error = format!("notifications.{column} holds a value that the domain refuses");
        assert_eq!(dead(&mut connection, soon), [Dead { last_error }]);
        let vitals = store.vitals(soon).await.unwrap();
        assert_eq!((vitals.waiting, vitals.leased, vitals.dead), (2, 2, 1), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_back_from_a_probe() {
    for (column, value) in UNCLAIMABLE {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickets.db");
        let (fixture, [_, second, _], mut connection) = one_spoilt_of_three(&path, column, value).await;
        let store = fixture.store();
        let before = now().minus(Duration::from_secs(50));
        let probed = store.claim_probe(fixture.claim_at(before), before).await.unwrap();
        assert_eq!(probed, None, "{column}");
        let last_error = format!("notifications.{column} holds a value that the domain refuses");
        assert_eq!(dead(&mut connection, before), [Dead { last_error }]);

        let probed = store.claim_probe(fixture.claim_at(before), before).await.unwrap();
        assert_eq!(probed.map(|claimed| claimed.id), Some(second), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_one_does_not_keep_the_others_out_of_the_list() {
    let cases: &[(&str, &str)] = &[
        ("event", "'ticket.lost'"),
        ("failed_attempts", "-1"),
        ("state", "'lost', due_at = NULL"),
    ];
    for &(column, value) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tickets.db");
        let (fixture, [_, second, third], _) = one_spoilt_of_three(&path, column, value).await;
        let listed = fixture.store().undelivered(9).await.unwrap();
        let ids: Vec<NotificationId> = listed.iter().map(|record| record.id).collect();
        assert_eq!(ids, [third, second], "{column}");
    }
}
