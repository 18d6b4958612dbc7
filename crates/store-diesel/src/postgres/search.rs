//! Finding tickets by their words.
//!
//! No one way is quick for all words. A word that many tickets have is found at once by looking through the newest ones;
//! a rare one by the index of words, which first gathers all that have it. So the newest tickets are looked through, and
//! how many of them have the words tells which way to go on. However many tickets there are, a call reads no more than
//! some ten thousand; a page that is not full by then says where the next one goes on.

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Text},
};
use ticket_domain::{Awaiting, Cursor, SearchText, TicketPage, TicketQuery, Timestamp};

use super::statements::listing;
use crate::failure::Failure;

/// So many of the newest tickets are looked through first.
const SAMPLE: i64 = 500;
/// If so many of them or more have the words, the words are common.
const COMMON: usize = 5;
/// So many tickets are looked through after them, and so often.
const STRIDE: i64 = 4_000;
const STRIDES: u8 = 4;
/// So many rows that have the words are gathered by the index at most.
const GATHERED: i64 = 10_000;

/// Which of `$3` tickets below the number `$2` have the whole words of `$1`, whether they have the last one too, and
/// whether they meet the conditions. OFFSET 0 keeps a condition from being tried before it should be: each ticket's words
/// are looked up by its number.
const LOOK_THROUGH: &str = "
    SELECT w.number, hit.has_all, $admitted AS is_admitted
    FROM (SELECT number, status, priority, last_sender FROM tickets WHERE number < $2 ORDER BY number DESC LIMIT $3) w
    CROSS JOIN LATERAL (
        SELECT s.words @@ search_query($1) AS has_all
        FROM (SELECT words FROM ticket_search WHERE ticket_number = w.number OFFSET 0) s
        WHERE s.words @@ search_whole_words($1) ORDER BY has_all DESC LIMIT 1) hit
    ORDER BY w.number DESC";

/// The number of the `$2`th ticket below the number `$1`.
const REACHED: &str = "SELECT number FROM tickets WHERE number < $1 ORDER BY number DESC OFFSET $2 - 1 LIMIT 1";

/// The newest `$3` tickets below the number `$2` that have the words of `$1` and meet the conditions, of `$4` rows that
/// the index gives; and how many those were. The sum keeps the primary key out of it. `$index` is what the index is
/// asked: for a word that is only begun it first gathers all that begin so.
const GATHER: &str = "
    WITH found AS MATERIALIZED (
        SELECT ticket_number, words FROM ticket_search
        WHERE words @@ $index($1) AND ticket_number + 0 < $2 LIMIT $4)
    SELECT (SELECT count(*) FROM found) AS found, ARRAY(
        SELECT w.number FROM tickets w
        WHERE w.number IN (SELECT ticket_number FROM found WHERE words @@ search_query($1)) AND $admitted
        ORDER BY w.number DESC LIMIT $3) AS numbers";

/// What the index is asked where the whole words are rare: the last one is then looked for among what has those.
const WHOLE_WORDS: &str = "search_whole_words";
/// And where they are not.
const ALL_WORDS: &str = "search_query";

#[derive(QueryableByName)]
struct Hit {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Bool)]
    has_all: bool,
    #[diesel(sql_type = Bool)]
    is_admitted: bool,
}

