//! The inbox as tests see it: over a real store, by what a browser sends and gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod context;

use std::sync::Arc;

use actix_web::{
    App,
    body::MessageBody,
    dev::ServiceResponse,
    http::header::{HOST, ORIGIN},
    test::{TestRequest, call_service, init_service},
};
use context::{NobodyWakes, Subjects};
use ticket_domain::{
    Access, Managers, Message, MessageId, Priority, TicketLinks, TicketRef,
    ports::{AttemptOutcome, Claim, Clock, QuestionUpdate, Store, StoreUnmatched},
    testing::request,
    use_cases::{Context, ReportReceipt},
};

use crate::{AppState, DeliveryMetrics, Settings, pages::routes, testing::FailingStore};
pub(super) use context::{Counting, SetClock};

/// The operators' token in tests.
pub(super) const TOKEN: &str = "operator-token-of-the-tests";
/// The manager's number.
pub(super) const MANAGER: &str = "+919655716000";
/// The host that requests are sent to.
const OWN: &str = "desk.example";

/// How a test wants its desk.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) is_down: bool,
    /// A store that another desk began. None: an empty one.
    pub(super) store: Option<Arc<dyn Store>>,
    /// Whether there is anywhere to send notifications to when they are made.
    pub(super) has_receiver: bool,
}

/// A desk: everything behind the pages, and the pages.
pub(super) struct TestInbox {
    pub(super) state: AppState,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<SetClock>,
}

/// A request, as a browser sends it from a page of the desk.
pub(super) struct Ask(TestRequest);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) text: String,
}

impl TestInbox {
    pub(super) fn open() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            settings: Settings {
                base_url: format!("http://{OWN}"),
                allowed_origins: vec!["https://shop.example".into()],
                operator_tokens: vec![TOKEN.into()],
                ticket_access: Access::Private,
                ..Settings::default()
            },
            is_down: false,
            store: None,
            has_receiver: true,
        };
        change(&mut setup);
        let store = setup.store.take().unwrap_or_else(|| {
            let sqlite = store_diesel::SqliteStore::temporary().unwrap();
            Arc::new(FailingStore::new(Arc::new(sqlite), setup.is_down))
        });
        let clock = Arc::new(SetClock::default());
        let context = Context {
            clock: clock.clone(),
            random: Arc::new(Counting::default()),
            composer: Arc::new(Subjects),
            wake: Arc::new(NobodyWakes),
            links: TicketLinks::new(&setup.settings.base_url, setup.settings.ticket_access),
            has_receiver: setup.has_receiver,
        };
        let receipts = Arc::new(ReportReceipt::new(
            store.clone(),
            context.composer.clone(),
            context.clock.clone(),
            context.wake.clone(),
        ));
        let managers = Managers::new(vec![MANAGER.parse().unwrap()]);
        let metrics = DeliveryMetrics::default();
        let state = AppState::new(&store, context, managers, receipts, metrics, setup.settings).unwrap();
        Self { state, store, clock }
    }

    /// The raw answer, whose body may go on for ever.
    pub(super) async fn respond(&self, ask: Ask) -> ServiceResponse<impl MessageBody + use<>> {
        let app = App::new()
            .configure(|config| self.state.register(config))
            .configure(routes);
        let app = init_service(app).await;
        call_service(&app, ask.0.to_request()).await
    }

    pub(super) async fn send(&self, ask: Ask) -> Answer {
        let response = self.respond(ask).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        let Ok(body) = actix_web::body::to_bytes(response.into_body()).await else {
            panic!("the body broke off")
        };
        Answer {
            status,
            headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Opens the seed's ticket.
    pub(super) async fn ticket(&self) -> TicketRef {
        self.ticket_of(
            "John Doe",
            "Product Quality Issue",
            "I received damaged bottles.",
            Priority::Medium,
        )
        .await
    }

    pub(super) async fn ticket_of(&self, name: &str, subject: &str, message: &str, priority: Priority) -> TicketRef {
        self.clock.pass(1);
        let mut request = request(message);
        request.details.customer.name = name.parse().unwrap();
        request.details.subject = subject.parse().unwrap();
        request.details.priority = priority;
        self.state.open_ticket.open(request, None).await.unwrap().reference
    }

    /// Keeps a message whose ticket is not known.
    pub(super) async fn unmatched(&self, text: &str) -> MessageId {
        self.unmatched_from(MANAGER, text).await
    }

    pub(super) async fn unmatched_from(&self, from: &str, text: &str) -> MessageId {
        self.clock.pass(1);
        let random: &dyn ticket_domain::ports::Random = &**self.state.random;
        let millis = self.clock.now().unix_micros() / 1_000;
        let id = uuid::Builder::from_unix_timestamp_millis(millis.try_into().unwrap(), &random.bytes());
        let id = MessageId(id.into_uuid());
        let message = Message {
            id,
            sender: match from {
                MANAGER => ticket_domain::Sender::Manager,
                _ => ticket_domain::Sender::Agent,
            },
            channel: ticket_domain::Channel::Whatsapp,
            from: Some(from.parse().unwrap()),
            content: ticket_domain::Content::new(ticket_domain::MessageBody::lenient(text), None).unwrap(),
            external_id: None,
            created_at: self.clock.now(),
        };
        let keep = StoreUnmatched {
            message,
            asking: QuestionUpdate::None,
        };
        self.store.store_unmatched(keep).await.unwrap();
        id
    }

    /// Gives up every notification that is due.
    pub(super) async fn fail_notifications(&self, reason: &str) {
        let claim = Claim {
            now: self.clock.now(),
            lease: ticket_domain::LeaseToken(uuid::Uuid::from_u128(1)),
            until: self.clock.now().plus(std::time::Duration::from_secs(30)),
            first_tries_only: false,
        };
        for claimed in self.store.claim(claim, 100).await.unwrap() {
            let outcome = AttemptOutcome::Dead {
                at: self.clock.now(),
                reason: reason.into(),
            };
            self.store
                .record_attempt(claimed.id, claim.lease, outcome)
                .await
                .unwrap();
        }
    }

    /// Signs in.
    pub(super) async fn sign_in(&self) -> Visitor<'_> {
        let answer = self.send(Ask::post("/inbox/session", &[("token", TOKEN)])).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Visitor { desk: self, cookie }
    }
}

