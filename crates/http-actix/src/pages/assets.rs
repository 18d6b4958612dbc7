//! Scripts. Style sheets are part of the pages.

use std::{borrow::Cow, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ETAG, EntityTag, Header, HeaderName, HeaderValue, IfNoneMatch,
    },
    web::{Data, ServiceConfig},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    Settings,
    pages::{Site, whatsapp},
    readable::readable,
};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A script.
pub(super) struct Script {
    text: Cow<'static, str>,
    tag: EntityTag,
}

impl Script {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let hash = BASE64_STANDARD.encode(Sha256::digest(&*text));
        Self {
            text,
            tag: EntityTag::new_strong(hash),
        }
    }

    /// The script, or 304 if the caller has it.
    fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let is_known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => request.headers().contains_key("if-none-match"),
            Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(&self.tag)),
            Err(_) => false,
        };
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((ETAG, self.tag.to_string()))
            .insert_header((CACHE_CONTROL, "public, max-age=300"));
        if is_known {
            return response.finish();
        }
        response
            .content_type("text/javascript; charset=utf-8")
            .body(self.text.clone())
    }
}

static PAGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("assets/page.js")));
static INBOX: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("assets/inbox.js")));

/// The form for other people's websites. It is told what this desk can do.
pub(super) fn widget(settings: &Settings) -> Script {
    let whatsapp = settings.whatsapp_number.as_ref();
    let desk = json!({
        "mail": settings.mail,
        "whatsapp": whatsapp.map(|number| whatsapp::link(number, "{ref}")),
    });
    Script::new(include_str!("assets/widget.js").replacen("DESK = {}", &format!("DESK = {desk}"), 1))
}

/// Maps paths to scripts.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(readable("/assets/page.js", async |request: HttpRequest| {
            PAGE.respond(&request)
        }))
        .service(readable("/assets/inbox.js", async |request: HttpRequest| {
            INBOX.respond(&request)
        }))
        .service(readable("/widget.js", show_widget));
}

/// Any site may load it. The API decides which sites may send tickets.
async fn show_widget(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let mut response = site.widget.respond(&request);
    let headers = response.headers_mut();
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use crate::testing::{Request, TestApp};

    #[test]
    fn scripts_are_cached_and_revalidated_by_their_tag() {
        let site = TestApp::start();
        for target in ["/assets/page.js", "/assets/inbox.js", "/widget.js"] {
            let script = site.get(target);
            assert_eq!(script.status, 200);
            assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
            assert_eq!(script.header("cache-control"), Some("public, max-age=300"));
            let tag = script.header("etag").unwrap();
            for (known, status) in [(tag, 304), ("*", 304), ("\"other\"", 200), ("nonsense", 200)] {
                let again = site.send(Request::get(target).header("if-none-match", known));
                assert_eq!((again.status, again.header("etag")), (status, Some(tag)), "{known}");
                assert_eq!(again.text().is_empty(), status == 304 || script.text().is_empty());
            }
        }
    }

    #[test]
    fn only_the_widget_is_for_other_sites() {
        let site = TestApp::start();
        let widget = site.get("/widget.js");
        assert_eq!(widget.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(widget.header("access-control-allow-origin"), Some("*"));
        // The honeypot.
        assert!(
            widget.has("\"website\", \"Leave this empty\"")
                && widget.has("Please empty this field: it helps us stop spam.")
        );
        // Even without compression.
        assert!(widget.text().len() < 22 * 1024, "{}", widget.text().len());
        for forbidden in ["innerHTML", "sessionStorage", "cookie", "eval("] {
            assert!(!widget.has(forbidden), "{forbidden}");
        }
        assert!(widget.has("DESK = {\"mail\":false,\"whatsapp\":null};"));
        let page = site.get("/assets/page.js");
        assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
    }

    #[test]
    fn the_widget_knows_what_the_desk_can_do() {
        let site = TestApp::with(|setup| {
            setup.settings.mail = true;
            setup.settings.whatsapp_number = "+14155238886".parse().ok();
        });
        let expected = "\"mail\":true,\"whatsapp\":\"https://wa.me/14155238886?text=My%20request%20{ref}%3A%20\"";
        assert!(site.get("/widget.js").has(expected));
    }
}
