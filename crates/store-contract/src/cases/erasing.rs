//! What is kept of a person is found, and goes.

use ticket_domain::{
    Address, AuditAction, Channel, Content, DeliveryState, EventKind, Message, Redaction, Sender, Thread, Ticket,
    TicketQuery, TicketRef,
    ports::{
        EraseStats, EraseTarget, Erasure, InactiveQuery, InactiveTickets, OpenResult, RecordResult, RedeliverResult,
        StatusUpdate, StoreUnmatched,
    },
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, dead, delivered, fallback, keep_silently},
};

/// Erases all of these tickets, in steps of so many messages.
pub(super) async fn erase(fixture: &Fixture, tickets: &[&Ticket], limit: u16) -> EraseStats {
    let mut removed = EraseStats::default();
    for ticket in tickets {
        let mut next = Some(0);
        while let Some(after) = next {
            let id = ticket.id;
            removed += act(fixture, EraseTarget::Ticket { id, after, limit }).await;
            assert!(removed.next.is_none_or(|next| next > after));
            next = removed.next;
        }
    }
    removed
}

pub(super) async fn act(fixture: &Fixture, what: EraseTarget) -> EraseStats {
    let erasure = Erasure {
        what,
        stamp: fixture.note(at(50)),
    };
    fixture.must().erase(erasure).await
}

async fn found(fixture: &Fixture, text: &str) -> Vec<TicketRef> {
    let listing = TicketQuery {
        text: Some(text.parse().unwrap()),
        ..TicketQuery::all(100)
    };
    let page = fixture.must().list(listing).await;
    page.tickets.iter().map(|listed| listed.ticket.reference).collect()
}

fn assert_erased(thread: &Thread) {
    assert!(thread.ticket.is_erased());
    assert_eq!(thread.ticket.details.customer.name.as_str(), Redaction::TEXT);
    assert_eq!(thread.ticket.details.customer.phone.as_str(), Redaction::PHONE);
    for message in &thread.messages {
        assert_eq!(message.content.as_text(), Redaction::TEXT);
        assert_eq!(message.from.is_some(), message.sender == Sender::Manager);
    }
}

/// A message by WhatsApp from a number that is no manager's.
fn from(fixture: &Fixture, phone: &str, seconds: i64) -> Message {
    Message {
        sender: Sender::Agent,
        channel: Channel::Whatsapp,
        from: Some(phone.parse().unwrap()),
        content: Content::new(
            "It was me.".parse().unwrap(),
            Some("https://media.example/1".parse().unwrap()),
        )
        .unwrap(),
        ..fixture.message_of(&fixture.external_id(), at(seconds))
    }
}

