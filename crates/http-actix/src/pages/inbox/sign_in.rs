//! Signing in with an operator token, and signing out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, RETRY_AFTER, SET_COOKIE},
    },
    web::Data,
};
use maud::{Markup, html};
use ticket_domain::ports::{Clock, Random};
use url::Url;

use super::{
    Rejection,
    auth::OperatorForm,
    error_page::{self, bare_page, kept},
    see_other,
    session::Session,
};
use crate::{
    access::AccessControl,
    pages::{Site, form_data::Form, origin::Origin},
};

/// The page that asks for the token instead of answering `request`. `typed` is the text of a form, which would be lost.
pub(super) fn asked(site: &Site, request: &HttpRequest, typed: Option<&str>) -> Rejection {
    let next = match typed {
        None => request.uri().path_and_query().map_or("", |asked| asked.as_str()),
        // An action is not a page to return to.
        Some(_) => "",
    };
    let said = typed.filter(|typed| !typed.trim().is_empty()).map(|typed| {
        html! {
            p.notice.warn { "Your session has ended, so this was not sent. Copy it, sign in, and send it again." }
            (kept(typed))
        }
    });
    form(site, StatusCode::UNAUTHORIZED, next, None, said.as_ref()).into()
}

/// `POST /inbox/session`
pub(super) async fn begin(
    request: HttpRequest,
    form: Form,
    site: Data<Site>,
    access: Data<AccessControl>,
    random: Data<dyn Random>,
    clock: Data<dyn Clock>,
) -> Result<HttpResponse, Rejection> {
    if !matches!(Origin::of(&request, &site.settings), Origin::Own | Origin::Unstated) {
        return Ok(error_page::foreign_origin(&site));
    }
    let given = form
        .read()
        .await
        .map_err(|error| error_page::unreadable_form(&site, error))?;
    let next = given.get("next");
    let token = match access.operator_token(given.get("token").trim().as_bytes(), &request) {
        Ok(token) => token,
        Err(too_many) => return Err(wait(&site, next, too_many.seconds).into()),
    };
    let Some(token) = token else {
        let error = Some("This is not the token.");
        return Err(self::form(&site, StatusCode::UNAUTHORIZED, next, error, None).into());
    };
    let session = Session::begin(token, clock.now(), &**random);
    let cookie = session.cookie(&site.at("/inbox"), site.settings.is_https());
    Ok(with_cookie(see_other(&site.at(&within_inbox(next))), &cookie))
}

/// `POST /inbox/session/end`
pub(super) async fn end(act: OperatorForm) -> HttpResponse {
    let site = &act.operator.site;
    let cookie = Session::no_cookie(&site.at("/inbox"), site.settings.is_https());
    with_cookie(see_other(&site.at("/inbox")), &cookie)
}

fn with_cookie(mut response: HttpResponse, cookie: &str) -> HttpResponse {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// `next` if it is the address of a page of the inbox, else the inbox itself.
fn within_inbox(next: &str) -> String {
    let inbox = || "/inbox".to_owned();
    let Ok(base) = Url::parse("http://inbox.invalid") else {
        return inbox();
    };
    // Parsed as browsers do, which recognises `//`, `\`, `..` and other origins.
    match base.join(next) {
        Ok(url) if url.origin() == base.origin() && is_page(url.path()) => match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        },
        _ => inbox(),
    }
}

fn is_page(path: &str) -> bool {
    let below = path.strip_prefix("/inbox");
    below.is_some_and(|below| below.is_empty() || below.starts_with('/')) && path != "/inbox/events"
}

fn wait(site: &Site, next: &str, seconds: u64) -> HttpResponse {
    let error = format!("Too many wrong tokens. The next try may come in {seconds} s.");
    let mut response = form(site, StatusCode::TOO_MANY_REQUESTS, next, Some(&error), None);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn form(site: &Site, status: StatusCode, next: &str, error: Option<&str>, said: Option<&Markup>) -> HttpResponse {
    if site.tokens().next().is_none() {
        return bare_page(site, status, "The inbox is closed", &how_to_open());
    }
    let words = html! {
        @if let Some(said) = said { (said) }
        form.stack method="post" action=(site.at("/inbox/session")) {
            input type="hidden" name="next" value=(within_inbox(next));
            // Password managers store a secret under a name.
            input type="text" name="username" value="operator" autocomplete="username" hidden;
            div.field {
                label for="token" { "Token" }
                p.help #token-help { "The one that the server was given as " code { "OPERATOR_TOKEN" } "." }
                input.input #token type="password" name="token" autocomplete="current-password" required autofocus
                    aria-describedby=(if error.is_some() { "token-help token-fault" } else { "token-help" })
                    aria-invalid=[error.map(|_| "true")];
                @if let Some(error) = error { p.fault #token-fault role="alert" { (error) } }
            }
            button.button { "Sign in" }
        }
    };
    bare_page(site, status, "Sign in", &words)
}

fn how_to_open() -> Markup {
    html! {
        p {
            "Nobody can sign in until the server has a token. Make one with " code { "openssl rand -hex 32" }
            ", give it to the server as the environment variable " code { "OPERATOR_TOKEN" }
            " (or as a file named by " code { "OPERATOR_TOKEN_FILE" } "), start the server again, and come back here."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_never_leaves_the_inbox() {
        for (next, expected) in [
            ("/inbox", "/inbox"),
            ("/inbox/ticket/T-1?q=a%20b", "/inbox/ticket/T-1?q=a%20b"),
            ("/inbox?status=any", "/inbox?status=any"),
            ("/inbox//elsewhere.example", "/inbox//elsewhere.example"),
            ("", "/inbox"),
            ("/", "/inbox"),
            ("/ticket/T-1", "/inbox"),
            ("/inboxes", "/inbox"),
            ("/inbox/events", "/inbox"),
            ("//elsewhere.example/inbox", "/inbox"),
            ("\\\\elsewhere.example/inbox", "/inbox"),
            ("/\\elsewhere.example/inbox", "/inbox"),
            ("https://elsewhere.example/inbox", "/inbox"),
            ("http:elsewhere", "/inbox"),
            ("javascript:alert(1)", "/inbox"),
            ("/inbox/../ticket/T-1", "/inbox"),
            ("/inbox/%2e%2e/ticket/T-1", "/inbox"),
            ("/inbox/..\\..\\x", "/inbox"),
            ("/inbox\r\nset-cookie: a=b", "/inbox"),
            ("/inbox/\r\nx", "/inbox/x"),
        ] {
            assert_eq!(within_inbox(next), expected, "{next:?}");
        }
    }
}
