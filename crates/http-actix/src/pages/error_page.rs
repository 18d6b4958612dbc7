//! Error pages: what happened, whether anything is lost, and what to do.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ALLOW, HeaderValue, RETRY_AFTER},
    },
    web::Data,
};
use maud::html;

use crate::{
    access::TooMany,
    pages::{Site, form_data::FormError, layout::public_page},
};

/// A page with a title and a paragraph for each sentence.
fn error_page(site: &Site, status: StatusCode, title: &str, sentences: &[&str]) -> HttpResponse {
    let main = html! {
        main #main.wrap.narrow tabindex="-1" {
            div.empty {
                h1 { (title) }
                @for sentence in sentences { p { (sentence) } }
                a.button href=(site.at("/")) { "Contact us" }
                @if status == StatusCode::NOT_FOUND && site.settings.mail {
                    p { a href=(site.at("/find")) { "Lost your link? Find my request" } }
                }
            }
        }
    };
    public_page(site, status, title, &html! {}, &main)
}

/// Answers paths that no route has. Below the API's paths it leaves the body to the request log, which writes a problem.
pub(crate) async fn not_found(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let path = request.path();
    let is_below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_below("/api") || is_below("/docs") {
        return HttpResponse::NotFound().finish();
    }
    nothing_here(&site)
}

/// There is no such page.
pub(crate) fn nothing_here(site: &Site) -> HttpResponse {
    let sentences = ["The address may have a typing error, or the page has moved."];
    error_page(site, StatusCode::NOT_FOUND, "There is nothing here", &sentences)
}

/// The ticket does not exist, or the visitor may not know that it does.
pub(crate) fn ticket_not_found(site: &Site) -> HttpResponse {
    let sentences = [
        "No ticket can be shown at this address.",
        "Please copy the whole link that you got when you wrote to us, including everything after “?”.",
    ];
    error_page(site, StatusCode::NOT_FOUND, "We can’t find this ticket", &sentences)
}

/// The page does not have this method. `allow` lists those that it has.
pub(crate) fn method_not_allowed(site: &Site, allow: &'static str) -> HttpResponse {
    let sentences = ["This page can’t be used in the way that was asked."];
    let mut response = error_page(
        site,
        StatusCode::METHOD_NOT_ALLOWED,
        "That does not work here",
        &sentences,
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The form came from a site that may not send it.
pub(crate) fn foreign_origin(site: &Site) -> HttpResponse {
    let sentences = [
        "This form isn’t allowed from that website. Nothing was stored.",
        "Please write to us here instead.",
    ];
    error_page(site, StatusCode::FORBIDDEN, "This form isn’t allowed here", &sentences)
}

/// Only the customer writes on the customer's page.
pub(crate) fn read_only(site: &Site) -> HttpResponse {
    let sentences = [
        "Only the link that you got when you wrote to us lets you write here. Your message was not sent.",
        "Go back to keep your words, and open that link.",
    ];
    let title = "You can read this ticket, not answer it";
    error_page(site, StatusCode::FORBIDDEN, title, &sentences)
}

/// The form could not be read.
pub(crate) fn unreadable_form(site: &Site, error: FormError) -> HttpResponse {
    let reason = error.to_string();
    let sentences = [
        reason.as_str(),
        "Nothing was stored. Go back: what you typed should still be there.",
    ];
    error_page(site, error.status(), "This did not reach us", &sentences)
}

/// The client spent its rate limit.
pub(crate) fn too_many_requests(site: &Site, error: TooMany) -> HttpResponse {
    let wait = wait(error);
    let reason = error.limit.explanation();
    let reason = reason.unwrap_or("Too many requests from your network.");
    let sentences = [reason, wait.as_str()];
    let page = error_page(site, StatusCode::TOO_MANY_REQUESTS, "One moment, please", &sentences);
    retry_after(page, error)
}

/// How long to wait, as a sentence.
pub(crate) fn wait(TooMany { seconds, .. }: TooMany) -> String {
    match seconds {
        1 => "Please wait a second, and try again.".to_owned(),
        2..120 => format!("Please wait {seconds} seconds, and try again."),
        _ => format!("Please wait {} minutes, and try again.", seconds.div_ceil(60)),
    }
}

/// Adds `Retry-After`.
pub(crate) fn retry_after(mut response: HttpResponse, TooMany { seconds, .. }: TooMany) -> HttpResponse {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The store does not answer.
pub(crate) fn service_unavailable(site: &Site) -> HttpResponse {
    let sentences = [
        "We can’t load your ticket right now. It is safe.",
        "Please try again in a minute.",
    ];
    let title = "Something went wrong";
    error_page(site, StatusCode::INTERNAL_SERVER_ERROR, title, &sentences)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Request, TestApp, pages::NASTY};

    #[test]
    fn an_unknown_address_has_a_page() {
        let site = TestApp::start();
        for target in [
            "/nothing",
            "/ticket",
            "/ticket/a/b",
            "/ticket/",
            "/assets/",
            "/apis",
            "/docsy",
            "/%ff",
        ] {
            let page = site.get(target);
            page.assert_page(404);
            assert!(page.has("There is nothing here") && page.has("href=\"/\""), "{target}");
        }
        for nasty in NASTY {
            let path: String = url::form_urlencoded::byte_serialize(nasty.as_bytes()).collect();
            let page = site.get(&format!("/{path}?{path}"));
            page.assert_page(404);
            page.assert_tamed(nasty);
        }
    }

    #[test]
    fn paths_of_the_api_get_problems() {
        let site = TestApp::start();
        for target in ["/api", "/api/nothing", "/api/ticket/a/b", "/docs/x"] {
            let answer = site.get(target);
            answer.assert_problem(404, "not_found");
        }
    }

    #[test]
    fn other_methods_get_the_allowed_ones() {
        let site = TestApp::start();
        for target in ["/", "/ticket/T-20250115-1234"] {
            let page = site.send(Request::new("DELETE", target));
            page.assert_page(405);
            assert_eq!(page.header("allow"), Some("GET, HEAD, POST"), "{target}");
        }
    }
}
