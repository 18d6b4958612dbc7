//! No call looks through a whole table: each statement that the store sends is explained by SQLite.

use std::sync::{Arc, Mutex};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::InstrumentationEvent, sql_query,
    sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use store_contract::Fixture;
use ticket_domain::{
    Actor, Awaiting, Cursor, DeliveryRoute, ExternalId, Fallback, MessageStatus, Payload, Priority, Progress, Question,
    QuestionId, Reason, Receipt, Recipient, Sender, Status, Ticket, TicketPatch, TicketQuery, Timestamp,
    ports::{
        AnswerQuestion, Append, Attach, AttemptOutcome, EraseTarget, Erasure, InactiveQuery, Precondition, Purge,
        QuestionUpdate, StatusUpdate, StoreUnmatched, StoredUnmatched, TicketLookup, UpdateTicket,
    },
};

use super::{
    claims, indexing,
    migrate::MIGRATIONS,
    search,
    statements::{
        audit_log, customer_data as customers, health, housekeeping, listing, messages, operators, outbox, outcomes,
        questions, receipts, redelivery, tickets,
    },
    threads,
};

/// They hold only what waits, is not delivered, is not matched or is open, however much was sent; of the open, and of the
/// audit log, only the newest are read.
const SMALL_INDEXES: [&str; 8] = [
    "notifications_due",
    "notifications_waiting",
    "notifications_undelivered",
    "messages_unmatched",
    "messages_unmatched_id",
    "tickets_open",
    "questions_open",
    "sqlite_autoindex_audit_log_1",
];

/// What the triggers say beside: SQLite does not explain it with the statement that sets them off.
const TRIGGERED: [&str; 2] = [
    "SELECT number << 20 | ?2 FROM tickets WHERE id = ?1 AND ?2 < 1 << 20",
    "UPDATE tickets SET last_sender = ?1 WHERE id = ?2 AND last_sender <> ?1
        AND NOT EXISTS (SELECT 1 FROM messages WHERE ticket_id = ?2 AND seq > ?3)",
];

/// Calls everything once, and gives the statements that were sent.
fn statements(connection: &mut SqliteConnection) -> Vec<String> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            log.lock().unwrap().push(query.to_string());
        }
    });
    let fixture = Fixture::new(Arc::new(crate::SqliteStore::temporary().unwrap()));
    let now = Timestamp::from_unix_micros(0).unwrap();
    let mut opening = fixture.opening(now);
    opening.idempotency = Some(fixture.idempotency(now));
    let id = opening.notifications[0].id;
    let external_id = fixture.external_id();

    threads::open(connection, &opening).unwrap();
    indexing::catch_up(connection).unwrap();
    tickets::opened_since(connection, now).unwrap();
    threads::summary(connection, opening.ticket.reference).unwrap().unwrap();
    threads::thread(connection, opening.ticket.reference).unwrap().unwrap();
    let question = asked(connection, &fixture, &external_id, now);
    messages::unmatched_message(connection, &external_id).unwrap().unwrap();
    for message in [fixture.message(now), fixture.message_of(&external_id, now)] {
        let append = Append {
            to: opening.ticket.id,
            message,
            notifications: Vec::new(),
            reopen: true,
            ends_question_of: Some(question.of.clone()),
            idempotency: None,
            note: None,
        };
        messages::append(connection, &append).unwrap();
    }
    tickets::find(connection, &TicketLookup::Quoted(external_id))
        .unwrap()
        .unwrap();
    redelivery::redeliver(connection, id, fixture.note(now), None).unwrap();
    outbox::current_message(connection, id).unwrap().unwrap();
    outbox::release_waiting(connection, Recipient::Manager, now).unwrap();
    outbox::hold_unaddressed(connection, Recipient::Manager, now).unwrap();
    outbox::postpone(connection, Recipient::Manager, now).unwrap();
    claims::probe(connection, fixture.claim_at(now), now).unwrap();
    let claim = fixture.claim_at(now);
    assert_eq!(claims::due(connection, claim, 9).unwrap().len(), 1);
    let outcome = AttemptOutcome::Delivered {
        at: now,
        external_id: Some("SM1".parse().unwrap()),
    };
    outbox::undelivered(connection, 9).unwrap();
    outcomes::record_attempt(connection, id, claim.lease, &outcome).unwrap();
    answered(connection, &fixture, &opening.ticket, now);
    delivered(connection, &fixture, now);
    health::vitals(connection, now).unwrap();
    for after in [None, Some(id)] {
        let purge = Purge {
            after,
            settled_before: now.plus(std::time::Duration::from_secs(1)),
            limit: 9,
        };
        housekeeping::purge(connection, purge).unwrap();
    }
    housekeeping::purge_keys(connection, now, 9).unwrap();
    operated(connection, &fixture, &opening.ticket, now);
    forgotten(connection, &fixture, &opening.ticket, now);
    std::mem::take(&mut *sent.lock().unwrap())
}

