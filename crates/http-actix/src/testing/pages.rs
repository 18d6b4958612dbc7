//! Forms, and checks of every page.

use ticket_domain::{
    Channel, Content, Message, MessageId, Sender, Thread, TicketRef, Timestamp, Visibility,
    ports::{Append, Clock, TicketStore},
};

use super::{Request, Response, TestApp, unused_key, wait};

/// A ticket that a test opened by the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenedPage {
    /// Its page, with the customer's key.
    pub(crate) page: String,
    pub(crate) reference: String,
}

/// The fields of a valid form.
pub(crate) const GOOD: [(&str, &str); 6] = [
    ("customerName", "John Doe"),
    ("customerPhone", "+1 234 567-890"),
    ("customerEmail", "john@example.com"),
    ("subject", "Product Quality Issue"),
    ("message", "I received damaged bottles in my last order."),
    ("priority", "high"),
];

/// A valid form with some fields changed or added.
pub(crate) fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = GOOD.to_vec();
    for (name, value) in changes {
        fields.retain(|(other, _)| other != name);
        fields.push((name, value));
    }
    fields
}

impl TestApp {
    /// Sends a form without an `Origin`.
    pub(crate) fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(Request::form(target, fields))
    }

    /// Opens a ticket by the form, which has a token of its own unless another is given.
    pub(crate) fn open(&self, changes: &[(&str, &str)]) -> OpenedPage {
        let token = unused_key();
        let changes = [&[("idempotencyKey", token.as_str())], changes].concat();
        let response = self.post("/", &form(&changes));
        assert_eq!(response.status, 303, "{}", response.text());
        let page = response.header("location").unwrap().to_owned();
        let (_, reference) = page.split_once("/ticket/").unwrap();
        let (reference, _) = reference.split_once('?').unwrap();
        OpenedPage {
            reference: reference.to_owned(),
            page,
        }
    }

    /// Adds a message from the team.
    pub(crate) fn answer(&self, reference: &str, text: &str, media: Option<&str>) {
        let millis = u64::try_from(self.clock.now().unix_micros() / 1_000).unwrap();
        let random = uuid::Uuid::new_v4().as_u64_pair().1.to_be_bytes();
        let random = std::array::from_fn(|at| random[at % 8]);
        let append = Append {
            to: self.thread(reference).ticket.id,
            message: Message {
                id: MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()),
                sender: Sender::Manager,
                channel: Channel::Whatsapp,
                from: None,
                content: Content::new(text.parse().unwrap(), media.map(|media| media.parse().unwrap())).unwrap(),
                attachments: Vec::new(),
                visibility: Visibility::Public,
                external_id: None,
                created_at: self.clock.now(),
            },
            attachments: Vec::new(),
            notifications: Vec::new(),
            reopen: false,
            idempotency: None,
            note: None,
            max_of_sender: None,
        };
        wait(self.store.append(append)).unwrap();
    }

    /// The ticket as it is stored.
    pub(crate) fn thread(&self, reference: &str) -> Thread {
        let reference: TicketRef = reference.parse().unwrap();
        wait(self.store.thread(reference)).unwrap().unwrap()
    }

    /// How many tickets there are.
    pub(crate) fn count(&self) -> u64 {
        let always = Timestamp::from_unix_micros(0).unwrap();
        wait(self.store.opened_since(always)).unwrap()
    }
}

impl Response {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// That the page has all of these.
    pub(crate) fn shows(&self, all: &[&str]) {
        for one in all {
            assert!(self.has(one), "no {one:?} in {}", self.page_body());
        }
    }

    /// That the page has none of these.
    pub(crate) fn lacks(&self, all: &[&str]) {
        for one in all {
            assert!(!self.has(one), "{one:?} in {}", self.page_body());
        }
    }

    /// The page without its head, and so without its style.
    pub(crate) fn page_body(&self) -> &str {
        self.text().split_once("</head>").map_or(self.text(), |(_, body)| body)
    }

    /// The address behind the first link with this text.
    pub(crate) fn link(&self, text: &str) -> Option<String> {
        self.address_before("href=\"", &format!(">{text}</a>"))
    }

    /// The address in the last attribute before a text.
    pub(crate) fn address_before(&self, attribute: &str, text: &str) -> Option<String> {
        let (before, _) = self.text().split_once(text)?;
        let (_, value) = before.rsplit_once(attribute)?;
        Some(value.split('"').next().unwrap().replace("&amp;", "&"))
    }

    /// That the page is whole and stays below 50 KiB.
    #[track_caller]
    pub(crate) fn assert_small(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.text().len() < 50 * 1024, "{} bytes", self.text().len());
    }

    /// The value of a hidden field; none if there is none.
    pub(crate) fn hidden(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    /// Checks the status, the structure and the protective headers of a page.
    pub(crate) fn assert_page(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(self.header("referrer-policy"), Some("same-origin"));
        assert_eq!(self.header("cache-control"), Some("private, no-cache"));
        let policy = self.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "style-src 'sha256-",
            "script-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(self.text().starts_with("<!DOCTYPE html>"));
        assert_eq!(self.text().matches("<h1").count(), 1);
        assert_eq!(self.text().matches("<main").count(), 1);
        assert!(self.has("href=\"#main\"") && self.has("id=\"main\""));
        assert!(!self.has(" style=\"") && !self.has(" onclick="));
        assert_eq!(self.text().matches("<script").count(), 1, "one script, by its address");
        assert!(self.text().len() < 50 * 1024, "{} bytes", self.text().len());
    }

    /// Checks that the page does not contain a text unescaped, if it could do harm. A single quote can't: no attribute has single
    /// quotes.
    pub(crate) fn assert_tamed(&self, text: &str) {
        assert!(escaped(text) == text || !self.has(text), "{text}");
    }
}

/// Texts that would do harm in a page that does not escape them.
pub(crate) const NASTY: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "</textarea><script>alert(1)</script>",
    "</title><svg/onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "<!--",
    "]]><b>x</b>",
    "&lt;script&gt; &amp;quot;",
    "<a href=\"javascript:alert(1)\">x</a>",
    "\u{202e}<i>right to left",
];

/// The escaped text.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
