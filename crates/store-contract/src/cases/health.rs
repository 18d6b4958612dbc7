//! What a store says of itself.

use ticket_domain::{Recipient, ports::Vitals};

use crate::{
    Fixture,
    fixture::{LEASE, append_to, at, dead, keep_silently, later, retry_at},
};

/// It answers, nothing waits, and its pool, if it has one, is within its bounds.
pub async fn an_empty_store_is_well(fixture: &Fixture) {
    let store = fixture.must();
    store.ping().await;
    assert_eq!(fixture.vitals(at(0)).await, Vitals::default());
    if let Some(pool) = fixture.store().pool_use() {
        assert!(pool.max > 0);
        assert!(pool.open <= pool.max, "{pool:?}");
        assert!(pool.idle <= pool.open, "{pool:?}");
    }
}

/// Each state is counted; what is being tried counts as waiting as well, until its lease ends.
pub async fn vitals_count_every_state(fixture: &Fixture) {
    let mut unaddressed = fixture.opening(at(-20));
    unaddressed.notifications[0].addressed = false;
    fixture.open(unaddressed).await;
    assert_eq!(fixture.vitals(later()).await.oldest_waiting, Some(at(-20)));
    fixture.must().hold_unaddressed(Recipient::Manager, at(-10)).await;
    fixture.delivered(&fixture.external_id(), at(0)).await;
    for seconds in [1, 2] {
        let id = fixture.opened(at(seconds)).await.notifications[0].id;
        let claimed = fixture.claim_only(id, at(seconds)).await;
        fixture.settled(&claimed, dead(at(seconds))).await;
    }
    let waits = fixture.opened(at(3)).await;
    let claimed = fixture.claim_only(waits.notifications[0].id, at(3)).await;
    fixture.settled(&claimed, retry_at(at(500))).await;
    let tried = fixture.opened(at(4)).await.notifications[0].id;
    fixture.claim_only(tried, at(4)).await;
    fixture.updated(&waits.ticket, at(5)).await;

    let expected = Vitals {
        waiting: 3,
        leased: 1,
        held: 1,
        dead: 2,
        oldest_waiting: Some(at(3)),
        unmatched: 0,
    };
    assert_eq!(fixture.vitals(at(3 + LEASE)).await, expected);
    let after = fixture.vitals(at(4 + LEASE)).await;
    assert_eq!(after, Vitals { leased: 0, ..expected });
}

/// Kept messages are counted, messages in threads are not.
pub async fn vitals_count_what_is_unmatched(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let append = append_to(&opening.ticket, fixture.message(at(1)));
    fixture.must().append(append).await;
    for _ in 0..3 {
        let kept = fixture.message_of(&fixture.external_id(), at(1));
        fixture.must().store_unmatched(keep_silently(kept)).await;
    }
    let vitals = fixture.vitals(at(9)).await;
    assert_eq!((vitals.unmatched, vitals.waiting), (3, 1));
}
