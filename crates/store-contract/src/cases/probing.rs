//! One waiting notification is tried beside the schedule, to see whether the line is up again.

use ticket_domain::{DeliveryRoute, NotificationId, NotificationState, Recipient, Timestamp, ports::Claimed};

use crate::{
    Fixture,
    fixture::{LEASE, at, at_once, dead, delivered, later, retry_at, returned},
};

/// When everything that [`waiting`] made is due.
const DUE: i64 = 10_000;

/// Opens a ticket and has its first try fail; the next is at [`DUE`].
async fn waiting(fixture: &Fixture, seconds: i64) -> NotificationId {
    let id = fixture.opened(at(seconds)).await.notifications[0].id;
    let claimed = fixture.claim_only(id, at(seconds)).await;
    fixture.settled(&claimed, retry_at(at(DUE))).await;
    id
}

async fn probe(fixture: &Fixture, now: Timestamp, unless_after: Timestamp) -> Option<Claimed> {
    let claim = fixture.claim_at(now);
    let probed = fixture.must().claim_probe(claim, unless_after).await;
    assert!(probed.as_ref().is_none_or(|probed| probed.lease == claim.lease));
    probed
}

/// Whatever was probed before does not hinder it.
async fn probe_any(fixture: &Fixture, now: Timestamp) -> Option<Claimed> {
    probe(fixture, now, later()).await
}

/// What is due, is being tried, is delivered, dead or held is not probed.
pub async fn a_probe_takes_only_what_waits_and_is_not_due(fixture: &Fixture) {
    assert_eq!(probe_any(fixture, at(0)).await, None);
    let mut unaddressed = fixture.opening(at(-10));
    unaddressed.notifications[0].addressed = false;
    fixture.open(unaddressed).await;
    assert_eq!(fixture.must().hold_unaddressed(Recipient::Manager, at(-5)).await, 1);
    fixture.delivered(&fixture.external_id(), at(0)).await;
    let given_up = fixture.opened(at(1)).await.notifications[0].id;
    let claimed = fixture.claim_only(given_up, at(1)).await;
    fixture.settled(&claimed, dead(at(1))).await;
    let leased = fixture.opened(at(2)).await.notifications[0].id;
    fixture.claim_only(leased, at(2)).await;
    fixture.opened(at(3)).await;
    // Due before a probe's lease would end: its own time comes soon enough.
    fixture.opened(at(3 + LEASE)).await;
    assert_eq!(probe_any(fixture, at(3)).await, None);

    let opening = fixture.opened(at(DUE)).await;
    let probed = probe_any(fixture, at(4)).await.unwrap();
    let expected = Claimed {
        id: opening.notifications[0].id,
        lease: probed.lease,
        ticket: Some(opening.ticket.id),
        event: opening.notifications[0].event,
        payload: opening.notifications[0].payload.clone(),
        route: DeliveryRoute::FIRST,
        round: 0,
        failures: 0,
        scheduled_at: at(DUE),
    };
    assert_eq!(probed, expected);
    let due = at(4 + LEASE);
    assert_eq!(
        fixture.record(probed.id).await.state,
        NotificationState::Waiting { due }
    );
    assert_eq!(probe_any(fixture, at(5)).await, None);
    // Whose lease has ended is due, and so left to a claim.
    assert_eq!(probe_any(fixture, due).await, None);
}

/// A later event of a ticket is not tried before an earlier one.
pub async fn a_probe_takes_only_the_first_of_a_ticket(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let first = fixture.claim_only(opening.notifications[0].id, at(0)).await;
    let second = fixture.updated(&opening.ticket, at(DUE - 1)).await.id;
    assert_eq!(probe_any(fixture, at(1)).await, None);

    fixture.settled(&first, retry_at(at(DUE))).await;
    for seconds in [2, 3] {
        let probed = probe_any(fixture, at(seconds)).await.unwrap();
        assert_eq!(probed.id, first.id);
        fixture.settled(&probed, returned(probed.scheduled_at)).await;
    }
    let probed = probe_any(fixture, at(4)).await.unwrap();
    fixture.settled(&probed, delivered(at(4), None)).await;
    let probed = probe_any(fixture, at(5)).await.unwrap();
    assert_eq!(probed.id, second);
}

/// What was never probed comes before what was; then the one that was probed longest ago.
pub async fn the_one_probed_longest_ago_comes_next(fixture: &Fixture) {
    let mut turns = Vec::new();
    for seconds in 0..3 {
        waiting(fixture, seconds).await;
    }
    for minute in 1..=9 {
        let now = at(minute * 60);
        let probed = probe_any(fixture, now).await.unwrap();
        assert_eq!(probed.scheduled_at, at(DUE));
        assert_eq!(probed.failures, 1);
        fixture.settled(&probed, returned(probed.scheduled_at)).await;
        turns.push(probed.id);
        if minute == 5 {
            // A newcomer is next, and then waits like the others.
            let newcomer = waiting(fixture, minute * 60 + 1).await;
            let probed = probe_any(fixture, at(minute * 60 + 2)).await.unwrap();
            assert_eq!(probed.id, newcomer);
            fixture.settled(&probed, dead(now)).await;
        }
    }
    let (first, rest) = turns.split_at(3);
    assert!(first[0] != first[1] && first[0] != first[2] && first[1] != first[2]);
    assert_eq!(rest, [first, first].concat());
}

/// One probe keeps every other away for a while, also while it is under way and after it failed.
pub async fn nothing_is_probed_soon_after_a_probe(fixture: &Fixture) {
    for seconds in 0..3 {
        waiting(fixture, seconds).await;
    }
    let first = probe(fixture, at(100), at(40)).await.unwrap();
    assert_eq!(probe(fixture, at(101), at(41)).await, None);
    fixture.settled(&first, returned(first.scheduled_at)).await;
    assert_eq!(probe(fixture, at(159), at(99)).await, None);

    // Probed at that very moment is not after it.
    let second = probe(fixture, at(160), at(100)).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(probe(fixture, at(161), at(101)).await, None);
}

/// Eight workers, one probe.
pub async fn workers_that_probe_at_once_get_one(fixture: &Fixture) {
    for seconds in 0..10 {
        waiting(fixture, seconds).await;
    }
    for minute in 1..=8 {
        let (now, unless_after) = (at(minute * 60), at(minute * 60 - 60));
        let probed = at_once((0..8).map(|_| {
            let claim = fixture.claim_at(now);
            fixture.must().claim_probe(claim, unless_after)
        }))
        .await;
        let probed: Vec<Claimed> = probed.into_iter().flatten().collect();
        assert_eq!(probed.len(), 1, "{probed:?}");
        fixture.settled(&probed[0], returned(probed[0].scheduled_at)).await;
    }
}