/// Nothing that says who the customer is or what was written is left anywhere; what counts and names stays.
pub async fn what_is_erased_says_nothing_of_anybody(fixture: &Fixture) {
    let store = fixture.must();
    let outside = fixture.external_id();
    let mut opening = fixture.opening(at(0));
    opening.idempotency = Some(fixture.idempotency(at(10_000)));
    let opening = fixture.open(opening).await;
    let ticket = &opening.ticket;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(0)).await;
    fixture.settled(&claimed, delivered(at(1), Some(&outside))).await;
    let waiting = fixture.updated(ticket, at(2)).await;
    let said = from(fixture, "+15550009999", 3);
    store.append(append_to(ticket, said.clone())).await;
    let other = fixture.opened(at(4)).await;
    let before = fixture.thread(ticket.reference).await;
    assert_eq!(found(fixture, "john@example.com").await.len(), 2);

    let removed = erase(fixture, &[ticket], 300).await;
    let expected = EraseStats {
        tickets: 1,
        messages: 3,
        cancelled: 1,
        next: None,
    };
    assert_eq!(removed, expected);

    let thread = fixture.thread(ticket.reference).await;
    assert_erased(&thread);
    assert_eq!(thread.ticket.version, before.ticket.version + 1);
    assert_eq!(thread.ticket.updated_at, before.ticket.updated_at);
    assert_eq!(thread.ticket.status, before.ticket.status);
    assert_eq!(thread.delivery.state, DeliveryState::Failed);
    let kept = |thread: &Thread| -> Vec<_> {
        let messages = thread.messages.iter();
        messages
            .map(|message| (message.id, message.external_id.clone(), message.created_at))
            .collect()
    };
    assert_eq!(kept(&thread), kept(&before));
    assert_eq!(fixture.quoted(&outside).await, Some(ticket.reference));
    // A refusal that was heard before, and is answered after it, sends nothing again.
    let refused = StatusUpdate::Fallback(fallback("backup"), "63016".into());
    assert!(!store.advance(outside.clone(), refused, at(60)).await);
    assert_eq!(fixture.quoted(&said.external_id.unwrap()).await, Some(ticket.reference));

    for words in [
        "john@example.com",
        "John Doe",
        "1234567890",
        "Product Quality Issue",
        "We investigate",
    ] {
        assert_eq!(found(fixture, words).await, [other.ticket.reference], "{words}");
    }
    assert_eq!(found(fixture, "It was me").await, []);
    assert_eq!(found(fixture, &ticket.reference.to_string()).await, [ticket.reference]);
    for id in [opening.notifications[0].id, waiting.id] {
        let way = store.current_message(id).await.unwrap();
        assert!(way.payload.is_erased());
        let again = store.redeliver(id, fixture.note(at(60)), None).await;
        assert_eq!(again, RedeliverResult::NotFound);
    }
    assert_eq!(store.redeliver_dead(fixture.note(at(60))).await, 0);
    let vitals = fixture.vitals(at(60)).await;
    assert_eq!((vitals.dead, vitals.waiting), (0, 1));
    let undelivered: Vec<_> = store.undelivered(9).await.iter().map(|record| record.id).collect();
    assert_eq!(undelivered, [other.notifications[0].id]);

    // The key is free: nothing tells what it was used for.
    let again = ticket_domain::ports::Opening {
        idempotency: opening.idempotency.clone(),
        ..fixture.opening(at(61))
    };
    assert_eq!(store.open(again).await, OpenResult::Opened);
    let audit_log = store.audit_log(Some(ticket.id), None, 9).await;
    assert_eq!(
        (audit_log.len(), audit_log[0].act, audit_log[0].stamp.at),
        (1, AuditAction::Erase(3), at(50))
    );
    // Nothing of the other one is changed.
    let untouched = fixture.thread(other.ticket.reference).await;
    assert_eq!(
        (&untouched.ticket, &untouched.messages[0]),
        (&other.ticket, &other.message)
    );
}

/// What is erased, or does not exist, is passed over; erasing at once erases once.
pub async fn nobody_is_erased_twice(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let unknown = fixture.ticket(at(0));
    let removed = erase(fixture, &[&unknown, &opening.ticket], 300).await;
    assert_eq!((removed.tickets, removed.messages, removed.cancelled), (1, 1, 1));
    let thread = fixture.thread(opening.ticket.reference).await;
    let again = erase(fixture, &[&opening.ticket], 300).await;
    assert_eq!(again, EraseStats::default());
    assert_eq!(fixture.thread(opening.ticket.reference).await, thread);
    assert_eq!(store.audit_log(None, None, 9).await.len(), 1);
}

