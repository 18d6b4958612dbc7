//! What operators do: they change tickets, attach messages, and leave a trail.

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{CUSTOMER, MANAGER, World, claim, reply};
use ticket_domain::{
    Actor, AuditAction, Awaiting, Managers, MessageId, Priority, SearchText, Sender, Status, Thread, TicketPatch,
    TicketQuery, TicketRef,
    use_cases::{Operate, OperateError},
};

const STRANGER: &str = "+15557654321";

fn operate(world: &World) -> Operate {
    let managers = Managers::new(vec![MANAGER.parse().unwrap()]);
    Operate::new(world.store.clone(), world.store.clone(), world.context(), managers)
}

async fn thread(world: &World, reference: TicketRef) -> Thread {
    world.store.thread(reference).await.unwrap().unwrap()
}

/// Has a message kept that names no ticket; gives its id.
async fn keep(world: &World, from: &str, text: &str) -> MessageId {
    world.receiver().receive(reply(from, text)).await.unwrap_err();
    let kept = operate(world).unmatched(None, 100).await.unwrap();
    kept.last().unwrap().id
}

fn rung(world: &World) -> u64 {
    world.bell.0.load(Ordering::SeqCst)
}

fn everything() -> TicketQuery {
    TicketQuery {
        status: None,
        priority: None,
        awaiting: None,
        text: None,
        after: None,
        limit: 10,
    }
}

#[tokio::test]
async fn a_change_is_what_differs_and_each_leaves_an_entry() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    let operate = operate(&world);
    let status = |from, to| AuditAction::Status { from, to };
    let priority = |from, to| AuditAction::Priority { from, to };
    for (patch, acts) in [
        ((Some(Status::Open), Some(Priority::High)), vec![]),
        ((None, None), vec![]),
        (
            (Some(Status::Resolved), None),
            vec![status(Status::Open, Status::Resolved)],
        ),
        (
            (Some(Status::Resolved), Some(Priority::Low)),
            vec![priority(Priority::High, Priority::Low)],
        ),
        (
            (Some(Status::Closed), Some(Priority::Urgent)),
            vec![
                status(Status::Resolved, Status::Closed),
                priority(Priority::Low, Priority::Urgent),
            ],
        ),
        ((Some(Status::Open), None), vec![status(Status::Closed, Status::Open)]),
    ] {
        world.clock.advance(Duration::from_secs(1));
        let before = thread(&world, reference).await.ticket;
        let seen = operate.audit_log(Some(reference), None, 100).await.unwrap().len();
        let (to_status, to_priority) = patch;
        let patch = TicketPatch {
            status: to_status,
            priority: to_priority,
        };
        let changed = operate.change(reference, patch, Actor::Operator(None)).await.unwrap();
        assert_eq!(changed, thread(&world, reference).await.ticket);
        assert_eq!(
            (changed.status, changed.details.priority),
            (
                to_status.unwrap_or(before.status),
                to_priority.unwrap_or(before.details.priority)
            )
        );
        assert_eq!(changed.version > before.version, !acts.is_empty(), "{patch:?}");
        let audit_log = operate.audit_log(Some(reference), None, 100).await.unwrap();
        let new = &audit_log[..audit_log.len() - seen];
        assert_eq!(new.len(), acts.len(), "{patch:?} {new:?}");
        for act in &acts {
            let entry = new
                .iter()
                .find(|entry| entry.act == *act)
                .unwrap_or_else(|| panic!("{act:?} in {new:?}"));
            assert_eq!((entry.reference, entry.stamp.at), (Some(reference), changed.updated_at));
        }
    }
    // No change of an operator's is told to the manager.
    assert_eq!(rung(&world), 1);
}

#[tokio::test]
async fn an_attached_message_is_its_writers() {
    for (from, said, sender, tells) in [
        (MANAGER, None, Sender::Manager, false),
        (MANAGER, Some(Sender::Customer), Sender::Customer, true),
        (CUSTOMER, None, Sender::Customer, true),
        (STRANGER, None, Sender::Customer, true),
        (STRANGER, Some(Sender::Agent), Sender::Agent, false),
    ] {
        let world = World::default();
        let operate = operate(&world);
        let reference = world.open("Broken").await.reference;
        let deliver = world.deliver(0);
        world.round(&deliver).await;
        let closed = TicketPatch {
            status: Some(Status::Closed),
            priority: None,
        };
        operate.change(reference, closed, Actor::Operator(None)).await.unwrap();
        let kept = keep(&world, from, "Hello?").await;
        let written = operate.unmatched(None, 1).await.unwrap()[0].created_at;
        let before = rung(&world);
        world.clock.advance(Duration::from_mins(1));
        // A manager's question, if there is one.
        world.round(&deliver).await;

        let attached = operate
            .attach(kept, reference, said, Actor::Operator(None))
            .await
            .unwrap();
        assert_eq!(
            (attached.reference, attached.message, attached.duplicate),
            (reference, kept, false)
        );
        let after = thread(&world, reference).await;
        let message = &after.messages[1];
        assert_eq!(
            (message.id, message.sender, message.created_at),
            (kept, sender, written),
            "{from}"
        );
        let expected = if tells { Status::Open } else { Status::Closed };
        assert_eq!(after.ticket.status, expected, "{from}");
        assert_eq!(rung(&world) - before, u64::from(tells));
        let told = claim(&deliver).await;
        assert_eq!(told.len(), usize::from(tells));
        for told in told {
            let text = String::from_utf8_lossy(&told.payload.0).into_owned();
            assert!(
                text.starts_with("ticket.updated ") && text.ends_with(" Hello?"),
                "{text}"
            );
        }
        assert_eq!(operate.unmatched(None, 10).await.unwrap(), []);
        let newest = &operate.audit_log(Some(reference), None, 1).await.unwrap()[0];
        assert_eq!(newest.act, AuditAction::Attach(kept));
    }
}

