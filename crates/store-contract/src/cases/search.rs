//! Looking for tickets by their words.

use ticket_domain::{
    Content, Cursor, Customer, Message, Priority, Sender, Status, Ticket, TicketDetails, TicketListItem, TicketQuery,
    TicketRef,
    ports::{Attach, Opening},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, at, keep_silently},
};

fn looking_for(text: &str) -> TicketQuery {
    TicketQuery {
        text: Some(text.parse().unwrap()),
        ..TicketQuery::all(100)
    }
}

/// All pages, each of at most `limit` tickets; one may be short, or even empty, and not be the last.
async fn pages(fixture: &Fixture, listing: TicketQuery, limit: u16) -> Vec<TicketRef> {
    let mut all = Vec::new();
    let mut listing = TicketQuery { limit, ..listing };
    loop {
        let page = fixture.must().list(listing.clone()).await;
        assert!(page.tickets.len() <= usize::from(limit));
        all.extend(
            page.tickets
                .iter()
                .map(|TicketListItem { ticket, .. }| ticket.reference),
        );
        let Some(next) = page.next else {
            return all;
        };
        let next: Cursor = next.to_string().parse().unwrap();
        listing.after = Some(next);
    }
}

async fn found(fixture: &Fixture, text: &str) -> Vec<TicketRef> {
    pages(fixture, looking_for(text), 100).await
}

fn said(fixture: &Fixture, body: &str, seconds: i64) -> Message {
    fixture
        .message(at(seconds))
        .with(|message| message.content = Content::new(body.parse().unwrap(), None).unwrap())
}

/// A ticket of this customer, about this, whose first message says this.
async fn opened(fixture: &Fixture, customer: [&str; 3], subject: &str, body: &str) -> Opening {
    let [name, phone, email] = customer;
    let opening = fixture.opening(at(0));
    let opening = Opening {
        ticket: Ticket {
            details: TicketDetails {
                customer: Customer {
                    name: name.parse().unwrap(),
                    phone: phone.parse().unwrap(),
                    email: email.parse().unwrap(),
                },
                subject: subject.parse().unwrap(),
                ..opening.ticket.details
            },
            ..opening.ticket
        },
        message: said(fixture, body, 0),
        ..opening
    };
    fixture.open(opening).await
}

const ANNA: [&str; 3] = ["Anna Schmidt", "+491701234567", "anna.s@mail.example"];
const BORIS: [&str; 3] = ["Boris Petrow", "+33612345678", "boris@post.example"];

/// A word is found wherever it stands: reference, subject, name, number, address or message. All of them must be there,
/// in any order.
pub async fn every_word_is_found_wherever_it_stands(fixture: &Fixture) {
    let anna = opened(fixture, ANNA, "Damaged bottles", "Two of them arrived broken.")
        .await
        .ticket;
    let boris = opened(fixture, BORIS, "Late parcel", "Three weeks, and no bottles.")
        .await
        .ticket;
    let reference = anna.reference.to_string();
    let lower = reference.to_lowercase();
    for text in [
        reference.as_str(),
        &lower,
        &reference[11..],
        "damaged",
        "schmidt",
        "+491701234567",
        "491701234567",
        "anna.s@mail.example",
        "broken",
        "broken anna damaged",
        "damaged +491701234567 mail broken",
        &format!("broken {reference}"),
    ] {
        assert_eq!(found(fixture, text).await, [anna.reference], "{text}");
    }
    assert_eq!(found(fixture, "bottles").await, [boris.reference, anna.reference]);
    for text in ["broken boris", "damaged parcel", "bottles lost", "nothing"] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
}

/// Only the last word may be a beginning, however short or long it is, and however many words begin so.
pub async fn only_the_last_word_may_be_begun(fixture: &Fixture) {
    let words: Vec<String> = (10..50).map(|number| format!("extraordinary{number}")).collect();
    let anna = opened(fixture, ANNA, "Damaged bottles", &words.join(" ")).await.ticket;
    let boris = opened(fixture, BORIS, "Late parcel", "Nothing else").await.ticket;
    for text in [
        "d",
        "da",
        "bott",
        "damaged bottle",
        "extra",
        "extrao",
        "extraordinary",
        "extraordinary4",
        "extraordinary49",
        "damaged extraordinary3",
        "4917",
        "49170123456",
        "anna.s@ma",
    ] {
        assert_eq!(found(fixture, text).await, [anna.reference], "{text}");
    }
    assert_eq!(found(fixture, "b").await, [boris.reference, anna.reference]);
    for text in [
        "bott damaged",
        "extraordinary damaged",
        "extraordinary50",
        "ottles",
        "bottlesx",
    ] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
}

/// Neither case nor accents nor punctuation count, in any script.
pub async fn case_accents_and_punctuation_do_not_count(fixture: &Fixture) {
    let customer = ["Zoë Müller-Nguyễn", "+4917099", "zoe@mail.example"];
    let body = "«Crème brûlée», done; Привет! नमस्ते ÅNGSTRÖM";
    let ticket = opened(fixture, customer, "Olé, again: it's (very) good", body)
        .await
        .ticket;
    opened(fixture, BORIS, "Late parcel", "Nothing else").await;
    for text in [
        "muller",
        "MÜLLER",
        "Mu\u{308}ller",
        "mülle",
        "zoe nguyen",
        "ZOË NGUYỄN",
        "creme brulee",
        "BRÛLÉE CRÈME",
        "crème,brûlée",
        "done.creme",
        "ole",
        "very/good",
        "\"it's\"",
        "привет",
        "ПРИВЕТ",
        "नमस्ते",
        "angstrom",
        "- ( muller ) -",
        "müller…",
    ] {
        assert_eq!(found(fixture, text).await, [ticket.reference], "{text}");
    }
    for text in ["mueller", "cremebrulee", "прив nothing"] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
}