/// How many tickets that were looked through have the words, whatever the conditions.
#[derive(Clone, Copy)]
struct Hits {
    /// The whole ones.
    whole: usize,
    /// All of them.
    all: usize,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Gathered {
    #[diesel(sql_type = BigInt)]
    found: i64,
    #[diesel(sql_type = Array<BigInt>)]
    numbers: Vec<i64>,
}

/// One page of the tickets that have the words and meet the other conditions, the newest first.
pub(crate) fn page(
    connection: &mut PgConnection,
    query: &TicketQuery,
    text: &SearchText,
) -> Result<TicketPage, Failure> {
    let mut search = Search {
        connection,
        text: text.as_str(),
        conditions: conditions(query),
        wanted: usize::from(query.limit) + 1,
        numbers: Vec::new(),
        below: query.after.map_or(i64::MAX, |after| after.number),
    };
    let is_whole = search.run()?;
    let Search { numbers, below, .. } = search;
    let mut page = listing::up_to(query.limit, listing::numbered(connection, &numbers)?);
    if page.next.is_none() && !is_whole {
        // Only the number counts.
        let at = Timestamp::UNIX_EPOCH;
        page.next = Some(Cursor { at, number: below });
    }
    Ok(page)
}

/// The conditions but the text, for a ticket `w`.
fn conditions(query: &TicketQuery) -> String {
    let status = query.status.map(|status| format!("w.status = '{status}'"));
    let priority = query.priority.map(|priority| format!("w.priority = '{priority}'"));
    let awaiting = query.awaiting.map(|awaiting| match awaiting {
        Awaiting::Manager => "w.status = 'open' AND w.last_sender = 'customer'".to_owned(),
        Awaiting::Customer => "w.status = 'open' AND w.last_sender <> 'customer'".to_owned(),
    });
    let all: Vec<String> = status.into_iter().chain(priority).chain(awaiting).collect();
    if all.is_empty() {
        "true".to_owned()
    } else {
        format!("({})", all.join(" AND "))
    }
}

/// A search under way.
struct Search<'a> {
    connection: &'a mut PgConnection,
    text: &'a str,
    conditions: String,
    /// How many numbers are enough.
    wanted: usize,
    /// What was found.
    numbers: Vec<i64>,
    /// From this number on all was looked through.
    below: i64,
}

impl Search<'_> {
    /// Looks for as many as are wanted. Whether there can be no more below.
    fn run(&mut self) -> Result<bool, Failure> {
        let Some(hits) = self.look_through(SAMPLE)? else {
            return Ok(true);
        };
        if self.is_enough() {
            return Ok(true);
        }
        let index = if hits.whole < COMMON { WHOLE_WORDS } else { ALL_WORDS };
        if hits.all < COMMON && self.gather(index)? {
            return Ok(true);
        }
        for _ in 0..STRIDES {
            if self.look_through(STRIDE)?.is_none() || self.is_enough() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_enough(&self) -> bool {
        self.numbers.len() >= self.wanted
    }

    /// Looks through the next so many tickets. None if these were the last.
    fn look_through(&mut self, count: i64) -> Result<Option<Hits>, Failure> {
        let hits: Vec<Hit> = sql_query(LOOK_THROUGH.replacen("$admitted", &self.conditions, 1))
            .bind::<Text, _>(self.text)
            .bind::<BigInt, _>(self.below)
            .bind::<BigInt, _>(count)
            .load(self.connection)?;
        let all = hits.iter().filter(|hit| hit.has_all);
        let counted = Hits {
            whole: hits.len(),
            all: all.clone().count(),
        };
        let admitted = all.filter(|hit| hit.is_admitted).map(|hit| hit.number);
        let room = self.wanted.saturating_sub(self.numbers.len());
        self.numbers.extend(admitted.take(room));
        let reached: Option<Number> = sql_query(REACHED)
            .bind::<BigInt, _>(self.below)
            .bind::<BigInt, _>(count)
            .get_result(self.connection)
            .optional()?;
        Ok(reached.map(|reached| {
            self.below = reached.number;
            counted
        }))
    }

    /// Gathers by the index what is below. Whether that was all, or else nothing is found: the words are common there.
    fn gather(&mut self, index: &str) -> Result<bool, Failure> {
        let statement = GATHER
            .replacen("$index", index, 1)
            .replacen("$admitted", &self.conditions, 1);
        let statement = sql_query(statement)
            .bind::<Text, _>(self.text)
            .bind::<BigInt, _>(self.below)
            .bind::<BigInt, _>(i64::try_from(self.wanted - self.numbers.len()).unwrap_or(i64::MAX))
            .bind::<BigInt, _>(GATHERED);
        let gathered: Gathered = self.connection.transaction(|connection| {
            // Where many have a word, the planner expects to find enough of them soon by reading the table.
            connection.batch_execute("SET LOCAL enable_seqscan = off")?;
            statement.get_result(connection)
        })?;
        if gathered.found >= GATHERED {
            return Ok(false);
        }
        self.numbers.extend(gathered.numbers);
        Ok(true)
    }
}