/// Looks for what is a customer's, and erases it.
fn forgotten(connection: &mut SqliteConnection, fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    customers::messages_from(connection, &ticket.details.customer.phone).unwrap();
    let stale = InactiveQuery {
        after: 0,
        unchanged_since: now,
        limit: 9,
    };
    customers::inactive(connection, stale).unwrap();
    let kept = fixture.message(now);
    let keep = StoreUnmatched {
        message: kept.clone(),
        asking: QuestionUpdate::None,
    };
    messages::keep(connection, &keep).unwrap();
    let whole = EraseTarget::Ticket {
        id: ticket.id,
        after: 0,
        limit: 300,
    };
    for what in [whole, EraseTarget::Messages(vec![kept.id])] {
        let erasure = Erasure {
            what,
            stamp: fixture.note(now),
        };
        customers::erase(connection, &erasure).unwrap();
    }
}

/// Stores an unmatched message under an external id, and asks about it.
fn asked(connection: &mut SqliteConnection, fixture: &Fixture, external_id: &ExternalId, now: Timestamp) -> Question {
    let message = fixture.message_of(external_id, now);
    let of = message.from.clone().unwrap();
    questions::open_tickets(connection, 5).unwrap();
    let instead_of = questions::question(connection, &of).unwrap().map(|open| open.id);
    let id = QuestionId(message.id.0);
    let question = Question::new(id, of, Reason::NoHint, &[], now);
    let asking = QuestionUpdate::Ask {
        question: question.clone(),
        instead_of: Precondition::Only(instead_of),
    };
    messages::keep(connection, &StoreUnmatched { message, asking }).unwrap();
    let keep = StoreUnmatched {
        message: fixture.message(now),
        asking: QuestionUpdate::Extend(id),
    };
    assert_eq!(messages::keep(connection, &keep).unwrap(), StoredUnmatched::Stored);
    // Known by now.
    messages::keep(
        connection,
        &StoreUnmatched {
            message: fixture.message_of(external_id, now),
            ..keep
        },
    )
    .unwrap();
    question
}

/// Asks in place of the open question, and takes the answer twice.
fn answered(connection: &mut SqliteConnection, fixture: &Fixture, to: &Ticket, now: Timestamp) {
    asked(connection, fixture, &fixture.external_id(), now);
    let question = asked(connection, fixture, &fixture.external_id(), now).id;
    let picking = AnswerQuestion {
        question,
        by: Some(fixture.external_id()),
        ticket: Some(to.id),
        at: now,
    };
    for _ in 0..2 {
        questions::answer(connection, &picking).unwrap();
    }
    questions::choice_in(connection, &picking.by.unwrap()).unwrap().unwrap();
}

/// Takes receipts of a notification that is delivered as `SM1`.
fn delivered(connection: &mut SqliteConnection, fixture: &Fixture, now: Timestamp) {
    let external_id: ExternalId = "SM1".parse().unwrap();
    let mut receipt = Receipt {
        external_id: external_id.clone(),
        status: MessageStatus::Sent,
        error_code: None,
        at: now,
    };
    receipts::keep(connection, &receipt, now).unwrap();
    receipt.status = MessageStatus::Failed;
    receipts::keep(connection, &receipt, now).unwrap();
    assert_eq!(receipts::overtaken(connection, now, 9).unwrap(), [receipt.clone()]);
    receipts::let_go(connection, &receipt).unwrap();
    receipts::sent_notification(connection, &external_id).unwrap().unwrap();
    let fallback = Fallback {
        route: DeliveryRoute::new("backup"),
        payload: Payload(Box::default()),
    };
    let fallback = StatusUpdate::Fallback(fallback, "refused".into());
    receipts::advance(connection, &external_id, &fallback, now)
        .unwrap()
        .unwrap();
    tickets::find(connection, &TicketLookup::Quoted(external_id))
        .unwrap()
        .unwrap();

    let claim = fixture.claim_at(now);
    let claimed = claims::due(connection, claim, 9).unwrap().remove(0);
    let external_id: ExternalId = "SM2".parse().unwrap();
    let outcome = AttemptOutcome::Delivered {
        at: now,
        external_id: Some(external_id.clone()),
    };
    outcomes::record_attempt(connection, claimed.id, claim.lease, &outcome).unwrap();
    for advance in [StatusUpdate::Dead("refused".into()), StatusUpdate::To(Progress::Read)] {
        receipts::advance(connection, &external_id, &advance, now).unwrap();
    }
}