/// A long ticket is erased a few messages at a time, and is its customer's until the last of them.
pub async fn a_ticket_is_erased_in_steps(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let ticket = &opening.ticket;
    for seconds in 1..5 {
        fixture.updated(ticket, at(seconds)).await;
    }
    // Found by its customer until then, also where a message says what erased ones say.
    let mut bare = fixture.message_of(&fixture.external_id(), at(5));
    bare.content = Content::new(Redaction::TEXT.parse().unwrap(), None).unwrap();
    store.append(append_to(ticket, bare)).await;
    let step = |after| {
        let id = ticket.id;
        act(fixture, EraseTarget::Ticket { id, after, limit: 2 })
    };
    let mut after = 0;
    for _ in 0..2 {
        let removed = step(after).await;
        assert_eq!(removed.tickets, 0);
        after = removed.next.unwrap();
        assert_eq!(found(fixture, "john@example.com").await, [ticket.reference]);
        let thread = fixture.thread(ticket.reference).await;
        assert_eq!(thread.ticket.details.customer, ticket.details.customer);
    }
    let removed = step(after).await;
    assert_eq!((removed.tickets, removed.messages, removed.next), (1, 1, None));
    assert_erased(&fixture.thread(ticket.reference).await);
    assert_eq!(found(fixture, "john@example.com").await, []);
    assert_eq!(found(fixture, &ticket.reference.to_string()).await, [ticket.reference]);
    let audit_log = store.audit_log(Some(ticket.id), None, 9).await;
    let counts: Vec<_> = audit_log.iter().rev().map(|entry| entry.act).collect();
    let expected = [2, 2, 1].map(AuditAction::Erase);
    assert_eq!(counts, expected);
}

/// What was written into an erased ticket, and what was decided before and came after, goes by the next erasure.
pub async fn what_came_since_is_erased_too(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let ticket = &opening.ticket;
    // It names the customer as they were when it was decided.
    let late = fixture.message_of(&fixture.external_id(), at(1));
    let late = append_to(ticket, late)
        .with(|append| append.notifications = vec![fixture.notification(EventKind::Updated, at(1))]);
    let told = late.notifications[0].id;
    erase(fixture, &[ticket], 300).await;
    store.append(late).await;
    let stale = InactiveQuery {
        after: 0,
        unchanged_since: at(100),
        limit: 9,
    };
    assert_eq!(store.inactive_tickets(stale).await.tickets, [ticket.id]);
    let removed = erase(fixture, &[ticket], 300).await;
    assert_eq!((removed.tickets, removed.messages, removed.cancelled), (0, 1, 1));
    assert_erased(&fixture.thread(ticket.reference).await);
    assert!(store.current_message(told).await.unwrap().payload.is_erased());
    assert_eq!(store.inactive_tickets(stale).await.tickets, []);
    assert_eq!(fixture.claim(at(200)).await, []);
}

/// A person's message in somebody else's ticket goes with what the manager was to be told of it, and nothing else does.
pub async fn what_is_told_of_an_erased_message_goes_with_it(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let said = from(fixture, "+15550009999", 1);
    let notification = fixture.notification(EventKind::Updated, at(1));
    let told = notification.id;
    let append = append_to(&opening.ticket, said.clone()).with(|append| append.notifications = vec![notification]);
    store.append(append).await;
    let removed = act(fixture, EraseTarget::Messages(vec![said.id])).await;
    assert_eq!((removed.tickets, removed.messages, removed.cancelled), (0, 1, 1));
    assert!(store.current_message(told).await.unwrap().payload.is_erased());
    let first = store.current_message(opening.notifications[0].id).await.unwrap();
    assert!(!first.payload.is_erased());
    assert_eq!(fixture.vitals(at(60)).await.waiting, 1);
}

/// A customer who gave the address that stands in the place of erased ones is erased as any other.
pub async fn a_made_up_address_protects_nobody(fixture: &Fixture) {
    let store = fixture.must();
    let mut opening = fixture.opening(at(0));
    opening.ticket.details.customer.email = Redaction::EMAIL.parse().unwrap();
    let opening = fixture.open(opening).await;
    let stale = InactiveQuery {
        after: 0,
        unchanged_since: at(50),
        limit: 9,
    };
    assert_eq!(store.inactive_tickets(stale).await.tickets, [opening.ticket.id]);
    let removed = erase(fixture, &[&opening.ticket], 300).await;
    assert_eq!((removed.tickets, removed.messages), (1, 1));
    assert_erased(&fixture.thread(opening.ticket.reference).await);
    assert_eq!(store.inactive_tickets(stale).await.tickets, []);
}

