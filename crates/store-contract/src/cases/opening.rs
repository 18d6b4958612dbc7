//! Opening tickets, and counting them.

use std::time::Duration;

use ticket_domain::{
    Channel, Content, Customer, Delivery, DeliveryState, EventKind, NotificationRecord, NotificationState, Payload,
    Priority, Recipient, Sender, Timestamp,
    ports::{OpenResult, Opening, TicketLookup},
};

use crate::{
    Fixture,
    fixture::{With as _, at, at_once, count, later, place_of},
};

/// Everything that was opened is read back as it was, in any script.
pub async fn a_ticket_reads_back_exactly(fixture: &Fixture) {
    let mut opening = fixture.opening(at(0));
    opening.ticket.details.customer = Customer {
        name: "Zoë 山田 🦊".parse().unwrap(),
        phone: "+4915112345678".parse().unwrap(),
        email: "zoe+'tag_%'@example.com".parse().unwrap(),
    };
    opening.ticket.details.subject = "'; DROP TABLE tickets; -- \\ % _ 🎫 سؤال".parse().unwrap();
    opening.ticket.details.priority = Priority::Urgent;
    opening.message.sender = Sender::Customer;
    opening.message.channel = Channel::Web;
    opening.message.content = Content::new(
        "first line\n\n\tthird: ünï 🧑‍🚒 \u{200f}שלום".parse().unwrap(),
        Some("https://media.example/ME1?a=1&b=%20#x".parse().unwrap()),
    )
    .unwrap();
    opening.message.external_id = Some("SM/ä/1".parse().unwrap());
    opening.notifications[0].payload = Payload((0..=255).collect());
    fixture.open(opening.clone()).await;
    assert_reads_back(fixture, &opening).await;
}

/// What is not there is read back as nothing: no number, no medium, no outside id.
pub async fn every_option_reads_back_as_nothing_too(fixture: &Fixture) {
    let mut opening = fixture.opening(at(0));
    opening.message.from = None;
    opening.message.external_id = None;
    opening.notifications[0].payload = Payload(Box::default());
    fixture.open(opening.clone()).await;
    assert_reads_back(fixture, &opening).await;

    let mut picture = fixture.opening(at(1));
    let media = "https://media.example/1".parse().unwrap();
    picture.message.content = Content::new(String::new().parse().unwrap(), Some(media)).unwrap();
    fixture.open(picture.clone()).await;
    assert_eq!(
        fixture.thread(picture.ticket.reference).await.messages,
        [picture.message]
    );
}

async fn assert_reads_back(fixture: &Fixture, opening: &Opening) {
    let thread = fixture.thread(opening.ticket.reference).await;
    assert_eq!(thread.ticket, opening.ticket);
    // `Debug` hides what people wrote, so a difference would not show which field it is in.
    let (read, written) = (&thread.ticket.details.customer, &opening.ticket.details.customer);
    assert_eq!(read.name.as_str(), written.name.as_str());
    assert_eq!(thread.messages, std::slice::from_ref(&opening.message));
    assert_eq!(
        thread.delivery,
        Delivery {
            state: DeliveryState::Waiting,
            at: opening.notifications[0].created_at
        }
    );
    let found = fixture
        .must()
        .find(TicketLookup::Reference(opening.ticket.reference))
        .await;
    assert_eq!(found, Some(opening.ticket.clone()));

    let record = fixture.record(opening.notifications[0].id).await;
    let expected = NotificationRecord {
        recipient: Recipient::Manager,
        id: opening.notifications[0].id,
        reference: Some(opening.ticket.reference),
        event: EventKind::Created,
        state: NotificationState::Waiting {
            due: opening.notifications[0].created_at,
        },
        failures: 0,
        last_error: None,
        created_at: opening.notifications[0].created_at,
    };
    assert_eq!(record, expected);
    let claimed = fixture.claim_only(opening.notifications[0].id, at(0)).await;
    assert_eq!(claimed.payload, opening.notifications[0].payload);
}

/// A time is read back to the microsecond, before 1970 and in far years too.
pub async fn times_are_exact_to_the_microsecond(fixture: &Fixture) {
    for micros in [
        0,
        -1,
        1,
        999_999,
        1_736_937_000_000_001,
        1_736_937_000_999_999,
        -62_000_000_000_000_001,
        253_000_000_000_999_999,
    ] {
        let moment = Timestamp::from_unix_micros(micros).unwrap();
        let opening = fixture.opened(moment).await;
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.ticket.created_at, moment, "{micros}");
        assert_eq!(thread.ticket.updated_at, moment, "{micros}");
        assert_eq!(thread.messages[0].created_at, moment, "{micros}");
        assert_eq!(
            fixture.record(opening.notifications[0].id).await.created_at,
            moment,
            "{micros}"
        );
    }
}

