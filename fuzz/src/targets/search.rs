//! What an operator looks for, in SQLite's index: a cursor on the first line, the words on the second.

use std::sync::{Arc, LazyLock};

use crate::oracle;
use store_contract::Fixture;
use store_diesel::SqliteStore;
use ticket_domain::{
    SearchText, TicketQuery, Timestamp,
    ports::{OperatorQueries, TicketStore},
};
use tokio::runtime::Runtime;

/// What the tickets say, the newest last.
const SUBJECTS: [&str; 4] = [
    "Damaged bottles in my last order 2024",
    "Where is my parcel? It was sent in January",
    "bottle caps, damage and a longwordlongword",
    "AND OR NOT near column subject",
];

struct Found {
    runtime: Runtime,
    store: SqliteStore,
    /// What each ticket can be found by, the newest first.
    words: Vec<(String, Vec<String>)>,
}

static FOUND: LazyLock<Found> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let store = SqliteStore::temporary().expect("a store");
    let fixture = Fixture::new(Arc::new(store.clone()));
    let now = Timestamp::from_unix_micros(1_736_937_000_000_000).expect("a moment");
    let mut words = Vec::new();
    for subject in SUBJECTS {
        let mut opening = fixture.opening(now);
        opening.ticket.details.subject = subject.parse().expect("a subject");
        let ticket = &opening.ticket;
        let all = [
            ticket.reference.to_string(),
            subject.to_owned(),
            ticket.details.customer.name.to_string(),
            ticket.details.customer.phone.to_string(),
            ticket.details.customer.email.to_string(),
            opening.message.content.body().to_string(),
        ];
        words.insert(0, (ticket.reference.to_string(), oracle::words(&all.join(" "))));
        let opened = runtime.block_on(store.open(opening));
        opened.expect("room for a ticket");
    }
    Found { runtime, store, words }
});

pub fn run(text: &str) {
    let (cursor, wanted) = text.split_once('\n').unwrap_or(("", text));
    let Ok(wanted) = wanted.parse::<SearchText>() else {
        return;
    };
    let found = &*FOUND;
    let listing = TicketQuery {
        status: None,
        priority: None,
        awaiting: None,
        text: Some(wanted.clone()),
        after: cursor.parse().ok(),
        limit: 10,
    };
    let is_first = listing.after.is_none();
    let page = found.runtime.block_on(found.store.list(listing)).expect("an answer");
    if wanted.as_str().is_ascii() && is_first {
        let words = oracle::words(wanted.as_str());
        let has_all = |there: &[String]| {
            words.split_last().is_some_and(|(begun, whole)| {
                whole.iter().all(|word| there.contains(word)) && there.iter().any(|word| word.starts_with(begun))
            })
        };
        let expected: Vec<&str> = found
            .words
            .iter()
            .filter(|(_, there)| has_all(there))
            .map(|(reference, _)| reference.as_str())
            .collect();
        let listed: Vec<String> = page
            .tickets
            .iter()
            .map(|listed| listed.ticket.reference.to_string())
            .collect();
        assert_eq!(listed, expected);
    }
}
