//! Writing into a thread on the web: who may, what is stored together, who is told.

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{World, claim, request};
use ticket_domain::{
    Access, Actor, AuditAction, Channel, DeliveryState, IdempotencyKey, MessageText, Sender, Status, Thread,
    TicketPatch, TicketRef, Visibility,
    use_cases::{AddError, AddMessage, Added, Operate},
};

const WELL_FORMED: &str = "0123456789abcdef0123456789abcdef";

fn adder(world: &World, access: Access) -> AddMessage {
    AddMessage::new(world.store.clone(), world.context(), access, MAX)
}

fn operate(world: &World) -> Operate {
    let managers = ticket_domain::Managers::new(Vec::new());
    Operate::new(world.store.clone(), world.store.clone(), world.context(), managers)
}

fn text(raw: &str) -> MessageText {
    raw.parse().unwrap()
}

fn key(raw: &str) -> IdempotencyKey {
    raw.parse().unwrap()
}

async fn thread(world: &World, reference: TicketRef) -> Thread {
    world.store.thread(reference).await.unwrap().unwrap()
}

/// How many messages a customer may write into a ticket.
const MAX: u32 = 20;

async fn as_customer(
    adder: &AddMessage,
    reference: TicketRef,
    access_key: Option<&str>,
    text: MessageText,
    key: Option<IdempotencyKey>,
) -> Result<Added, AddError> {
    let ticket = adder.customer(reference, access_key).await?;
    adder.as_customer(ticket, (text, Vec::new()), key).await
}

