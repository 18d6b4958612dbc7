//! The pages as tests see them: over a real store, which can be taken away.
// The tests' surroundings are the real ones, so here is one of the places that ask for the time and for chance.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, test};
use store_diesel::SqliteStore;
use ticket_domain::{
    Channel, Content, DeliveryRoute, Managers, Message, MessageId, Payload, Sender, TicketLinks, TicketRef, Timestamp,
    ports::{Append, Clock, Composer, Event, Random, Store, TicketStore, WakeSignal},
    use_cases::{Context, Operate, ReportReceipt},
};
use url::form_urlencoded;

use crate::{AppState, DeliveryMetrics, Settings, pages::routes, testing::FailingStore};

/// Where the tests' site is found.
pub(crate) const BASE: &str = "https://desk.example";

/// How a test wants its site.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
}

/// The pages over a store.
pub(crate) struct Site {
    state: AppState,
    store: Arc<FailingStore>,
}

/// What a browser sends.
pub(crate) struct Ask {
    request: test::TestRequest,
}

/// What it gets.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        time::OffsetDateTime::now_utc().into()
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            chunk.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..chunk.len()]);
        }
    }
}

struct NobodyIsTold;

impl Composer for NobodyIsTold {
    fn compose(&self, _: Event<'_>) -> Payload {
        Payload(Box::default())
    }

    fn redirect(&self, _: &Payload, _: DeliveryRoute) -> Option<Payload> {
        None
    }
}

impl WakeSignal for NobodyIsTold {
    fn wake(&self) {}
}

/// A ticket that a test opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Its page, with the customer's key.
    pub(crate) page: String,
    pub(crate) reference: String,
}

/// The fields of a good form.
pub(crate) const GOOD: [(&str, &str); 6] = [
    ("customerName", "John Doe"),
    ("customerPhone", "+1 234 567-890"),
    ("customerEmail", "john@example.com"),
    ("subject", "Product Quality Issue"),
    ("message", "I received damaged bottles in my last order."),
    ("priority", "high"),
];

/// A good form with some fields otherwise, or more.
pub(crate) fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = GOOD.to_vec();
    for (name, value) in changes {
        fields.retain(|(other, _)| other != name);
        fields.push((name, value));
    }
    fields
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            settings: Settings {
                base_url: BASE.into(),
                ..Settings::default()
            },
        };
        change(&mut setup);
        let sqlite = SqliteStore::temporary().unwrap();
        let failing = Arc::new(FailingStore::new(Arc::new(sqlite), false));
        let store: Arc<dyn Store> = failing.clone();
        let context = Context {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            composer: Arc::new(NobodyIsTold),
            wake: Arc::new(NobodyIsTold),
            links: TicketLinks::new(&setup.settings.base_url, setup.settings.ticket_access),
            has_receiver: true,
        };
        let receipts = Arc::new(ReportReceipt::new(
            store.clone(),
            context.composer.clone(),
            context.clock.clone(),
            context.wake.clone(),
        ));
        let managers = Managers::new(vec!["+919655716000".parse().unwrap()]);
        let metrics = DeliveryMetrics::default();
        let state = AppState::new(&store, context, managers, receipts, metrics, setup.settings).unwrap();
        Self { state, store: failing }
    }

    /// From now on the store fails at everything, or works again.
    pub(crate) fn take_store_away(&self, is_down: bool) {
        self.store.set_failing(is_down);
    }

    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        let app = App::new()
            .configure(|config| self.state.register(config))
            .configure(routes);
        let app = test::init_service(app).await;
        let response = test::call_service(&app, ask.request.to_request()).await;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(test::read_body(response).await.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    pub(crate) async fn post(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Ask::post(target, fields)).await
    }

    /// Opens a ticket by the form.
    pub(crate) async fn open(&self, changes: &[(&str, &str)]) -> Opened {
        let answer = self.post("/", &form(changes)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = answer.header("location").unwrap().to_owned();
        let (_, reference) = page.split_once("/ticket/").unwrap();
        let (reference, _) = reference.split_once('?').unwrap();
        Opened {
            reference: reference.to_owned(),
            page,
        }
    }

    /// A message from the team.
    pub(crate) async fn answer(&self, reference: &str, text: &str, media: Option<&str>) {
        let ticket = self.thread(reference).await.ticket;
        let now = SystemClock.now();
        let append = Append {
            to: ticket.id,
            message: Message {
                id: MessageId(uuid::Uuid::new_v4()),
                sender: Sender::Manager,
                channel: Channel::Whatsapp,
                from: None,
                content: Content::new(text.parse().unwrap(), media.map(|media| media.parse().unwrap())).unwrap(),
                external_id: None,
                created_at: now,
            },
            notification: None,
            reopen: false,
            ends_question_of: None,
            idempotency: None,
            note: None,
        };
        self.store.append(append).await.unwrap();
    }

    /// The ticket as it is stored.
    pub(crate) async fn thread(&self, reference: &str) -> ticket_domain::Thread {
        let reference: TicketRef = reference.parse().unwrap();
        self.store.thread(reference).await.unwrap().unwrap()
    }

    /// How many tickets there are.
    pub(crate) async fn count(&self) -> u64 {
        let always = Timestamp::from_unix_micros(0).unwrap();
        self.store.opened_since(always).await.unwrap()
    }

    /// What operators do.
    pub(crate) fn operate(&self) -> &Operate {
        &self.state.operate
    }
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let local: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let request = test::TestRequest::with_uri(target)
            .method(method.parse().unwrap())
            .peer_addr(local)
            .insert_header(("host", "desk.example"));
        Self { request }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self::new("POST", target)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self {
            request: self.request.insert_header((name, value)),
        }
    }

    pub(crate) fn body(self, body: String) -> Self {
        Self {
            request: self.request.set_payload(body),
        }
    }

    /// From an address that is limited.
    pub(crate) fn afar(self, address: &str) -> Self {
        let address: SocketAddr = format!("{address}:5000").parse().unwrap();
        Self {
            request: self.request.peer_addr(address),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// What the page's forms carry in a hidden field; nothing if there is none.
    pub(crate) fn hidden(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    /// That it is a whole page of ours, of a status, with everything that protects it.
    pub(crate) fn assert_page(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
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
        assert!(self.body.starts_with("<!DOCTYPE html>"));
        assert_eq!(self.body.matches("<h1").count(), 1);
        assert_eq!(self.body.matches("<main").count(), 1);
        assert!(self.has("href=\"#main\"") && self.has("id=\"main\""));
        assert!(!self.has(" style=\"") && !self.has(" onclick="));
        assert_eq!(self.body.matches("<script").count(), 1, "one script, by its address");
        assert!(self.body.len() < 50 * 1024, "{} bytes", self.body.len());
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

impl Answer {
    /// That a text does not stand in the page as it is, if it could do harm so. A single quote alone can't: no attribute
    /// of ours stands in single quotes.
    pub(crate) fn assert_tamed(&self, text: &str) {
        assert!(escaped(text) == text || !self.has(text), "{text}");
    }
}

/// A text as it stands in a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
