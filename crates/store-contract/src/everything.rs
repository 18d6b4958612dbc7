//! Every call of the port, one after the other: for stores that look at what their calls ask of a database.

use std::time::Duration;

use ticket_domain::{
    Actor, Awaiting, ControlKind, DeliveryRoute, EventKind, Fallback, MessageStatus, Payload, Priority, Progress,
    Question, QuestionKind, Receipt, Recipient, Sender, Status, Ticket, TicketPatch, TicketQuery, Timestamp,
    ports::{
        AnswerQuestion, Append, Attach, AttemptOutcome, ControlMessage, EraseTarget, Erasure, InactiveQuery,
        KnownContact, MergeQuestions, Opening, Purge, StatusUpdate, TicketLookup, UpdateTicket,
    },
};

use crate::{
    Fixture,
    cases::attachments::{joining, uploaded},
    fixture::{With as _, append_to, asking, dead, delivered, keep_silently, retry_at, returned},
};

/// Calls everything once or more, as at `now`, on a store that may hold whatever else. May be repeated.
pub async fn call_everything(fixture: &Fixture, now: Timestamp) {
    let opening = opened(fixture, now).await;
    asked(fixture, &opening.ticket, now).await;
    delivered_and_told(fixture, &opening.ticket, now).await;
    sent_again(fixture, now).await;
    operated(fixture, &opening.ticket, now).await;
    mailed(fixture, now).await;
    filed(fixture, &opening.ticket, now).await;
    let store = fixture.must();
    let purge = Purge {
        after: None,
        settled_before: Timestamp::from_unix_micros(0).unwrap(),
        limit: 500,
    };
    assert_eq!(store.purge(purge).await.gone, 0);
    store.purge_keys(now, 500).await;
    let contact = KnownContact {
        user_id: "US.134".parse().unwrap(),
        phone: "+15550001111".parse().unwrap(),
        seen_at: now,
    };
    store.learn(contact.clone()).await;
    assert_eq!(store.contacts_of(contact.user_id.clone()).await.len(), 1);
    store.forget(contact.phone.clone()).await;
    store.learn(contact).await;
    store.forget_unseen(Timestamp::UNIX_EPOCH).await;
    forgotten(fixture, now).await;
    store.ping().await;
    store.vitals(now).await;
    store.attention().await;
}

/// Uploads files, and has them join messages.
async fn filed(fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let store = fixture.must();
    let upload = uploaded(fixture, now).await;
    let id = upload.attachment.id;
    assert_eq!(store.uploads(vec![id]).await.len(), 1);
    let append = Append {
        attachments: vec![joining(fixture, &upload, now)],
        ..append_to(ticket, fixture.message(now))
    };
    fixture.added(append).await;
    assert!(store.attached_file(ticket.reference, id).await.is_some());
    let upload = uploaded(fixture, now).await;
    let opening = Opening {
        attachments: vec![joining(fixture, &upload, now)],
        ..fixture.opening(now)
    };
    fixture.open(opening).await;
    store.file_bytes(None).await;
    store.file_bytes(Some(ticket.id)).await;
    store.unwanted_files(Timestamp::UNIX_EPOCH, 10).await;
    store.forget_files(vec![id]).await;
    store.known_files(vec![id]).await;
}

/// Looks for what is a customer's, and erases it.
async fn forgotten(fixture: &Fixture, now: Timestamp) {
    let store = fixture.must();
    let opening = fixture.opening(now);
    let phone = opening.ticket.details.customer.phone.clone();
    store.open(opening.clone()).await;
    store.messages_from(vec![phone.into()]).await;
    let stale = InactiveQuery {
        after: 0,
        unchanged_since: Timestamp::from_unix_micros(0).unwrap(),
        limit: 500,
    };
    assert_eq!(store.inactive_tickets(stale).await.tickets, []);
    let kept = fixture.message(now);
    store.store_unmatched(keep_silently(kept.clone())).await;
    let whole = EraseTarget::Ticket {
        id: opening.ticket.id,
        after: 0,
        limit: 300,
    };
    for what in [whole, EraseTarget::Messages(vec![kept.id])] {
        let erasure = Erasure {
            what,
            stamp: fixture.note(now),
        };
        assert_eq!(store.erase(erasure).await.messages, 1);
    }
}

/// Opens a ticket, twice by its key, and reads it.
async fn opened(fixture: &Fixture, now: Timestamp) -> Opening {
    let store = fixture.must();
    let mut opening = fixture.opening(now);
    opening.idempotency = Some(fixture.idempotency(now.plus(Duration::from_hours(24))));
    for opening in [fixture.opening(now), opening.clone(), opening.clone()] {
        store.open(opening).await;
    }
    store.opened_since(now).await;
    store.first_answers(Timestamp::UNIX_EPOCH).await;
    let reference = opening.ticket.reference;
    store.summary(reference).await.unwrap();
    store.thread(reference).await.unwrap();
    store.find(TicketLookup::Reference(reference)).await.unwrap();
    opening
}

