use std::mem::discriminant;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    AccessKey, AccessKeys, Channel, Content, Customer, CustomerName, Message, MessageId, NotificationId, Payload,
    Phone, Priority, Sender, Stage, Status, Ticket, TicketId, TicketRef, Timestamp,
};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros).unwrap()
}

fn ticket() -> StoredTicket {
    StoredTicket {
        number: 1,
        ticket: Ticket {
            id: TicketId(Uuid::from_u128(1)),
            reference: "T-20250115-1234".parse().unwrap(),
            customer: Customer {
                name: "Zoë".parse().unwrap(),
                phone: "+1234567890".parse().unwrap(),
                email: "zoe@example.com".parse().unwrap(),
            },
            subject: "Bottles".parse().unwrap(),
            priority: Priority::High,
            status: Status::Open,
            keys: AccessKeys {
                customer: AccessKey::from_random([1; 16]),
                reader: AccessKey::from_random([2; 16]),
            },
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        },
        last_sender: Sender::Customer,
    }
}

fn message(body: &str) -> StoredMessage {
    StoredMessage {
        message: Message {
            id: MessageId(Uuid::from_u128(2)),
            sender: Sender::Customer,
            channel: Channel::Web,
            from: None,
            content: Content::new(body.parse().unwrap(), Some("https://media.example/1".parse().unwrap())).unwrap(),
            external_id: None,
            created_at: at(0),
        },
        seat: None,
        question: None,
    }
}

fn notification() -> StoredNotification {
    StoredNotification {
        id: NotificationId(Uuid::from_u128(3)),
        ticket: TicketId(Uuid::from_u128(1)),
        seq: 1,
        event: crate::EventKind::Created,
        payload: Payload(b"{}".to_vec().into()),
        addressed: true,
        state: Stage::Waiting,
        due_at: Some(at(5)),
        scheduled_at: at(5),
        failures: 0,
        tried_at: None,
        probed_at: None,
        released: false,
        last_error: None,
        external_id: None,
        settled_at: None,
        created_at: at(0),
        progress: crate::Progress::Sent,
        route: crate::DeliveryRoute::Text,
        round: 0,
    }
}

fn tally(rows: &Rows) -> Tally {
    let mut tally = Tally::default();
    tally.add(rows);
    tally
}

/// That each change of a row is seen.
fn changes_are_seen<T: Clone>(row: &T, rows: fn(Vec<T>) -> Rows, changes: &[fn(&mut T)]) {
    let original = rows(vec![row.clone()]);
    let same = tally(&original);
    assert_eq!(tally(&rows(vec![row.clone()])), same);
    let mut seen = vec![same];
    for (number, change) in changes.iter().enumerate() {
        let mut other = row.clone();
        change(&mut other);
        let other = tally(&rows(vec![other]));
        assert_eq!(other.differences(&same), [original.table()], "change {number}");
        assert!(!seen.contains(&other), "change {number} looks like another");
        seen.push(other);
    }
}

#[test]
fn a_change_in_any_column_of_a_ticket_is_seen() {
    changes_are_seen(
        &ticket(),
        Rows::TicketPage,
        &[
            |row| row.number = 2,
            |row| row.ticket.id = TicketId(Uuid::from_u128(9)),
            |row| row.ticket.reference = "T-20250115-1235".parse().unwrap(),
            |row| row.ticket.customer.name = "Zoe".parse().unwrap(),
            |row| row.ticket.customer.phone = "+1234567891".parse().unwrap(),
            |row| row.ticket.customer.email = "zoé@example.com".parse().unwrap(),
            |row| row.ticket.subject = "bottles".parse().unwrap(),
            |row| row.ticket.priority = Priority::Low,
            |row| row.ticket.status = Status::Closed,
            |row| row.ticket.keys.customer = AccessKey::from_random([2; 16]),
            |row| row.ticket.keys.reader = AccessKey::from_random([1; 16]),
            |row| row.ticket.version = 2,
            |row| row.ticket.created_at = at(1),
            |row| row.ticket.updated_at = at(1),
            |row| row.last_sender = Sender::Manager,
        ],
    );
}

