//! Delivering: the schedule, the order, outages, leases.

use std::time::Duration;

use crate::support::{CUSTOMER, World, claim, failure, reply};
use ticket_domain::{
    Actor, NotificationState,
    ports::{AttemptOutcome, Clock as _, FailureKind, RecordResult, RedeliverResult},
    use_cases::{Capacity, LEASE},
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Lets time pass in steps, with a round of the delivery at each. Gives the seconds at which a try was made.
async fn tries_during(
    world: &World,
    deliver: &ticket_domain::use_cases::Deliver,
    span: Duration,
    step: Duration,
) -> Vec<u64> {
    let begun = world.clock.now();
    let mut tries = Vec::new();
    while world.clock.now().since(begun) < span {
        for _ in world.round(deliver).await {
            tries.push(world.clock.now().since(begun).as_secs());
        }
        world.clock.advance(step);
    }
    tries
}

#[tokio::test]
async fn a_notification_is_tried_by_the_schedule_and_then_kept_as_dead() {
    let world = World::default();
    world.fails(failure(FailureKind::Temporary, None));
    world.open("Broken").await;
    let deliver = world.deliver(0);
    let tries = tries_during(&world, &deliver, 2 * MINUTE, Duration::from_millis(200)).await;
    assert_eq!(tries.len(), 4, "{tries:?}");
    assert!(tries[0] == 0 && tries[3] <= 9, "{tries:?}");

    let records = world.store.undelivered(10).await.unwrap();
    assert!(matches!(records[0].state, NotificationState::Dead { .. }));
    assert_eq!(
        (records.len(), records[0].failures, records[0].last_error.as_deref()),
        (1, 4, Some("it said no"))
    );

    // The same bytes under the same id on every try, and again on request.
    world.works();
    let redeliver = world.redeliver();
    assert_eq!(
        redeliver.redeliver(records[0].id, Actor::Operator(None)).await.unwrap(),
        RedeliverResult::Queued
    );
    assert_eq!(world.round(&deliver).await.len(), 1);
    let received = world.notifier.received.lock().unwrap();
    assert_eq!(received.len(), 5);
    assert!(received.iter().all(|try_| *try_ == received[0]));
}

#[tokio::test]
async fn slow_tries_reach_over_three_days_and_probes_do_not_count() {
    let world = World::default();
    world.fails(failure(FailureKind::Temporary, None));
    world.open("Broken").await;
    let deliver = world.deliver(8);
    let begun = world.clock.now();
    let mut counted = 0;
    let mut beside = 0;
    let died = loop {
        let outcomes = world.round(&deliver).await;
        counted += outcomes
            .iter()
            .filter(|v| matches!(v, AttemptOutcome::RetryAt { .. } | AttemptOutcome::Dead { .. }))
            .count();
        beside += outcomes
            .iter()
            .filter(|v| matches!(v, AttemptOutcome::Returned { .. }))
            .count();
        if outcomes.iter().any(|v| matches!(v, AttemptOutcome::Dead { .. })) {
            break world.clock.now().since(begun);
        }
        world.clock.advance(MINUTE);
    };
    assert_eq!(counted, 12);
    let minutes = usize::try_from(died.as_secs() / 60).unwrap();
    assert!(
        (minutes - 30..=minutes).contains(&beside),
        "{beside} probes in {minutes} minutes"
    );
    assert!(
        died > 75 * HOUR.mul_f64(0.8) && died < 76 * HOUR.mul_f64(1.2),
        "{died:?}"
    );
}

#[tokio::test]
async fn what_waits_for_its_first_try_does_not_wait_out_a_clock_that_was_set_back() {
    let world = World::default();
    let deliver = world.deliver(8);
    assert!(world.round(&deliver).await.is_empty());
    world.open("Broken").await;
    world.clock.set_back(HOUR);
    let outcomes = world.round(&deliver).await;
    assert!(
        matches!(&outcomes[..], [AttemptOutcome::Delivered { .. }]),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_says_never_is_believed() {
    let world = World::default();
    world.fails(failure(FailureKind::Permanent, None));
    world.open("Broken").await;
    let outcomes = world.round(&world.deliver(8)).await;
    assert!(matches!(&outcomes[..], [AttemptOutcome::Dead { .. }]));
}

#[tokio::test]
async fn retry_after_is_obeyed_up_to_an_hour() {
    for (asked, earliest, latest) in [(30, 30, 30), (7_200, 3_600, 3_600), (0, 0, 2)] {
        let world = World::default();
        world.fails(failure(FailureKind::Temporary, Some(asked)));
        world.open("Broken").await;
        let outcomes = world.round(&world.deliver(8)).await;
        let [AttemptOutcome::RetryAt { due, .. }] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        let wait = due.since(world.clock.now()).as_secs();
        assert!((earliest..=latest).contains(&wait), "{asked}: {wait}");
    }
}

#[tokio::test]
async fn a_429_stops_the_whole_queue_for_as_long_as_it_asks() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Throttled, Some(60)));
    world.open("one").await;
    world.round(&deliver).await;
    world.works();
    world.open("two").await;
    world.clock.advance(Duration::from_secs(59));
    assert!(world.round(&deliver).await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.round(&deliver).await.len(), 2);
}