/// A reference belongs to one ticket. Who comes second leaves nothing behind.
pub async fn a_taken_reference_writes_nothing(fixture: &Fixture) {
    let first = fixture.opened(at(0)).await;
    let before = fixture.thread(first.ticket.reference).await;
    let vitals = fixture.vitals(at(9)).await;

    let external_id = fixture.external_id();
    let mut second = fixture.opening(at(1));
    second.ticket.reference = first.ticket.reference;
    second.message.external_id = Some(external_id.clone());
    let opened = fixture.must().open(second.clone()).await;

    assert_eq!(opened, OpenResult::ReferenceTaken);
    assert_eq!(fixture.thread(first.ticket.reference).await, before);
    assert_eq!(fixture.vitals(at(9)).await, vitals);
    assert_eq!(fixture.quoted(&external_id).await, None);
    assert_eq!(fixture.must().notification(second.notifications[0].id).await, None);

    // The same opening succeeds with another reference.
    second.ticket.reference = fixture.reference();
    fixture.open(second).await;
}

/// 30 tickets that want one reference at the same moment: one gets it.
pub async fn equal_references_at_once_make_one_ticket(fixture: &Fixture) {
    for round in 0..5 {
        let reference = fixture.reference();
        let openings: Vec<Opening> = (0..30)
            .map(|_| {
                let mut opening = fixture.opening(at(round));
                opening.ticket.reference = reference;
                opening
            })
            .collect();
        let waiting = fixture.vitals(later()).await.waiting;
        let answers = at_once(openings.clone().into_iter().map(|opening| fixture.must().open(opening))).await;

        let taken = count(&answers, &OpenResult::ReferenceTaken);
        assert_eq!(taken, 29, "{answers:?}");
        let winner = place_of(&answers, &OpenResult::Opened);
        let thread = fixture.thread(reference).await;
        assert_eq!(thread.ticket, openings[winner].ticket);
        assert_eq!(thread.messages, [openings[winner].message.clone()]);
        assert_eq!(fixture.vitals(later()).await.waiting, waiting + 1);
    }
}

/// Tickets that are opened at the same moment may be written together: each gets its own answer, whatever becomes of the
/// others.
pub async fn openings_at_once_share_no_fate(fixture: &Fixture) {
    for round in 0..5 {
        let taken = fixture.opened(at(round)).await;
        let used = fixture
            .opening(at(round))
            .with(|opening| opening.idempotency = Some(fixture.idempotency(at(round + 100))));
        fixture.open(used.clone()).await;
        let openings: Vec<Opening> = (0..120)
            .map(|number| {
                let mut opening = fixture.opening(at(round));
                match number % 6 {
                    0 => opening.ticket.reference = taken.ticket.reference,
                    1 => opening.idempotency.clone_from(&used.idempotency),
                    2 => opening.idempotency = Some(fixture.idempotency(at(round + 100))),
                    _ => {}
                }
                opening
            })
            .collect();
        let waiting = fixture.vitals(later()).await.waiting;
        let answers = at_once(openings.clone().into_iter().map(|opening| fixture.must().open(opening))).await;

        for (number, (opening, answer)) in openings.iter().zip(answers).enumerate() {
            match number % 6 {
                0 => assert_eq!(answer, OpenResult::ReferenceTaken),
                1 => assert!(matches!(answer, OpenResult::AlreadyOpened(before) if before.id == used.ticket.id)),
                _ => {
                    assert_eq!(answer, OpenResult::Opened);
                    let thread = fixture.thread(opening.ticket.reference).await;
                    assert_eq!(thread.ticket, opening.ticket);
                    assert_eq!(thread.messages, std::slice::from_ref(&opening.message));
                }
            }
        }
        assert_eq!(fixture.vitals(later()).await.waiting, waiting + 80);
    }
}

/// Tickets are counted from a moment on, that moment included.
pub async fn opened_since_counts_from_a_moment_on(fixture: &Fixture) {
    let store = fixture.must();
    let midnight = at(0).midnight();
    assert_eq!(store.opened_since(midnight).await, 0);

    let micro = Duration::from_micros(1);
    for moment in [
        midnight.minus(Duration::from_hours(24)),
        midnight.minus(micro),
        midnight,
        midnight.plus(micro),
        midnight.plus(Duration::from_hours(24)).minus(micro),
        midnight.plus(Duration::from_hours(24)),
    ] {
        fixture.opened(moment).await;
    }
    let day_before = midnight.minus(Duration::from_hours(24));
    let day_after = midnight.plus(Duration::from_hours(24));
    for (since, expected) in [
        (day_before.minus(micro), 6),
        (day_before, 6),
        (day_before.plus(micro), 5),
        (midnight, 4),
        (midnight.plus(micro), 3),
        (midnight.plus(micro).plus(micro), 2),
        (day_after, 1),
        (day_after.plus(micro), 0),
        (later(), 0),
    ] {
        assert_eq!(store.opened_since(since).await, expected, "{since}");
    }
    fixture.opened(day_after).await;
    assert_eq!(store.opened_since(day_after).await, 2);
}

/// Tickets that are written in another order than they were begun in are counted all the same.
pub async fn opened_since_is_never_too_few_out_of_order(fixture: &Fixture) {
    let since = at(0);
    let mut opened = 0;
    for seconds in [-10, -9, 5, 3, 4, 1, 2, 0, -1, 6] {
        fixture.opened(at(seconds)).await;
        opened += u64::from(seconds >= 0);
        let counted = fixture.must().opened_since(since).await;
        assert!(counted >= opened, "{counted} counted, {opened} opened");
    }
    let counted = fixture.must().opened_since(since).await;
    assert!(counted <= 10, "{counted} counted, 10 opened in all");
}