/// A later message is found by its words with its ticket's own, not with another message's; a ticket that is found by
/// several is one result.
pub async fn each_message_is_looked_at_with_its_ticket(fixture: &Fixture) {
    let anna = opened(fixture, ANNA, "Damaged bottles", "Two arrived broken.")
        .await
        .ticket;
    let boris = opened(fixture, BORIS, "Late parcel", "Three weeks.").await.ticket;
    let append = append_to(&anna, said(fixture, "A xylophone, too", 1));
    fixture.must().append(append).await;
    for text in ["xylophone", "anna xylophone", "xylophone damaged schm"] {
        assert_eq!(found(fixture, text).await, [anna.reference], "{text}");
    }
    for text in ["boris xylophone", "xylophone broken"] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
    assert_eq!(found(fixture, "anna").await, [anna.reference]);

    // What is kept is in no ticket, until it is.
    let kept = said(fixture, "Zebra crossing", 2);
    fixture.must().store_unmatched(keep_silently(kept.clone())).await;
    assert_eq!(found(fixture, "zebra").await, []);
    let attach = Attach {
        message: kept.id,
        to: boris.id,
        sender: Sender::Agent,
        notifications: Vec::new(),
        reopen: false,
        note: fixture.note(at(3)),
    };
    fixture.must().attach(attach).await;
    assert_eq!(found(fixture, "zebra boris").await, [boris.reference]);
    let external_id = fixture.external_id();
    let kept = said(fixture, "Quagga", 4).with(|message| message.external_id = Some(external_id.clone()));
    fixture.must().store_unmatched(keep_silently(kept)).await;
    let append = append_to(&anna, fixture.message_of(&external_id, at(5)));
    fixture.must().append(append).await;
    assert_eq!(found(fixture, "quagga").await, [anna.reference]);
}

/// Whatever people type is words to look for, and nothing else. Without any word nothing is found.
pub async fn whatever_is_typed_is_only_words(fixture: &Fixture) {
    let ticket = opened(fixture, ANNA, "near and or not", "The text says: bottles, broken")
        .await
        .ticket;
    for text in [
        "\"",
        "'",
        "*",
        "-",
        "+",
        "^",
        "()",
        "(",
        ":",
        "\"\"",
        "\" \"",
        "%",
        "_",
        "\\",
        "&",
        "|",
        "!",
        "<->",
        ":*",
        "🎫",
        ";--",
        "{}",
        "\u{301}",
        "\u{a0}x\u{a0}\"",
    ] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
    for text in [
        "AND",
        "NOT",
        "near and or not",
        "NEAR(bottles broken)",
        "text:bottles",
        "{text}: bottles",
        "\"bottles",
        "bottles\"",
        "bottles*",
        "-bottles",
        "+bottles",
        "^bottles",
        "bottles'--",
        "('bottles')",
        "bottles & broken",
        "!bottles:*",
        "bottles OR broken",
        "%bottles%",
        "a\u{301}nd",
    ] {
        assert_eq!(found(fixture, text).await, [ticket.reference], "{text}");
    }
    for text in [
        "bottles OR xylophone AND",
        "subject:bottles",
        "broken -bottles xylophone",
        "bottles NOT broken xyz",
    ] {
        assert_eq!(found(fixture, text).await, [], "{text}");
    }
    // As long as it may be.
    for text in [
        "x".repeat(200),
        "x ".repeat(100),
        "\"*".repeat(100),
        "bottles ".repeat(24),
    ] {
        let expected: &[TicketRef] = if text.starts_with('b') {
            &[ticket.reference]
        } else {
            &[]
        };
        assert_eq!(found(fixture, &text).await, expected, "{text}");
    }
}

/// Results come with the ticket opened last first, on pages that hold each once; conditions hold for them too.
pub async fn results_come_in_pages_and_meet_the_conditions(fixture: &Fixture) {
    let mut all = Vec::new();
    for number in 0..9_u32 {
        let mut opening = fixture.opening(at(i64::from(number % 3)));
        opening.ticket.status = if number % 2 == 0 { Status::Open } else { Status::Closed };
        opening.ticket.details.priority = if number % 3 == 0 { Priority::High } else { Priority::Low };
        opening.message = said(fixture, "A xylophone", 0);
        let ticket = fixture.open(opening).await.ticket;
        for seconds in 0..i64::from(number % 4) {
            let append = append_to(&ticket, said(fixture, "Xylophones again: xylophone", 10 + seconds));
            fixture.must().append(append).await;
        }
        fixture.opened(at(0)).await;
        all.insert(0, ticket);
    }
    for limit in 1..=10 {
        for status in Status::ALL.iter().copied().map(Some).chain([None]) {
            for priority in [None, Some(Priority::High), Some(Priority::Low)] {
                let wanted = all.iter().filter(|ticket| {
                    status.is_none_or(|status| status == ticket.status)
                        && priority.is_none_or(|priority| priority == ticket.details.priority)
                });
                let wanted: Vec<TicketRef> = wanted.map(|ticket| ticket.reference).collect();
                let listing = TicketQuery {
                    status,
                    priority,
                    ..looking_for("xylo")
                };
                assert_eq!(
                    pages(fixture, listing, limit).await,
                    wanted,
                    "{limit} {status:?} {priority:?}"
                );
            }
        }
    }
}
