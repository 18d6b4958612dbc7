//! The address to return to after a form was sent.

use url::Url;

use crate::{Settings, settings::is_allowed_origin};

/// The optional hidden field with the address.
pub(crate) const FIELD: &str = "return";

/// The fields that are added to the address.
const REFERENCE: &str = "ticketRef";
const LINK: &str = "ticketUrl";

/// An address on our site, or on one that may send the form: no other site may get a ticket's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnTo(Url);

/// The address is invalid, or on another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address to go back to is not on an allowed site")]
pub(crate) struct NotAllowed;

impl ReturnTo {
    /// Parses an address. An empty one is none.
    pub(crate) fn parse(raw: &str, settings: &Settings) -> Result<Option<Self>, NotAllowed> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(raw).map_err(|_| NotAllowed)?;
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let origin = url.origin();
        let is_ours = Url::parse(&settings.base_url).is_ok_and(|base| base.origin() == origin);
        let name = origin.ascii_serialization();
        if is_plain && (is_ours || is_allowed_origin(&settings.allowed_origins, &name)) {
            Ok(Some(Self(url)))
        } else {
            Err(NotAllowed)
        }
    }

    /// The address with a ticket's reference and link, which replace those of an earlier one.
    pub(crate) fn telling(self, reference: &str, link: &str) -> String {
        let Self(mut url) = self;
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != REFERENCE && name != LINK)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair(REFERENCE, reference)
            .append_pair(LINK, link);
        url.into()
    }
}

impl std::fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
