//! Mails to customers, by a mail server that speaks real SMTP. Each server runs several scenes side by side, each with a
//! customer of its own.

use std::time::Duration;

use black_box::{
    CUSTOMER, Engine, FakeN8n, FakeSmtp, MANAGER, Reaction, ReceivedMail, TempStore, TestServer, on_both_stores,
    ticket_with, until,
};
use serde_json::{Value, json};

use crate::form::post_form;

on_both_stores!(customers_are_told_once);

/// The second manager: `/undo` takes back the last answer of whoever writes it.
const OTHER_MANAGER: &str = "+919655716001";

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A server, and what it is connected with.
pub(crate) struct Desk {
    _store: TempStore,
    n8n: FakeN8n,
    pub(crate) smtp: FakeSmtp,
    pub(crate) server: TestServer,
}

/// A customer's ticket.
pub(crate) struct Opened {
    pub(crate) address: String,
    pub(crate) reference: String,
    /// The path of the page with the customer's key.
    page: String,
}

pub(crate) fn address(name: &str) -> String {
    format!("{name}@customer.example")
}

impl Desk {
    pub(crate) async fn start(engine: Engine) -> Self {
        let (store, n8n, smtp) = (TempStore::new(engine).await, FakeN8n::start(), FakeSmtp::start());
        n8n.always(Reaction::AcceptWithOwnId);
        let options = TestServer::on(&store).notifying(&n8n).mailing(&smtp);
        let managers = format!("{MANAGER},{OTHER_MANAGER}");
        let server = options.set("AGENT_PHONE", &managers).start().await;
        Self {
            _store: store,
            n8n,
            smtp,
            server,
        }
    }

    pub(crate) async fn open(&self, name: &str) -> Opened {
        let form = ticket_with(&json!({ "customerEmail": address(name), "subject": name }));
        let created = self.server.create(&form).await;
        assert_eq!(created.status, 201, "{created:?}");
        let url = created.field("ticketUrl");
        Opened {
            address: address(name),
            reference: created.field("ticketRef"),
            page: url.strip_prefix("https://desk.example").unwrap().to_owned(),
        }
    }

    /// A ticket whose receipt has arrived.
    pub(crate) async fn open_and_receive(&self, name: &str) -> Opened {
        let opened = self.open(name).await;
        self.mails(&opened, 1).await;
        opened
    }

    /// The customer's mails, at least this many.
    pub(crate) async fn mails(&self, opened: &Opened, count: usize) -> Vec<ReceivedMail> {
        self.smtp.wait_for(&opened.address, count, TIMEOUT).await
    }

