//! Which tickets the list shows, as it stands in the address of every page of tickets.

use ticket_domain::{Awaiting, Cursor, Priority, SearchText, Status, TextError, TicketQuery};

use crate::pages::form_data::FormData;

/// How many tickets a page has.
const LISTED: usize = 15;
/// The fewest, however long the query is that each row's address carries.
const FEWEST: usize = 4;
/// So many bytes all addresses of a page's rows take at most, so that the page stays below 50 KiB.
const ADDRESSES: usize = 4 * 1024;

/// A query that is being written.
#[derive(Clone, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// With one field more.
    pub(super) fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.0.push((name, format!("{value}")));
        self
    }

    /// The address of a path, which may end with a fragment, with this query.
    pub(super) fn after(&self, path: &str) -> String {
        let (path, fragment) = match path.split_once('#') {
            Some((path, fragment)) => (path, format!("#{fragment}")),
            None => (path, String::new()),
        };
        if self.0.is_empty() {
            return format!("{path}{fragment}");
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        format!("{path}?{query}{fragment}")
    }
}

/// What the operator wants to see. Words that are unknown, as in an old link, are as if they were not there.
#[derive(Clone)]
pub(super) struct Filter {
    /// None: any.
    pub(super) status: Option<Status>,
    pub(super) priority: Option<Priority>,
    pub(super) awaiting: Option<Awaiting>,
    /// What stands in the field, good or not.
    pub(super) typed: String,
    /// What is looked for, if anything, or why that can't be.
    pub(super) text: Result<Option<SearchText>, TextError>,
    pub(super) after: Option<Cursor>,
}

impl Filter {
    /// The filter of an address.
    pub(super) fn of(query: &FormData) -> Self {
        let typed = query.get("q").trim().to_owned();
        let text = match typed.parse() {
            _ if typed.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(fault) => Err(fault),
        };
        let awaiting = query.get("awaiting").parse().ok();
        Self {
            status: match query.get("status") {
                "" => Some(Status::Open),
                status => status.parse().ok(),
            },
            priority: query.get("priority").parse().ok(),
            awaiting,
            typed,
            text,
            after: query.get("after").parse().ok(),
        }
    }

    /// Every ticket there is, the newest change first.
    pub(super) fn everything() -> Self {
        Self {
            status: None,
            priority: None,
            awaiting: None,
            typed: String::new(),
            text: Ok(None),
            after: None,
        }
    }

    /// The usual one.
    pub(super) fn open() -> Self {
        Self {
            status: Some(Status::Open),
            ..Self::everything()
        }
    }

    /// Tickets whose customer spoke last.
    pub(super) fn waiting() -> Self {
        Self {
            awaiting: Some(Awaiting::Manager),
            ..Self::open()
        }
    }

    /// The same text, and the first page.
    pub(super) fn with_text_of(self, other: &Self) -> Self {
        Self {
            typed: other.typed.clone(),
            text: other.text.clone(),
            ..self
        }
    }

    /// Another page of it.
    pub(super) fn from(&self, after: Option<Cursor>) -> Self {
        Self { after, ..self.clone() }
    }

    /// Whether it is the same but for its text and its page.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.status == other.status && self.priority == other.priority && self.awaiting == other.awaiting
    }

    /// Whether it shows the first page of everything that is open.
    pub(super) fn is_usual(&self) -> bool {
        self.is_like(&Self::open()) && self.typed.is_empty() && self.after.is_none()
    }

    /// How it is written in an address. What is usual is left out.
    pub(super) fn query(&self) -> Query {
        let mut query = Query::default();
        if self.status != Some(Status::Open) {
            query = query.with("status", self.status.map_or("any", Status::as_str));
        }
        if let Some(priority) = self.priority {
            query = query.with("priority", priority);
        }
        if let Some(awaiting) = self.awaiting {
            query = query.with("awaiting", awaiting);
        }
        // What can't be looked for stays in its field alone.
        if !self.typed.is_empty() && self.text.is_ok() {
            query = query.with("q", &self.typed);
        }
        if let Some(after) = self.after {
            query = query.with("after", after);
        }
        query
    }

    /// How many tickets a page has: fewer where each row's address is long.
    fn limit(&self) -> u16 {
        let fitting = ADDRESSES / self.query().after("").len().max(1);
        fitting.clamp(FEWEST, LISTED).try_into().unwrap_or(1)
    }

    /// What is asked of the store.
    pub(super) fn ticket_query(&self) -> TicketQuery {
        TicketQuery {
            status: self.status,
            priority: self.priority,
            awaiting: self.awaiting,
            text: self.text.clone().unwrap_or_default(),
            after: self.after,
            limit: self.limit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(query: &str) -> String {
        Filter::of(&FormData::parse(query.as_bytes())).query().after("/inbox")
    }

    #[test]
    fn a_filter_is_written_as_it_is_read() {
        for same in [
            "/inbox",
            "/inbox?status=any",
            "/inbox?status=resolved&priority=urgent&q=a%26b+%3Cc%3E",
            "/inbox?awaiting=manager",
            "/inbox?q=x&after=62b7e2a0c1d40-1f",
        ] {
            let query = same.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(written(query), same);
        }
    }

    #[test]
    fn what_is_unknown_or_usual_is_left_out() {
        for (query, expected) in [
            ("status=open&priority=&awaiting=&q=+", "/inbox"),
            ("status=nonsense", "/inbox?status=any"),
            ("priority=HIGH&awaiting=god&after=x&done=sent", "/inbox"),
        ] {
            assert_eq!(written(query), expected, "{query}");
        }
    }

    #[test]
    fn a_text_that_cant_be_looked_for_stays_in_the_field() {
        let long = "ü".repeat(201);
        let filter = Filter::of(&FormData::parse(format!("q={long}").as_bytes()));
        assert_eq!((filter.typed.as_str(), filter.text.is_err()), (long.as_str(), true));
        assert_eq!(filter.ticket_query().text, None);
    }

    #[test]
    fn a_query_stands_before_the_fragment() {
        let query = Query::default().with("done", "sent");
        assert_eq!(query.after("/inbox#end"), "/inbox?done=sent#end");
        assert_eq!(Query::default().after("/inbox#end"), "/inbox#end");
    }
}
