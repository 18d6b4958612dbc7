//! Opening tickets: references, keys, and what is stored together.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use crate::support::{World, request};
use ticket_domain::{DeliveryState, Priority, Sender, Status, use_cases::OpenError};

#[tokio::test]
async fn a_ticket_is_stored_with_its_message_and_its_notification_and_the_delivery_is_roused() {
    let world = World::default();
    let opened = world.open("Broken").await;
    let thread = world.store.thread(opened.reference).await.unwrap().unwrap();
    assert_eq!(
        (thread.ticket.id, thread.ticket.status, thread.ticket.version),
        (opened.id, Status::Open, 1)
    );
    assert_eq!(thread.messages.len(), 1);
    assert_eq!(thread.messages[0].sender, Sender::Customer);
    assert_eq!(thread.messages[0].content.body().as_str(), "Broken");
    assert_eq!(thread.delivery.state, DeliveryState::Waiting);
    assert!(opened.reference.to_string().starts_with("T-20250115-"));
    let key = &thread.ticket.keys.customer;
    assert_eq!(
        opened.url,
        format!("https://desk.example/ticket/{}?key={key}", opened.reference)
    );
    assert_ne!(key, &thread.ticket.keys.reader);
    assert!(!opened.replayed);
    assert_eq!(world.bell.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reference_that_is_taken_is_drawn_again() {
    let world = World::default();
    let opener = world.opener();
    world.random.next_bits.lock().unwrap().extend([7, 7, 7, 7, u64::MAX]);
    let first = opener.open(request("one"), None, None).await.unwrap();
    let second = opener.open(request("two"), None, None).await.unwrap();
    assert_eq!(first.reference.to_string(), "T-20250115-0000");
    // Three draws hit it; the fourth was one digit wider, and free.
    assert_eq!(second.reference.to_string(), "T-20250115-99999");
}

#[tokio::test]
async fn references_widen_long_before_a_day_is_full_and_a_second_draw_stays_rare() {
    let world = World::default();
    let opener = world.opener();
    let mut digits = [0_u32; 10];
    let mut seen = HashSet::new();
    for number in 0..2_000 {
        let reference = opener
            .open(request(&number.to_string()), None, None)
            .await
            .unwrap()
            .reference;
        assert!(seen.insert(reference));
        digits[reference.to_string().len() - 11] += 1;
    }
    assert!((1_600..1_740).contains(&digits[4]), "{digits:?}");
    assert_eq!(digits[4] + digits[5], 2_000);

    world.clock.advance(Duration::from_hours(24));
    let tomorrow = opener
        .open(request("x"), None, None)
        .await
        .unwrap()
        .reference
        .to_string();
    assert!(
        tomorrow.starts_with("T-20250116-") && tomorrow.len() == 15,
        "{tomorrow}"
    );
}

#[tokio::test]
async fn a_restarted_program_knows_how_full_the_day_is() {
    let world = World::default();
    for _ in 0..1_700 {
        world.open("x").await;
    }
    assert_eq!(world.open("x").await.reference.to_string().len(), 16);
}

#[tokio::test]
async fn a_double_click_without_a_key_is_one_ticket() {
    let world = World::default();
    let opener = world.opener();
    let here = Some("192.0.2.1".parse().unwrap());
    let elsewhere = Some("192.0.2.2".parse().unwrap());
    let first = opener.open(request("one"), None, here).await.unwrap();
    let more_urgent = || {
        let mut request = request("one");
        request.details.priority = Priority::Urgent;
        request
    };
    world.clock.advance(Duration::from_secs(59));
    let again = opener.open(more_urgent(), None, here).await.unwrap();
    assert_eq!((again.id, again.url, again.replayed), (first.id, first.url, true));
    let mut others = vec![
        opener.open(request("one"), None, elsewhere).await.unwrap().id,
        opener.open(request("one"), None, None).await.unwrap().id,
        opener.open(request("two"), None, here).await.unwrap().id,
        opener
            .open(request("one"), Some("key".parse().unwrap()), here)
            .await
            .unwrap()
            .id,
    ];
    world.clock.advance(Duration::from_secs(1));
    others.push(opener.open(request("one"), None, here).await.unwrap().id);
    others.push(first.id);
    assert_eq!(others.iter().collect::<HashSet<_>>().len(), 6);
}

#[tokio::test]
async fn the_same_key_and_request_give_the_same_ticket_for_a_day() {
    let world = World::default();
    let opener = world.opener();
    let key = || Some("form-1".parse().unwrap());
    let first = opener.open(request("one"), key(), None).await.unwrap();
    let again = opener.open(request("one"), key(), None).await.unwrap();
    assert!(again.replayed);
    assert_eq!(
        (again.id, again.reference, &again.url),
        (first.id, first.reference, &first.url)
    );
    assert!(matches!(
        opener.open(request("two"), key(), None).await,
        Err(OpenError::KeyReused)
    ));
    assert_ne!(
        opener
            .open(request("one"), Some("form-2".parse().unwrap()), None)
            .await
            .unwrap()
            .id,
        first.id
    );
    let without_key = opener.open(request("one"), None, None).await.unwrap();
    assert_ne!(without_key.id, first.id);

    world.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(opener.open(request("one"), key(), None).await.unwrap().id, first.id);
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(opener.open(request("one"), key(), None).await.unwrap().id, first.id);
}
