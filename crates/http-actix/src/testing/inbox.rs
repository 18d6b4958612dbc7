//! An application with an inbox, a stopped clock, and operators who sign in.

use ticket_domain::{Access, Priority, TicketRef, testing::request};

use super::{MANAGER, OPERATOR_TOKEN, Request, Response, Setup, TestApp, unused_key, wait};

/// The base URL in tests of the inbox.
const INBOX_URL: &str = "http://desk.example";

impl TestApp {
    /// With an inbox at `http://desk.example`, private tickets, and a stopped clock.
    pub(crate) fn inbox() -> Self {
        Self::inbox_with(|_| ())
    }

    pub(crate) fn inbox_with(change: impl FnOnce(&mut Setup)) -> Self {
        let app = Self::with(|setup| {
            setup.settings.base_url = INBOX_URL.into();
            setup.settings.allowed_origins = vec!["https://shop.example".into()];
            setup.settings.ticket_access = Access::Private;
            change(setup);
        });
        app.clock.stop();
        app
    }

    /// Opens a ticket.
    pub(crate) fn ticket(&self) -> TicketRef {
        self.ticket_of(
            "John Doe",
            "Product Quality Issue",
            "I received damaged bottles.",
            Priority::Medium,
        )
    }

    pub(crate) fn ticket_of(&self, name: &str, subject: &str, message: &str, priority: Priority) -> TicketRef {
        self.clock.pass(1);
        let mut request = request(message);
        request.details.customer.name = name.parse().unwrap();
        request.details.subject = subject.parse().unwrap();
        request.details.priority = priority;
        let key = unused_key().parse().ok();
        wait(self.state.open_ticket.open(request, key, None)).unwrap().reference
    }

    /// Receives a manager's message that names no ticket.
    pub(crate) fn unmatched(&self, text: &str) -> String {
        self.clock.pass(1);
        self.store_unmatched(MANAGER, text)
    }

    /// Signs in.
    pub(crate) fn sign_in(&self) -> SignedIn<'_> {
        self.sign_in_with(OPERATOR_TOKEN)
    }

    pub(crate) fn sign_in_with(&self, token: &str) -> SignedIn<'_> {
        let response = self.send(Request::inbox_form("/inbox/session", &[("token", token)]));
        assert_eq!(response.status, 303, "{response:?}");
        let cookie = response.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        SignedIn { app: self, cookie }
    }
}

impl Request {
    /// A form, as a browser sends it from a page of the inbox.
    pub(crate) fn inbox_form(target: &str, fields: &[(&str, &str)]) -> Self {
        Self::form(target, fields).default_header("origin", INBOX_URL)
    }
}

/// An operator who has signed in.
pub(crate) struct SignedIn<'a> {
    app: &'a TestApp,
    pub(crate) cookie: String,
}

impl SignedIn<'_> {
    /// The request with the session's cookie.
    pub(crate) fn ask(&self, request: Request) -> Request {
        request.header("cookie", &self.cookie)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.app.send(self.ask(Request::get(path)))
    }

    /// Sends a form of one of the inbox's pages.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.app.send(self.ask(Request::inbox_form(path, fields)))
    }

    /// Sends a valid form, and reads the page that it redirects to.
    pub(crate) fn act(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let response = self.post(path, fields);
        assert_eq!(response.status, 303, "{response:?}");
        let next = response.header("location").unwrap().to_owned();
        let page = self.get(next.split('#').next().unwrap());
        assert_eq!(page.status, 200, "{next} {page:?}");
        page
    }
}