    async fn write(&self, from: &str, opened: &Opened, text: &str) {
        let body = json!({ "ticketRef": opened.reference, "from": from, "message": text });
        let reply = self.server.inbound(&body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    async fn answer(&self, opened: &Opened, text: &str) {
        self.write(MANAGER, opened, text).await;
    }

    async fn resolve(&self, opened: &Opened) {
        let path = format!("/api/ticket/{}", opened.reference);
        let resolved = json!({ "status": "resolved" });
        let changed = self.server.send_as_operator("PATCH", &path, &resolved).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    /// Waits for undelivered notifications that satisfy `is_it`, and returns the first.
    pub(crate) async fn undelivered(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = until(TIMEOUT, async || {
            let listed = self.server.get_as_operator("/api/notifications").await.json();
            listed["notifications"]
                .as_array()?
                .iter()
                .find(|one| is_it(one))
                .cloned()
        });
        found.await.expect("a notification")
    }

    /// How often n8n was told of a ticket.
    pub(crate) fn told(&self, opened: &Opened) -> usize {
        let received = self.n8n.received().into_iter();
        received.filter(|one| one.ticket_ref() == opened.reference).count()
    }

    pub(crate) async fn end(self) {
        self.server.wait_for_empty_outbox().await;
        // It checks that the log shows no address and no key.
        self.server.end().await;
    }
}

async fn customers_are_told_once(engine: Engine) {
    let desk = Desk::start(engine).await;
    // Nothing shows that a mail never comes, except an empty outbox.
    let (burst, seen, undone, resolved) = tokio::join!(
        a_burst_is_one_mail(&desk),
        what_the_page_showed_is_not_mailed(&desk),
        what_was_taken_back_is_not_mailed(&desk),
        a_resolution_says_how_to_reopen(&desk),
    );
    let evil = nothing_that_is_typed_changes_a_header(&desk, &burst).await;
    desk.server.wait_for_empty_outbox().await;
    for (opened, mails) in [(&burst, 2), (&seen, 1), (&undone, 1), (&resolved, 2), (&evil, 2)] {
        assert_eq!(desk.smtp.to(&opened.address).len(), mails, "{}", opened.address);
    }
    tokio::join!(
        a_reply_by_mail_joins(&desk, &burst),
        a_lost_link_is_mailed(&desk, &seen),
        one_click_ends_the_mails(&desk, &undone),
    );
    desk.server.wait_for_empty_outbox().await;
    assert_eq!(desk.smtp.to(&undone.address).len(), 1, "mailed after the one click");
    desk.end().await;
}

async fn a_burst_is_one_mail(desk: &Desk) -> Opened {
    let opened = desk.open_and_receive("burst").await;
    desk.answer(&opened, "We look into it.").await;
    desk.answer(&opened, "New bottles are on their way. 🦊").await;
    let [receipt, answer] = desk.mails(&opened, 2).await.try_into().unwrap();
    for mail in [&receipt, &answer] {
        assert_eq!(mail.from, "support@acme.example");
        for (header, value) in [
            ("From", "\"Acme Support\" <support@acme.example>"),
            ("To", &opened.address),
            ("Reply-To", "replies@acme.example"),
            ("Auto-Submitted", "auto-generated"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ] {
            assert_eq!(mail.header(header), value, "{header}");
        }
        assert!(mail.header("Subject").contains(&opened.reference), "{mail:?}");
        assert_eq!(mail.link(""), opened.page);
        assert!(mail.html.contains(&format!("https://desk.example{}", opened.page)));
        assert_ne!(mail.header("References"), "");
    }
    assert_eq!(receipt.header("References"), answer.header("References"));
    assert_ne!(receipt.id(), answer.id());
    for typed in ["Quuxley", "burst", "damaged"] {
        let is_repeated = [&receipt.text, &receipt.html, receipt.header("Subject")]
            .iter()
            .any(|said| said.contains(typed));
        assert!(!is_repeated, "{typed} in {receipt:?}");
    }
    for said in ["We look into it.", "New bottles are on their way. 🦊"] {
        assert!(answer.text.contains(said) && answer.html.contains(said), "{answer:?}");
    }
    opened
}

async fn what_the_page_showed_is_not_mailed(desk: &Desk) -> Opened {
    let opened = desk.open_and_receive("seen").await;
    desk.answer(&opened, "Seen on the page.").await;
    let page = desk.server.get(&opened.page).await;
    assert!(
        page.status == 200 && page.text.contains("Seen on the page."),
        "{page:?}"
    );
    opened
}

async fn what_was_taken_back_is_not_mailed(desk: &Desk) -> Opened {
    let opened = desk.open_and_receive("undone").await;
    desk.write(OTHER_MANAGER, &opened, "Not meant for you.").await;
    let undo = format!("/undo {}", opened.reference);
    let undo = json!({ "from": OTHER_MANAGER, "message": undo });
    let taken_back = desk.server.inbound(&undo).await;
    assert!(taken_back.field("notice").starts_with("Taken back."), "{taken_back:?}");
    opened
}

async fn a_resolution_says_how_to_reopen(desk: &Desk) -> Opened {
    let opened = desk.open_and_receive("resolved").await;
    desk.answer(&opened, "It is repaired.").await;
    desk.resolve(&opened).await;
    let mail = desk.mails(&opened, 2).await.remove(1);
    for said in ["It is repaired.", "as solved", "reopen it"] {
        assert!(mail.text.contains(said), "{said} in {}", mail.text);
    }
    opened
}

/// Customers try every field of the form, the manager the answer.
async fn nothing_that_is_typed_changes_a_header(desk: &Desk, innocent: &Opened) -> Opened {
    let evil = |field: &str| format!("Zoe {field}\r\nBcc: all@evil.example\r\n\r\n.\r\nRCPT TO:<all@evil.example>");
    let to = address("evil");
    let form = |email: &str| {
        ticket_with(&json!({
            "customerName": evil("name"), "subject": evil("subject"), "message": evil("message"), "customerEmail": email,
            "customerPhone": format!("{CUSTOMER}\r\nBcc: 1"),
        }))
    };
    for email in [
        format!("{to}\r\nBcc: all@evil.example"),
        format!("{to}, all@evil.example"),
        format!("all@evil.example <{to}>"),
    ] {
        assert_eq!(desk.server.create(&form(&email)).await.status, 400, "{email}");
        assert_eq!(post_form(&desk.server, "/", &form(&email)).await.status, 400, "{email}");
    }
    let mut form = form(&to);
    form["customerPhone"] = json!(CUSTOMER);
    let created = desk.server.create(&form).await;
    assert_eq!(created.status, 201, "{created:?}");
    let opened = Opened {
        address: to,
        reference: created.field("ticketRef"),
        page: String::new(),
    };
    let answer = "Here:\n.\nMAIL FROM:<all@evil.example>\n..\nSubject: no\n\n--part--\nend";
    desk.answer(&opened, answer).await;
    let mails = desk.mails(&opened, 2).await;
    assert!(mails[1].text.contains(answer), "{}", mails[1].text);
    for (mail, innocent) in mails.iter().zip(desk.smtp.to(&innocent.address)) {
        let names =
            |mail: &ReceivedMail| -> Vec<String> { mail.headers.iter().map(|(name, _)| name.clone()).collect() };
        assert_eq!(names(mail), names(&innocent));
        let is_evil = |(_, value): &(String, String)| value.contains("evil.example") || value.contains("Zoe");
        assert!(!mail.headers.iter().any(is_evil), "{:?}", mail.headers);
    }
    let all = desk.smtp.received();
    assert!(all.iter().all(|mail| mail.to.ends_with("@customer.example")), "{all:?}");
    opened
}

async fn a_reply_by_mail_joins(desk: &Desk, opened: &Opened) {
    let answer = desk.smtp.to(&opened.address).remove(1);
    let quoted: Vec<String> = answer.text.lines().map(|line| format!("> {line}")).collect();
    let reply = json!({
        "channel": "email",
        "externalId": "<reply@customer.example>",
        "from": opened.address,
        "message": format!("They came.\n\nOn Mon, Jan 13, 2025 at 9:01 AM Acme wrote:\n{}\n", quoted.join("\n")),
        "repliedToExternalId": format!("<{}>", answer.id()),
    });
    let received = desk.server.inbound(&reply).await;
    assert_eq!(
        (received.status, received.field("ticketRef")),
        (200, opened.reference.clone())
    );
    let messages = desk.server.messages(&opened.reference).await;
    assert_eq!(messages.last().unwrap(), "They came.");
}

async fn a_lost_link_is_mailed(desk: &Desk, opened: &Opened) {
    for _ in 0..2 {
        let answer = post_form(&desk.server, "/find", &json!({ "contact": opened.address })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    desk.server.wait_for_empty_outbox().await;
    let [_, links] = desk.smtp.to(&opened.address).try_into().unwrap();
    assert_eq!(links.link(""), opened.page);
    assert_eq!(links.header("List-Unsubscribe"), "");
}

async fn one_click_ends_the_mails(desk: &Desk, opened: &Opened) {
    let receipt = desk.smtp.to(&opened.address).remove(0);
    let link = receipt.header("List-Unsubscribe").trim_matches(['<', '>']);
    let path = link.strip_prefix("https://desk.example").unwrap();
    assert_eq!(path, receipt.link("mail"));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let click = Some("List-Unsubscribe=One-Click".to_owned());
    let done = desk.server.send("POST", path, &headers, click).await;
    assert_eq!(done.status, 200, "{done:?}");
    desk.answer(opened, "Nobody is mailed this.").await;
}

#[tokio::test]
async fn check_signs_in_at_the_mail_server() {
    let store = TempStore::new(Engine::Sqlite).await;
    let smtp = FakeSmtp::start();
    let options = || TestServer::on(&store).mailing(&smtp);
    let ended = options().succeed(&["check"]).await;
    assert!(ended.out.contains("ok       SMTP_URL: 127.0.0.1:"), "{}", ended.out);
    let probe = ["check", "--probe", "--yes", "--mail", "owner@acme.example"];
    options().succeed(&probe).await;
    let mail = smtp.to("owner@acme.example").remove(0);
    assert!(mail.header("Subject").starts_with("Test"), "{mail:?}");

    let wrong = options().set("SMTP_URL", &smtp.url_for(("desk", "a-wrong-password")));
    let err = wrong.fail(&["check"]).await;
    assert!(
        err.starts_with("wrong    SMTP_URL: ") && err.contains("user or password"),
        "{err}"
    );
    assert!(!err.contains("a-wrong-password"), "{err}");
    smtp.go_away().await;
    let err = options().fail(&["check"]).await;
    assert!(err.contains("could not be reached"), "{err}");
    let none = TestServer::on(&store).fail(&probe).await;
    assert!(none.contains("SMTP_URL"), "{none}");
}
