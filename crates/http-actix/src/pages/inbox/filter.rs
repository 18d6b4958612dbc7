//! The filter of the list of tickets, as a query in the address of every page of tickets.

use ticket_domain::{Awaiting, Cursor, Priority, SearchText, Status, TextError, TicketQuery};

use crate::pages::form_data::FormData;

/// Maximum number of tickets on a page.
const LISTED: usize = 15;
/// Minimum number of tickets on a page, however long the query in the address of each row is.
const FEWEST: usize = 4;
/// Maximum size of all addresses of a page's rows, in bytes, so that the page stays below 50 KiB.
const ADDRESSES: usize = 4 * 1024;

/// A query for an address.
#[derive(Clone, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Adds a field.
    pub(super) fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.0.push((name, format!("{value}")));
        self
    }

    /// The address with this path, which may end with a fragment, and this query.
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

/// Which tickets the operator wants to see. Unknown words, as in an old link, are ignored.
#[derive(Clone)]
pub(super) struct Filter {
    /// None: any status.
    pub(super) status: Option<Status>,
    pub(super) priority: Option<Priority>,
    pub(super) awaiting: Option<Awaiting>,
    /// The content of the search field, valid or not.
    pub(super) typed: String,
    /// The text to search for, if any, or why it is invalid.
    pub(super) text: Result<Option<SearchText>, TextError>,
    pub(super) after: Option<Cursor>,
}

impl Filter {
    /// Reads the query of an address.
    pub(super) fn of(query: &FormData) -> Self {
        let typed = query.get("q").trim().to_owned();
        let text = match typed.parse() {
            _ if typed.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(error),
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

    /// All tickets, last changed first.
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

    /// The default: open tickets.
    pub(super) fn open() -> Self {
        Self {
            status: Some(Status::Open),
            ..Self::everything()
        }
    }

    /// Open tickets that await an answer from the team.
    pub(super) fn waiting() -> Self {
        Self {
            awaiting: Some(Awaiting::Manager),
            ..Self::open()
        }
    }

    /// Takes the text of another filter.
    pub(super) fn with_text_of(self, other: &Self) -> Self {
        Self {
            typed: other.typed.clone(),
            text: other.text.clone(),
            ..self
        }
    }

    /// Another page.
    pub(super) fn from(&self, after: Option<Cursor>) -> Self {
        Self { after, ..self.clone() }
    }

    /// Whether it differs only in its text and its page.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.status == other.status && self.priority == other.priority && self.awaiting == other.awaiting
    }

    /// Whether it is the default.
    pub(super) fn is_usual(&self) -> bool {
        self.is_like(&Self::open()) && self.typed.is_empty() && self.after.is_none()
    }

    /// Its query for an address, without defaults.
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
        // An invalid text stays in its field only.
        if !self.typed.is_empty() && self.text.is_ok() {
            query = query.with("q", &self.typed);
        }
        if let Some(after) = self.after {
            query = query.with("after", after);
        }
        query
    }

    /// Maximum number of tickets on a page: fewer if the address of each row is long.
    fn limit(&self) -> u16 {
        let fitting = ADDRESSES / self.query().after("").len().max(1);
        fitting.clamp(FEWEST, LISTED).try_into().unwrap_or(1)
    }

    /// The query for the store.
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
    fn a_query_is_written_as_it_is_read() {
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
    fn unknown_words_and_defaults_are_left_out() {
        for (query, expected) in [
            ("status=open&priority=&awaiting=&q=+", "/inbox"),
            ("status=nonsense", "/inbox?status=any"),
            ("priority=HIGH&awaiting=god&after=x&done=sent", "/inbox"),
        ] {
            assert_eq!(written(query), expected, "{query}");
        }
    }

    #[test]
    fn an_invalid_text_stays_in_the_field() {
        let long = "ü".repeat(201);
        let filter = Filter::of(&FormData::parse(format!("q={long}").as_bytes()));
        assert_eq!((filter.typed.as_str(), filter.text.is_err()), (long.as_str(), true));
        assert_eq!(filter.ticket_query().text, None);
    }

    #[test]
    fn a_query_is_written_before_the_fragment() {
        let query = Query::default().with("done", "sent");
        assert_eq!(query.after("/inbox#end"), "/inbox?done=sent#end");
        assert_eq!(Query::default().after("/inbox#end"), "/inbox#end");
    }
}
