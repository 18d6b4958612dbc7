//! Looking for anything at all.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use ticket_domain::{SearchText, TicketQuery};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{Fixture, fixture::at};

/// What the tickets are about.
const SUBJECTS: [&str; 3] = [
    "Damaged bottles in order 2024",
    "near AND or NOT parcel",
    "a longwordlongword and bottle_caps",
];

/// Words that are in the tickets, or nearly, and what is an operator to one engine or another.
fn anything() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "bottles",
        "bottl",
        "longwordlongwo",
        "NOT",
        "near",
        "AND",
        "2024",
        "john",
        "example.com",
        "T-20250115",
    ]);
    let mark = "[ \"'*+^():&|!<>~%_\\\\{}.,;/@#?=$-]{1,3}";
    let part = prop_oneof![
        word.prop_map(str::to_owned),
        mark.prop_map(String::from),
        any::<String>()
    ];
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Whatever is typed is an answer and no error; where it is ASCII, its words are found and nothing else.
pub async fn anything_may_be_looked_for(fixture: &Fixture) {
    let mut tickets = Vec::new();
    for subject in SUBJECTS {
        let mut opening = fixture.opening(at(0));
        opening.ticket.details.subject = subject.parse().unwrap();
        let opening = fixture.open(opening).await;
        let (ticket, body) = (opening.ticket, opening.message.content.body().to_string());
        let all = [
            &ticket.reference.to_string(),
            subject,
            ticket.details.customer.name.as_str(),
            ticket.details.customer.phone.as_str(),
            ticket.details.customer.email.as_str(),
            &body,
        ];
        tickets.push((ticket.reference, words(&all.join(" "))));
    }
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = block_in_place(|| {
        TestRunner::new(config).run(&anything(), |typed| {
            let Ok(text) = typed.parse::<SearchText>() else {
                return Ok(());
            };
            let is_ascii = text.as_str().is_ascii();
            let listing = TicketQuery {
                text: Some(text),
                ..TicketQuery::all(10)
            };
            let page = Handle::current().block_on(fixture.store().list(listing));
            prop_assert!(page.is_ok(), "{:?}", page.err());
            let mut found: Vec<_> = page
                .unwrap()
                .tickets
                .iter()
                .map(|listed| listed.ticket.reference)
                .collect();
            found.sort();
            let wanted = words(&typed);
            let has_all = |there: &[String]| {
                wanted.split_last().is_some_and(|(begun, whole)| {
                    whole.iter().all(|word| there.contains(word)) && there.iter().any(|word| word.starts_with(begun))
                })
            };
            let expected: Vec<_> = tickets
                .iter()
                .filter(|(_, there)| has_all(there))
                .map(|(of, _)| *of)
                .collect();
            prop_assert!(!is_ascii || found == expected, "{found:?} {expected:?}");
            Ok(())
        })
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
}