#[tokio::test]
async fn a_429_is_obeyed_by_other_workers_and_after_a_restart() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.open("one").await;
    world.open("two").await;
    world.fails(failure(FailureKind::Throttled, Some(600)));
    let claims = deliver
        .claim(Capacity {
            in_all: 1,
            for_others: 1,
        })
        .await
        .unwrap();
    let outcome = deliver.send(&claims.first_tries[0]).await;
    deliver.record_attempt(&claims.first_tries[0], outcome).await.unwrap();
    assert!(claim(&deliver).await.is_empty());
    world.works();
    let other = world.deliver(8);
    world.clock.advance(Duration::from_secs(570));
    assert!(world.round(&other).await.is_empty());
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.round(&other).await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_queue_for_long() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Throttled, Some(60)));
    world.open("one").await;
    world.round(&deliver).await;
    assert!(world.round(&deliver).await.is_empty());
    world.works();
    world.clock.set_back(2 * HOUR);
    world.open("two").await;
    // What was postponed until a moment that is far away now is released at once.
    assert_eq!(world.round(&deliver).await.len(), 2);
}

#[tokio::test]
async fn after_an_outage_everything_goes_out_with_the_first_success() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Temporary, None));
    for _ in 0..50 {
        world.open("Broken").await;
    }
    // Ten hours: most wait for hours now.
    tries_during(&world, &deliver, 10 * HOUR, Duration::from_secs(30)).await;
    world.works();
    let before = world.tries();
    let tries = tries_during(&world, &deliver, 2 * MINUTE, Duration::from_secs(1)).await;
    assert_eq!((tries.len(), world.tries() - before), (50, 50), "{tries:?}");
    assert!(world.store.undelivered(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn probes_come_once_a_minute_each_time_another() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Temporary, None));
    for _ in 0..4 {
        world.open("Broken").await;
    }
    // Into the wait of two hours, and past the minute after it.
    tries_during(&world, &deliver, HOUR, Duration::from_secs(10)).await;
    let before = world.tries();
    let tries = tries_during(&world, &deliver, 4 * MINUTE, Duration::from_secs(5)).await;
    assert_eq!(tries.len(), 4, "{tries:?}");
    let mut probed: Vec<_> = world.notifier.received.lock().unwrap()[before..]
        .iter()
        .map(|(id, _)| *id)
        .collect();
    probed.sort_unstable();
    probed.dedup();
    assert_eq!(probed.len(), 4);
}

#[tokio::test]
async fn one_that_always_fails_among_many_that_do_not_keeps_to_its_schedule() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Temporary, None));
    world.open("poison").await;
    let poison = world.round(&deliver).await.len();
    assert_eq!(poison, 1);
    let poison = world.notifier.received.lock().unwrap()[0].0;
    for _ in 0..720 {
        world.clock.advance(Duration::from_secs(5));
        world.works();
        world.open("good").await;
        for claimed in claim(&deliver).await {
            if claimed.id == poison {
                world.fails(failure(FailureKind::Temporary, None));
            } else {
                world.works();
            }
            let outcome = deliver.send(&claimed).await;
            deliver.record_attempt(&claimed, outcome).await.unwrap();
        }
    }
    let record = world.store.notification(poison).await.unwrap().unwrap();
    // An hour: at once, three quick ones, five and thirty-five minutes later; once more each as others got through.
    assert_eq!(record.failures, 6);
    let received = world.notifier.received.lock().unwrap();
    let tries = received.iter().filter(|(id, _)| *id == poison).count();
    assert!(tries <= 12, "{tries} tries in an hour");
}

