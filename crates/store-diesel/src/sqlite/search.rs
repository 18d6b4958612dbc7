//! Looking for tickets by their words.

use std::sync::Arc;

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};
use ticket_domain::{Cursor, SearchText, TicketPage, TicketQuery, Timestamp, ports::StoreError};

use super::statements::listing;
use crate::failure::Failure;

/// A document's rowid is its ticket's number and, below so many bits, its message's seq.
pub(crate) const SEQ_BITS: u32 = 20;

/// So many documents are looked up at once.
const CHUNK: u8 = 128;

/// So many times at most in one call: filters that hardly any ticket meets end in a short page, not in a long wait.
const CHUNKS: usize = 32;

/// The longest beginning of a word that has an index of its own, in characters: `prefix` in the migration.
const INDEXED: usize = 6;

/// Up to so many words of one longer beginning are looked for one by one, which is as quick however often each occurs.
const ONE_BY_ONE: usize = 24;

/// Up to so many documents that have the whole words are looked into for the one that is only begun.
const LOOKED_INTO: usize = 64;

/// One page, the newest ticket first.
pub(crate) fn page(
    connection: &mut SqliteConnection,
    query: &TicketQuery,
    text: &SearchText,
) -> Result<TicketPage, Failure> {
    let (Some(sought), Some(wanted)) = (sought(query), expression(connection, text)?) else {
        return Ok(TicketPage::default());
    };
    let (numbers, next) = look_through(connection, query, &sought, &wanted)?;
    let page = listing::up_to(query.limit, listing::numbered(connection, &numbers)?);
    // Here tickets are in the order of their numbers: the time tells nothing.
    let at = Timestamp::UNIX_EPOCH;
    Ok(TicketPage {
        next: next.map(|number| Cursor { at, number }),
        ..page
    })
}

/// The numbers of a page, and after which one there may be more.
fn look_through(
    connection: &mut SqliteConnection,
    query: &TicketQuery,
    sought: &str,
    wanted: &str,
) -> Result<(Vec<i64>, Option<i64>), Failure> {
    let mut numbers = Vec::new();
    // The cursor came from outside: it may be any number.
    let mut before = query
        .after
        .map_or(i64::MAX, |cursor| cursor.number)
        .min(i64::MAX >> SEQ_BITS);
    for _ in 0..CHUNKS {
        let documents = documents(connection, sought, wanted, before)?;
        let is_end = documents.len() < usize::from(CHUNK);
        for Document { number, is_admitted } in documents {
            // A ticket may be found by many of its messages.
            if number == before {
                continue;
            }
            if is_admitted && numbers.len() == usize::from(query.limit) {
                return Ok((numbers, Some(before)));
            }
            if is_admitted {
                numbers.push(number);
            }
            before = number;
        }
        if is_end {
            return Ok((numbers, None));
        }
    }
    Ok((numbers, Some(before)))
}

/// A document that is found.
#[derive(QueryableByName)]
struct Document {
    /// Its ticket's.
    #[diesel(sql_type = BigInt)]
    number: i64,
    /// Whether its ticket meets the other conditions.
    #[diesel(sql_type = Bool)]
    is_admitted: bool,
}

/// The newest documents of tickets before one number. None if no ticket can meet the other conditions.
fn sought(query: &TicketQuery) -> Option<String> {
    let kinds: Vec<String> = listing::kinds(query)
        .into_iter()
        .map(|(status, sender, priority)| format!("('{status}', '{sender}', '{priority}')"))
        .collect();
    (!kinds.is_empty()).then(|| {
        format!(
            "SELECT d.rowid >> {SEQ_BITS} AS number,
                coalesce((t.status, t.last_sender, t.priority) IN (VALUES {}), FALSE) AS is_admitted
            FROM (SELECT rowid FROM ticket_search WHERE ticket_search MATCH ?1 AND rowid < ?2
                ORDER BY rowid DESC LIMIT ?3) AS d
            LEFT JOIN tickets t ON t.number = d.rowid >> {SEQ_BITS} ORDER BY d.rowid DESC",
            kinds.join(", ")
        )
    })
}

fn documents(
    connection: &mut SqliteConnection,
    sought: &str,
    wanted: &str,
    before: i64,
) -> Result<Vec<Document>, Failure> {
    Ok(sql_query(sought)
        .bind::<Text, _>(wanted)
        .bind::<BigInt, _>(before << SEQ_BITS)
        .bind::<BigInt, _>(i64::from(CHUNK))
        .load(connection)?)
}

