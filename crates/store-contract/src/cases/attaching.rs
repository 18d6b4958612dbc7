//! An operator says which ticket a kept message belongs to.

use ticket_domain::{
    AuditAction, AuditEntry, Channel, Content, EventKind, Message, MessageId, Sender, Status, Ticket,
    ports::{Attach, AttachResult, Existing, StoredUnmatched},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, delivered, keep_silently, later, place_of},
};

async fn kept(fixture: &Fixture, seconds: i64) -> Message {
    let message = fixture.message_of(&fixture.external_id(), at(seconds));
    keep(fixture, &message).await;
    message
}

async fn keep(fixture: &Fixture, message: &Message) {
    let keep = keep_silently(message.clone());
    assert_eq!(fixture.must().store_unmatched(keep).await, StoredUnmatched::Stored);
}

/// The message, to be attached as a manager's, who is told nothing of it.
pub(super) fn to(fixture: &Fixture, ticket: &Ticket, message: MessageId, seconds: i64) -> Attach {
    Attach {
        message,
        to: ticket.id,
        sender: Sender::Manager,
        notifications: Vec::new(),
        reopen: false,
        note: fixture.note(at(seconds)),
    }
}

pub(super) async fn attach(fixture: &Fixture, attach: &Attach) -> AttachResult {
    fixture.must().attach(attach.clone()).await
}

async fn audit_log(fixture: &Fixture) -> Vec<AuditEntry> {
    fixture.must().audit_log(None, None, 100).await
}

/// Kept messages are read page by page, the one kept first first, each as it came; what is in a thread is not among
/// them. A page goes on behind a message also if that one has found its ticket meanwhile.
pub async fn what_is_unmatched_is_read_in_pages(fixture: &Fixture) {
    let unmatched = async |after, limit| fixture.must().unmatched(after, limit).await;
    assert_eq!(unmatched(None, 10).await, []);
    let opening = fixture.opened(at(0)).await;
    let mut all = Vec::new();
    for seconds in [5, 3, 4] {
        all.push(kept(fixture, seconds).await);
    }
    let media = Message {
        channel: Channel::Web,
        from: None,
        content: Content::new("".parse().unwrap(), Some("https://media.example/ME1".parse().unwrap())).unwrap(),
        ..fixture.message(at(1))
    };
    keep(fixture, &media).await;
    all.push(media);
    assert_eq!(unmatched(None, 10).await, all);
    assert_eq!(unmatched(None, 4).await, all);
    assert_eq!(unmatched(None, 2).await, all[..2]);
    assert_eq!(unmatched(Some(all[1].id), 2).await, all[2..]);
    assert_eq!(unmatched(Some(all[3].id), 2).await, []);

    assert_eq!(
        attach(fixture, &to(fixture, &opening.ticket, all[1].id, 9)).await,
        AttachResult::Attached
    );
    assert_eq!(unmatched(Some(all[1].id), 2).await, all[2..]);
    assert_eq!(unmatched(None, 2).await, [all[0].clone(), all[2].clone()]);
}

/// A message is found by its id with the ticket whose thread it is in.
pub async fn a_message_is_found_with_its_ticket(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let kept = kept(fixture, 1).await;
    let found = async |id| fixture.must().message(id).await;
    let reference = opening.ticket.reference;
    assert_eq!(
        found(opening.message.id).await,
        Some((opening.message.clone(), Some(reference)))
    );
    assert_eq!(found(kept.id).await, Some((kept, None)));
    assert_eq!(found(fixture.message(at(0)).id).await, None);
}

/// A kept message joins the ticket as it first came, with the sender that it has to the ticket, behind what is there;
/// it is noted. It is the manager's to hear of only if it is the customer's.
pub async fn an_attached_message_joins_its_ticket(fixture: &Fixture) {
    let mut opening = fixture.opening(at(0));
    opening.ticket.status = Status::Resolved;
    let opening = fixture.open(opening).await;
    let ticket = &opening.ticket;
    let (first, second, other) = (kept(fixture, 1).await, kept(fixture, 2).await, kept(fixture, 3).await);
    let waiting = fixture.vitals(later()).await.waiting;

    let as_manager = to(fixture, ticket, second.id, 10);
    assert_eq!(attach(fixture, &as_manager).await, AttachResult::Attached);
    let thread = fixture.thread(ticket.reference).await;
    assert_eq!(thread.messages, [opening.message.clone(), second.clone()]);
    let expected = Ticket {
        version: 2,
        updated_at: at(10),
        ..ticket.clone()
    };
    assert_eq!(thread.ticket, expected);
    assert_eq!(fixture.vitals(later()).await.waiting, waiting);

    let notification = fixture.notification(EventKind::Updated, at(11));
    let as_customer = Attach {
        sender: Sender::Customer,
        notifications: vec![notification.clone()],
        reopen: true,
        ..to(fixture, ticket, first.id, 11)
    };
    assert_eq!(attach(fixture, &as_customer).await, AttachResult::Attached);
    let thread = fixture.thread(ticket.reference).await;
    let joined = first.clone().with(|message| message.sender = Sender::Customer);
    assert_eq!(thread.messages, [opening.message.clone(), second.clone(), joined]);
    let expected = Ticket {
        version: 3,
        updated_at: at(11),
        status: Status::Open,
        ..ticket.clone()
    };
    assert_eq!(thread.ticket, expected);
    let claimed = fixture.claim_only(opening.notifications[0].id, at(20)).await;
    fixture.settled(&claimed, delivered(at(20), None)).await;
    fixture.claim_only(notification.id, at(20)).await;

    assert_eq!(fixture.must().unmatched(None, 10).await, [other]);
    let entry = |attach: &Attach| AuditEntry {
        stamp: attach.note,
        reference: Some(ticket.reference),
        act: AuditAction::Attach(attach.message),
    };
    assert_eq!(audit_log(fixture).await, [entry(&as_customer), entry(&as_manager)]);
    // Its outside id leads to the ticket from now on, and is in a thread if it comes again.
    let external_id = first.external_id.clone().unwrap();
    assert_eq!(fixture.quoted(&external_id).await, Some(ticket.reference));
    let again = keep_silently(fixture.message_of(&external_id, at(30)));
    let in_thread = Existing::InThread {
        id: first.id,
        of: ticket.reference,
    };
    assert_eq!(
        fixture.must().store_unmatched(again).await,
        StoredUnmatched::AlreadyKnown(in_thread)
    );
}