/// Lists, looks for and changes a ticket, has a message join it under a key, and looks at the audit log of that.
fn operated(connection: &mut SqliteConnection, fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let mut query = TicketQuery {
        status: None,
        priority: None,
        awaiting: None,
        text: None,
        after: None,
        limit: 1,
    };
    listing::page(connection, &query).unwrap();
    query.after = Some(Cursor { at: now, number: 9 });
    query.awaiting = Some(Awaiting::Customer);
    listing::page(connection, &query).unwrap();
    for text in ["investigate quality", "quality i"] {
        search::page(connection, &query, &text.parse().unwrap()).unwrap();
    }
    listing::attention(connection).unwrap();
    let update = UpdateTicket {
        ticket: ticket.id,
        patch: TicketPatch {
            status: Some(Status::Closed),
            priority: Some(Priority::Low),
        },
        at: now,
        by: Actor::Operator(None),
        entries: [fixture.note(now).id, fixture.note(now).id],
    };
    operators::change(connection, &update).unwrap();

    let message = fixture.message(now);
    let asking = QuestionUpdate::None;
    let keep = StoreUnmatched { message, asking };
    messages::keep(connection, &keep).unwrap();
    let id = keep.message.id;
    operators::unmatched(connection, None, 9).unwrap();
    operators::unmatched(connection, Some(id), 9).unwrap();
    operators::message(connection, id).unwrap().unwrap();
    let attach = Attach {
        message: id,
        to: ticket.id,
        sender: Sender::Customer,
        notifications: Vec::new(),
        reopen: true,
        note: fixture.note(now),
    };
    operators::attach(connection, &attach).unwrap();
    let append = Append {
        to: ticket.id,
        message: fixture.message(now),
        notifications: Vec::new(),
        reopen: false,
        ends_question_of: None,
        idempotency: Some(fixture.idempotency(now)),
        note: Some(fixture.note(now)),
    };
    messages::append(connection, &append).unwrap();
    redelivery::redeliver_dead(connection, fixture.note(now), now).unwrap();
    redelivery::dead_fallbacks(connection, 9).unwrap();
    for of in [None, Some(ticket.id)] {
        for before in [None, Some(fixture.note(now).id)] {
            assert!(audit_log::read(connection, of, before, 9).unwrap().len() > 3);
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    let statements = statements(&mut connection);
    assert!(statements.len() > 120, "{statements:#?}");
    for statement in statements.into_iter().chain(TRIGGERED.map(str::to_owned)) {
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut connection)
            .unwrap();
        for Step { detail } in steps {
            let is_small = SMALL_INDEXES.iter().any(|index| detail.ends_with(index));
            // It says "scan" also where a virtual table is sought in, and then by what: a text, a row, or the first word.
            let is_sought = [
                "ticket_search VIRTUAL TABLE INDEX 192:M1<",
                "ticket_search VIRTUAL TABLE INDEX 0:M1",
                "ticket_search VIRTUAL TABLE INDEX 0:=",
                "ticket_words VIRTUAL TABLE INDEX 513:",
            ];
            let is_sought = is_sought.iter().any(|sought| detail.contains(sought));
            // A subquery's own steps stand beside it: `d` is one.
            // `search_pending` holds what is new in one commit.
            let is_no_table = [
                "SCAN CONSTANT ROW",
                "SCAN d",
                // As many as are counted at most, and the first of each priority.
                "SCAN counted",
                "SCAN first",
                "SCAN page",
                "SCAN found",
                "SCAN pending",
                "SCAN search_pending",
            ]
            .contains(&detail.as_str())
                || detail.starts_with("SCAN (subquery")
                || detail.ends_with("-ROW VALUES CLAUSE");
            // What managers were asked about a ticket is looked for when it is erased: by hand, or in old ones once a day.
            let is_rare = detail == "SCAN questions";
            assert!(
                !detail.starts_with("SCAN") || is_small || is_sought || is_no_table || is_rare,
                "{detail}\n{statement}"
            );
        }
    }
}