/// What the index is asked: every word, the last one perhaps only begun. None if nothing can be found.
fn expression(connection: &mut SqliteConnection, text: &SearchText) -> Result<Option<String>, Failure> {
    let mut tokenizer = Tokenizer::new()?;
    let words = tokenizer.words(text.as_str())?;
    let Some((begun, whole)) = words.split_last() else {
        return Ok(None);
    };
    let whole = whole.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" AND ");
    let begun = if begun.chars().count() <= INDEXED {
        format!("{} *", quoted(begun))
    } else {
        let known = match beginning_among(connection, &mut tokenizer, &whole, begun)? {
            Some(known) => known,
            None => beginning_with(connection, begun)?,
        };
        match known.len() {
            0 => return Ok(None),
            1..=ONE_BY_ONE => {
                let known: Vec<String> = known.iter().map(|word| quoted(word)).collect();
                format!("({})", known.join(" OR "))
            }
            _ => format!("{} *", quoted(begun)),
        }
    };
    Ok(Some(if whole.is_empty() {
        begun
    } else {
        format!("{whole} AND {begun}")
    }))
}

/// A word holds no quotation mark: it separates words.
fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// The words that begin so in the documents that have the whole words. None if those are many, or there is no whole word:
/// then the index itself is asked, where stepping over a word takes the longer, the more documents have it.
fn beginning_among(
    connection: &mut SqliteConnection,
    tokenizer: &mut Tokenizer,
    whole: &str,
    begun: &str,
) -> Result<Option<Vec<String>>, Failure> {
    #[derive(QueryableByName)]
    struct Looked {
        #[diesel(sql_type = Text)]
        text: String,
    }
    if whole.is_empty() {
        return Ok(None);
    }
    let looked: Vec<Looked> = sql_query(format!(
        "SELECT d.text FROM (SELECT rowid FROM ticket_search WHERE ticket_search MATCH ?1 LIMIT {LOOKED_INTO} + 1) AS found
            CROSS JOIN ticket_documents d
                ON d.ticket_number = found.rowid >> {SEQ_BITS} AND d.seq = found.rowid & (1 << {SEQ_BITS}) - 1"
    ))
    .bind::<Text, _>(whole)
    .load(connection)?;
    if looked.len() > LOOKED_INTO {
        return Ok(None);
    }
    let texts: Vec<String> = looked.into_iter().map(|looked| looked.text).collect();
    let mut words = tokenizer.words(&texts.join("\n"))?;
    words.retain(|word| word.starts_with(begun));
    words.sort_unstable();
    words.dedup();
    Ok(Some(words))
}

/// The words of the index that begin so, one more than [`ONE_BY_ONE`] at most.
fn beginning_with(connection: &mut SqliteConnection, begun: &str) -> Result<Vec<String>, Failure> {
    let mut known: Vec<String> = Vec::new();
    let mut from = begun.to_owned();
    while known.len() <= ONE_BY_ONE {
        // There is a row for each place of a word, so each next word is sought anew.
        let next: Option<Word> = sql_query("SELECT term FROM ticket_words WHERE term >= ?1 LIMIT 1")
            .bind::<Text, _>(&from)
            .get_result(connection)
            .optional()?;
        let Some(Word { term }) = next.filter(|word| word.term.starts_with(begun)) else {
            break;
        };
        from = format!("{term}\u{1}");
        known.push(term);
    }
    Ok(known)
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    term: String,
}

/// Splits texts into words as the index has them: only SQLite's own tokenizer splits and folds as itself. It can be used
/// by nothing but a table, so there is one of one text.
struct Tokenizer(SqliteConnection);

impl Tokenizer {
    fn new() -> Result<Self, Failure> {
        let mut scratch =
            SqliteConnection::establish(":memory:").map_err(|error| StoreError::Failed(Arc::new(error)))?;
        scratch.batch_execute(
            "CREATE VIRTUAL TABLE texts USING fts5 (text, content = '',
                tokenize = \"unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'\");
            CREATE VIRTUAL TABLE words USING fts5vocab (texts, instance);",
        )?;
        Ok(Self(scratch))
    }

    /// The words of a text, in their order.
    fn words(&mut self, text: &str) -> Result<Vec<String>, Failure> {
        self.0
            .batch_execute("INSERT INTO texts (texts) VALUES ('delete-all')")?;
        sql_query("INSERT INTO texts (text) VALUES (?1)")
            .bind::<Text, _>(text)
            .execute(&mut self.0)?;
        // Of a lone accent nothing is left.
        let words: Vec<Word> =
            sql_query("SELECT term FROM words WHERE term <> '' ORDER BY offset").load(&mut self.0)?;
        Ok(words.into_iter().map(|word| word.term).collect())
    }
}

#[cfg(test)]
mod tests {
    use diesel_migrations::MigrationHarness;
    use ticket_domain::{Attention, Priority, Status};

    use super::*;
    use crate::sqlite::{indexing, migrate::MIGRATIONS};

