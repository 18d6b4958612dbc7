//! Workers take what is due, and nobody takes it twice.

use std::collections::BTreeMap;

use ticket_domain::{
    DeliveryRoute, EventKind, NotificationId, NotificationState,
    ports::{Claimed, Opening},
};

use crate::{
    Fixture,
    fixture::{LEASE, With as _, at, at_once, dead, delivered, retry_at, returned},
};

fn ids(claimed: &[Claimed]) -> Vec<NotificationId> {
    claimed.iter().map(|claimed| claimed.id).collect()
}

/// A worker learns all that it needs, and the notification shows until when it is held.
pub async fn a_claim_tells_everything_about_its_notification(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let claim = fixture.claim_at(at(5));
    let claimed = fixture.must().claim(claim, 10).await;
    let expected = Claimed {
        id: opening.notifications[0].id,
        lease: claim.lease,
        ticket: Some(opening.ticket.id),
        event: EventKind::Created,
        payload: opening.notifications[0].payload.clone(),
        route: DeliveryRoute::FIRST,
        round: 0,
        failures: 0,
        scheduled_at: at(0),
    };
    assert_eq!(claimed, [expected]);
    let record = fixture.record(opening.notifications[0].id).await;
    assert_eq!(record.state, NotificationState::Waiting { due: claim.until });
}

/// What is due at the very moment is claimed, what is due later is not; the longest due goes first and a limit holds.
pub async fn only_what_is_due_is_claimed_and_the_longest_due_first(fixture: &Fixture) {
    let mut due = BTreeMap::new();
    for seconds in [3, 1, 5, 2, 4] {
        due.insert(seconds, fixture.opened(at(seconds)).await.notifications[0].id);
    }
    let store = fixture.must();
    assert_eq!(fixture.claim(at(0)).await, []);
    assert_eq!(store.claim(fixture.claim_at(at(9)), 0).await, []);

    let first = store.claim(fixture.claim_at(at(4)), 2).await;
    assert_eq!(ids(&first), [due[&1], due[&2]]);
    let second = store.claim(fixture.claim_at(at(4)), 9).await;
    assert_eq!(ids(&second), [due[&3], due[&4]]);
    assert_eq!(fixture.claim(at(4)).await, []);
    fixture.claim_only(due[&5], at(5)).await;
}

/// Who asks for first tries gets nothing that was tried before, whether it failed or its worker fell silent.
pub async fn first_tries_can_be_asked_for_alone(fixture: &Fixture) {
    let store = fixture.must();
    let failed = fixture.opened(at(0)).await.notifications[0].id;
    let claimed = fixture.claim_only(failed, at(0)).await;
    fixture.settled(&claimed, retry_at(at(5))).await;
    let silent = fixture.opened(at(1)).await.notifications[0].id;
    fixture.claim_only(silent, at(1)).await;
    let fresh = fixture.opened(at(2)).await.notifications[0].id;

    let moment = at(LEASE + 10);
    let only_first = fixture.claim_at(moment).with(|claim| claim.first_tries_only = true);
    assert_eq!(ids(&store.claim(only_first, 9).await), [fresh]);
    let again = fixture.claim_at(moment).with(|claim| claim.first_tries_only = true);
    assert_eq!(store.claim(again, 9).await, []);
    assert_eq!(ids(&fixture.claim(moment).await), [failed, silent]);
}

/// One event of a ticket at a time, in their order: a later one waits while an earlier one waits or is being tried, and
/// goes when that is delivered or dead. Other tickets are not kept waiting.
pub async fn tickets_take_turns_and_their_events_keep_their_order(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    // Its time of schedule is before that of the first.
    let second = fixture.updated(&opening.ticket, at(-1)).await.id;
    let third = fixture.updated(&opening.ticket, at(2)).await.id;
    let other = fixture.opened(at(3)).await.notifications[0].id;

    let claimed = fixture.claim(at(3)).await;
    assert_eq!(ids(&claimed), [opening.notifications[0].id, other]);
    assert_eq!(fixture.claim(at(4)).await, []);
    fixture.settled(&claimed[0], retry_at(at(10))).await;
    assert_eq!(fixture.claim(at(9)).await, []);
    let first = fixture.claim_only(opening.notifications[0].id, at(10)).await;
    fixture.settled(&first, returned(at(12))).await;
    assert_eq!(fixture.claim(at(11)).await, []);
    let first = fixture.claim_only(opening.notifications[0].id, at(12)).await;
    fixture.settled(&first, delivered(at(12), None)).await;

    let claimed = fixture.claim_only(second, at(13)).await;
    fixture.settled(&claimed, dead(at(13))).await;
    fixture.claim_only(third, at(13)).await;
}

/// A lease keeps others away until it ends; then the try is made again and nothing was counted.
pub async fn what_is_leased_is_claimed_again_only_after_the_lease(fixture: &Fixture) {
    let id = fixture.opened(at(0)).await.notifications[0].id;
    let first = fixture.claim_only(id, at(0)).await;
    fixture.settled(&first, retry_at(at(1))).await;
    let second = fixture.claim_only(id, at(1)).await;
    assert_eq!(second.failures, 1);

    assert_eq!(fixture.claim(at(LEASE)).await, []);
    let third = fixture.claim_only(id, at(1 + LEASE)).await;
    assert_ne!(third.lease, second.lease);
    assert_eq!(
        Claimed {
            lease: second.lease,
            ..third
        },
        second
    );
}

/// Two workers.
pub async fn two_workers_share_without_overlap(fixture: &Fixture) {
    share(fixture, 2).await;
}

/// Eight workers.
pub async fn eight_workers_share_without_overlap(fixture: &Fixture) {
    share(fixture, 8).await;
}

/// 200 notifications, and workers that claim until nothing is left: each notification is claimed once.
async fn share(fixture: &Fixture, workers: usize) {
    for round in 0..3 {
        let moment = at(round);
        let openings: Vec<Opening> = (0..200).map(|_| fixture.opening(moment)).collect();
        for opening in &openings {
            fixture.open(opening.clone()).await;
        }
        // So many tokens as any worker may need, each for one claim.
        let claimed = at_once((0..workers).map(|_| {
            let store = fixture.must();
            let claims: Vec<_> = (0..=200).map(|_| fixture.claim_at(moment)).collect();
            async move {
                let mut mine = Vec::new();
                for claim in claims {
                    let more = store.claim(claim, 7).await;
                    assert!(more.len() <= 7);
                    assert!(more.iter().all(|claimed| claimed.lease == claim.lease));
                    if more.is_empty() {
                        break;
                    }
                    mine.extend(more);
                }
                mine
            }
        }))
        .await;

        let mut claimed = claimed.concat();
        let mut expected: Vec<_> = openings.iter().map(|opening| opening.notifications[0].id).collect();
        expected.sort();
        claimed.sort_by_key(|claimed| claimed.id);
        assert_eq!(ids(&claimed), expected);
        for claimed in &claimed {
            fixture.settled(claimed, delivered(moment, None)).await;
        }
    }
}