/// Who is just sending a notification that is erased finds its lease gone.
pub async fn what_is_being_sent_is_erased_too(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    erase(fixture, &[&opening.ticket], 300).await;
    assert_eq!(
        fixture.record_attempt(&claimed, dead(at(2))).await,
        RecordResult::LeaseLost
    );
    assert_eq!(fixture.claim(at(100)).await, []);
}

/// Messages of a number are found wherever they are, but for managers', and erased one by one.
pub async fn messages_are_found_by_their_number_and_erased(fixture: &Fixture) {
    let store = fixture.must();
    let phone: Address = "+15550009999".parse().unwrap();
    let bare: Address = "15550009999".parse().unwrap();
    let opening = fixture.opened(at(0)).await;
    let (kept, told) = (from(fixture, "+15550009999", 1), from(fixture, "15550009999", 2));
    let stranger = from(fixture, "+25550009999", 3);
    store.append(append_to(&opening.ticket, told.clone())).await;
    for message in [&kept, &stranger] {
        store.store_unmatched(keep_silently(message.clone())).await;
    }
    let manager = fixture.message_from(&phone, at(4));
    store.append(append_to(&opening.ticket, manager.clone())).await;

    let mut all = store.messages_from(vec![phone.clone(), bare.clone()]).await;
    all.sort_by_key(|(message, _)| message.created_at);
    let expected = [(kept.clone(), None), (told.clone(), Some(opening.ticket.reference))];
    assert_eq!(all, expected);
    assert_eq!(store.messages_from(vec![bare.clone()]).await.len(), 1);

    let before = fixture.thread(opening.ticket.reference).await;
    let removed = act(fixture, EraseTarget::Messages(vec![kept.id, told.id])).await;
    assert_eq!((removed.tickets, removed.messages), (0, 2));
    assert_eq!(store.messages_from(vec![phone, bare]).await, []);
    assert_eq!(fixture.unmatched().await, 1);
    let waiting = store.unmatched(None, 9).await;
    assert_eq!(waiting, [stranger]);
    // Its outside id is still known.
    let again = StoreUnmatched {
        message: kept.clone().with(|this| this.id = fixture.message(at(60)).id),
        ..keep_silently(kept.clone())
    };
    assert!(matches!(
        store.store_unmatched(again).await,
        ticket_domain::ports::StoredUnmatched::AlreadyKnown(_)
    ));
    let thread = fixture.thread(opening.ticket.reference).await;
    assert_eq!(thread.ticket.version, before.ticket.version + 1);
    assert_eq!(thread.ticket.details.customer, opening.ticket.details.customer);
    assert_eq!(thread.messages[1].content.as_text(), Redaction::TEXT);
    assert_eq!(thread.messages[2], manager);
    assert_eq!(found(fixture, "It was me").await, []);
    let audit_log = store.audit_log(None, None, 9).await;
    assert_eq!((audit_log.len(), audit_log[0].act), (1, AuditAction::Erase(2)));
}

/// A walk finds every ticket to which nothing happened for long, once, and none that is erased.
pub async fn a_walk_finds_what_is_stale(fixture: &Fixture) {
    let store = fixture.must();
    let mut tickets = Vec::new();
    for seconds in [0, 1, 2, 3, 100] {
        tickets.push(fixture.opened(at(seconds)).await.ticket);
    }
    fixture.updated(&tickets[1], at(100)).await;
    erase(fixture, &[&tickets[2]], 300).await;
    for limit in [1, 2, 9] {
        let (mut after, mut seen) = (0, Vec::new());
        for _ in 0..9 {
            let stale = InactiveQuery {
                after,
                unchanged_since: at(50),
                limit,
            };
            let InactiveTickets { tickets, next } = store.inactive_tickets(stale).await;
            seen.extend(tickets);
            let Some(next) = next else { break };
            assert!(next > after);
            after = next;
        }
        assert_eq!(seen, [tickets[0].id, tickets[3].id], "{limit}");
    }
}
