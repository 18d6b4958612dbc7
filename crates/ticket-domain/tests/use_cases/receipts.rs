//! What WhatsApp says of messages: how far they got, and which other way is taken when it refuses.

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{HAS_BACKUP, MANAGER, REPAIR, WHO_LEFT, World, accepted, external_id, failure, reply};
use ticket_domain::{
    Actor, DeliveryState, MessageStatus, NotificationState, Progress, TicketRef,
    ports::{FailureKind, RedeliverResult},
    use_cases::{Reply, Reported},
};

use MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered};

/// A ticket whose notification was handed over as `SM-1`.
async fn handed_over(message: &str) -> (World, TicketRef) {
    let world = World::default();
    let reference = world.open(message).await.reference;
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
    world.round(&world.deliver(8)).await;
    (world, reference)
}

async fn report(world: &World, id: &str, status: MessageStatus, code: Option<u32>) -> Reported {
    world.receipts().report(external_id(id), status, code).await.unwrap()
}

/// The fallback route that a message took.
fn route(reported: &Reported) -> Option<&str> {
    match reported {
        Reported::Diverted { route, .. } => Some(route.as_str()),
        _ => None,
    }
}

async fn delivery(world: &World, reference: TicketRef) -> DeliveryState {
    world.store.thread(reference).await.unwrap().unwrap().delivery.state
}

fn last_sent(world: &World) -> (u16, String) {
    let (_, payload) = world.notifier.received.lock().unwrap().last().unwrap().clone();
    let round = *world.notifier.rounds.lock().unwrap().last().unwrap();
    (round, String::from_utf8(payload.0.into()).unwrap())
}

#[tokio::test]
async fn a_message_gets_further_and_never_back() {
    let (world, reference) = handed_over("Broken").await;
    for (status, expected) in [
        (Queued, DeliveryState::Sent),
        (Sent, DeliveryState::Sent),
        (Delivered, DeliveryState::Delivered),
        (Sent, DeliveryState::Delivered),
        (Failed, DeliveryState::Delivered),
        (Read, DeliveryState::Read),
        (Delivered, DeliveryState::Read),
        (Undelivered, DeliveryState::Read),
    ] {
        world.clock.advance(Duration::from_secs(1));
        report(&world, "SM-1", status, None).await;
        assert_eq!(delivery(&world, reference).await, expected, "{status}");
    }
    // The time is that of the progress: six seconds after the start it was read.
    let read_at = world.store.thread(reference).await.unwrap().unwrap().delivery.at;
    let now = ticket_domain::ports::Clock::now(&*world.clock);
    assert_eq!(now.since(read_at), Duration::from_secs(2));
}

#[tokio::test]
async fn receipts_that_overtook_the_answer_count_once_it_is_there() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    let receipts = world.receipts();
    for status in [Read, Delivered, Sent] {
        assert_eq!(report(&world, "SM-1", status, None).await, Reported::Unknown);
    }
    assert_eq!(receipts.catch_up().await.unwrap(), []);
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
    world.round(&world.deliver(8)).await;
    let done = receipts.catch_up().await.unwrap();
    assert!(matches!(done[..], [Reported::Further(_, Progress::Read)]), "{done:?}");
    assert_eq!(delivery(&world, reference).await, DeliveryState::Read);
    assert_eq!(receipts.catch_up().await.unwrap(), []);
}

/// What was heard too early is weighed with what is heard next, whichever of them is taken down first.
#[tokio::test]
async fn an_early_receipt_outlasts_the_next_one() {
    for (early, code, next, expected) in [
        (Read, None, Delivered, DeliveryState::Read),
        (Delivered, None, Failed, DeliveryState::Delivered),
        (Sent, None, Read, DeliveryState::Read),
        (Failed, Some(63_016), Sent, DeliveryState::Waiting),
    ] {
        let world = World::default();
        let reference = world.open("Broken").await.reference;
        report(&world, "SM-1", early, code).await;
        world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
        world.round(&world.deliver(8)).await;
        report(&world, "SM-1", next, None).await;
        world.receipts().catch_up().await.unwrap();
        assert_eq!(delivery(&world, reference).await, expected, "{early} {next}");
        assert_eq!(world.receipts().catch_up().await.unwrap(), []);
    }
}