/// Asks a customer, who confirms the ticket.
async fn confirmed(fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let store = fixture.must();
    let customer = fixture.manager();
    let mut question = fixture.question(&customer, now);
    question.kind = QuestionKind::Customer;
    let answer = AnswerQuestion {
        question: question.id,
        is_quoted: false,
        by: None,
        ticket: Some(ticket.id),
        join_as: None,
        at: now,
        notifications: Vec::new(),
    };
    fixture
        .stored(&fixture.message_from(&customer, now), asking(&question))
        .await;
    store.answer(answer).await;
    store.confirmed(customer, now).await.unwrap();
}

/// Keeps messages, asks about them and takes the answer; adds others to the ticket, each twice.
async fn asked(fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let store = fixture.must();
    store.open_tickets(5).await;
    let manager = fixture.manager();
    let (kept, question): (_, Question) = fixture.asked(&manager, now).await;
    fixture.joined(&question, now).await;
    store.questions_since(manager.clone(), now).await;
    store.question(question.id).await.unwrap();
    store.quoted_question(fixture.external_id()).await;
    store.waiting_messages(manager.clone(), now).await;
    let because = ControlMessage {
        external_id: Some(fixture.external_id()),
        kind: ControlKind::Unclear,
        ticket: Some(ticket.id),
        reply: "Reply 1–4, or 0.".into(),
        at: now,
    };
    let merge = MergeQuestions {
        because: because.clone(),
        question: fixture.question(&manager, now),
        notification: Some(fixture.question_notification(now)),
        merged: vec![question.id],
    };
    let question = merge.question.clone();
    store.merge_questions(merge).await;
    store.last_published(manager.clone(), vec![manager.clone()], now).await;
    store.record_control(because.clone()).await.unwrap();
    store.known(because.external_id.unwrap()).await.unwrap();
    let external_id = fixture.external_id();
    let known = fixture.message_of(&external_id, now);
    for _ in 0..2 {
        store.store_unmatched(keep_silently(known.clone())).await;
    }
    store.unmatched_message(external_id.clone()).await.unwrap();
    let picking = AnswerQuestion {
        question: question.id,
        is_quoted: false,
        by: Some(fixture.external_id()),
        ticket: Some(ticket.id),
        join_as: Some(Sender::Manager),
        at: now,
        notifications: Vec::new(),
    };
    for _ in 0..2 {
        store.answer(picking.clone()).await;
    }
    confirmed(fixture, ticket, now).await;
    store.message(kept.id).await.unwrap();
    for message in [known, fixture.message_of(&fixture.external_id(), now)] {
        let append = Append {
            notifications: vec![fixture.notification(EventKind::Updated, now)],
            reopen: true,
            idempotency: Some(fixture.idempotency(now.plus(Duration::from_hours(24)))),
            note: Some(fixture.note(now)),
            ..append_to(ticket, message)
        };
        for _ in 0..2 {
            store.append(append.clone()).await;
        }
        let repeated = append.with(|append| append.idempotency = None);
        store.append(repeated).await;
    }
    store.find(TicketLookup::Quoted(external_id)).await.unwrap();
}

/// Claims what is due, comes to every verdict, and hears of what was delivered.
async fn delivered_and_told(fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let store = fixture.must();
    let external_id = fixture.external_id();
    let fallback = || Fallback {
        route: DeliveryRoute::new("backup"),
        payload: Payload(b"{}".to_vec().into()),
    };
    for outcome in [
        retry_at(now),
        returned(now),
        AttemptOutcome::Rerouted {
            at: now,
            fallback: fallback(),
            reason: "refused".into(),
        },
        delivered(now, Some(&external_id)),
    ] {
        let mut claim = fixture.claim_at(now);
        claim.first_tries_only = matches!(outcome, AttemptOutcome::RetryAt { .. });
        // What others hold may stand before it; the ticket's own first one is due.
        let claimed = store.claim(claim, u16::MAX).await;
        for held in claimed {
            let outcome = if held.ticket == Some(ticket.id) {
                outcome.clone()
            } else {
                delivered(now, None)
            };
            store.record_attempt(held.id, held.lease, outcome).await;
        }
    }
    store.find(TicketLookup::Quoted(external_id.clone())).await.unwrap();
    store.sent_notification(external_id.clone()).await.unwrap();
    let mut receipt = Receipt {
        external_id: external_id.clone(),
        status: MessageStatus::Sent,
        error_code: None,
        at: now,
    };
    store.keep_receipt(receipt.clone(), now).await;
    receipt.status = MessageStatus::Read;
    store.keep_receipt(receipt.clone(), now).await;
    store.early_receipts(now, 9).await;
    store.drop_receipt(receipt).await;
    let failed = StatusUpdate::Retry {
        due: now,
        reason: "failed".into(),
    };
    let mut external_id = external_id;
    for update in [StatusUpdate::Fallback(fallback(), "refused".into()), failed] {
        assert!(store.advance(external_id.clone(), update, now).await);
        store.find(TicketLookup::Quoted(external_id)).await.unwrap();
        external_id = fixture.external_id();
        for held in store.claim(fixture.claim_at(now), u16::MAX).await {
            store
                .record_attempt(held.id, held.lease, delivered(now, Some(&external_id)))
                .await;
        }
    }
    for advance in [
        StatusUpdate::To(Progress::Delivered),
        StatusUpdate::Dead("refused".into()),
    ] {
        store.advance(external_id.clone(), advance, now).await;
    }
}

