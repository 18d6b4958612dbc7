//! Messages that steer the server.

use ticket_domain::{
    ControlKind, Message, Redaction, Timestamp, Visibility,
    ports::{AnswerResult, Appended, ControlMessage, Existing, RecordedControl, Remove, RemoveResult, StoredUnmatched},
};

use super::{answers::picking, erasing::erase};
use crate::{
    Fixture,
    fixture::{With as _, append_to, at},
};

/// One of no ticket, under an external id of its own.
pub(super) fn control(fixture: &Fixture, at: Timestamp) -> ControlMessage {
    ControlMessage {
        external_id: Some(fixture.external_id()),
        kind: ControlKind::Unclear,
        ticket: None,
        reply: "I don't see a 9. Reply 1–4, or 0.".into(),
        at,
    }
}

/// A control message is remembered by its external id, and is no message.
pub async fn a_control_message_is_no_message(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let said = control(fixture, at(1)).with(|control| control.ticket = Some(opening.ticket.id));
    let id = said.external_id.clone().unwrap();
    assert_eq!(store.record_control(said.clone()).await, None);
    let recorded = Existing::Control(RecordedControl {
        kind: said.kind,
        ticket: Some(opening.ticket.reference),
        reply: said.reply.clone(),
    });
    assert_eq!(store.record_control(said).await, Some(recorded.clone()));
    assert_eq!(store.known(id.clone()).await, Some(recorded.clone()));
    let again = fixture.message_of(&id, at(2));
    let kept = fixture.keep(&again, None).await;
    assert_eq!(kept, StoredUnmatched::AlreadyKnown(recorded.clone()));
    let appended = store.append(append_to(&opening.ticket, again)).await;
    assert_eq!(appended, Appended::NoMessage(recorded.clone()));
    let (_, question) = fixture.asked(&fixture.manager(), at(3)).await;
    let answer = picking(fixture, &question, None).with(|answer| answer.by = Some(id.clone()));
    assert_eq!(store.answer(answer).await, AnswerResult::AlreadyKnown(recorded));
    // A message is none either.
    let written = fixture.message_of(&fixture.external_id(), at(4));
    fixture.added(append_to(&opening.ticket, written.clone())).await;
    let known = Existing::InThread {
        id: written.id,
        of: opening.ticket.reference,
    };
    let late = control(fixture, at(5)).with(|control| control.external_id.clone_from(&written.external_id));
    assert_eq!(store.record_control(late).await, Some(known));
    // It is forgotten after a week.
    store.purge_keys(at(7 * 86_400), 99).await;
    assert!(store.known(id.clone()).await.is_some());
    store.purge_keys(at(7 * 86_400 + 1), 99).await;
    assert_eq!(store.known(id).await, None);
}

/// A command that removes messages is recorded with that: its repetition removes nothing.
pub async fn a_removal_is_recorded_with_its_command(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let ticket = &opening.ticket;
    let [first, second] = [1, 2].map(|seconds| fixture.message_of(&fixture.external_id(), at(seconds)));
    for message in [&first, &second] {
        fixture.added(append_to(ticket, message.clone())).await;
    }
    let because = control(fixture, at(3)).with(|control| control.ticket = Some(ticket.id));
    let recorded = RecordedControl {
        kind: because.kind,
        ticket: Some(ticket.reference),
        reply: because.reply.clone(),
    };
    let remove = |message: &Message| Remove {
        because: Some(because.clone()),
        ..super::visibility::remove(fixture, ticket, &[message.id], 3)
    };
    assert_eq!(store.remove(remove(&second)).await, RemoveResult::Removed(1));
    let again = store.remove(remove(&first)).await;
    assert_eq!(again, RemoveResult::AlreadyKnown(Existing::Control(recorded)));
    let thread = fixture.thread(ticket.reference).await;
    let seen = thread.messages[1..].iter().map(|message| message.visibility);
    assert_eq!(seen.collect::<Vec<_>>(), [Visibility::Public, Visibility::Removed]);
}

/// With a ticket goes what was said of it, and what was said of no ticket alone, which may name its customer. The ids of the
/// messages stay known.
pub async fn erasing_a_ticket_takes_what_was_said_of_it(fixture: &Fixture) {
    let store = fixture.must();
    let (one, other) = (fixture.opened(at(0)).await.ticket, fixture.opened(at(0)).await.ticket);
    let mut said = Vec::new();
    for ticket in [Some(one.id), Some(other.id), None] {
        let control = control(fixture, at(1)).with(|control| control.ticket = ticket);
        assert_eq!(store.record_control(control.clone()).await, None);
        said.push(control.external_id.unwrap());
    }
    erase(fixture, &[&one], 300).await;
    let mut left = Vec::new();
    for external_id in said {
        let Some(Existing::Control(recorded)) = store.known(external_id).await else {
            panic!("its id stays known")
        };
        left.push(&*recorded.reply != Redaction::TEXT);
    }
    assert_eq!(left, [false, true, false]);
}
