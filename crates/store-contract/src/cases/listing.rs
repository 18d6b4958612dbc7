//! Lists of tickets, and what of them needs an operator.

use ticket_domain::{
    Actor, Attention, Awaiting, Content, Cursor, EventKind, Excerpt, Message, Oldest, Priority, Sender, Status, Ticket,
    TicketListItem, TicketPage, TicketPatch, TicketQuery, TicketRef,
    ports::{Append, Attach, Opening, UpdateTicket},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, keep_silently},
};

/// Everything, on one page.
fn everything() -> TicketQuery {
    TicketQuery::all(100)
}

async fn list(fixture: &Fixture, listing: &TicketQuery) -> TicketPage {
    fixture.must().list(listing.clone()).await
}

fn references(tickets: &[TicketListItem]) -> Vec<TicketRef> {
    tickets.iter().map(|listed| listed.ticket.reference).collect()
}

/// Reads all pages of `limit` tickets, none of which may be longer, or empty.
async fn pages(fixture: &Fixture, listing: &TicketQuery, limit: u16) -> Vec<TicketRef> {
    let mut all = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = TicketQuery {
            limit,
            after,
            ..listing.clone()
        };
        let TicketPage { tickets, next } = list(fixture, &page).await;
        assert!(tickets.len() <= usize::from(limit));
        assert!(next.is_none() || tickets.len() == usize::from(limit));
        all.extend(references(&tickets));
        if next.is_none() {
            return all;
        }
        // A cursor goes out and comes back as a word.
        after = next.map(|next| next.to_string().parse().unwrap());
    }
}

/// A ticket as it is opened with this state, whose first message is of this sender.
async fn opened(fixture: &Fixture, status: Status, priority: Priority, sender: Sender, seconds: i64) -> Opening {
    let mut opening = fixture.opening(at(seconds));
    opening.ticket.status = status;
    opening.ticket.details.priority = priority;
    opening.message.sender = sender;
    fixture.open(opening).await
}

/// No condition, and the condition on each of these.
fn any_or_each<T: Copy>(all: &[T]) -> impl Iterator<Item = Option<T>> {
    all.iter().copied().map(Some).chain([None])
}

/// Each condition holds, and all of them together, whichever are given; on every page.
pub async fn a_list_holds_what_meets_every_condition(fixture: &Fixture) {
    assert_eq!(list(fixture, &everything()).await, TicketPage::default());
    let mut all: Vec<(Opening, Sender)> = Vec::new();
    for (number, &status) in (0_i64..).zip(Status::ALL) {
        for &priority in Priority::ALL {
            for &sender in Sender::ALL {
                // Times that stand in each other's way.
                let seconds = (number + i64::from(all.len().is_multiple_of(7))) % 3;
                all.push((opened(fixture, status, priority, sender, seconds).await, sender));
            }
        }
    }
    all.reverse();
    all.sort_by_key(|(opening, _)| std::cmp::Reverse(opening.ticket.updated_at));

    for awaiting in any_or_each(Awaiting::ALL) {
        for status in any_or_each(Status::ALL) {
            for priority in any_or_each(Priority::ALL) {
                let expected: Vec<TicketRef> = all
                    .iter()
                    .filter(|(opening, sender)| {
                        let (is, has) = (opening.ticket.status, opening.ticket.details.priority);
                        let awaits = match (is, sender) {
                            (Status::Open, Sender::Customer) => Some(Awaiting::Manager),
                            (Status::Open, _) => Some(Awaiting::Customer),
                            _ => None,
                        };
                        status.is_none_or(|status| status == is)
                            && priority.is_none_or(|priority| priority == has)
                            && (awaiting.is_none() || awaiting == awaits)
                    })
                    .map(|(opening, _)| opening.ticket.reference)
                    .collect();
                let listing = TicketQuery {
                    status,
                    priority,
                    awaiting,
                    ..everything()
                };
                let found = list(fixture, &listing).await;
                assert_eq!(references(&found.tickets), expected, "{listing:?}");
                assert_eq!(found.next, None);
                assert_eq!(pages(fixture, &listing, 2).await, expected, "{listing:?}");
            }
        }
    }
}

/// However long the pages are, they hold every ticket once, also of those that changed at the same moment: of these
/// the one that was opened last comes first.
pub async fn pages_hold_every_ticket_once(fixture: &Fixture) {
    let mut expected = Vec::new();
    for seconds in [1, 0, 1, 1, 0, 2, 1, 1] {
        let opening = fixture.opened(at(seconds)).await;
        expected.insert(0, (seconds, opening.ticket.reference));
    }
    expected.sort_by_key(|(seconds, _)| std::cmp::Reverse(*seconds));
    let expected: Vec<TicketRef> = expected.into_iter().map(|(_, reference)| reference).collect();
    for limit in 1..=9 {
        assert_eq!(pages(fixture, &everything(), limit).await, expected, "{limit}");
        let open = TicketQuery {
            status: Some(Status::Open),
            ..everything()
        };
        assert_eq!(pages(fixture, &open, limit).await, expected, "{limit}");
    }
}

/// The ticket that changed last comes first, whatever the change was.
pub async fn what_changes_comes_to_the_front(fixture: &Fixture) {
    let first = fixture.opened(at(0)).await.ticket;
    let second = fixture.opened(at(1)).await.ticket;
    let third = fixture.opened(at(2)).await.ticket;
    let order = async || references(&list(fixture, &everything()).await.tickets);
    assert_eq!(order().await, [&third, &second, &first].map(|ticket| ticket.reference));
    let append = append_to(&first, fixture.message(at(3)));
    fixture.must().append(append).await;
    assert_eq!(order().await, [&first, &third, &second].map(|ticket| ticket.reference));
    let update = UpdateTicket {
        ticket: second.id,
        patch: TicketPatch {
            status: None,
            priority: Some(Priority::Low),
        },
        at: at(4),
        by: Actor::Operator(None),
        entries: [fixture.note(at(4)).id, fixture.note(at(4)).id],
        notifications: Vec::new(),
    };
    fixture.must().change(update).await;
    assert_eq!(order().await, [&second, &first, &third].map(|ticket| ticket.reference));
}

