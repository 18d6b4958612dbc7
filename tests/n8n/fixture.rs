//! What every scenario needs: a real n8n, a fake Twilio, a mailbox, and a store for the server.

use std::time::Duration;

use black_box::{
    AUTH_TOKEN, CUSTOMER, Engine, FakeN8n, FakeTwilio, MANAGER, Response, SHARED_SECRET, SentMessage, ServerOptions,
    Shown, TempStore, TestServer, until as wait_until,
};
use serde_json::{Value, json};

use crate::mailbox::Mailbox;
use crate::real_n8n::{RealN8n, StatusAndBody, TO_WHATSAPP, free_port};

/// How long a message may take from the server to Twilio when nothing is wrong.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The fixture of all scenarios.
pub(crate) struct Fixture {
    pub(crate) n8n: RealN8n,
    pub(crate) twilio: FakeTwilio,
    pub(crate) mailbox: Mailbox,
    /// n8n knows the server by its port, so all servers of a run share it.
    server_port: u16,
    messages: u32,
    is_published: bool,
}

impl Fixture {
    /// Sets everything up. n8n does not run yet.
    pub(crate) async fn set_up() -> Self {
        let (twilio, server_port, mailbox) = (FakeTwilio::start(), free_port(), Mailbox::start().await);
        let n8n = RealN8n::set_up(&format!("http://127.0.0.1:{server_port}"), twilio.url(), &mailbox).await;
        Self {
            n8n,
            twilio,
            mailbox,
            server_port,
            messages: 0,
            is_published: false,
        }
    }

    /// Starts n8n without the workflow that takes notifications.
    pub(crate) async fn start_n8n_inactive(&mut self) -> Vec<Option<StatusAndBody>> {
        self.n8n.start("/webhook/twilio-status", 403).await
    }

    /// Makes sure that n8n runs with all workflows active.
    pub(crate) async fn n8n_works(&mut self) {
        if !self.is_published {
            self.n8n.stop().await;
            self.n8n.publish(TO_WHATSAPP).await;
            self.is_published = true;
        }
        if self.n8n.post("/webhook/ticket-created", &[], "{}").await.is_none() {
            self.n8n.start("/webhook/ticket-created", 403).await;
        }
    }

    /// Another web server at the address where n8n expects the ticket server.
    pub(crate) fn impostor(&self) -> FakeN8n {
        FakeN8n::start_at(self.server_port)
    }

    /// Options of a server on this store that notifies n8n.
    pub(crate) fn server_on(&self, store: &TempStore) -> ServerOptions {
        TestServer::on(store)
            .set("PORT", &self.server_port.to_string())
            .set("N8N_TICKET_CREATED_WEBHOOK", &self.n8n.webhook())
            .set("N8N_SHARED_SECRET", SHARED_SECRET)
    }

    /// Makes sure that n8n runs, and starts a server on a new store.
    pub(crate) async fn server(&mut self) -> (TempStore, TestServer) {
        self.n8n_works().await;
        let store = TempStore::new(Engine::Sqlite).await;
        let server = self.server_on(&store).start().await;
        (store, server)
    }

    /// Opens a ticket; returns its reference and the message that Twilio accepted, once the server has recorded it.
    pub(crate) async fn open(&self, server: &TestServer) -> (String, SentMessage) {
        let reference = server.open().await;
        let sent = self.twilio.wait_for_ticket(&reference, "", SOON).await;
        server.wait_for_empty_outbox().await;
        (reference, sent)
    }

    /// Waits until Twilio accepted `count` messages in all; returns the last one, which has buttons, as the phone shows it.
    pub(crate) async fn shown(&self, count: usize) -> Shown {
        let sent = self.twilio.wait_for(count, SOON).await.pop().unwrap();
        self.twilio.shown(&sent)
    }

    /// Somebody writes to our number on WhatsApp; returns the message's id and n8n's response.
    pub(crate) async fn write(&mut self, from: &str, text: &str, more: &[(&str, &str)]) -> (String, Response) {
        self.messages += 1;
        let sid = format!("SMin{:028x}", self.messages);
        let answer = self.write_again(&sid, from, text, more).await;
        (sid, answer)
    }

    /// The same with an id from before.
    pub(crate) async fn write_again(&self, sid: &str, from: &str, text: &str, more: &[(&str, &str)]) -> Response {
        self.write_to("/webhook/twilio-whatsapp", sid, from, text, more).await
    }

    /// The same through another webhook.
    pub(crate) async fn write_to(
        &self,
        path: &str,
        sid: &str,
        from: &str,
        text: &str,
        more: &[(&str, &str)],
    ) -> Response {
        let from = format!("whatsapp:{from}");
        let mut params = vec![
            ("MessageSid", sid),
            ("SmsMessageSid", sid),
            ("AccountSid", black_box::ACCOUNT_SID),
            ("From", from.as_str()),
            ("To", "whatsapp:+14155238886"),
            ("Body", text),
            ("ProfileName", "Zoë & Söhne"),
        ];
        if !more.iter().any(|(name, _)| *name == "NumMedia") {
            params.push(("NumMedia", "0"));
        }
        params.extend_from_slice(more);
        self.twilio.call(AUTH_TOKEN, &self.n8n.url(path), &params).await
    }

    /// Twilio reports the status of a message.
    pub(crate) async fn report(&self, sid: &str, status: &str, error: Option<&str>) -> Response {
        self.report_to("/webhook/twilio-status", sid, status, error).await
    }

    /// The same through another webhook.
    pub(crate) async fn report_to(&self, path: &str, sid: &str, status: &str, error: Option<&str>) -> Response {
        let mut params = vec![
            ("MessageSid", sid),
            ("MessageStatus", status),
            ("To", "whatsapp:+919655716000"),
        ];
        if let Some(error) = error {
            params.push(("ErrorCode", error));
        }
        self.twilio.call(AUTH_TOKEN, &self.n8n.url(path), &params).await
    }
}

/// The texts of a ticket's messages.
pub(crate) fn texts(ticket: &Value) -> Vec<&str> {
    let messages = ticket["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["body"].as_str().unwrap_or_default())
        .collect()
}

/// The delivery state of a ticket.
pub(crate) fn delivery(ticket: &Value) -> &str {
    ticket["ticket"]["delivery"]["state"].as_str().unwrap_or("none")
}

/// Waits until a condition holds for a ticket.
pub(crate) async fn until(server: &TestServer, reference: &str, what: &str, is_true: impl Fn(&Value) -> bool) -> Value {
    let is_so = async || Some(server.ticket(reference).await).filter(&is_true);
    if let Some(ticket) = wait_until(SOON, is_so).await {
        return ticket;
    }
    panic!("{what} did not come true: {}", server.ticket(reference).await);
}

/// A notification like the server's.
pub(crate) fn payload(reference: &str) -> Value {
    json!({
        "event": "ticket.created",
        "ticketRef": reference,
        "ticketId": "01010101-0101-0101-0101-010101010101",
        "ticketUrl": format!("https://desk.example/ticket/{reference}"),
        "customerName": "Zoë Doe",
        "customerPhone": CUSTOMER,
        "customerEmail": "zoe@customer.example",
        "subject": "Bottles",
        "message": "Broken.",
        "priority": "high",
        "createdAt": "2026-11-22T10:00:00.000001Z",
        "summary": "Zoë Doe: Bottles – Broken.",
        "to": MANAGER,
    })
}