/// What is in a thread stays there, whichever ticket is named; what does not exist is attached to nothing, and nothing
/// to what does not exist. None of it is noted.
pub async fn only_what_is_kept_is_attached(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let other = fixture.opened(at(0)).await;
    let message = kept(fixture, 1).await;
    assert_eq!(
        attach(fixture, &to(fixture, &opening.ticket, message.id, 2)).await,
        AttachResult::Attached
    );
    let before = (fixture.thread(opening.ticket.reference).await, audit_log(fixture).await);
    assert_eq!(before.1.len(), 1);

    let there = AttachResult::AlreadyAttached(opening.ticket.reference);
    for ticket in [&opening.ticket, &other.ticket] {
        let again = Attach {
            notifications: vec![fixture.notification(EventKind::Updated, at(3))],
            reopen: true,
            ..to(fixture, ticket, message.id, 3)
        };
        assert_eq!(attach(fixture, &again).await, there);
        assert_eq!(
            attach(fixture, &to(fixture, ticket, opening.message.id, 3)).await,
            there
        );
        let unknown = fixture.message(at(0)).id;
        assert_eq!(
            attach(fixture, &to(fixture, ticket, unknown, 3)).await,
            AttachResult::NoSuchMessage
        );
    }
    let alone = kept(fixture, 4).await;
    let nobody = fixture.ticket(at(0));
    assert!(fixture.store().attach(to(fixture, &nobody, alone.id, 5)).await.is_err());
    assert_eq!(fixture.must().unmatched(None, 10).await, [alone]);
    assert_eq!(
        (fixture.thread(opening.ticket.reference).await, audit_log(fixture).await),
        before
    );
    assert_eq!(fixture.thread(other.ticket.reference).await.ticket, other.ticket);
    assert_eq!(fixture.vitals(later()).await.waiting, 2);
}

/// 20 operators at the same moment, to two tickets: one of them attaches it.
pub async fn attaching_at_once_happens_once(fixture: &Fixture) {
    for round in 1..=5 {
        let openings = [fixture.opened(at(0)).await, fixture.opened(at(0)).await];
        let message = kept(fixture, 1).await;
        let answers = at_once((0..20).map(|number| {
            let attach = to(fixture, &openings[number % 2].ticket, message.id, 2);
            fixture.must().attach(attach)
        }))
        .await;
        let winner = place_of(&answers, &AttachResult::Attached) % 2;
        let before = AttachResult::AlreadyAttached(openings[winner].ticket.reference);
        let told = answers.iter().filter(|answer| **answer == before);
        assert_eq!(told.count(), 19, "{answers:?}");
        let [with, without] = [winner, 1 - winner].map(|number| openings[number].ticket.reference);
        let thread = fixture.thread(with).await;
        assert_eq!(thread.messages, [openings[winner].message.clone(), message]);
        assert_eq!(thread.ticket.version, 2);
        assert_eq!(fixture.thread(without).await.messages.len(), 1);
        assert_eq!(audit_log(fixture).await.len(), round);
    }
}

/// A message that an operator attaches and that comes again naming its ticket, at the same moment: it is there once.
pub async fn attaching_and_appending_at_once_end_in_one_thread(fixture: &Fixture) {
    for _ in 0..5 {
        let openings = [fixture.opened(at(0)).await, fixture.opened(at(0)).await];
        let message = kept(fixture, 1).await;
        at_once((0..20).map(|number| {
            let store = fixture.must();
            let attach = to(fixture, &openings[0].ticket, message.id, 2);
            let append = append_to(&openings[1].ticket, message.clone());
            async move {
                if number % 2 == 0 {
                    store.attach(attach).await;
                } else {
                    store.append(append).await;
                }
            }
        }))
        .await;
        let mut versions = Vec::new();
        for opening in &openings {
            versions.push(fixture.thread(opening.ticket.reference).await.ticket.version);
        }
        versions.sort_unstable();
        assert_eq!(versions, [1, 2]);
        assert_eq!(fixture.unmatched().await, 0);
    }
}