#[tokio::test]
async fn those_that_fail_again_leave_room_for_first_tries() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.fails(failure(FailureKind::Temporary, None));
    for _ in 0..8 {
        world.open("hangs").await;
    }
    assert_eq!(world.round(&deliver).await.len(), 8);
    world.clock.advance(Duration::from_secs(2));
    world.open("new").await;
    // A worker with four places keeps one of them.
    let claims = deliver
        .claim(Capacity {
            in_all: 4,
            for_others: 3,
        })
        .await
        .unwrap();
    assert_eq!((claims.first_tries.len(), claims.others.len()), (1, 3));
    let claims = deliver
        .claim(Capacity {
            in_all: 1,
            for_others: 0,
        })
        .await
        .unwrap();
    assert_eq!((claims.first_tries.len(), claims.others.len()), (0, 0));
}

#[tokio::test]
async fn the_quick_retries_are_not_doubled_by_probes() {
    let world = World::default();
    let deliver = world.deliver(0);
    world.clock.advance(DAY);
    world.fails(failure(FailureKind::Temporary, None));
    world.open("Broken").await;
    assert_eq!(
        tries_during(&world, &deliver, MINUTE, Duration::from_millis(100))
            .await
            .len(),
        4
    );
}

#[tokio::test]
async fn events_of_a_ticket_go_in_their_order() {
    let world = World::default();
    let deliver = world.deliver(0);
    let opened = world.open("first").await;
    world
        .receiver()
        .receive(reply(CUSTOMER, &format!("{} second", opened.reference)))
        .await
        .unwrap();
    world.fails(failure(FailureKind::Temporary, None));
    assert_eq!(world.round(&deliver).await.len(), 1);
    world.works();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.round(&deliver).await.len(), 1);
    assert_eq!(world.round(&deliver).await.len(), 1);
    let received = world.notifier.received.lock().unwrap();
    let texts: Vec<String> = received
        .iter()
        .map(|(_, p)| String::from_utf8_lossy(&p.0).into_owned())
        .collect();
    assert!(
        texts[0].ends_with("first") && texts[1].ends_with("first") && texts[2].ends_with("second"),
        "{texts:?}"
    );
}

#[tokio::test]
async fn what_a_crash_interrupted_is_tried_again_within_a_minute_at_the_same_place_of_its_schedule() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.open("Broken").await;
    let lost = claim(&deliver).await;
    assert_eq!((lost.len(), lost[0].failures), (1, 0));
    world.clock.advance(LEASE.checked_sub(Duration::from_secs(1)).unwrap());
    assert!(claim(&deliver).await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    let again = claim(&deliver).await;
    assert_eq!((again[0].id, again[0].failures), (lost[0].id, 0));
    assert!(LEASE < MINUTE);
    // The first worker wakes up late: its verdict changes nothing.
    let late = AttemptOutcome::Delivered {
        at: world.clock.now(),
        external_id: None,
    };
    assert_eq!(
        deliver.record_attempt(&lost[0], late).await.unwrap(),
        RecordResult::LeaseLost
    );
}

#[tokio::test]
async fn what_is_handed_back_is_due_again_at_once() {
    let world = World::default();
    let deliver = world.deliver(8);
    world.open("Broken").await;
    let claimed = claim(&deliver).await;
    assert_eq!(
        deliver.return_unsent(&claimed[0]).await.unwrap(),
        RecordResult::Recorded
    );
    let again = claim(&deliver).await;
    assert_eq!((again[0].id, again[0].failures), (claimed[0].id, 0));
}

#[tokio::test]
async fn what_waited_over_a_day_for_its_first_address_waits_for_an_operator() {
    let world = World {
        has_receiver: false,
        ..World::default()
    };
    world.open("old").await;
    world.clock.advance(DAY.checked_sub(MINUTE).unwrap());
    world.open("young").await;
    world.clock.advance(2 * MINUTE);
    // Now a webhook is set.
    let deliver = world.deliver(8);
    assert_eq!(deliver.hold_stale().await.unwrap(), 1);
    assert_eq!(world.round(&deliver).await.len(), 1);
    let held = world.store.undelivered(10).await.unwrap();
    assert_eq!((held.len(), &held[0].state), (1, &NotificationState::Held));
    let redeliver = world.redeliver();
    redeliver.redeliver(held[0].id, Actor::Operator(None)).await.unwrap();
    assert_eq!(deliver.hold_stale().await.unwrap(), 0);
    assert_eq!(world.round(&deliver).await.len(), 1);
}

#[tokio::test]
async fn what_had_an_address_is_never_held_however_long_the_program_was_away() {
    let world = World::default();
    world.open("just before the machine went away").await;
    world.clock.advance(3 * DAY);
    let deliver = world.deliver(8);
    assert_eq!(deliver.hold_stale().await.unwrap(), 0);
    assert_eq!(world.round(&deliver).await.len(), 1);
}
