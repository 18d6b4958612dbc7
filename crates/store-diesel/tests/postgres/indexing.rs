//! What a message is found by: the words of its text, written by a trigger.

use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use store_diesel::postgres::testing::TestDatabase;

use crate::fixture::connection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The migration that made `search_words`; the words of what was written then stay in the index.
const FIRST: &str = "20261124000000";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Text)]
    line: String,
}

fn lines(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(sql).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// Brings an empty database up to date, and leaves beside `search_words` what it was at first, as `first_words`.
fn migrate(connection: &mut PgConnection) {
    while connection.run_next_migration(MIGRATIONS).unwrap().to_string() != FIRST {}
    sql_query("ALTER FUNCTION search_words RENAME TO first_words")
        .execute(connection)
        .unwrap();
    connection.run_pending_migrations(MIGRATIONS).unwrap();
}

/// Texts of all kinds: each character there is, words about as long as one may be, and mixtures.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\n\t",
        "--",
        "a",
        " a ",
        "A-b  C.d",
        "x y x",
        "\u{301}",
        "e\u{301}é",
    ]
    .map(String::from)
    .into();
    let all: Vec<char> = ('\u{1}'..='\u{ffff}')
        .chain(('\u{1_0000}'..=char::MAX).step_by(37))
        .collect();
    for some in all.chunks(50) {
        texts.push(some.iter().collect());
        texts.push(some.iter().flat_map(|c| ['A', *c, 'B', ' ']).collect());
    }
    for letter in ["x", "X", "é", "ß", "日", "م", "🙂", "e\u{301}", "ﷺ", "İ", "ﬃ", "한"] {
        for count in [14, 15, 85, 127, 128, 254, 255, 256, 257, 600] {
            let word = letter.repeat(count);
            let short = "z ".repeat(60);
            texts.extend([
                format!("{word} z"),
                format!("Z {word}, {word}{word}"),
                format!("{short}{word} {short}"),
            ]);
            texts.push(word);
        }
    }
    texts.extend(mixtures());
    texts
}

/// Texts of pieces that were drawn at random, though always the same.
fn mixtures() -> impl Iterator<Item = String> {
    const PIECES: [&str; 40] = [
        " ",
        " ",
        " ",
        "-",
        ".",
        ", ",
        "'",
        "\\",
        "\"",
        "\n",
        "\u{7f}",
        "\u{1}",
        "\u{a0}",
        "\u{2003}",
        "\u{3000}",
        "—",
        "「",
        "a",
        "The",
        "ORDER",
        "12345",
        "x@y.example",
        "+1555",
        "Ärger",
        "naïve",
        "Größe",
        "日本語",
        "ひらがな",
        "مَرْحَبًا",
        "صلى",
        "🙂",
        "👩‍👩‍👧",
        "ﬁ",
        "Ⅷ",
        "①",
        "K",
        "ſ",
        "ﾊﾝｶｸ",
        "한국어",
        "İstanbul",
    ];
    let mut state = 1_u64;
    let mut draw = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..3_000).map(move |n| {
        // A third of them plain ASCII.
        let (from, to) = if n % 3 == 0 { (3, 12) } else { (0, PIECES.len()) };
        let (from, to) = if n % 6 == 0 { (17, 23) } else { (from, to) };
        (0..draw(120))
            .map(|_| {
                if draw(3) == 0 {
                    " "
                } else {
                    PIECES[from + draw(to - from)]
                }
            })
            .collect()
    })
}

/// The texts whose words are not those that they were at first.
fn differing(connection: &mut PgConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Text {
        #[diesel(sql_type = sql_types::Text)]
        text: String,
    }
    const DIFFERING: &str = "SELECT text FROM unnest($1) AS text
        WHERE search_words(text) IS DISTINCT FROM first_words(text)";
    let found: Vec<Text> = sql_query(DIFFERING)
        .bind::<sql_types::Array<sql_types::Text>, _>(texts())
        .load(connection)
        .unwrap();
    found.into_iter().map(|found| found.text).collect()
}

/// Rows that were written once stay as they are, so what is looked for must be split as it ever was.
#[tokio::test(flavor = "multi_thread")]
async fn any_text_has_the_words_that_it_had_at_first() {
    let none: [String; 0] = [];
    let database = TestDatabase::create_empty().await;
    let mut utf8 = connection(database.url()).await;
    migrate(&mut utf8);
    assert_eq!(differing(&mut utf8), none);
    // The question itself can find one.
    sql_query(
        "CREATE OR REPLACE FUNCTION first_words(text) RETURNS text[] LANGUAGE sql AS 'SELECT string_to_array($1, '' '')'",
    )
    .execute(&mut utf8)
    .unwrap();
    assert!(differing(&mut utf8).len() > 1_000);

    let name = database.name().replace("test_", "bare_");
    let mut server = connection(database.server_url()).await;
    sql_query(format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    ))
    .execute(&mut server)
    .unwrap();
    let mut bare = connection(&database.url().replace(database.name(), &name)).await;
    migrate(&mut bare);
    assert_eq!(differing(&mut bare), none);
    drop(bare);
    sql_query(format!("DROP DATABASE {name} WITH (FORCE)"))
        .execute(&mut server)
        .unwrap();
}

