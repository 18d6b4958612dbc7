//! From which site a form was sent.

use actix_web::{
    HttpRequest,
    http::header::{HOST, ORIGIN},
};

use crate::Settings;

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

/// Ours is the site that links lead to, and the one that this very request was sent to.
fn is_own(origin: &str, host: Option<&str>, base_url: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let is_ours = url::Url::parse(base_url).is_ok_and(|base| base.origin().ascii_serialization() == origin);
    is_ours || (authority.is_some() && authority == host)
}
