//! An operator gives a ticket another status or priority.

use ticket_domain::{
    Actor, AuditAction, AuditEntry, AuditEntryId, AuditStamp, Priority, Status, Ticket, TicketId, TicketPatch,
    ports::UpdateTicket,
};

use crate::{
    Fixture,
    fixture::{With as _, at, at_once, later},
};

fn update(fixture: &Fixture, ticket: TicketId, patch: TicketPatch, seconds: i64) -> UpdateTicket {
    UpdateTicket {
        ticket,
        patch,
        at: at(seconds),
        by: Actor::Operator(None),
        entries: [fixture.note(at(seconds)).id, fixture.note(at(seconds)).id],
        notifications: Vec::new(),
    }
}

fn patch(status: Option<Status>, priority: Option<Priority>) -> TicketPatch {
    TicketPatch { status, priority }
}

async fn audit_log(fixture: &Fixture) -> Vec<AuditEntry> {
    fixture.must().audit_log(None, None, 100).await
}

/// Both, one or none of the two change; any change is one version more, and an entry of the trail each.
pub async fn a_wish_comes_true_and_is_noted(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let untouched = fixture.opened(at(0)).await;
    let mut expected = opening.ticket.clone();
    let mut entries: Vec<AuditEntry> = Vec::new();
    let (open, resolved, closed) = (Some(Status::Open), Some(Status::Resolved), Some(Status::Closed));
    let (medium, urgent) = (Some(Priority::Medium), Some(Priority::Urgent));
    for (seconds, patch, changes) in [
        (1, patch(None, None), [false, false]),
        (2, patch(open, medium), [false, false]),
        (3, patch(resolved, None), [true, false]),
        (4, patch(resolved, urgent), [false, true]),
        (5, patch(closed, medium), [true, true]),
        (6, patch(closed, medium), [false, false]),
        (7, patch(open, medium), [true, false]),
    ] {
        let update = update(fixture, opening.ticket.id, patch, seconds);
        let [of_status, of_priority] = update.entries;
        let entry = |id: AuditEntryId, act| AuditEntry {
            stamp: AuditStamp {
                id,
                at: at(seconds),
                by: Actor::Operator(None),
            },
            reference: Some(opening.ticket.reference),
            act,
        };
        if let (true, Some(to)) = (changes[0], patch.status) {
            let from = expected.status;
            entries.insert(0, entry(of_status, AuditAction::Status { from, to }));
            expected.status = to;
        }
        if let (true, Some(to)) = (changes[1], patch.priority) {
            let from = expected.details.priority;
            entries.insert(0, entry(of_priority, AuditAction::Priority { from, to }));
            expected.details.priority = to;
        }
        if changes.contains(&true) {
            expected.version += 1;
            expected.updated_at = at(seconds);
        }
        let told = fixture.must().change(update).await;
        assert_eq!(told, expected);
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.ticket, expected);
        assert_eq!(thread.messages.len(), 1);
        assert_eq!(audit_log(fixture).await, entries);
    }
    assert_eq!(
        fixture.thread(untouched.ticket.reference).await.ticket,
        untouched.ticket
    );
    // What a message does then stands behind it: it has a version of its own.
    let ticket = Ticket {
        version: expected.version + 1,
        updated_at: at(8),
        ..expected
    };
    fixture.updated(&ticket, at(8)).await;
    assert_eq!(fixture.thread(ticket.reference).await.ticket, ticket);
    assert_eq!(fixture.vitals(later()).await.waiting, 3);
}

/// A ticket that does not exist is not changed, and nothing is noted.
pub async fn a_ticket_that_does_not_exist_is_not_changed(fixture: &Fixture) {
    let nobody = fixture.ticket(at(0)).id;
    let update = update(fixture, nobody, patch(Some(Status::Closed), None), 1);
    assert!(fixture.store().change(update).await.is_err());
    assert_eq!(audit_log(fixture).await, []);
}

/// 20 operators who want the same at the same moment change it once.
pub async fn equal_wishes_at_once_come_true_once(fixture: &Fixture) {
    for round in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let wishes = (0..20).map(|_| {
            let patch = patch(Some(Status::Resolved), Some(Priority::High));
            let update = update(fixture, opening.ticket.id, patch, 1);
            fixture.must().change(update)
        });
        let expected = Ticket {
            status: Status::Resolved,
            details: opening.ticket.details.with(|details| details.priority = Priority::High),
            version: 2,
            updated_at: at(1),
            ..opening.ticket
        };
        for told in at_once(wishes).await {
            assert_eq!(told, expected);
        }
        assert_eq!(audit_log(fixture).await.len(), 2 * (round + 1));
    }
}