#[tokio::test]
async fn a_message_is_attached_once() {
    let world = World::default();
    let operate = operate(&world);
    let (reference, other) = (world.open("One").await.reference, world.open("Two").await.reference);
    let kept = keep(&world, CUSTOMER, "Hello?").await;
    operate
        .attach(kept, reference, None, Actor::Operator(None))
        .await
        .unwrap();
    let (before, bell) = (thread(&world, reference).await, rung(&world));

    assert!(
        operate
            .attach(kept, reference, None, Actor::Operator(None))
            .await
            .unwrap()
            .duplicate
    );
    let elsewhere = operate.attach(kept, other, None, Actor::Operator(None)).await;
    assert!(
        matches!(elsewhere, Err(OperateError::InAnotherThread(of)) if of == reference),
        "{elsewhere:?}"
    );
    // A message that was never without a ticket is in its thread as well.
    let first = before.messages[0].id;
    assert!(
        operate
            .attach(first, reference, None, Actor::Operator(None))
            .await
            .unwrap()
            .duplicate
    );
    assert!(matches!(
        operate.attach(first, other, None, Actor::Operator(None)).await,
        Err(OperateError::InAnotherThread(_))
    ));
    assert_eq!((thread(&world, reference).await, rung(&world)), (before, bell));
    assert_eq!(thread(&world, other).await.messages.len(), 1);
    assert_eq!(operate.audit_log(None, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_changes_nothing() {
    let world = World::default();
    let operate = operate(&world);
    let reference = world.open("One").await.reference;
    let kept = keep(&world, STRANGER, "Hello?").await;
    let nowhere: TicketRef = "T-20250114-1234".parse().unwrap();
    let nobody = MessageId(uuid::Uuid::from_u128(7));
    let resolved = TicketPatch {
        status: Some(Status::Resolved),
        priority: None,
    };
    for error in [
        operate
            .attach(kept, nowhere, None, Actor::Operator(None))
            .await
            .unwrap_err(),
        operate
            .change(nowhere, resolved, Actor::Operator(None))
            .await
            .unwrap_err(),
        operate.audit_log(Some(nowhere), None, 10).await.unwrap_err(),
    ] {
        assert!(matches!(error, OperateError::NoSuchTicket), "{error:?}");
    }
    let error = operate
        .attach(nobody, reference, None, Actor::Operator(None))
        .await
        .unwrap_err();
    assert!(matches!(error, OperateError::NoSuchMessage), "{error:?}");
    assert_eq!(operate.unmatched(None, 10).await.unwrap().len(), 1);
    assert_eq!(operate.audit_log(None, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_ticket_awaits_whoever_did_not_speak_last_while_it_is_open() {
    let world = World::default();
    let operate = operate(&world);
    let reference = world.open("Broken").await.reference;
    let awaits = async |awaiting| {
        let query = TicketQuery {
            awaiting: Some(awaiting),
            text: Some("brok".parse::<SearchText>().unwrap()),
            ..everything()
        };
        !operate.list(query).await.unwrap().tickets.is_empty()
    };
    let both = async || (awaits(Awaiting::Manager).await, awaits(Awaiting::Customer).await);
    assert_eq!(both().await, (true, false));
    assert_eq!(operate.attention().await.unwrap().awaiting_manager, 1);
    assert_eq!(operate.attention().await.unwrap().oldest.unwrap().reference, reference);

    let by_manager = keep(&world, MANAGER, "We see").await;
    operate
        .attach(by_manager, reference, None, Actor::Operator(None))
        .await
        .unwrap();
    assert_eq!(operate.attention().await.unwrap().awaiting_manager, 0);
    let listed = &operate.list(everything()).await.unwrap().tickets[0];
    assert_eq!(
        (listed.awaiting(), &*listed.last.text),
        (Some(Awaiting::Customer), "We see")
    );

    let closed = TicketPatch {
        status: Some(Status::Closed),
        priority: None,
    };
    operate.change(reference, closed, Actor::Operator(None)).await.unwrap();
    assert_eq!(both().await, (false, false));
    let by_customer = keep(&world, CUSTOMER, "No").await;
    operate
        .attach(by_customer, reference, None, Actor::Operator(None))
        .await
        .unwrap();
    assert_eq!(both().await, (true, false));
}
