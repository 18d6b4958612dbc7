//! Who follows hears of everything that is committed, as soon as the call that did it returns, and of nothing else.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use ticket_domain::{
    Actor, AuditStamp, Message, Progress, Sender, Status, Ticket, TicketPatch,
    ports::{AnswerQuestion, Attach, ChangeEvent, Opening, StatusUpdate, Subscriber, UpdateTicket},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, dead, delivered, diverted, keep_silently, retry_at, returned},
};

/// Writes down what it hears.
#[derive(Default)]
struct Recorder(Mutex<HashSet<ChangeEvent>>);

impl Subscriber for Recorder {
    fn on_change(&self, events: ChangeEvent) {
        self.0.lock().unwrap().insert(events);
    }
}

impl Recorder {
    fn follows(fixture: &Fixture) -> Arc<Self> {
        let recorder = Arc::new(Self::default());
        fixture.store().follow(Arc::clone(&recorder) as Arc<dyn Subscriber>);
        recorder
    }

    /// What was heard since the last time, without its order: several changes may be told as one.
    fn heard(&self) -> HashSet<ChangeEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn has_heard(&self, expected: &[ChangeEvent]) {
        assert_eq!(self.heard(), expected.iter().copied().collect());
    }
}

fn of(ticket: &Ticket) -> ChangeEvent {
    ChangeEvent::Ticket(ticket.id)
}

/// Everybody who follows hears of what is written from then on; what is only read or refused is no news.
pub async fn tickets_and_messages_are_told(fixture: &Fixture) {
    let store = fixture.must();
    let earlier = fixture.opened(at(0)).await;
    let (first, second) = (Recorder::follows(fixture), Recorder::follows(fixture));
    first.has_heard(&[]);
    let opening = fixture
        .opening(at(1))
        .with(|opening| opening.idempotency = Some(fixture.idempotency(at(100))));
    let opening = fixture.open(opening).await;
    for recorder in [&first, &second] {
        recorder.has_heard(&[of(&opening.ticket)]);
    }
    store.open(opening.clone()).await;
    let mut taken = fixture.opening(at(1));
    taken.ticket.reference = earlier.ticket.reference;
    store.open(taken).await;
    fixture.thread(opening.ticket.reference).await;
    first.has_heard(&[]);

    let external_id = fixture.external_id();
    let append = append_to(&earlier.ticket, fixture.message_of(&external_id, at(2)))
        .with(|append| append.idempotency = Some(fixture.idempotency(at(100))));
    store.append(append.clone()).await;
    first.has_heard(&[of(&earlier.ticket)]);
    store.append(append.clone()).await;
    let append = append.with(|append| append.idempotency = None);
    store.append(append).await;
    let nobody = append_to(&fixture.ticket(at(0)), fixture.message(at(3)));
    assert!(fixture.store().append(nobody).await.is_err());
    first.has_heard(&[]);
    second.has_heard(&[of(&earlier.ticket)]);
}

/// What is kept is news, and that it found its ticket, whichever way it did.
pub async fn what_is_unmatched_is_told(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let recorder = Recorder::follows(fixture);
    let kept = fixture.message_of(&fixture.external_id(), at(1));
    for expected in [&[ChangeEvent::Unmatched][..], &[]] {
        store.store_unmatched(keep_silently(kept.clone())).await;
        recorder.has_heard(expected);
    }
    let joined = [of(&opening.ticket), ChangeEvent::Unmatched];
    store.append(append_to(&opening.ticket, kept.clone())).await;
    recorder.has_heard(&joined);
    store.store_unmatched(keep_silently(kept)).await;
    recorder.has_heard(&[]);

    let kept = fixture.message(at(2));
    store.store_unmatched(keep_silently(kept.clone())).await;
    recorder.has_heard(&[ChangeEvent::Unmatched]);
    let attach = Attach {
        message: kept.id,
        to: opening.ticket.id,
        sender: Sender::Manager,
        notifications: Vec::new(),
        reopen: false,
        note: fixture.note(at(3)),
    };
    for expected in [&joined[..], &[]] {
        store.attach(attach.clone()).await;
        recorder.has_heard(expected);
    }
    let unknown = attach.with(|attach| attach.message = fixture.message(at(0)).id);
    store.attach(unknown).await;
    recorder.has_heard(&[]);

    let manager = fixture.manager();
    let (_, question) = fixture.asked(&manager, at(4)).await;
    recorder.has_heard(&[ChangeEvent::Unmatched]);
    let picking = AnswerQuestion {
        question: question.id,
        is_quoted: false,
        by: Some(fixture.external_id()),
        ticket: Some(opening.ticket.id),
        join_as: Some(Sender::Manager),
        at: at(5),
        notifications: Vec::new(),
    };
    for expected in [&joined[..], &[]] {
        store.answer(picking.clone()).await;
        recorder.has_heard(expected);
    }
}

