//! The page: its files, and what changes on it.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::demo::Context;

/// Nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Every file: where it is, what it is, what stands in it.
const FILES: [(&str, &str, &str); 12] = [
    ("/", HTML, include_str!("../page/page.html")),
    ("/page.css", STYLE, include_str!("../page/page.css")),
    ("/phone.css", STYLE, include_str!("../page/phone.css")),
    ("/page.js", SCRIPT, include_str!("../page/page.js")),
    ("/website.js", SCRIPT, include_str!("../page/website.js")),
    ("/phone.js", SCRIPT, include_str!("../page/phone.js")),
    ("/between.js", SCRIPT, include_str!("../page/between.js")),
    ("/words.js", SCRIPT, include_str!("../page/words.js")),
    ("/icon.svg", PICTURE, include_str!("../page/icon.svg")),
    ("/bottles.svg", PICTURE, include_str!("../page/pictures/bottles.svg")),
    ("/parcel.svg", PICTURE, include_str!("../page/pictures/parcel.svg")),
    ("/label.svg", PICTURE, include_str!("../page/pictures/label.svg")),
];

/// A file of the page. `/ticket/{ref}`, where the links in messages lead, is the page too.
pub(crate) async fn file(request: HttpRequest) -> HttpResponse {
    let path = if request.path().starts_with("/ticket/") {
        "/"
    } else {
        request.path()
    };
    let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| *known == path) else {
        return HttpResponse::NotFound().finish();
    };
    HttpResponse::Ok()
        .content_type(*kind)
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("cache-control", "no-cache"))
        .body(*text)
}

/// `GET /state`: everything that the page shows; 304 while nothing changes. Tags of a previous start do not match.
pub(crate) async fn state(request: HttpRequest, context: Data<Context>) -> HttpResponse {
    let state = context.state.look();
    let etag = format!("\"{}-{}\"", state.run, state.version);
    let seen = request.headers().get("if-none-match");
    if seen.is_some_and(|seen| seen.as_bytes() == etag.as_bytes()) {
        return HttpResponse::NotModified().finish();
    }
    HttpResponse::Ok().insert_header(("etag", etag)).json(&*state)
}
