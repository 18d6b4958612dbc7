//! Parameters of a query string, among them the page of a list that is wanted.

use std::{
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};
use garde::Validate;
use serde::de::DeserializeOwned;
use ticket_domain::{InvalidCursor, ValidationError};
use uuid::Uuid;

use crate::api::problem::{Code, Problem};
use crate::validation::field_errors;

/// The valid parameters of a query string. Unknown ones are ignored.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Validate<Context = ()>> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Every parameter is read as a text, so this fails only for one that is given twice.
        let params = Query::<T>::from_query(request.query_string())
            .map_err(|_| Problem::with_detail(Code::ValidationFailed, "A parameter is given twice."));
        ready(params.and_then(|Query(params)| {
            Problem::unless_valid(field_errors(&params))?;
            Ok(Self(params))
        }))
    }
}

/// The maximum number of entries on a page: 1–100, by default 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageSize(pub(crate) u16);

impl PageSize {
    const MAX: u16 = 100;
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// The text is not the size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {}", PageSize::MAX)]
pub(crate) struct NotAPageSize;

impl ValidationError for NotAPageSize {
    fn code(&self) -> &'static str {
        "out_of_range"
    }
}

impl FromStr for PageSize {
    type Err = NotAPageSize;

    fn from_str(raw: &str) -> Result<Self, NotAPageSize> {
        let size = raw.parse().ok().filter(|size| (1..=Self::MAX).contains(size));
        size.map(Self).ok_or(NotAPageSize)
    }
}

/// The cursor of lists that are sorted by id: the id of a page's last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastId(pub(crate) Uuid);

impl FromStr for LastId {
    type Err = InvalidCursor;

    fn from_str(raw: &str) -> Result<Self, InvalidCursor> {
        Uuid::try_parse(raw).map(Self).map_err(|_| InvalidCursor)
    }
}

/// The cursor of the next page, if this page is full. The next page may be empty.
pub(crate) fn next<T>(page: &[T], size: PageSize, id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
    let is_full = page.len() >= usize::from(size.0);
    page.last().filter(|_| is_full).map(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_100_entries() {
        for (raw, expected) in [
            ("1", Ok(PageSize(1))),
            ("100", Ok(PageSize(100))),
            ("0", Err(NotAPageSize)),
            ("101", Err(NotAPageSize)),
            ("-1", Err(NotAPageSize)),
            ("1.5", Err(NotAPageSize)),
            ("99999", Err(NotAPageSize)),
            ("ten", Err(NotAPageSize)),
        ] {
            assert_eq!(raw.parse(), expected, "{raw}");
        }
        assert_eq!(PageSize::default(), PageSize(50));
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let next = |size| next(&ids, PageSize(size), |id| *id);
        assert_eq!((next(2), next(3)), (Some(ids[1]), None));
        assert_eq!(super::next(&[], PageSize(1), |id: &Uuid| *id), None);
    }
}
