//! Receiving messages: the thread they join, or where they are kept.

use std::sync::atomic::Ordering;

use crate::support::{CUSTOMER, MANAGER, World, accepted, external_id, reply};
use ticket_domain::{
    Message, Sender, TicketRef,
    use_cases::{ReceiveError, Received, Reply, TicketName},
};

async fn messages(world: &World, reference: TicketRef) -> Vec<Message> {
    world.store.thread(reference).await.unwrap().unwrap().messages
}

async fn unmatched(world: &World) -> u64 {
    world
        .store
        .vitals(ticket_domain::ports::Clock::now(&*world.clock))
        .await
        .unwrap()
        .unmatched
}

#[tokio::test]
async fn a_managers_reply_joins_the_thread_and_tells_nobody() {
    let world = World::default();
    let opened = world.open("Broken").await;
    let sent = Reply {
        ticket: TicketName::Reference(opened.reference),
        ..reply(MANAGER, "We look into it")
    };
    let received = world.receiver().receive(sent).await.unwrap();
    let thread = messages(&world, opened.reference).await;
    assert_eq!(
        received,
        Received {
            reference: Some(opened.reference),
            message: Some(thread[1].id),
            duplicate: false,
            notice: None,
            undo: None,
        }
    );
    assert_eq!((thread.len(), thread[1].sender), (2, Sender::Manager));
    assert_eq!(world.bell.0.load(Ordering::SeqCst), 1);
    assert_eq!(world.round(&world.deliver(8)).await.len(), 1);
}

#[tokio::test]
async fn the_customers_message_notifies_the_manager() {
    let world = World::default();
    let opened = world.open("Broken").await;
    let deliver = world.deliver(8);
    world.round(&deliver).await;
    let sent = reply(CUSTOMER, &format!("{} is still broken", opened.reference));
    world.receiver().receive(sent).await.unwrap();
    assert_eq!(messages(&world, opened.reference).await[1].sender, Sender::Customer);
    assert_eq!(world.bell.0.load(Ordering::SeqCst), 2);
    world.round(&deliver).await;
    let (_, payload) = world.notifier.received.lock().unwrap()[1].clone();
    let text = String::from_utf8(payload.0.into()).unwrap();
    let expected = format!(
        "ticket.updated {0} https://desk.example/ticket/{0} {0} is still broken",
        opened.reference
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_quote_of_the_notification_finds_its_ticket() {
    let world = World::default();
    let opened = world.open("Broken").await;
    world.open("Another").await;
    world
        .notifier
        .answers
        .lock()
        .unwrap()
        .push_back(accepted("SM-of-the-first"));
    world.round(&world.deliver(8)).await;
    let quoting = |id: &str| Reply {
        replied_to: Some(external_id(id)),
        ..reply(MANAGER, "ok")
    };
    assert_eq!(
        world
            .receiver()
            .receive(quoting("SM-of-the-first"))
            .await
            .unwrap()
            .reference,
        Some(opened.reference)
    );
    assert!(matches!(
        world.receiver().receive(quoting("SM-nobody-knows")).await,
        Err(ReceiveError::NotNamed { .. })
    ));
}

#[tokio::test]
async fn a_message_that_names_no_ticket_is_kept_once_and_joins_when_it_does() {
    let world = World::default();
    let opened = world.open("Broken").await;
    let receiver = world.receiver();
    let bare = || Reply {
        external_id: Some(external_id("SM1")),
        ..reply(MANAGER, "ok")
    };
    for _ in 0..2 {
        assert!(matches!(
            receiver.receive(bare()).await,
            Err(ReceiveError::NotNamed { .. })
        ));
        assert_eq!(unmatched(&world).await, 1);
    }
    let named = || Reply {
        ticket: TicketName::Reference(opened.reference),
        ..bare()
    };
    let joined = receiver.receive(named()).await.unwrap();
    assert!(!joined.duplicate);
    assert_eq!(unmatched(&world).await, 0);
    let thread = messages(&world, opened.reference).await;
    assert_eq!((thread.len(), Some(thread[1].id)), (2, joined.message));

    // From now on it is a repetition, whatever it names.
    for repetition in [
        bare(),
        named(),
        Reply {
            ticket: TicketName::Unreadable,
            ..bare()
        },
    ] {
        let again = receiver.receive(repetition).await.unwrap();
        assert_eq!(
            again,
            Received {
                duplicate: true,
                ..joined.clone()
            }
        );
    }
    assert_eq!(messages(&world, opened.reference).await.len(), 2);
}

#[tokio::test]
async fn a_reference_without_a_ticket_is_not_found_and_the_message_kept() {
    let world = World::default();
    for sent in [
        Reply {
            ticket: TicketName::Unreadable,
            ..reply(MANAGER, "a")
        },
        Reply {
            ticket: TicketName::Reference("T-20250115-0000".parse().unwrap()),
            ..reply(CUSTOMER, "b")
        },
        reply(MANAGER, "about T-20250115-0000"),
    ] {
        assert!(matches!(
            world.receiver().receive(sent).await,
            Err(ReceiveError::NotFound { .. })
        ));
    }
    assert_eq!(unmatched(&world).await, 3);
}

#[tokio::test]
async fn two_references_in_a_text_are_not_certain() {
    let world = World::default();
    let (one, two) = (world.open("one").await, world.open("two").await);
    let sent = reply(MANAGER, &format!("{} and {}", one.reference, two.reference));
    assert!(matches!(
        world.receiver().receive(sent).await,
        Err(ReceiveError::NotNamed { .. })
    ));
    assert_eq!(unmatched(&world).await, 1);
}

#[tokio::test]
async fn what_joins_is_what_the_manager_is_told() {
    let world = World::default();
    let opened = world.open("Broken").await;
    let deliver = world.deliver(8);
    world.round(&deliver).await;
    let sent = |text: &str| Reply {
        external_id: Some(external_id("SM1")),
        ..reply(CUSTOMER, text)
    };
    let kept = world.receiver().receive(sent("the green one")).await;
    assert!(matches!(kept, Err(ReceiveError::NotNamed { .. })));
    let named = Reply {
        ticket: TicketName::Reference(opened.reference),
        ..sent("in other words")
    };
    world.receiver().receive(named).await.unwrap();
    assert_eq!(
        messages(&world, opened.reference).await[1].content.as_text(),
        "the green one"
    );
    world.round(&deliver).await;
    let told = world.notifier.received.lock().unwrap()[1].1.clone();
    assert!(String::from_utf8(told.0.into()).unwrap().ends_with("the green one"));
}