#[tokio::test]
async fn who_is_no_longer_to_be_told_is_not() {
    let world = World::default();
    world.open(WHO_LEFT).await;
    let deliver = world.deliver(8);
    for _ in 0..3 {
        world.round(&deliver).await;
    }
    let (round, text) = last_sent(&world);
    assert!(round == 1 && text.ends_with("to who came"), "{round} {text}");
    assert_eq!(world.tries(), 1);
}

#[tokio::test]
async fn a_receiver_that_calls_every_message_the_same_is_told_of_one_detour() {
    let (world, reference) = handed_over(HAS_BACKUP).await;
    let deliver = world.deliver(8);
    for _ in 0..5 {
        report(&world, "SM-1", Failed, Some(63_016)).await;
        world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
        world.round(&deliver).await;
    }
    assert_eq!(world.tries(), 2);
    assert_eq!(delivery(&world, reference).await, DeliveryState::Sent);
}

#[tokio::test]
async fn sent_again_it_begins_anew_with_the_first_number() {
    let (world, _) = handed_over(HAS_BACKUP).await;
    let first = last_sent(&world).1;
    let deliver = world.deliver(8);
    report(&world, "SM-1", Failed, Some(63_003)).await;
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-2"));
    world.round(&deliver).await;
    let Reported::Dead { id, .. } = report(&world, "SM-2", Failed, Some(63_003)).await else {
        panic!("there is no other way");
    };
    assert_eq!(
        world.redeliver().redeliver(id, Actor::Operator(None)).await.unwrap(),
        RedeliverResult::Queued
    );
    world.round(&deliver).await;
    assert_eq!(last_sent(&world), (3, format!("{first} by backup by text")));
}

#[tokio::test]
async fn unknown_receipts_are_forgotten_after_ten_minutes() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    report(&world, "SM-1", Failed, None).await;
    world.clock.advance(Duration::from_secs(601));
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
    world.round(&world.deliver(8)).await;
    assert_eq!(world.receipts().catch_up().await.unwrap(), []);
    assert_eq!(delivery(&world, reference).await, DeliveryState::Sent);
}

#[tokio::test]
async fn too_late_for_words_goes_as_a_template_and_then_to_the_second_number() {
    let (world, reference) = handed_over(HAS_BACKUP).await;
    let deliver = world.deliver(8);
    let first = last_sent(&world).1;
    let rings = world.bell.0.load(Ordering::SeqCst);
    let late = report(&world, "SM-1", Failed, Some(63_016)).await;
    assert_eq!(route(&late), Some("template"), "{late:?}");
    assert_eq!(world.bell.0.load(Ordering::SeqCst), rings + 1);
    assert_eq!(delivery(&world, reference).await, DeliveryState::Waiting);

    world.notifier.answers.lock().unwrap().push_back(accepted("SM-2"));
    assert_eq!(world.round(&deliver).await.len(), 1);
    assert_eq!(last_sent(&world), (1, format!("{first} by template")));
    // The first message is out of the running, whatever comes of it.
    assert_eq!(report(&world, "SM-1", Delivered, None).await, Reported::Nothing);
    assert_eq!(report(&world, "SM-1", Failed, Some(63_016)).await, Reported::Nothing);
    assert_eq!(delivery(&world, reference).await, DeliveryState::Sent);

    let gone = report(&world, "SM-2", Undelivered, Some(63_003)).await;
    assert_eq!(route(&gone), Some("backup"), "{gone:?}");
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-3"));
    world.round(&deliver).await;
    assert_eq!(last_sent(&world), (2, format!("{first} by template by backup")));
    report(&world, "SM-3", Delivered, None).await;
    assert_eq!(delivery(&world, reference).await, DeliveryState::Delivered);

    // Each of the three can be quoted.
    for id in ["SM-1", "SM-2", "SM-3"] {
        let quoting = Reply {
            replied_to: Some(external_id(id)),
            ..reply(MANAGER, "ok")
        };
        let received = world.receiver().receive(quoting).await.unwrap();
        assert_eq!(received.reference, Some(reference), "{id}");
    }
}