#[test]
fn a_change_in_any_column_of_a_notification_is_seen() {
    changes_are_seen(
        &notification(),
        Rows::Notifications,
        &[
            |row| row.id = NotificationId(Uuid::from_u128(9)),
            |row| row.ticket = TicketId(Uuid::from_u128(9)),
            |row| row.seq = 2,
            |row| row.event = crate::EventKind::Updated,
            |row| row.payload = Payload(b"{ }".to_vec().into()),
            |row| row.addressed = false,
            |row| row.state = Stage::Held,
            |row| row.due_at = None,
            |row| row.due_at = Some(at(6)),
            |row| row.scheduled_at = at(6),
            |row| row.failures = 1,
            |row| row.tried_at = Some(at(5)),
            |row| row.probed_at = Some(at(5)),
            |row| row.released = true,
            |row| row.last_error = Some("".into()),
            |row| row.external_id = Some("SM1".parse().unwrap()),
            |row| row.settled_at = Some(at(5)),
            |row| row.created_at = at(1),
            |row| row.progress = crate::Progress::Read,
            |row| row.route = crate::DeliveryRoute::Backup,
            |row| row.round = 1,
        ],
    );
}

#[test]
fn a_row_that_is_missing_or_there_twice_is_seen_and_the_order_does_not_matter() {
    let (one, two) = (message("one"), message("two"));
    let of = |rows: &[&StoredMessage]| tally(&Rows::Messages(rows.iter().copied().cloned().collect()));
    assert_eq!(of(&[&one, &two]), of(&[&two, &one]));
    assert_ne!(of(&[&one, &two]), of(&[&one, &one]));
    assert_ne!(of(&[&one]), of(&[&one, &two]));
    assert_eq!(of(&[&one, &two]).of(Table::Messages).rows, 2);
    assert_eq!(of(&[]).differences(&Tally::default()), []);
}

#[test]
fn a_lease_is_handed_back_at_once() {
    let (claimed, lease_end) = (Some(at(10)), Some(at(40)));
    assert_eq!(handed_back(true, lease_end, claimed), claimed);
    assert_eq!(handed_back(false, lease_end, claimed), lease_end);
    // An operator had it sent again after its lease had ended.
    assert_eq!(handed_back(true, Some(at(5)), claimed), Some(at(5)));
    assert_eq!(handed_back(true, None, claimed), None);
    assert_eq!(handed_back(true, lease_end, None), lease_end);
}

#[test]
fn only_what_would_be_written_to_the_letter_is_taken() {
    let is_taken = |raw: &str| parse_exactly::<CustomerName>("tickets", "customer_name", raw).is_ok();
    assert!(is_taken("Zoë 🦊"));
    for raw in ["", " Zoë", "Zoë ", "a\rb", "a\0b"] {
        assert!(!is_taken(raw), "{raw:?}");
    }
    assert!(parse_exactly::<Phone>("tickets", "customer_phone", "+1 234 567 890").is_err());
    assert!(parse_exactly::<TicketRef>("tickets", "reference", "T-20250115-1234").is_ok());
    assert!(parse_exactly::<TicketRef>("tickets", "reference", "t-20250115-1234").is_err());
    assert!(free_text("notifications", "last_error", "HTTP 500".into()).is_ok());
    assert!(free_text("notifications", "last_error", "a\0b".into()).is_err());
}

#[test]
fn a_corrupt_row_keeps_its_name_and_its_column() {
    let error = parse_exactly::<Phone>("tickets", "customer_phone", "call me").unwrap_err();
    let error = TransferError::of_row(error, "rowid 7", TransferError::Source);
    assert_eq!(
        error.to_string(),
        "tickets.customer_phone of the row with rowid 7 holds a value that can't be copied"
    );
    let corrupt = TransferError::Corrupt {
        table: "",
        column: "",
        row: "".into(),
        source: std::sync::Arc::new(HoldsNul),
    };
    assert_eq!(discriminant(&error), discriminant(&corrupt));
}

proptest! {
    #[test]
    fn any_changed_character_of_a_text_is_seen(text in "[a-zß🦊\n]{1,40}", place in any::<prop::sample::Index>(), to in "[A-Z]") {
        let before = message(&text);
        let characters: Vec<char> = before.message.content.body().as_str().chars().collect();
        prop_assume!(!characters.is_empty());
        let place = place.index(characters.len());
        let changed: String = characters
            .iter()
            .enumerate()
            .map(|(n, c)| if n == place { to.clone() } else { c.to_string() })
            .collect();
        let after = message(&changed);
        prop_assert_ne!(tally(&Rows::Messages(vec![before])), tally(&Rows::Messages(vec![after])));
    }
}