/// Three tickets and all their messages at once, in no order; one of the messages has no ticket.
const AT_ONCE: &str = "
    WITH t AS (
        INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
            customer_key, reader_key, version, created_at, updated_at)
        SELECT md5('t' || n)::uuid, 'T-20250115-00000' || n, 'Zoë Ünlü', '+1234567890', 'zoe@example.com',
            'Bottles', 'high', 'open', repeat('0', 32), repeat('1', 32), 3, now(), now()
        FROM generate_series(1, 3) AS n RETURNING id)
    INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
    SELECT gen_random_uuid(), t.id, m.seq, m.sender, 'web', m.body, now() FROM t, (VALUES
        (2, 'manager', 'Second'), (3, 'customer', 'Thïrd'), (1, 'customer', 'First')) AS m (seq, sender, body)
        WHERE m.seq < 3 OR t.id = md5('t3')::uuid
    UNION ALL SELECT gen_random_uuid(), NULL, NULL, 'manager', 'whatsapp', 'Nobody knows whose', now()";

/// Each message of a ticket, and whether it is found by the words that it had at first.
const INDEXED: &str = "
    SELECT t.reference || ' ' || s.seq || ' ' || (s.words = array_to_tsvector(first_words(concat_ws(' ',
        t.reference, t.subject, t.customer_name, t.customer_phone, t.customer_email, m.body)))) AS line
    FROM ticket_search s JOIN tickets t ON t.number = s.ticket_number
        LEFT JOIN messages m ON m.ticket_id = t.id AND m.seq = s.seq
    ORDER BY line";

const LAST_SENDERS: &str = "SELECT reference || ' ' || last_sender AS line FROM tickets ORDER BY line";

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_statement_come_each_into_its_thread() {
    let database = TestDatabase::create_empty().await;
    let mut connection = connection(database.url()).await;
    migrate(&mut connection);
    sql_query(AT_ONCE).execute(&mut connection).unwrap();
    let indexed = [(1, 2), (2, 2), (3, 3)]
        .into_iter()
        .flat_map(|(ticket, messages)| (1..=messages).map(move |seq| format!("T-20250115-00000{ticket} {seq} true")))
        .collect::<Vec<_>>();
    assert_eq!(lines(&mut connection, INDEXED), indexed);
    let senders = lines(&mut connection, LAST_SENDERS);
    assert_eq!(
        senders,
        [
            "T-20250115-000001 manager",
            "T-20250115-000002 manager",
            "T-20250115-000003 customer"
        ]
    );

    // What is written alone, and what was there before with the sender before.
    sql_query(
        "INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
        VALUES (gen_random_uuid(), md5('t3')::uuid, 4, 'agent', 'web', 'Fourth', now()),
            (gen_random_uuid(), md5('t3')::uuid, 5, 'customer', 'web', 'Fifth', now()),
            (gen_random_uuid(), md5('t1')::uuid, 4, 'customer', 'web', 'Fourth', now())",
    )
    .execute(&mut connection)
    .unwrap();
    sql_query("UPDATE messages SET ticket_id = md5('t2')::uuid, seq = 6 WHERE ticket_id IS NULL")
        .execute(&mut connection)
        .unwrap();
    assert_eq!(
        lines(&mut connection, LAST_SENDERS),
        [
            "T-20250115-000001 customer",
            "T-20250115-000002 manager",
            "T-20250115-000003 customer"
        ]
    );
    let indexed = lines(&mut connection, INDEXED);
    assert_eq!(indexed.len(), 11);
    assert!(indexed.iter().all(|line| line.ends_with(" true")), "{indexed:?}");
    assert!(indexed.contains(&"T-20250115-000002 6 true".to_owned()), "{indexed:?}");
}

/// A statement with nothing else in it: then the trigger looks at no ticket if it need not.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_says_who_wrote_last() {
    let database = TestDatabase::create_empty().await;
    let mut connection = connection(database.url()).await;
    migrate(&mut connection);
    for (ticket, sender) in [(1, "customer"), (2, "agent"), (3, "manager")] {
        sql_query(format!(
            "WITH t AS (
                INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
                    customer_key, reader_key, version, created_at, updated_at)
                VALUES (gen_random_uuid(), 'T-20250115-00000{ticket}', 'Zoë Ünlü', '+1234567890', 'zoe@example.com',
                    'Bottles', 'high', 'open', repeat('0', 32), repeat('1', 32), 1, now(), now()) RETURNING id)
            INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
            SELECT gen_random_uuid(), id, 1, '{sender}', 'web', 'First', now() FROM t"
        ))
        .execute(&mut connection)
        .unwrap();
    }
    assert_eq!(
        lines(&mut connection, LAST_SENDERS),
        [
            "T-20250115-000001 customer",
            "T-20250115-000002 agent",
            "T-20250115-000003 manager"
        ]
    );
}