/// Everything that brings a notification back, or keeps it.
async fn sent_again(fixture: &Fixture, now: Timestamp) {
    let store = fixture.must();
    let opening = fixture.open(fixture.opening(now)).await;
    let id = opening.notifications[0].id;
    store.notification(id).await.unwrap();
    store.current_message(id).await.unwrap();
    store.undelivered(50).await;
    let later = now.plus(Duration::from_hours(1));
    store.postpone(Recipient::Manager, later).await;
    store.claim_probe(fixture.claim_at(now), now).await;
    store.release_waiting(Recipient::Manager, later).await;
    store.hold_unaddressed(Recipient::Manager, now).await;
    store.redeliver(id, fixture.note(later), None).await;
    for held in store.claim(fixture.claim_at(later), u16::MAX).await {
        store.record_attempt(held.id, held.lease, dead(later)).await;
    }
    store.redeliver(id, fixture.note(later), None).await;
    store.redeliver_dead(fixture.note(later)).await;
    store.dead_fallbacks(50).await;
    for held in store.claim(fixture.claim_at(later), u16::MAX).await {
        store.record_attempt(held.id, held.lease, delivered(later, None)).await;
    }
}

/// Changes a ticket, attaches a message to it and reads the trail.
async fn operated(fixture: &Fixture, ticket: &Ticket, now: Timestamp) {
    let store = fixture.must();
    let update = UpdateTicket {
        ticket: ticket.id,
        patch: TicketPatch {
            status: Some(Status::Closed),
            priority: Some(Priority::Low),
        },
        at: now,
        by: Actor::Operator(None),
        entries: [fixture.note(now).id, fixture.note(now).id],
        notifications: Vec::new(),
    };
    store.change(update).await;
    let kept = fixture.message(now);
    store.store_unmatched(keep_silently(kept.clone())).await;
    store.unmatched(None, 50).await;
    store.unmatched(Some(kept.id), 50).await;
    let attach = Attach {
        message: kept.id,
        to: ticket.id,
        sender: Sender::Customer,
        notifications: vec![fixture.notification(EventKind::Updated, now)],
        reopen: true,
        note: fixture.note(now),
    };
    for _ in 0..2 {
        store.attach(attach.clone()).await;
    }
    store.message(kept.id).await.unwrap();
    for of in [None, Some(ticket.id)] {
        for before in [None, Some(fixture.note(now).id)] {
            assert!(store.audit_log(of, before, 50).await.len() > 3);
        }
    }
}

/// Answers a customer, who is mailed unless they have seen it.
async fn mailed(fixture: &Fixture, now: Timestamp) {
    let store = fixture.must();
    let ticket = fixture.open(fixture.opening(now)).await.ticket;
    let to_customer = |event| {
        fixture
            .notification(event, now)
            .with(|notification| notification.recipient = Recipient::Customer)
    };
    let answer = fixture.message(now);
    let digests = [(); 2].map(|()| to_customer(EventKind::Answered));
    for digest in digests.clone() {
        let append =
            append_to(&ticket, fixture.message(now)).with(|append| append.notifications = vec![digest.clone()]);
        fixture.added(append).await;
    }
    let append =
        append_to(&ticket, answer.clone()).with(|append| append.notifications = vec![to_customer(EventKind::Resolved)]);
    fixture.added(append).await;
    assert_eq!(store.news(digests[0].id).await.answers.len(), 3);
    for _ in 0..2 {
        store.seen(ticket.id, answer.id).await;
    }
    store.set_unsubscribed(ticket.id, true).await;
    store.request(ticket.id, to_customer(EventKind::Links), now).await;
    let claim = fixture
        .claim_at(now)
        .with(|claim| claim.recipient = Recipient::Customer);
    for held in store.claim(claim, u16::MAX).await {
        store.record_attempt(held.id, held.lease, AttemptOutcome::Dropped).await;
    }
}

/// Asks for every list in every way, and for its second page.
pub async fn list_everything(fixture: &Fixture) {
    let store = fixture.must();
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
                    let listing = TicketQuery {
                        status,
                        priority,
                        awaiting,
                        text: text.map(|text| text.parse().unwrap()),
                        ..TicketQuery::all(50)
                    };
                    let after = store.list(listing.clone()).await.next;
                    store.list(TicketQuery { after, ..listing }).await;
                }
            }
        }
    }
    store.attention().await;
}
