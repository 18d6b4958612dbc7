//! What nobody asks for any more goes, and nothing else.

use std::time::Duration;

use ticket_domain::{
    DeliveryState, NotificationId, Progress, Timestamp,
    ports::{Appended, OpenResult, Purge, RedeliverResult, StatusUpdate},
};

use crate::{
    Fixture,
    calls::Must,
    fixture::{With as _, append_to, at, at_once, dead, delivered, fallback},
};

/// Walks through everything in steps of `limit`; says how many went.
async fn purged(store: Must, settled_before: Timestamp, limit: u16) -> u64 {
    let (mut after, mut gone) = (None, 0);
    for _ in 0..1_000 {
        let purge = Purge {
            after,
            settled_before,
            limit,
        };
        let purged = store.purge(purge).await;
        gone += purged.gone;
        let Some(next) = purged.next else { return gone };
        assert!(after.is_none_or(|after: NotificationId| next.0 > after.0));
        after = Some(next);
    }
    panic!("it never ends");
}

/// What was delivered long ago goes, together with what its messages were called, as soon as another of its ticket
/// follows; the newest stays, and the thread tells of it.
pub async fn what_was_delivered_long_ago_goes_and_the_newest_stays(fixture: &Fixture) {
    let store = fixture.must();
    let (refused, first, second) = (fixture.external_id(), fixture.external_id(), fixture.external_id());
    let opening = fixture.delivered(&refused, at(0)).await;
    let refusal = StatusUpdate::Fallback(fallback("backup"), "63016".into());
    assert!(store.advance(refused.clone(), refusal, at(1)).await);
    let claimed = fixture.claim_only(opening.notifications[0].id, at(1)).await;
    fixture.settled(&claimed, delivered(at(2), Some(&first))).await;
    assert_eq!(purged(fixture.must(), at(100), 9).await, 0);

    let newest = fixture.updated(&opening.ticket, at(3)).await;
    let claimed = fixture.claim_only(newest.id, at(3)).await;
    fixture.settled(&claimed, delivered(at(4), Some(&second))).await;
    let thread = fixture.thread(opening.ticket.reference).await;
    assert_eq!(purged(fixture.must(), at(2), 9).await, 0);
    assert_eq!(purged(fixture.must(), at(3), 9).await, 1);
    assert_eq!(purged(fixture.must(), at(100), 9).await, 0);

    assert_eq!(fixture.thread(opening.ticket.reference).await, thread);
    assert_eq!(thread.delivery.state, DeliveryState::Sent);
    assert_eq!(store.notification(opening.notifications[0].id).await, None);
    assert_eq!(store.current_message(opening.notifications[0].id).await, None);
    for gone in [&refused, &first] {
        assert_eq!(fixture.quoted(gone).await, None);
        assert_eq!(store.sent_notification(gone.clone()).await, None);
        let read = StatusUpdate::To(Progress::Read);
        assert!(!store.advance(gone.clone(), read, at(5)).await);
    }
    assert_eq!(fixture.quoted(&second).await, Some(opening.ticket.reference));
    let again = store.redeliver(opening.notifications[0].id, fixture.note(at(6)), None);
    assert_eq!(again.await, RedeliverResult::NotFound);
}

/// What waits or was given up stays, however old and whatever follows it.
pub async fn what_is_not_delivered_is_never_cleared_away(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let second = fixture.updated(&opening.ticket, at(1)).await;
    fixture.updated(&opening.ticket, at(2)).await;
    let claimed = fixture.claim_only(opening.notifications[0].id, at(3)).await;
    fixture.settled(&claimed, dead(at(3))).await;
    assert_eq!(purged(fixture.must(), at(100), 9).await, 0);
    let left: Vec<_> = store.undelivered(9).await.iter().map(|record| record.id).collect();
    assert_eq!(left.len(), 3);
    assert!(left.contains(&opening.notifications[0].id) && left.contains(&second.id));
}

/// A walk in small steps comes to the same as one in a big one, and so do several at once.
pub async fn small_steps_come_to_the_end(fixture: &Fixture) {
    let mut openings = Vec::new();
    for n in 0..7 {
        let opening = fixture.delivered(&fixture.external_id(), at(n)).await;
        let newest = fixture.updated(&opening.ticket, at(n)).await;
        let claimed = fixture.claim_only(newest.id, at(n)).await;
        fixture.settled(&claimed, delivered(at(n), None)).await;
        openings.push(opening);
    }
    assert_eq!(purged(fixture.must(), at(2), 1).await, 2);
    at_once((0..4).map(|_| purged(fixture.must(), at(100), 2))).await;
    // What another was holding is left for the next time.
    purged(fixture.must(), at(100), 3).await;
    for opening in openings {
        let gone = fixture.must().notification(opening.notifications[0].id).await;
        assert_eq!(gone, None);
        assert_eq!(fixture.thread(opening.ticket.reference).await.messages.len(), 2);
    }
}

/// Keys go when their time has ended, at most so many at once, and what they made stays.
pub async fn keys_whose_time_has_ended_go(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.purge_keys(at(100), 9).await, 0);
    let ends = at(10);
    let mut opening = fixture.opening(at(0));
    opening.idempotency = Some(fixture.idempotency(ends));
    fixture.open(opening.clone()).await;
    let append = append_to(&opening.ticket, fixture.message(at(1)))
        .with(|append| append.idempotency = Some(fixture.idempotency(ends.plus(Duration::from_secs(1)))));
    fixture.added(append.clone()).await;
    assert_eq!(store.purge_keys(at(9), 9).await, 0);
    assert!(matches!(
        store.open(opening.clone()).await,
        OpenResult::AlreadyOpened(_)
    ));
    assert_eq!(store.purge_keys(at(100), 1).await, 1);
    assert!(matches!(store.append(append).await, Appended::Repeated { .. }));
    assert_eq!(store.purge_keys(at(100), 9).await, 1);
    assert_eq!(store.purge_keys(at(100), 9).await, 0);
    assert_eq!(fixture.thread(opening.ticket.reference).await.messages.len(), 2);
}
