//! Words that are hard on the database must neither lose a message nor stop a search.

use diesel::{RunQueryDsl, sql_query};
use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::{
    Content, MessageBody, TicketQuery, TicketRef,
    ports::{OpenResult, OperatorQueries, TicketStore},
};

use crate::fixture::{connect, connection, count, opening};

async fn found(store: &PostgresStore, text: &str) -> Vec<TicketRef> {
    let listing = TicketQuery {
        text: Some(text.parse().unwrap()),
        ..TicketQuery::all(9)
    };
    let page = store.list(listing).await.unwrap();
    assert_eq!(page.next, None);
    page.tickets.into_iter().map(|listed| listed.ticket.reference).collect()
}

async fn opens(store: &PostgresStore, body: &str) -> TicketRef {
    let mut opening = opening();
    opening.message.content = Content::new(MessageBody::lenient(body), None).unwrap();
    let reference = opening.ticket.reference;
    assert_eq!(store.open(opening).await.unwrap(), OpenResult::Opened);
    reference
}

/// So many different characters beyond ASCII, with `between` between them.
fn characters(count: u32, between: &str) -> String {
    let all = (0x4e00..).filter_map(char::from_u32).take(count as usize);
    all.map(String::from).collect::<Vec<_>>().join(between)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_message_is_written_and_found() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    let one_word = opens(&store, &"x".repeat(16_000)).await;
    let one_wide_word = opens(&store, &"🙂".repeat(16_000)).await;
    let different = opens(&store, &characters(16_000, "")).await;
    let apart = opens(&store, &characters(8_000, " ")).await;
    let expanding = opens(&store, &"ﷺ ".repeat(8_000)).await;
    let accents = opens(&store, &"e\u{301}".repeat(8_000)).await;

    assert_eq!(found(&store, &"x".repeat(200)).await, [one_word]);
    assert_eq!(found(&store, &"🙂".repeat(9)).await, [one_wide_word]);
    assert_eq!(found(&store, "一").await, [apart, different]);
    assert_eq!(found(&store, "一 丁").await, [apart]);
    assert_eq!(found(&store, "صلى").await, [expanding]);
    assert_eq!(found(&store, "ÉÉÉ").await, [accents]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_breaks_a_search() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    let reference = opens(&store, "Tom & Jerry's C:\\temp | (a:*) <-> !b").await;
    for text in ["'", "\\", "&|!<->:*()", "' OR 1", "$1", "%", "::", "—", "𝒳", "\u{301}"] {
        found(&store, text).await;
    }
    for text in [
        "tom & jerry",
        "JERRY'S",
        "c:\\te",
        "a:* !b",
        "(a",
        reference.to_string().as_str(),
    ] {
        assert_eq!(found(&store, text).await, [reference], "{text}");
    }
    let none: [TicketRef; 0] = [];
    assert_eq!(found(&store, "—").await, none);
    assert_eq!(found(&store, &characters(200, "")).await, none);
    assert_eq!(found(&store, &"ﷺ".repeat(200)).await, none);
    assert_eq!(found(&store, &"a ".repeat(100)).await, [reference]);
}

/// Rare words are sought by the index, common ones among the newest tickets; a page of either goes on where it ended.
#[tokio::test(flavor = "multi_thread")]
async fn common_and_rare_words_are_found_page_by_page() {
    let database = TestDatabase::create().await;
    let store = connect(database.url(), 2).await.unwrap();
    database.execute(CROWD).await;
    let mut connection = connection(database.url()).await;
    for (text, matches) in [
        ("common", 12_000),
        ("rare", 12),
        ("old", 11_000),
        ("old rare", 11),
        ("comm", 12_000),
    ] {
        let mut listing = TicketQuery {
            text: Some(text.parse().unwrap()),
            ..TicketQuery::all(100)
        };
        let mut numbers = Vec::new();
        loop {
            let page = store.list(listing.clone()).await.unwrap();
            numbers.extend(page.tickets.iter().map(|listed| listed.ticket.reference.to_string()));
            match page.next {
                Some(next) => listing.after = Some(next),
                None => break,
            }
        }
        assert!(numbers.is_sorted_by(|one, next| one > next), "{text}");
        assert_eq!(numbers.len(), matches, "{text}");
    }
    assert_eq!(count(&mut connection, "SELECT count(*) FROM ticket_search"), 12_000);
}

/// 12,000 tickets: each has a common word, each thousandth a rare one, and all but the newest thousand are old.
const CROWD: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    SELECT md5('t' || n)::uuid, 'T-20250115-' || lpad(n::text, 6, '0'), 'John Doe', '+1234567890', 'john@example.com',
        'Bottles', 'high', 'open', repeat('0', 32), repeat('1', 32), 1, now(), now()
    FROM generate_series(1, 12000) AS n;
    INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
    SELECT md5('m' || n)::uuid, md5('t' || n)::uuid, 1, 'customer', 'web',
        'common' || CASE WHEN n % 1000 = 0 THEN ' rare' ELSE '' END || CASE WHEN n <= 11000 THEN ' old' ELSE '' END,
        now()
    FROM generate_series(1, 12000) AS n;
    ANALYZE";

/// A cluster that was made without a locale has such databases.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_an_encoding_finds_plain_words() {
    let database = TestDatabase::create_empty().await;
    let name = database.name().replace("test_", "plain_");
    let mut server = connection(database.server_url()).await;
    sql_query(format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    ))
    .execute(&mut server)
    .unwrap();
    let store = connect(&database.url().replace(database.name(), &name), 1)
        .await
        .unwrap();
    let reference = opens(&store, "Größe, PLAIN words: 日本語").await;
    for text in ["plain wor", "Größe", "日本"] {
        assert_eq!(found(&store, text).await, [reference], "{text}");
    }
    drop(store);
    sql_query(format!("DROP DATABASE {name} WITH (FORCE)"))
        .execute(&mut server)
        .unwrap();
}