/// An operator's change is news if it changed anything.
pub async fn changes_are_told(fixture: &Fixture) {
    let ticket = fixture.opened(at(0)).await.ticket;
    let recorder = Recorder::follows(fixture);
    for (status, expected) in [
        (Some(Status::Closed), &[of(&ticket)][..]),
        (Some(Status::Closed), &[]),
        (None, &[]),
        (Some(Status::Open), &[of(&ticket)]),
    ] {
        let update = UpdateTicket {
            ticket: ticket.id,
            patch: TicketPatch { status, priority: None },
            at: at(1),
            by: Actor::Operator(None),
            entries: [fixture.note(at(1)).id, fixture.note(at(1)).id],
            notifications: Vec::new(),
        };
        fixture.must().change(update).await;
        recorder.has_heard(expected);
    }
}

/// How far a notification got is news of its ticket; a try that ends in another one is not.
pub async fn how_far_a_notification_got_is_told(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let (ticket, id) = (&opening.ticket, opening.notifications[0].id);
    let recorder = Recorder::follows(fixture);
    let external_id = fixture.external_id();
    for (seconds, outcome, is_told) in [
        (0, returned(at(1)), None),
        (1, retry_at(at(2)), None),
        (2, diverted(at(2), "backup"), Some(true)),
        (2, dead(at(3)), Some(true)),
        (4, delivered(at(4), Some(&external_id)), Some(true)),
    ] {
        if seconds == 4 {
            let note: AuditStamp = fixture.note(at(4));
            store.redeliver(id, note, None).await;
            recorder.has_heard(&[of(ticket)]);
        }
        let claimed = fixture.claim_only(id, at(seconds)).await;
        fixture.settled(&claimed, outcome.clone()).await;
        match is_told {
            Some(_) => recorder.has_heard(&[of(ticket)]),
            // It may be told; nobody would see anything new.
            None => assert!(recorder.heard().is_subset(&HashSet::from([of(ticket)]))),
        }
        fixture.record_attempt(&claimed, outcome).await;
        recorder.has_heard(&[]);
    }
    store.redeliver(id, fixture.note(at(5)), None).await;
    recorder.has_heard(&[]);
    for (progress, expected) in [
        (Progress::Delivered, &[of(ticket)][..]),
        (Progress::Delivered, &[]),
        (Progress::Sent, &[]),
        (Progress::Read, &[of(ticket)]),
    ] {
        let advance = StatusUpdate::To(progress);
        store.advance(external_id.clone(), advance, at(9)).await;
        recorder.has_heard(expected);
    }
    let unknown = fixture.external_id();
    let advance = StatusUpdate::To(Progress::Read);
    store.advance(unknown, advance, at(9)).await;
    recorder.has_heard(&[]);
}

/// Where much is sent again at once, everything that may have changed is told, or that something was missed.
pub async fn sending_everything_again_is_told(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(0)).await;
    fixture.settled(&claimed, dead(at(1))).await;
    let recorder = Recorder::follows(fixture);
    store.redeliver_dead(fixture.note(at(2))).await;
    let heard = recorder.heard();
    assert!(heard == HashSet::from([ChangeEvent::Resync]) || heard == HashSet::from([of(&opening.ticket)]));
    store.redeliver_dead(fixture.note(at(3))).await;
    recorder.has_heard(&[]);
}

/// What happens at the same moment is told of every ticket, and can be read by whoever hears of it.
pub async fn what_happens_at_once_is_all_told(fixture: &Fixture) {
    let recorder = Recorder::follows(fixture);
    let openings: Vec<Opening> = (0..20).map(|_| fixture.opening(at(0))).collect();
    at_once(openings.clone().into_iter().map(|opening| fixture.must().open(opening))).await;
    assert_eq!(
        recorder.heard(),
        openings.iter().map(|opening| of(&opening.ticket)).collect()
    );
    let ticket = &openings[0].ticket;
    let external_id = fixture.external_id();
    let message: Message = fixture.message_of(&external_id, at(1));
    at_once((0..20).map(|_| {
        let append = append_to(ticket, message.clone());
        fixture.must().append(append)
    }))
    .await;
    recorder.has_heard(&[of(ticket)]);
}
