//! From which site a form was sent.

use actix_web::{
    HttpRequest,
    http::header::{HOST, ORIGIN},
};

use url::{Host, Url};

use crate::pages::Settings;

/// Where a request comes from, as the browser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From one of our own pages, or from no browser at all.
    Own,
    /// From a page of an allowed site.
    Allowed(String),
    /// From elsewhere.
    Foreign,
}

impl Origin {
    /// Every browser names the origin of a form that is sent by POST. Who names none is no browser, and has no visitor's
    /// cookies to misuse; but a browser that says the request crosses sites is believed.
    pub(crate) fn of(request: &HttpRequest, settings: &Settings) -> Self {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap_or("null"))
        };
        let Some(origin) = header(ORIGIN.as_str()) else {
            return match header("sec-fetch-site") {
                None | Some("same-origin" | "none") => Self::Own,
                Some(_) => Self::Foreign,
            };
        };
        if is_own(origin, header(HOST.as_str()), &settings.base_url) {
            Self::Own
        } else if settings.allowed_origins.iter().any(|allowed| allowed == origin) {
            Self::Allowed(origin.to_owned())
        } else {
            Self::Foreign
        }
    }
}

/// Ours is the site that links lead to. Who came by an address or as `localhost` is on the site that this very request was
/// sent to; by another name it proves nothing, since whoever owns a name may have it lead here.
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
