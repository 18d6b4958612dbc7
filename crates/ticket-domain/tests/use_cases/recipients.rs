//! A customer who is notified beside the manager, by a composer of their own.

use std::sync::Arc;

use ticket_domain::{
    Actor, DeliveryRoute, EventKind, Fallback, MessageStatus, Payload, Recipient, RetrySchedule,
    ports::{AttemptOutcome, Composer, DeliveryResult, Event, FailureKind, NextStep, Rejection},
    use_cases::{Context, Deliver, OpenTicket, Redeliver, ReportReceipt, Reported},
};

use crate::support::{ScriptedNotifier, World, accepted, claim, external_id, failure, request};

/// Writes the customer's link, of new tickets only. What is refused goes out by post.
struct Links;

impl Composer for Links {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        (event.kind == EventKind::Created).then(|| Payload(event.ticket_url.as_bytes().into()))
    }

    fn after_refusal(&self, route: &DeliveryRoute, payload: &Payload, _: Rejection) -> NextStep {
        if *route != DeliveryRoute::FIRST {
            return NextStep::GiveUp;
        }
        NextStep::Fallback(Fallback {
            route: DeliveryRoute::new("post"),
            payload: payload.clone(),
        })
    }

    fn on_first_route(&self, payload: &Payload) -> Option<Payload> {
        Some(payload.clone())
    }
}

fn context(world: &World) -> Context {
    let context = world.context();
    Context {
        composers: context.composers.with(Recipient::Customer, Arc::new(Links), true),
        ..context
    }
}

fn to_customer(world: &World, notifier: &Arc<ScriptedNotifier>) -> Deliver {
    let (store, schedule) = (world.store.clone(), RetrySchedule::new(8));
    Deliver::new(store, Recipient::Customer, notifier.clone(), context(world), schedule)
}

#[tokio::test]
async fn the_customer_gets_their_own_link_and_their_own_fallbacks() {
    let world = World::default();
    let notifier = Arc::<ScriptedNotifier>::default();
    let opened = OpenTicket::new(world.store.clone(), context(&world));
    let opened = opened.open(request("Broken"), None, None).await.unwrap();
    let deliver = to_customer(&world, &notifier);
    notifier.answers.lock().unwrap().push_back(accepted("MAIL-1"));
    assert_eq!(world.round(&deliver).await.len(), 1);
    let sent = notifier.received.lock().unwrap()[0].1.clone();
    assert_eq!(&*sent.0, opened.url.as_bytes());
    // The manager's notification was not touched.
    assert_eq!(world.tries(), 0);

    let receipts = ReportReceipt::new(world.store.clone(), context(&world), RetrySchedule::new(8));
    let refused = receipts
        .report(external_id("MAIL-1"), MessageStatus::Failed, Some(63_016))
        .await
        .unwrap();
    let Reported::Diverted { id, route, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(route.as_str(), "post");
    *notifier.otherwise.lock().unwrap() = Some(failure(FailureKind::Permanent, None));
    let outcomes = world.round(&deliver).await;
    assert!(matches!(&outcomes[..], [AttemptOutcome::Dead { .. }]), "{outcomes:?}");

    let redeliver = Redeliver::new(world.store.clone(), context(&world));
    assert_eq!(redeliver.redeliver_dead(Actor::Operator(None)).await.unwrap(), 1);
    *notifier.otherwise.lock().unwrap() = Some(DeliveryResult::Accepted { external_id: None });
    let again = claim(&deliver).await;
    assert_eq!((again[0].id, again[0].route.as_str(), again[0].round), (id, "text", 2));
}

/// A receiver that asks to wait, or fails, delays its own recipient only.
#[tokio::test]
async fn the_customers_receiver_delays_no_manager() {
    let world = World::default();
    let notifier = Arc::<ScriptedNotifier>::default();
    let (deliver, to_manager) = (to_customer(&world, &notifier), world.deliver(8));
    let open = OpenTicket::new(world.store.clone(), context(&world));
    *notifier.otherwise.lock().unwrap() = Some(failure(FailureKind::Throttled, Some(600)));
    for message in ["Broken", "Leaking"] {
        open.open(request(message), None, None).await.unwrap();
        world.round(&deliver).await;
        assert_eq!(world.round(&to_manager).await.len(), 1);
    }
    assert_eq!(notifier.received.lock().unwrap().len(), 1);
}
