//! Internal notes, and messages that were removed.

use ticket_domain::{
    AccessLevel, AuditAction, Awaiting, Message, MessageId, Sender, Ticket, TicketQuery, Visibility,
    ports::{Appended, Remove, RemoveResult},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, count, keep_silently},
};

fn note(fixture: &Fixture, seconds: i64) -> Message {
    let message = fixture.message_of(&fixture.external_id(), at(seconds));
    message.with(|message| message.visibility = Visibility::Internal)
}

pub(super) fn remove(fixture: &Fixture, ticket: &Ticket, messages: &[MessageId], seconds: i64) -> Remove {
    Remove {
        ticket: ticket.id,
        messages: messages.iter().map(|id| (*id, fixture.note(at(seconds)))).collect(),
        because: None,
    }
}

/// Who has to answer the only ticket of the store next, and what its newest message says, as the list has it.
async fn listed(fixture: &Fixture) -> (Option<Awaiting>, String) {
    let page = fixture.must().list(TicketQuery::all(10)).await;
    let [listed] = &page.tickets[..] else {
        panic!("one ticket")
    };
    let awaiting = listed.awaiting();
    // The columns by which lists are filtered say the same.
    let query = TicketQuery {
        awaiting,
        ..TicketQuery::all(10)
    };
    assert_eq!(fixture.must().list(query).await.tickets.len(), 1);
    (awaiting, listed.last.text.to_string())
}

/// A note is in the thread, and nothing that a customer may read tells of it; neither does who wrote last.
pub async fn a_note_changes_nothing_that_customers_see(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let reference = opening.ticket.reference;
    let before = fixture.thread(reference).await;
    let list = listed(fixture).await;
    let kept = note(fixture, 1);
    let unmatched = kept.clone().with(|message| message.visibility = Visibility::Public);
    fixture.must().store_unmatched(keep_silently(unmatched)).await;
    let first = append_to(&opening.ticket, kept.clone());
    assert_eq!(fixture.must().append(first).await, Appended::Joined(kept.id));
    let stamp = fixture.note(at(2));
    let mut second = append_to(&opening.ticket, note(fixture, 2));
    second.note = Some(stamp);
    let written = second.message.clone();
    assert_eq!(fixture.must().append(second).await, Appended::Added);

    let after = fixture.thread(reference).await;
    assert_eq!((after.ticket.version, after.ticket.notes), (3, 2));
    assert_eq!(after.messages[1..], [kept, written.clone()]);
    assert_eq!(listed(fixture).await, list);
    for level in [AccessLevel::Anyone, AccessLevel::Reader, AccessLevel::Customer] {
        assert_eq!(*after.shown_to(level), before);
        let summary = fixture.must().summary(reference).await.unwrap();
        assert_eq!(summary.state_for(level), before.state());
    }
    let log = fixture.must().audit_log(None, None, 10).await;
    assert_eq!((log.len(), log[0].act), (1, AuditAction::Note(written.id)));
}

/// A removed message stays in the thread, marked; the newest public message says who wrote last. Each removal is written
/// and recorded once.
pub async fn a_removed_message_no_longer_counts(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let ticket = &opening.ticket;
    let asked = fixture.message(at(1)).with(|message| message.sender = Sender::Customer);
    let [first, second] = [2, 3].map(|seconds| fixture.message(at(seconds)));
    for message in [&asked, &first, &second, &note(fixture, 4)] {
        fixture.must().append(append_to(ticket, message.clone())).await;
    }
    assert_eq!(listed(fixture).await.0, Some(Awaiting::Customer));
    let before = fixture.thread(ticket.reference).await;

    let both = remove(fixture, ticket, &[first.id, second.id], 9);
    assert_eq!(fixture.must().remove(both.clone()).await, RemoveResult::Removed(2));
    let after = fixture.thread(ticket.reference).await;
    assert_eq!(
        (after.ticket.version, after.ticket.updated_at),
        (before.ticket.version + 1, at(9))
    );
    for message in [&first, &second] {
        let removed = message.clone().with(|message| message.visibility = Visibility::Removed);
        assert!(after.messages.contains(&removed));
    }
    let shown = after.shown_to(AccessLevel::Customer).into_owned();
    assert_eq!(shown.messages.len(), 4);
    assert!(
        shown.messages[2..]
            .iter()
            .all(|message| message.content.as_text().is_empty())
    );
    assert_eq!(
        listed(fixture).await,
        (Some(Awaiting::Manager), asked.content.as_text())
    );
    let log = fixture.must().audit_log(Some(ticket.id), None, 10).await;
    let acts: Vec<_> = log.iter().map(|entry| entry.act).collect();
    assert_eq!(acts.len(), 2);
    assert!(acts.contains(&AuditAction::Remove(first.id)) && acts.contains(&AuditAction::Remove(second.id)));

    assert_eq!(fixture.must().remove(both).await, RemoveResult::Removed(0));
    assert_eq!(fixture.thread(ticket.reference).await, after);
    // Where nothing is public, it is the first one that counts.
    let rest = remove(fixture, ticket, &[opening.message.id, asked.id], 10);
    assert_eq!(fixture.must().remove(rest).await, RemoveResult::Removed(2));
    assert_eq!(
        listed(fixture).await,
        (Some(Awaiting::Customer), opening.message.content.as_text())
    );
    let again = fixture
        .message(at(11))
        .with(|message| message.sender = Sender::Customer);
    fixture.must().append(append_to(ticket, again)).await;
    assert_eq!(listed(fixture).await.0, Some(Awaiting::Manager));
}

/// Only messages of that thread are removed, all or none.
pub async fn what_is_in_another_thread_is_not_removed(fixture: &Fixture) {
    let (ours, theirs) = (fixture.opened(at(0)).await, fixture.opened(at(0)).await);
    let unmatched = fixture.message_of(&fixture.external_id(), at(1));
    fixture.must().store_unmatched(keep_silently(unmatched.clone())).await;
    for other in [theirs.message.id, unmatched.id, fixture.message(at(2)).id] {
        let remove = remove(fixture, &ours.ticket, &[ours.message.id, other], 3);
        assert_eq!(fixture.must().remove(remove).await, RemoveResult::NoSuchMessage);
    }
    let thread = fixture.thread(ours.ticket.reference).await;
    assert_eq!((thread.ticket.version, thread.messages), (1, vec![ours.message]));
}

/// One of several calls removes it.
pub async fn removing_at_once_happens_once(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let customers = fixture.message(at(1)).with(|message| message.sender = Sender::Customer);
    fixture
        .must()
        .append(append_to(&opening.ticket, customers.clone()))
        .await;
    let calls = (0..8).map(|_| {
        fixture
            .must()
            .remove(remove(fixture, &opening.ticket, &[customers.id], 2))
    });
    let results = at_once(calls).await;
    let counts = [1, 0].map(|removed| count(&results, &RemoveResult::Removed(removed)));
    assert_eq!(counts, [1, 7]);
}
