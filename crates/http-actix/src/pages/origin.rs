//! The site that a form was sent from.

use actix_web::{
    HttpRequest,
    http::header::{HOST, ORIGIN},
};
use url::{Host, Url};

use crate::{Settings, settings::is_allowed_origin};

/// The origin of a request, as the browser states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// One of our own pages.
    Own,
    /// None: the client is not a browser, or one from before 2020.
    Unstated,
    /// A page of an allowed site.
    Allowed,
    /// Any other page.
    Foreign,
}

impl Origin {
    /// The origin of a request, from `Origin`, else from `Sec-Fetch-Site`.
    ///
    /// Every browser names the origin of a form that it sends by POST.
    pub(crate) fn of(request: &HttpRequest, settings: &Settings) -> Self {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap_or("null"))
        };
        let Some(origin) = header(ORIGIN.as_str()) else {
            return match header("sec-fetch-site") {
                None | Some("none") => Self::Unstated,
                Some("same-origin") => Self::Own,
                Some(_) => Self::Foreign,
            };
        };
        if is_own(origin, header(HOST.as_str()), &settings.base_url) {
            Self::Own
        } else if is_allowed_origin(&settings.allowed_origins, origin) {
            Self::Allowed
        } else {
            Self::Foreign
        }
    }
}

/// Our site is that of the base URL. An IP address or `localhost` is also ours if it is the host of the request. Another name
/// is not: its owner may let it point here.
fn is_own(origin: &str, host: Option<&str>, base_url: &str) -> bool {
    let Ok(from) = Url::parse(origin) else { return false };
    let is_linked = Url::parse(base_url).is_ok_and(|base| base.origin() == from.origin());
    let is_nameless = match from.host() {
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    is_linked || (is_nameless && authority == host)
}
