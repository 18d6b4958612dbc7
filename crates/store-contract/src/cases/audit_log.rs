//! The trail of what operators did, and what is sent again at once.

use std::collections::BTreeSet;

use ticket_domain::{
    Actor, AuditAction, AuditEntry, AuditEntryId, AuditStamp, NotificationId, NotificationState, Status, TicketId,
    TicketPatch,
    ports::{RedeliverResult, UpdateTicket},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, dead, delivered, diverted, fallback, later, retry_at},
};

async fn audit_log(fixture: &Fixture, of: Option<TicketId>) -> Vec<AuditEntry> {
    fixture.must().audit_log(of, None, 1_000).await
}

/// A notification of a ticket of its own that was given up at `seconds`, on its first way or another.
async fn given_up(fixture: &Fixture, route: &'static str, seconds: i64) -> NotificationId {
    let id = fixture.opened(at(seconds)).await.notifications[0].id;
    if route != "text" {
        let claimed = fixture.claim_only(id, at(seconds)).await;
        fixture.settled(&claimed, diverted(at(seconds), route)).await;
    }
    let claimed = fixture.claim_only(id, at(seconds)).await;
    fixture.settled(&claimed, retry_at(at(seconds + 1))).await;
    let claimed = fixture.claim_only(id, at(seconds + 1)).await;
    fixture.settled(&claimed, dead(at(seconds + 1))).await;
    id
}

/// The newest entry comes first, of one ticket or of all; pages hold each once.
pub async fn the_trail_is_read_newest_first_in_pages(fixture: &Fixture) {
    assert_eq!(audit_log(fixture, None).await, []);
    let tickets = [fixture.opened(at(0)).await.ticket, fixture.opened(at(0)).await.ticket];
    let mut expected = Vec::new();
    for number in 0..7 {
        let ticket = &tickets[number % 2];
        let message = fixture.message(at(1));
        let note = fixture.note(at(1));
        expected.insert(
            0,
            AuditEntry {
                stamp: note,
                reference: Some(ticket.reference),
                act: AuditAction::Reply(message.id),
            },
        );
        let append = append_to(ticket, message).with(|append| append.note = Some(note));
        fixture.must().append(append).await;
    }
    assert_eq!(audit_log(fixture, None).await, expected);
    for ticket in [None, Some(&tickets[0]), Some(&tickets[1])] {
        let of_this = |entry: &&AuditEntry| ticket.is_none_or(|ticket| entry.reference == Some(ticket.reference));
        let expected: Vec<AuditEntry> = expected.iter().filter(of_this).cloned().collect();
        let of = ticket.map(|ticket| ticket.id);
        for limit in 1..=8 {
            let mut all = Vec::new();
            let mut before: Option<AuditEntryId> = None;
            loop {
                let page = fixture.must().audit_log(of, before, limit).await;
                assert!(page.len() <= usize::from(limit));
                let Some(last) = page.last() else {
                    break;
                };
                before = Some(last.stamp.id);
                all.extend(page);
            }
            assert_eq!(all, expected);
        }
    }
    let nobody = fixture.ticket(at(0)).id;
    assert_eq!(audit_log(fixture, Some(nobody)).await, []);
}

/// What was done to several tickets is in the trail of all, and in none of one.
pub async fn what_was_done_to_many_is_in_no_ticket_s_trail(fixture: &Fixture) {
    given_up(fixture, "text", 0).await;
    let ticket = fixture.opened(at(10)).await.ticket;
    fixture.must().redeliver_dead(fixture.note(at(11))).await;
    let update = UpdateTicket {
        ticket: ticket.id,
        patch: TicketPatch {
            status: Some(Status::Closed),
            priority: None,
        },
        at: at(12),
        by: Actor::Operator(None),
        entries: [fixture.note(at(12)).id, fixture.note(at(12)).id],
        notifications: Vec::new(),
    };
    fixture.must().change(update).await;
    let of = async |ticket| -> Vec<AuditAction> {
        audit_log(fixture, ticket)
            .await
            .into_iter()
            .map(|entry| entry.act)
            .collect()
    };
    let closed = AuditAction::Status {
        from: Status::Open,
        to: Status::Closed,
    };
    assert_eq!(of(None).await, [closed, AuditAction::RedeliverDead(1)]);
    assert_eq!(of(Some(ticket.id)).await, [closed]);
}