/// A list shows each ticket as it is found alone, with the beginning of its newest message.
pub async fn a_list_tells_the_newest_message(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let other = fixture.opened(at(1)).await;
    let message = Message {
        sender: Sender::Agent,
        content: Content::new(
            format!("Look\nhere: {}", "é".repeat(200)).parse().unwrap(),
            Some("https://media.example/ME9".parse().unwrap()),
        )
        .unwrap(),
        ..fixture.message(at(5))
    };
    let append = append_to(&opening.ticket, message.clone());
    fixture.must().append(append).await;

    let found = list(fixture, &everything()).await.tickets;
    let thread = fixture.thread(opening.ticket.reference).await;
    assert_eq!(found[0].ticket, thread.ticket);
    assert_eq!(found[0].last, Excerpt::of(&message));
    assert_eq!((found[0].last.at, found[0].last.has_medium), (at(5), true));
    assert!(found[0].last.text.starts_with("Look here: é"));
    assert_eq!(found[1].ticket, other.ticket);
    assert_eq!(found[1].last, Excerpt::of(&other.message));
}

/// The party that a ticket awaits follows from who wrote last, also where an unmatched message joins, and with what sender it does.
pub async fn who_spoke_last_says_whom_a_ticket_awaits(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let to = &opening.ticket;
    let awaits = async || {
        let mut of: Vec<Option<Awaiting>> = Vec::new();
        for &awaiting in Awaiting::ALL {
            let listing = TicketQuery {
                awaiting: Some(awaiting),
                ..everything()
            };
            let found = list(fixture, &listing).await.tickets;
            of.extend(found.iter().map(TicketListItem::awaiting));
        }
        assert_eq!(of.len(), 1);
        of[0]
    };
    assert_eq!(awaits().await, Some(Awaiting::Customer));
    let said = [Sender::Customer, Sender::Agent, Sender::Customer, Sender::Manager];
    for (seconds, sender) in (1..).zip(said) {
        let message = fixture.message(at(seconds)).with(|message| message.sender = sender);
        fixture.must().append(append_to(to, message)).await;
        let expected = match sender {
            Sender::Customer => Awaiting::Manager,
            Sender::Manager | Sender::Agent => Awaiting::Customer,
        };
        assert_eq!(awaits().await, Some(expected));
    }

    // It was kept as a manager's and turns out to be the customer's, once by its outside id, once by an operator.
    let kept = fixture.message_of(&fixture.external_id(), at(10));
    fixture.must().store_unmatched(keep_silently(kept.clone())).await;
    assert_eq!(awaits().await, Some(Awaiting::Customer));
    let message = kept.with(|message| message.sender = Sender::Customer);
    fixture.must().append(append_to(to, message)).await;
    assert_eq!(awaits().await, Some(Awaiting::Manager));
    fixture.must().append(append_to(to, fixture.message(at(11)))).await;
    let kept = fixture.message(at(12));
    fixture.must().store_unmatched(keep_silently(kept.clone())).await;
    let attach = Attach {
        message: kept.id,
        to: to.id,
        sender: Sender::Customer,
        notifications: Vec::new(),
        reopen: false,
        note: fixture.note(at(13)),
    };
    fixture.must().attach(attach).await;
    assert_eq!(awaits().await, Some(Awaiting::Manager));
}

/// Attention is wanted by open tickets whose customer spoke last; the one that has been still the longest is named.
pub async fn attention_is_wanted_by_open_tickets_whose_customer_spoke_last(fixture: &Fixture) {
    let attention = async || fixture.must().attention().await;
    assert_eq!(attention().await, Attention::default());
    for status in [Status::Resolved, Status::Closed] {
        opened(fixture, status, Priority::Urgent, Sender::Customer, 0).await;
    }
    opened(fixture, Status::Open, Priority::Urgent, Sender::Manager, 0).await;
    assert_eq!(attention().await, Attention::default());

    let mut waiting = Vec::new();
    for (seconds, priority) in [(7, Priority::Low), (5, Priority::High), (6, Priority::Medium)] {
        waiting.push(
            opened(fixture, Status::Open, priority, Sender::Customer, seconds)
                .await
                .ticket,
        );
    }
    let oldest = |ticket: &Ticket, since| {
        Some(Oldest {
            reference: ticket.reference,
            since,
        })
    };
    let Attention {
        awaiting_manager,
        oldest: found,
    } = attention().await;
    assert_eq!((awaiting_manager, found), (3, oldest(&waiting[1], at(5))));

    // The customer writes again, and a manager answers another.
    let again = Append {
        notifications: vec![fixture.notification(EventKind::Updated, at(20))],
        ..append_to(
            &waiting[1],
            fixture
                .message(at(20))
                .with(|message| message.sender = Sender::Customer),
        )
    };
    fixture.must().append(again).await;
    let Attention {
        awaiting_manager,
        oldest: found,
    } = attention().await;
    assert_eq!((awaiting_manager, found), (3, oldest(&waiting[2], at(6))));
    let answer = append_to(&waiting[2], fixture.message(at(21)));
    fixture.must().append(answer).await;
    let Attention {
        awaiting_manager,
        oldest: found,
    } = attention().await;
    assert_eq!((awaiting_manager, found), (2, oldest(&waiting[0], at(7))));
}