#[tokio::test]
async fn refused_for_good_is_dead_and_sent_again_as_another_message() {
    let (world, reference) = handed_over("Broken").await;
    let dead = report(&world, "SM-1", Failed, Some(63_003)).await;
    let Reported::Dead { id, reason, .. } = dead else {
        panic!("{dead:?}")
    };
    assert_eq!(&*reason, "WhatsApp reports: failed, error 63003");
    assert_eq!(delivery(&world, reference).await, DeliveryState::Failed);
    let record = world.store.notification(id).await.unwrap().unwrap();
    assert!(matches!(record.state, NotificationState::Dead { .. }));
    assert_eq!(record.last_error, Some(reason));
    assert_eq!(report(&world, "SM-1", Failed, Some(63_003)).await, Reported::Nothing);

    let again = world.redeliver();
    assert_eq!(
        again.redeliver(id, Actor::Operator(None)).await.unwrap(),
        RedeliverResult::Queued
    );
    world.round(&world.deliver(8)).await;
    assert_eq!(last_sent(&world).0, 1);
}

#[tokio::test]
async fn what_a_receiver_refuses_for_good_goes_to_the_second_number_at_once() {
    for (message, tries) in [(HAS_BACKUP, 2), ("Broken", 1)] {
        let world = World::default();
        let reference = world.open(message).await.reference;
        let deliver = world.deliver(8);
        world.fails(failure(FailureKind::Permanent, None));
        for _ in 0..3 {
            world.round(&deliver).await;
        }
        assert_eq!(world.tries(), tries, "{message}");
        assert_eq!(delivery(&world, reference).await, DeliveryState::Failed);
    }
}

#[tokio::test]
async fn a_message_that_failed_for_now_is_sent_again_on_its_route() {
    let (world, reference) = handed_over(HAS_BACKUP).await;
    let deliver = world.deliver(8);
    let first = last_sent(&world).1;
    let failed = report(&world, "SM-1", Failed, None).await;
    let Reported::Retrying { id, due, to_repair, .. } = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(to_repair, None);
    let record = world.store.notification(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.failures), (NotificationState::Waiting { due }, 1));
    // Nothing that comes of the failed message counts any more.
    for status in [Failed, Delivered, Read] {
        assert_eq!(report(&world, "SM-1", status, Some(63_003)).await, Reported::Nothing);
    }
    assert_eq!(world.round(&deliver).await, []);
    world.clock.advance(Duration::from_secs(2));
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-2"));
    assert_eq!(world.round(&deliver).await.len(), 1);
    assert_eq!(last_sent(&world), (1, first.clone()));

    let failed = report(&world, "SM-2", Undelivered, Some(20_003)).await;
    assert!(
        matches!(
            failed,
            Reported::Retrying {
                to_repair: Some(REPAIR),
                ..
            }
        ),
        "{failed:?}"
    );
    world.clock.advance(Duration::from_secs(3));
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-3"));
    world.round(&deliver).await;
    assert_eq!(last_sent(&world), (2, first));
    report(&world, "SM-3", Delivered, None).await;
    assert_eq!(delivery(&world, reference).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_dead_when_its_schedule_ends() {
    let (world, reference) = handed_over("Broken").await;
    let deliver = world.deliver(8);
    for attempt in 1..=11 {
        let failed = report(&world, &format!("SM-{attempt}"), Failed, None).await;
        let Reported::Retrying { due, .. } = failed else {
            panic!("{attempt} {failed:?}")
        };
        let now = ticket_domain::ports::Clock::now(&*world.clock);
        world.clock.advance(due.since(now));
        let next = accepted(&format!("SM-{}", attempt + 1));
        world.notifier.answers.lock().unwrap().push_back(next);
        world.round(&deliver).await;
    }
    let last = report(&world, "SM-12", Failed, None).await;
    assert!(matches!(last, Reported::Dead { .. }), "{last:?}");
    assert_eq!(delivery(&world, reference).await, DeliveryState::Failed);
    assert_eq!(world.tries(), 12);
}

#[tokio::test]
async fn a_failure_that_overtook_the_answer_is_sent_again_too() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    report(&world, "SM-1", Failed, None).await;
    // The answer comes five minutes later: the schedule begins when the failure takes effect.
    world.clock.advance(Duration::from_mins(5));
    world.notifier.answers.lock().unwrap().push_back(accepted("SM-1"));
    world.round(&world.deliver(8)).await;
    let done = world.receipts().catch_up().await.unwrap();
    let [Reported::Retrying { due, .. }] = done[..] else {
        panic!("{done:?}")
    };
    let wait = due.since(ticket_domain::ports::Clock::now(&*world.clock));
    assert!((800..=1_200).contains(&wait.as_millis()), "{wait:?}");
    assert_eq!(delivery(&world, reference).await, DeliveryState::Waiting);
}
