//! The frame of every page.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::pages::Site;

/// A style sheet that is part of the page, so that one response is enough to paint it.
pub(crate) struct Sheet {
    text: String,
    /// Its hash for the policy.
    hash: String,
}

impl Sheet {
    fn of(parts: &[&str]) -> Self {
        let text = parts.concat();
        let hash = format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(&text)));
        Self { text, hash }
    }
}

static PUBLIC: LazyLock<Sheet> =
    LazyLock::new(|| Sheet::of(&[include_str!("assets/style.css"), include_str!("assets/public.css")]));
static INBOX: LazyLock<Sheet> =
    LazyLock::new(|| Sheet::of(&[include_str!("assets/style.css"), include_str!("assets/inbox.css")]));

/// A speech bubble, so that no browser asks for an icon.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
    %3Cpath fill='%230b6e5a' d='M8 3h16a5 5 0 0 1 5 5v10a5 5 0 0 1-5 5H13l-7 6v-6.4A5 5 0 0 1 3 18V8a5 5 0 0 1 5-5z'/%3E\
    %3C/svg%3E";

/// Who a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Customers.
    Public,
    /// Customers, in a frame of the widget. Allowed sites may have the page within theirs.
    Embedded,
    /// Operators.
    Inbox,
}

impl Audience {
    fn sheet(self) -> &'static Sheet {
        match self {
            Self::Public | Self::Embedded => &PUBLIC,
            Self::Inbox => &INBOX,
        }
    }

    /// The script that improves what works without it.
    fn script(self) -> &'static str {
        match self {
            Self::Public | Self::Embedded => "/assets/page.js",
            Self::Inbox => "/assets/inbox.js",
        }
    }
}

/// A page.
pub(crate) struct Page<'a> {
    /// The title, without the site's name.
    pub(crate) title: &'a str,
    pub(crate) audience: Audience,
    /// Everything within `<body>`.
    pub(crate) body: Markup,
}

impl Page<'_> {
    /// The response. Forms may be sent to this site only, which may redirect to an allowed one.
    pub(crate) fn respond(self, site: &Site, status: StatusCode) -> HttpResponse {
        let settings = &site.settings;
        let sheet = self.audience.sheet();
        let form_targets = settings.allowed_origins.join(" ");
        let ancestors = match self.audience {
            Audience::Embedded if !form_targets.is_empty() => form_targets.as_str(),
            _ => "'none'",
        };
        let policy = format!(
            "default-src 'none'; style-src {}; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
             form-action 'self' {form_targets}; base-uri 'none'; frame-ancestors {ancestors}",
            sheet.hash
        );
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="theme-color" media="(prefers-color-scheme: light)" content="#ffffff";
                    meta name="theme-color" media="(prefers-color-scheme: dark)" content="#1c1f25";
                    link rel="icon" href=(ICON);
                    title { (self.title) " · " (settings.site_name) }
                    style { (PreEscaped(&sheet.text)) }
                    script src=(site.at(self.audience.script())) defer {}
                }
                body { (self.body) }
            }
        };
        HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, policy))
            // Addresses contain keys, so other sites must not get them. Our own pages need the referrer.
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header((CACHE_CONTROL, "private, no-cache"))
            .body(markup.into_string())
    }
}

/// A page for customers: a way past the head, the head with `nav`, `main` (the element itself, of id `main`), and the foot.
pub(crate) fn public_page(site: &Site, status: StatusCode, title: &str, nav: &Markup, main: &Markup) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        header.top {
            div.wrap {
                a.brand href=(site.at("/")) { (site.settings.site_name) }
                @if !nav.0.is_empty() { nav aria-label="Pages" { (nav) } }
            }
        }
        (main)
        footer.foot { div.wrap { p { "This page sets no cookies and loads nothing from other sites." } } }
    };
    let page = Page {
        title,
        audience: Audience::Public,
        body,
    };
    page.respond(site, status)
}

/// A page for customers without head and foot, for the widget.
pub(crate) fn embedded_page(site: &Site, status: StatusCode, title: &str, main: Markup) -> HttpResponse {
    let page = Page {
        title,
        audience: Audience::Embedded,
        body: main,
    };
    page.respond(site, status)
}