/// Sending again is noted with its ticket if it was done, however the notification stood, and not if it was not.
pub async fn sending_again_is_noted_if_it_was_done(fixture: &Fixture) {
    let ended = fixture.delivered(&fixture.external_id(), at(0)).await.notifications[0].id;
    let given_up = given_up(fixture, "template", 1).await;
    let reference = fixture.record(given_up).await.reference;
    let waiting = fixture.opened(at(500)).await;
    let under_way = fixture.opened(at(5)).await.notifications[0].id;
    fixture.claim_only(under_way, at(5)).await;
    let unknown = fixture.notification(ticket_domain::EventKind::Created, at(0)).id;

    let redeliver = async |id, note: AuditStamp| {
        let anew = (id == given_up).then(|| fallback("text"));
        fixture.must().redeliver(id, note, anew).await
    };
    let notes = [(); 2].map(|()| fixture.note(at(6)));
    assert_eq!(redeliver(given_up, notes[0]).await, RedeliverResult::Queued);
    assert_eq!(
        redeliver(waiting.notifications[0].id, notes[1]).await,
        RedeliverResult::Queued
    );
    for (id, told) in [
        (ended, RedeliverResult::AlreadyDelivered),
        (under_way, RedeliverResult::InProgress),
        (unknown, RedeliverResult::NotFound),
    ] {
        assert_eq!(redeliver(id, fixture.note(at(6))).await, told);
    }
    let entry = |note: AuditStamp, reference, id| AuditEntry {
        stamp: note,
        reference,
        act: AuditAction::Redeliver(id),
    };
    let expected = [
        entry(notes[1], Some(waiting.ticket.reference), waiting.notifications[0].id),
        entry(notes[0], reference, given_up),
    ];
    assert_eq!(audit_log(fixture, None).await, expected);
    assert_eq!(audit_log(fixture, Some(waiting.ticket.id)).await, expected[..1]);
}

/// Everything that was given up in its own words is due at once and begins its schedule anew; nothing else changes.
/// One entry counts it.
pub async fn the_dead_are_sent_again_at_once(fixture: &Fixture) {
    let store = fixture.must();
    let nothing = fixture.note(at(0));
    assert_eq!(store.redeliver_dead(nothing).await, 0);
    assert_eq!(audit_log(fixture, None).await, []);

    let mut ids = BTreeSet::new();
    for seconds in [0, 10, 20] {
        ids.insert(given_up(fixture, "text", seconds).await);
    }
    let elsewhere = [
        given_up(fixture, "template", 30).await,
        given_up(fixture, "backup", 40).await,
    ];
    let ended = fixture.delivered(&fixture.external_id(), at(50)).await.notifications[0].id;
    let waiting = fixture.opened(at(9_000)).await.notifications[0].id;
    let mut others = Vec::new();
    for id in [elsewhere[0], elsewhere[1], ended, waiting] {
        others.push(fixture.record(id).await);
    }

    let note = fixture.note(at(100));
    assert_eq!(store.redeliver_dead(note).await, 3);
    for id in &ids {
        let record = fixture.record(*id).await;
        assert_eq!(record.state, NotificationState::Waiting { due: at(100) });
        assert_eq!(record.failures, 0);
    }
    for before in others {
        assert_eq!(fixture.record(before.id).await, before);
    }
    let claimed = fixture.claim(at(100)).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<BTreeSet<_>>(), ids);
    assert!(
        claimed
            .iter()
            .all(|claimed| claimed.scheduled_at == at(100) && claimed.failures == 0)
    );
    let entry = AuditEntry {
        stamp: note,
        reference: None,
        act: AuditAction::RedeliverDead(3),
    };
    assert_eq!(store.redeliver_dead(fixture.note(at(101))).await, 0);
    assert_eq!(audit_log(fixture, None).await, [entry]);
    // The operator's word was given: none of them is held again.
    for claimed in claimed {
        fixture.settled(&claimed, delivered(at(101), None)).await;
    }
    assert_eq!(fixture.vitals(later()).await.dead, 2);
}

/// Those that were given up on another way are told, as many as are wanted, until they are sent again.
pub async fn the_dead_of_other_ways_are_told(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.dead_fallbacks(9).await, []);
    given_up(fixture, "text", 0).await;
    let mut ids = BTreeSet::new();
    for (seconds, route) in [(10, "template"), (20, "backup"), (30, "backup_template")] {
        ids.insert(given_up(fixture, route, seconds).await);
    }
    let told =
        async |limit| -> BTreeSet<NotificationId> { fixture.must().dead_fallbacks(limit).await.into_iter().collect() };
    assert_eq!(told(9).await, ids);
    assert_eq!(told(3).await, ids);
    let two = told(2).await;
    assert!(two.len() == 2 && two.is_subset(&ids));
    assert_eq!(told(0).await.len(), 0);
    for id in two {
        let anew = Some(fallback("text"));
        let redelivered = store.redeliver(id, fixture.note(at(99)), anew).await;
        assert_eq!(redelivered, RedeliverResult::Queued);
        ids.remove(&id);
    }
    assert_eq!(told(9).await, ids);
}

/// 20 operators at the same moment: all that was given up is sent again once, and counted once.
pub async fn the_dead_are_sent_again_once(fixture: &Fixture) {
    for round in 0..3_i64 {
        for number in 0..3 {
            given_up(fixture, "text", round * 100 + number * 10).await;
        }
        let counts = at_once((0..20).map(|_| {
            let note = fixture.note(at(round * 100 + 50));
            fixture.must().redeliver_dead(note)
        }))
        .await;
        assert_eq!(counts.iter().sum::<u64>(), 3, "{counts:?}");
        let noted = audit_log(fixture, None).await.into_iter().map(|entry| match entry.act {
            AuditAction::RedeliverDead(count) => count,
            other => panic!("expected `RedeliverDead`, got {other:?}"),
        });
        assert_eq!(noted.sum::<u64>(), 3 * (round.unsigned_abs() + 1));
        for claimed in fixture.claim(at(round * 100 + 50)).await {
            fixture.settled(&claimed, delivered(at(round * 100 + 51), None)).await;
        }
    }
}
