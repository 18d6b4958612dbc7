//! Pages for what went wrong, in plain words: what happened, whether anything is lost, and what to do.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ALLOW, HeaderValue, RETRY_AFTER},
    },
    web::Data,
};
use maud::html;

use crate::access::TooMany;
use crate::pages::{
    Pages,
    form_data::FormError,
    layout::{Audience, Page, frame},
};

/// A page that says what went wrong.
pub(crate) struct ErrorPage<'a> {
    pub(crate) status: StatusCode,
    pub(crate) title: &'a str,
    /// Sentences, a paragraph each.
    pub(crate) words: &'a [&'a str],
}

impl ErrorPage<'_> {
    pub(crate) fn respond(&self, pages: &Pages) -> HttpResponse {
        let main = html! {
            main #main.wrap.narrow tabindex="-1" {
                div.empty {
                    h1 { (self.title) }
                    @for words in self.words { p { (words) } }
                    a.button href=(pages.at("/")) { "Write to us" }
                }
            }
        };
        let body = frame(pages, &html! {}, &main);
        let page = Page {
            title: self.title,
            audience: Audience::Public,
            body,
        };
        page.respond(pages, self.status)
    }
}

/// No page has this address.
pub(crate) fn nothing_here(pages: &Pages) -> HttpResponse {
    let words = ["The address may have a typing error, or the page has moved."];
    let trouble = ErrorPage {
        status: StatusCode::NOT_FOUND,
        title: "There is nothing here",
        words: &words,
    };
    trouble.respond(pages)
}

/// Answers where nothing else does. What programs ask for gets no page: the server writes its problem.
pub(crate) async fn nowhere(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    let path = request.path();
    let is_below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_below("/api") || is_below("/docs") {
        return HttpResponse::NotFound().finish();
    }
    nothing_here(&pages)
}

/// The ticket does not exist, or the reader may not know that it does.
pub(crate) fn no_such_ticket(pages: &Pages) -> HttpResponse {
    let words = [
        "No ticket can be shown at this address.",
        "Please use the whole link that you got when you wrote to us: the part after the question mark belongs to it.",
    ];
    let trouble = ErrorPage {
        status: StatusCode::NOT_FOUND,
        title: "We can’t find this ticket",
        words: &words,
    };
    trouble.respond(pages)
}

/// The page is there, and is asked in a way that it does not know. `allow` lists those that it does.
pub(crate) fn not_that_way(pages: &Pages, allow: &'static str) -> HttpResponse {
    let words = ["This page can’t be used in the way that was asked."];
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let trouble = ErrorPage {
        status,
        title: "That does not work here",
        words: &words,
    };
    let mut response = trouble.respond(pages);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The form came from a site that may not send it.
pub(crate) fn foreign(pages: &Pages) -> HttpResponse {
    let words = [
        "The page that you came from may not send forms to us. Nothing was stored.",
        "Please write to us here instead.",
    ];
    let trouble = ErrorPage {
        status: StatusCode::FORBIDDEN,
        title: "This form can’t be taken",
        words: &words,
    };
    trouble.respond(pages)
}

/// Only the customer writes on the customer's page.
pub(crate) fn not_yours(pages: &Pages) -> HttpResponse {
    let words = [
        "Only the link that you got when you wrote to us lets you write here. Your message was not sent.",
        "Go back to keep your words, and open that link.",
    ];
    let trouble = ErrorPage {
        status: StatusCode::FORBIDDEN,
        title: "You can read this ticket, not answer it",
        words: &words,
    };
    trouble.respond(pages)
}

/// The form could not be read.
pub(crate) fn unreadable(pages: &Pages, error: FormError) -> HttpResponse {
    let reason = error.to_string();
    let words = [
        reason.as_str(),
        "Nothing was stored. Go back: what you typed should still be there.",
    ];
    let trouble = ErrorPage {
        status: error.status(),
        title: "This did not reach us",
        words: &words,
    };
    trouble.respond(pages)
}

/// Too many came at once.
pub(crate) fn too_many(pages: &Pages, error: TooMany) -> HttpResponse {
    let wait = wait(error);
    let words = ["Very many requests came from your connection just now.", wait.as_str()];
    let status = StatusCode::TOO_MANY_REQUESTS;
    let trouble = ErrorPage {
        status,
        title: "One moment, please",
        words: &words,
    };
    retry_after(trouble.respond(pages), error)
}

/// How long to wait, as a sentence.
pub(crate) fn wait(TooMany { seconds }: TooMany) -> String {
    match seconds {
        1 => "Please wait a second, and try again.".to_owned(),
        _ => format!("Please wait {seconds} seconds, and try again."),
    }
}

/// Tells programs how long to wait.
pub(crate) fn retry_after(mut response: HttpResponse, TooMany { seconds }: TooMany) -> HttpResponse {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The store does not answer.
pub(crate) fn out_of_order(pages: &Pages) -> HttpResponse {
    let words = [
        "We can’t get at the tickets just now. Yours is safe.",
        "Please try again in a minute.",
    ];
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let trouble = ErrorPage {
        status,
        title: "Something is out of order here",
        words: &words,
    };
    trouble.respond(pages)
}

#[cfg(test)]
mod tests {
    use crate::pages::testing::{Ask, NASTY, Site};

    #[actix_web::test]
    async fn an_unknown_address_has_a_page() {
        let site = Site::start();
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
            let page = site.get(target).await;
            page.assert_page(404);
            assert!(page.has("There is nothing here") && page.has("href=\"/\""), "{target}");
        }
        for nasty in NASTY {
            let path: String = url::form_urlencoded::byte_serialize(nasty.as_bytes()).collect();
            let page = site.get(&format!("/{path}?{path}")).await;
            page.assert_page(404);
            page.assert_tamed(nasty);
        }
    }

    #[actix_web::test]
    async fn what_programs_ask_for_gets_no_page() {
        let site = Site::start();
        for target in ["/api", "/api/nothing", "/api/ticket/a/b", "/docs/x"] {
            let answer = site.get(target).await;
            // The server around the pages writes a problem into it.
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{target}");
        }
    }

    #[actix_web::test]
    async fn another_method_is_told_the_right_ones() {
        let site = Site::start();
        for target in ["/", "/ticket/T-20250115-1234"] {
            let page = site.send(Ask::new("DELETE", target)).await;
            page.assert_page(405);
            assert_eq!(page.header("allow"), Some("GET, HEAD, POST"), "{target}");
        }
    }
}
