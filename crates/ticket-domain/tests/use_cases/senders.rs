//! Who sent a message: numbers and user ids of the same person.

use std::time::Duration;

use crate::support::{CUSTOMER, MANAGER, World, external_id, reply};
use ticket_domain::{
    Address, Managers, Sender,
    ports::KnownContact,
    use_cases::{ReceiveError, ReceiveReply, Reply, TicketName},
};

const ID: &str = "US.13491208655302741918";

fn with_id(from: &str, user_id: &str, text: &str) -> Reply {
    Reply {
        from_user_id: Address::lenient(user_id),
        ..reply(from, text)
    }
}

async fn known(world: &World, address: &str) -> Vec<KnownContact> {
    world.store.contacts_of(address.parse().unwrap()).await.unwrap()
}

/// Who the sender of a message that names the ticket is to it.
async fn sender(world: &World, receiver: &ReceiveReply, mut reply: Reply) -> Sender {
    let opened = world.open("Broken").await;
    reply.ticket = TicketName::Reference(opened.reference);
    receiver.receive(reply).await.unwrap();
    let thread = world.store.thread(opened.reference).await.unwrap().unwrap();
    thread.messages[1].sender
}

#[tokio::test]
async fn a_number_and_a_user_id_that_came_together_are_one_person() {
    for (number, expected) in [(MANAGER, Sender::Manager), (CUSTOMER, Sender::Customer)] {
        let world = World::default();
        let receiver = world.receiver();
        assert_eq!(sender(&world, &receiver, reply(ID, "Hello")).await, Sender::Agent);
        assert_eq!(sender(&world, &receiver, with_id(number, ID, "Hello")).await, expected);
        assert_eq!(sender(&world, &receiver, reply(ID, "Hello")).await, expected);
        assert_eq!(sender(&world, &receiver, with_id(ID, ID, "Hello")).await, expected);
        assert_eq!(sender(&world, &receiver, with_id("", ID, "Hello")).await, expected);
        assert_eq!(sender(&world, &receiver, reply("US.2", "Hello")).await, Sender::Agent);
    }
}

#[tokio::test]
async fn a_manager_answers_by_number_what_was_asked_of_the_user_id() {
    let world = World::default();
    let receiver = world.receiver();
    let opened = world.open("Broken").await;
    let said = Reply {
        ticket: TicketName::Reference(opened.reference),
        ..with_id(MANAGER, ID, "Hello")
    };
    receiver.receive(said).await.unwrap();
    let bare = Reply {
        external_id: Some(external_id("SM-bare")),
        ..reply(ID, "We refund you")
    };
    let error = receiver.receive(bare).await.unwrap_err();
    assert!(matches!(error, ReceiveError::NotNamed { ask: Some(_) }));
    world.clock.advance(ticket_domain::BURST);
    let answered = receiver.receive(reply(MANAGER, "1")).await.unwrap();
    assert_eq!(answered.reference, Some(opened.reference));
}

#[tokio::test]
async fn a_manager_may_be_known_by_a_user_id() {
    let world = World::default();
    let receiver = world.receiver_for(Managers::new(vec![ID.parse().unwrap(), MANAGER.parse().unwrap()]));
    let other = "+1 555 000 1111";
    assert_eq!(sender(&world, &receiver, reply(other, "Hello")).await, Sender::Agent);
    assert_eq!(sender(&world, &receiver, reply(ID, "Hello")).await, Sender::Manager);
    assert_eq!(
        sender(&world, &receiver, with_id(other, ID, "Hello")).await,
        Sender::Manager
    );
    assert_eq!(sender(&world, &receiver, reply(other, "Hello")).await, Sender::Manager);
}

#[tokio::test]
async fn a_pair_is_written_once_a_day_and_only_if_both_identify_somebody() {
    let world = World::default();
    let receiver = world.receiver();
    let send = async |from: &str, user_id: &str| {
        let _ = receiver.receive(with_id(from, user_id, "Hello")).await;
    };
    send("+55 11 8765-4321", "BR.1").await;
    let first = known(&world, "BR.1").await;
    assert_eq!(first[0].phone.as_str(), "+5511987654321");
    world.clock.advance(Duration::from_hours(23));
    send("+55 11 98765-4321", "BR.1").await;
    assert_eq!(known(&world, "BR.1").await, first);
    world.clock.advance(Duration::from_hours(1));
    send("+55 11 98765-4321", "BR.1").await;
    assert!(known(&world, "BR.1").await[0].seen_at > first[0].seen_at);

    for (from, user_id) in [
        ("5550001111", "US.1"),
        ("+15550001111", "+15550001111"),
        ("", "US.1"),
        ("US.1", "US.1"),
    ] {
        send(from, user_id).await;
        for address in ["US.1", "+15550001111", "5550001111"] {
            assert_eq!(known(&world, address).await, [], "{from} {user_id}");
        }
    }
}
