//! An operator gives a ticket another status or priority.

use ticket_domain::{Act, Entry, EntryId, Priority, Status, Ticket, TicketId, Wish, ports::Changing};

use crate::{
    Fixture,
    fixture::{at, at_once, later},
};

fn changing(fixture: &Fixture, ticket: TicketId, wish: Wish, seconds: i64) -> Changing {
    Changing {
        ticket,
        wish,
        at: at(seconds),
        entries: [fixture.note(at(seconds)).id, fixture.note(at(seconds)).id],
    }
}

fn wish(status: Option<Status>, priority: Option<Priority>) -> Wish {
    Wish { status, priority }
}

async fn trail(fixture: &Fixture) -> Vec<Entry> {
    fixture.store().trail(None, None, 100).await.unwrap()
}

/// Both, one or none of the two change; any change is one version more, and an entry of the trail each.
pub async fn a_wish_comes_true_and_is_noted(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let untouched = fixture.opened(at(0)).await;
    let mut expected = opening.ticket.clone();
    let mut entries: Vec<Entry> = Vec::new();
    let (open, resolved, closed) = (Some(Status::Open), Some(Status::Resolved), Some(Status::Closed));
    let (medium, urgent) = (Some(Priority::Medium), Some(Priority::Urgent));
    for (seconds, wish, changes) in [
        (1, wish(None, None), [false, false]),
        (2, wish(open, medium), [false, false]),
        (3, wish(resolved, None), [true, false]),
        (4, wish(resolved, urgent), [false, true]),
        (5, wish(closed, medium), [true, true]),
        (6, wish(closed, medium), [false, false]),
        (7, wish(open, medium), [true, false]),
    ] {
        let changing = changing(fixture, opening.ticket.id, wish, seconds);
        let [of_status, of_priority] = changing.entries;
        let entry = |id: EntryId, act| Entry {
            id,
            at: at(seconds),
            reference: Some(opening.ticket.reference),
            act,
        };
        if let (true, Some(to)) = (changes[0], wish.status) {
            let from = expected.status;
            entries.insert(0, entry(of_status, Act::Status { from, to }));
            expected.status = to;
        }
        if let (true, Some(to)) = (changes[1], wish.priority) {
            let from = expected.priority;
            entries.insert(0, entry(of_priority, Act::Priority { from, to }));
            expected.priority = to;
        }
        if changes.contains(&true) {
            expected.version += 1;
            expected.updated_at = at(seconds);
        }
        let told = fixture.store().change(changing).await.unwrap();
        assert_eq!(told, expected);
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.ticket, expected);
        assert_eq!(thread.messages.len(), 1);
        assert_eq!(trail(fixture).await, entries);
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
    let changing = changing(fixture, nobody, wish(Some(Status::Closed), None), 1);
    assert!(fixture.store().change(changing).await.is_err());
    assert_eq!(trail(fixture).await, []);
}

/// 20 operators who want the same at the same moment change it once.
pub async fn equal_wishes_at_once_come_true_once(fixture: &Fixture) {
    for round in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let wishes = (0..20).map(|_| {
            let store = fixture.store();
            let wish = wish(Some(Status::Resolved), Some(Priority::High));
            let changing = changing(fixture, opening.ticket.id, wish, 1);
            async move { store.change(changing).await.unwrap() }
        });
        let expected = Ticket {
            status: Status::Resolved,
            priority: Priority::High,
            version: 2,
            updated_at: at(1),
            ..opening.ticket
        };
        for told in at_once(wishes).await {
            assert_eq!(told, expected);
        }
        assert_eq!(trail(fixture).await.len(), 2 * (round + 1));
    }
}