    /// So many tickets, all of one customer who writes of bottles. Only the first is closed.
    fn with_tickets(count: u32) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        connection
            .batch_execute(&format!(
                "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
                INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority,
                    status, customer_key, reader_key, version, created_at, updated_at)
                SELECT CAST(printf('%016d', n) AS BLOB), printf('T-20250115-%06d', n), 'John', '+123456789',
                    'john@example.com', 'Quality', 'low', iif(n = 1, 'closed', 'open'), printf('%032d', n),
                    printf('%032d', n), 1, n, n FROM numbers;
                INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
                SELECT id, id, 1, 'customer', 'web', 'Bottles', created_at FROM tickets;"
            ))
            .unwrap();
        while indexing::is_behind(&mut connection).unwrap() {
            indexing::catch_up(&mut connection).unwrap();
        }
        connection
    }

    #[test]
    fn more_than_many_are_not_counted() {
        let many = Attention::COUNTED;
        let mut connection = with_tickets(many + 5);
        let count = |connection: &mut SqliteConnection| listing::attention(connection).unwrap().awaiting_manager;
        assert_eq!(count(&mut connection), many);
        connection
            .batch_execute("UPDATE tickets SET status = 'closed' WHERE number > 999")
            .unwrap();
        assert_eq!(count(&mut connection), 998);
    }

    fn looking_for(text: &str) -> (TicketQuery, SearchText) {
        let text: SearchText = text.parse().unwrap();
        let listing = TicketQuery {
            status: Some(Status::Closed),
            priority: Some(Priority::Low),
            text: Some(text.clone()),
            ..TicketQuery::all(10)
        };
        (listing, text)
    }

    /// One call looks at so many documents and no more; the pages go on until everything was looked at.
    #[test]
    fn what_hardly_any_ticket_meets_is_looked_for_in_short_pages() {
        let a_call = u32::from(CHUNK) * u32::try_from(CHUNKS).unwrap();
        let mut connection = with_tickets(a_call + 2);
        let (mut listing, text) = looking_for("bottles");
        let first = super::page(&mut connection, &listing, &text).unwrap();
        assert_eq!(first.tickets, []);
        assert_eq!(first.next.map(|next| next.number), Some(3));
        listing.after = first.next;
        let second = super::page(&mut connection, &listing, &text).unwrap();
        assert_eq!(second.tickets.len(), 1);
        assert_eq!(second.next, None);
    }

    /// What the tokenizer made of a text it leaves as it is, so each word is one to the index too.
    #[test]
    fn any_character_can_be_looked_for() {
        let mut connection = with_tickets(1);
        let sample: Vec<char> = ('\u{1}'..=char::MAX).step_by(29).filter(|c| !c.is_control()).collect();
        for some in sample.chunks(60) {
            let text: String = some.iter().flat_map(|c| ['a', *c, ' ']).collect();
            let (listing, text) = looking_for(&text);
            super::page(&mut connection, &listing, &text).unwrap();
        }
    }

    /// Whether few or many documents have the whole words, the same is found: all that begins so, and nothing else.
    #[test]
    fn a_long_word_that_is_only_begun_is_found_beside_rare_and_common_ones() {
        let many = u32::try_from(LOOKED_INTO).unwrap() + 40;
        let mut connection = with_tickets(many);
        connection
            .batch_execute(
                "INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
                SELECT randomblob(16), id, 2, 'customer', 'web', iif(number % 40 = 2, 'rare ', '')
                    || CASE number % 4 WHEN 0 THEN 'damaging' WHEN 1 THEN 'Damáged' WHEN 2 THEN 'damages' ELSE 'damag' END,
                    created_at FROM tickets WHERE number > 1",
            )
            .unwrap();
        while indexing::is_behind(&mut connection).unwrap() {
            indexing::catch_up(&mut connection).unwrap();
        }
        let every = |step: u32, first: u32| {
            (first..=many)
                .rev()
                .filter(|n| n % step == first % step)
                .collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("damagin", every(4, 4)),
            ("john damaged", every(4, 5)),
            ("rare damages", every(40, 2)),
            ("rare john DAMAGES", every(40, 2)),
            ("rare damaged", Vec::new()),
            ("nowhere damages", Vec::new()),
        ] {
            let (mut listing, text) = looking_for(text);
            listing.status = None;
            listing.limit = 100;
            let page = super::page(&mut connection, &listing, &text).unwrap();
            let found: Vec<u32> = page
                .tickets
                .iter()
                .map(|listed| number(&listed.ticket.reference.to_string()))
                .collect();
            assert_eq!(found, expected, "{}", text.as_str());
        }
    }

    /// The last part of a reference.
    fn number(reference: &str) -> u32 {
        reference.rsplit('-').next().unwrap().parse().unwrap()
    }

    #[test]
    fn a_cursor_from_nowhere_leads_to_a_page() {
        let mut connection = with_tickets(1);
        let (mut listing, text) = looking_for("bottles");
        let cursor = Cursor {
            at: Timestamp::UNIX_EPOCH,
            number: 0,
        };
        for number in [i64::MAX, i64::MAX >> 1, 2] {
            listing.after = Some(Cursor { number, ..cursor });
            assert_eq!(super::page(&mut connection, &listing, &text).unwrap().tickets.len(), 1);
        }
        listing.after = Some(cursor);
        assert_eq!(
            super::page(&mut connection, &listing, &text).unwrap(),
            TicketPage::default()
        );
    }
}