/// An operator who has signed in.
pub(super) struct Visitor<'a> {
    desk: &'a TestInbox,
    pub(super) cookie: String,
}

impl Visitor<'_> {
    /// The request with the session's cookie.
    pub(super) fn ask(&self, ask: Ask) -> Ask {
        ask.header("cookie", &self.cookie)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.desk.send(self.ask(Ask::get(path))).await
    }

    /// Sends a form of one of the session's pages.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.desk.send(self.ask(Ask::post(path, fields))).await
    }

    /// Sends a form that must be taken, and looks at the page that it leads to.
    pub(super) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let next = answer.header("location").unwrap().to_owned();
        let page = self.get(next.split('#').next().unwrap()).await;
        assert_eq!(page.status, 200, "{next} {page:?}");
        page
    }
}

impl Ask {
    pub(super) fn get(path: &str) -> Self {
        Self(TestRequest::get().uri(path)).header(HOST.as_str(), OWN)
    }

    pub(super) fn post(path: &str, fields: &[(&str, &str)]) -> Self {
        Self::post_without_origin(path, fields).header(ORIGIN.as_str(), &format!("http://{OWN}"))
    }

    /// As from a program, or a browser that names no origin.
    pub(super) fn post_without_origin(path: &str, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self(TestRequest::post().uri(path).set_payload(body))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(HOST.as_str(), OWN)
    }

    pub(super) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.insert_header((name, value)))
    }

    /// From this address, and not from a program on the same machine.
    pub(super) fn from(self, address: &str) -> Self {
        Self(self.0.peer_addr(format!("{address}:1").parse().unwrap()))
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the page has all of these.
    pub(super) fn shows(&self, all: &[&str]) {
        for one in all {
            assert!(self.text.contains(one), "no {one:?} in {}", self.body());
        }
    }

    pub(super) fn lacks(&self, all: &[&str]) {
        for one in all {
            assert!(!self.text.contains(one), "{one:?} in {}", self.body());
        }
    }

    /// The page without its style.
    pub(super) fn body(&self) -> &str {
        self.text.split_once("</head>").map_or(&self.text, |(_, body)| body)
    }

    /// The value of a hidden field.
    pub(super) fn hidden(&self, name: &str) -> &str {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&start)
            .unwrap_or_else(|| panic!("no {name} in {}", self.body()));
        rest.split('"').next().unwrap()
    }
}