/// What became of a try to write, in a word.
fn outcome(result: &Result<Added, AddError>) -> &'static str {
    match result {
        Ok(added) if added.replayed => "replayed",
        Ok(_) => "added",
        Err(AddError::NotFound) => "not found",
        Err(AddError::NotAllowed) => "not allowed",
        Err(AddError::KeyReused) => "key reused",
        Err(AddError::Full) => "full",
        Err(AddError::UploadGone) => "upload gone",
        Err(AddError::Store(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn only_the_holder_of_the_customers_key_writes_as_the_customer() {
    let world = World::default();
    let (ours, other) = (world.open("One").await.reference, world.open("Two").await.reference);
    let keys = thread(&world, ours).await.ticket.keys;
    let others = thread(&world, other).await.ticket.keys.customer;
    for (access_key, in_open, in_private) in [
        (Some(keys.customer.as_str()), "added", "added"),
        (Some(keys.reader.as_str()), "not allowed", "not allowed"),
        (Some(others.as_str()), "not allowed", "not found"),
        (Some(WELL_FORMED), "not allowed", "not found"),
        (Some(""), "not allowed", "not found"),
        (None, "not allowed", "not found"),
    ] {
        for (access, expected) in [(Access::Open, in_open), (Access::Private, in_private)] {
            let before = thread(&world, ours).await;
            let result = as_customer(&adder(&world, access), ours, access_key, text("More"), None).await;
            assert_eq!(outcome(&result), expected, "{access:?}");
            let after = thread(&world, ours).await;
            if expected == "added" {
                assert_eq!(after.messages.len(), before.messages.len() + 1);
            } else {
                assert_eq!(after, before);
            }
        }
    }
    for access in [Access::Open, Access::Private] {
        let nowhere = "T-20250114-1234".parse().unwrap();
        let adder = adder(&world, access);
        let customer = as_customer(&adder, nowhere, Some(keys.customer.as_str()), text("x"), None);
        assert_eq!(outcome(&customer.await), "not found");
        assert_eq!(
            outcome(
                &adder
                    .as_operator(
                        nowhere,
                        (text("x"), Vec::new(), Visibility::Public),
                        None,
                        Actor::Operator(None)
                    )
                    .await
            ),
            "not found"
        );
    }
}

#[tokio::test]
async fn what_the_customer_writes_opens_the_ticket_and_the_manager_is_told() {
    for &status in Status::ALL {
        let world = World::default();
        let reference = world.open("Broken").await.reference;
        let deliver = world.deliver(0);
        world.round(&deliver).await;
        let patch = TicketPatch {
            status: Some(status),
            priority: None,
        };
        operate(&world)
            .change(reference, patch, Actor::Operator(None))
            .await
            .unwrap();
        let before = thread(&world, reference).await;
        let rung = world.bell.0.load(Ordering::SeqCst);
        world.clock.advance(Duration::from_mins(1));

        let access_key = before.ticket.keys.customer.as_str();
        let added = as_customer(
            &adder(&world, Access::Open),
            reference,
            Some(access_key),
            text("Still broken"),
            None,
        )
        .await
        .unwrap();
        let after = thread(&world, reference).await;
        let message = &after.messages[1];
        assert_eq!(
            (added.reference, added.message, added.at),
            (reference, message.id, message.created_at)
        );
        assert_eq!(
            (
                message.sender,
                message.channel,
                message.from.as_ref(),
                message.external_id.as_ref()
            ),
            (Sender::Customer, Channel::Web, None, None)
        );
        assert_eq!(message.content.as_text(), "Still broken");
        assert_eq!(
            (after.ticket.status, after.ticket.updated_at),
            (Status::Open, added.at),
            "{status}"
        );
        assert_eq!(after.ticket.version, before.ticket.version + 1);
        assert_eq!(after.delivery.state, DeliveryState::Waiting);
        assert_eq!(world.bell.0.load(Ordering::SeqCst), rung + 1);
        let told = claim(&deliver).await;
        assert_eq!(told.len(), 1);
        assert_eq!(
            String::from_utf8_lossy(&told[0].payload.0),
            format!("ticket.updated {reference} https://desk.example/ticket/{reference} Still broken")
        );
        // The customer is no operator.
        let audit_log = world.store.audit_log(Some(after.ticket.id), None, 10).await.unwrap();
        assert!(
            audit_log
                .iter()
                .all(|entry| matches!(entry.act, AuditAction::Status { .. })),
            "{audit_log:?}"
        );
    }
}

#[tokio::test]
async fn an_operators_answer_leaves_the_status_and_tells_nobody_but_the_trail() {
    for &status in Status::ALL {
        let world = World::default();
        let reference = world.open("Broken").await.reference;
        world.round(&world.deliver(0)).await;
        let patch = TicketPatch {
            status: Some(status),
            priority: None,
        };
        operate(&world)
            .change(reference, patch, Actor::Operator(None))
            .await
            .unwrap();
        let rung = world.bell.0.load(Ordering::SeqCst);
        let added = adder(&world, Access::Private)
            .as_operator(
                reference,
                (text("We see"), Vec::new(), Visibility::Public),
                None,
                Actor::Operator(None),
            )
            .await
            .unwrap();
        let after = thread(&world, reference).await;
        assert_eq!(
            (after.messages[1].id, after.messages[1].sender),
            (added.message, Sender::Manager)
        );
        assert_eq!(
            (after.ticket.status, after.delivery.state),
            (status, DeliveryState::Sent)
        );
        assert_eq!(world.bell.0.load(Ordering::SeqCst), rung);
        let audit_log = world.store.audit_log(None, None, 1).await.unwrap();
        assert_eq!(
            (audit_log[0].act, audit_log[0].reference, audit_log[0].stamp.at),
            (AuditAction::Reply(added.message), Some(reference), added.at)
        );
    }
}

#[tokio::test]
async fn the_same_key_and_request_give_the_same_message_for_a_day() {
    let world = World::default();
    let opener = world.opener();
    let used_for_a_ticket = opener
        .open(request("One"), Some(key("ticket")), None)
        .await
        .unwrap()
        .reference;
    let other = world.open("Two").await.reference;
    let keys = thread(&world, used_for_a_ticket).await.ticket.keys;
    let others = thread(&world, other).await.ticket.keys;
    let adder = adder(&world, Access::Open);
    let customer = async |reference, keys: &ticket_domain::AccessKeys, raw: &str, words: &str| {
        let access_key = Some(keys.customer.as_str());
        as_customer(&adder, reference, access_key, text(words), Some(key(raw))).await
    };
    let first = customer(used_for_a_ticket, &keys, "m", "More").await.unwrap();
    let rung = world.bell.0.load(Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    let again = customer(used_for_a_ticket, &keys, "m", " More ").await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!((again.message, again.at), (first.message, first.at));
    assert_eq!(world.bell.0.load(Ordering::SeqCst), rung, "the manager was told before");
    assert_eq!(thread(&world, used_for_a_ticket).await.messages.len(), 2);

    assert_eq!(
        outcome(&customer(used_for_a_ticket, &keys, "m", "Else").await),
        "key reused"
    );
    assert_eq!(outcome(&customer(other, &others, "m", "More").await), "key reused");
    assert_eq!(
        outcome(&customer(used_for_a_ticket, &keys, "ticket", "One").await),
        "key reused"
    );
    let reply = adder
        .as_operator(
            used_for_a_ticket,
            (text("More"), Vec::new(), Visibility::Public),
            Some(key("m")),
            Actor::Operator(None),
        )
        .await;
    assert_eq!(outcome(&reply), "key reused");
    assert!(matches!(
        opener.open(request("One"), Some(key("m")), None).await,
        Err(ticket_domain::use_cases::OpenError::KeyReused)
    ));

    world.clock.advance(Duration::from_secs(1));
    let anew = customer(used_for_a_ticket, &keys, "m", "More").await.unwrap();
    assert!(!anew.replayed);
    assert_ne!(anew.message, first.message);
}

#[tokio::test]
async fn a_customer_fills_a_ticket_up_and_nobody_else_does() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    let access_key = thread(&world, reference).await.ticket.keys.customer;
    let adder = adder(&world, Access::Private);
    let write = async |words: &str, raw: &str| {
        let result = as_customer(
            &adder,
            reference,
            Some(access_key.as_str()),
            text(words),
            Some(key(raw)),
        )
        .await;
        outcome(&result)
    };
    let answer = || {
        adder.as_operator(
            reference,
            (text("Yes"), Vec::new(), Visibility::Public),
            None,
            Actor::Operator(None),
        )
    };
    answer().await.unwrap();
    // What opened the ticket counts.
    for number in 1..MAX {
        assert_eq!(write("More", &number.to_string()).await, "added");
    }
    assert_eq!(write("More", "another").await, "full");
    assert_eq!(write("More", "1").await, "replayed");
    answer().await.unwrap();
    assert_eq!(thread(&world, reference).await.messages.len(), MAX as usize + 2);
}
