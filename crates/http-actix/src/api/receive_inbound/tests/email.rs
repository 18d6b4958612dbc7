//! Customers who reply to a mail.

use serde_json::{Value, json};

use crate::testing::{MANAGER, Opened, Response, TestApp};

const QUOTE: &str = "\n\nOn Mon, Jan 13, 2025 at 9:01 AM Support <support@desk.example> wrote:\n> We look into it.\n";

fn with_mail() -> TestApp {
    TestApp::with(|setup| setup.has_mail = true)
}

/// A ticket whose answer was mailed, and the mail's id.
fn answered(site: &TestApp) -> (Opened, String) {
    let opened = site.open_ticket();
    site.reply(&opened.reference, "We look into it.");
    site.clock.pass(61);
    (opened, site.mails().pop().unwrap().message_id)
}

fn receive(site: &TestApp, external_id: &str, from: &str, more: &Value) -> Response {
    let mut mail = json!({
        "channel": "email",
        "externalId": external_id,
        "from": from,
        "message": format!("It works now.{QUOTE}"),
    });
    for (name, value) in more.as_object().unwrap() {
        mail[name] = value.clone();
    }
    site.receive(&mail)
}

/// The customer's newest message, and the channel it came by.
fn newest(site: &TestApp, opened: &Opened) -> (String, String) {
    let shown = site.shown(&opened.reference);
    let newest = shown["messages"].as_array().unwrap().last().unwrap().clone();
    let text = |field: &str| newest[field].as_str().unwrap().to_owned();
    (text("body"), text("channel"))
}

#[test]
fn a_reply_joins_the_ticket_whose_mail_it_answers() {
    let site = with_mail();
    let (opened, message_id) = answered(&site);
    site.set_status(&opened.reference, "resolved");
    let quoting = json!({ "repliedToExternalId": format!("<{message_id}>") });
    let answer = receive(&site, "a@mail.example", "JOHN@example.com", &quoting);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["ticketRef"], json!(opened.reference));
    assert_eq!(newest(&site, &opened), ("It works now.".into(), "email".into()));
    assert_eq!(site.shown(&opened.reference)["ticket"]["status"], "open");
    let again = receive(&site, "a@mail.example", "JOHN@example.com", &quoting);
    assert_eq!(again.json()["duplicate"], json!(true));
}

#[test]
fn references_lead_to_the_ticket_where_the_id_was_changed_on_the_way() {
    let site = with_mail();
    let (opened, _) = answered(&site);
    let more = json!({
        "repliedToExternalId": "<010001@eu-west-1.amazonses.com>",
        "references": format!("<ticket.{}@desk.example> <010001@eu-west-1.amazonses.com>", opened.id),
    });
    let answer = receive(&site, "b@mail.example", "john@example.com", &more);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(newest(&site, &opened).0, "It works now.");
}

#[test]
fn only_the_customer_s_own_address_is_heard() {
    let site = with_mail();
    let (opened, message_id) = answered(&site);
    let more = json!({
        "repliedToExternalId": message_id,
        "references": format!("<ticket.{}@desk.example>", opened.id),
    });
    for (id, from) in [
        ("c", "jane@example.com"),
        ("d", "john@example.com.evil.example"),
        ("e", ""),
        ("manager", MANAGER),
        ("scheme", &format!("whatsapp:{MANAGER}")),
    ] {
        let answer = receive(&site, id, from, &more);
        assert_eq!(answer.code(), "ticket_not_named", "{from}");
        assert!(answer.json().get("ask").is_none(), "{answer:?}");
    }
    let command = receive(&site, "command", MANAGER, &json!({ "message": "/list" }));
    assert_eq!(command.code(), "ticket_not_named", "{command:?}");
    // Nor is a mail that answers none of ours, from whoever it comes.
    let answer = receive(&site, "f", "john@example.com", &json!({ "message": opened.reference }));
    assert_eq!(answer.code(), "ticket_not_named");
    assert_eq!(newest(&site, &opened).0, "We look into it.");
}

#[test]
fn what_no_person_wrote_enters_no_thread() {
    let site = with_mail();
    let (opened, message_id) = answered(&site);
    for (number, headers) in [
        json!({ "auto-submitted": "auto-replied" }),
        json!({ "Precedence": "auto_reply", "x": 1 }),
        json!({ "return-path": "<>" }),
    ]
    .into_iter()
    .enumerate()
    {
        let more = json!({ "repliedToExternalId": message_id, "headers": headers });
        let answer = receive(&site, &format!("auto-{number}"), "john@example.com", &more);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (&answer.json()["ticketRef"], &answer.json()["messageId"]),
            (&json!(null), &json!(null))
        );
    }
    assert_eq!(newest(&site, &opened).0, "We look into it.");
    let unmatched = site.get_as_operator("/api/unmatched?limit=100").json();
    assert_eq!(unmatched["messages"], json!([]));
    // Headers that nobody can read are no reason to lose a mail.
    let more = json!({ "repliedToExternalId": message_id, "headers": ["x"] });
    assert_eq!(receive(&site, "g", "john@example.com", &more).status, 200);
    assert_eq!(newest(&site, &opened).0, "It works now.");
}

#[test]
fn other_channels_keep_what_looks_quoted() {
    let site = with_mail();
    let opened = site.open_ticket();
    let text = format!("Look:{QUOTE}").trim().to_owned();
    let body = json!({ "ticketRef": opened.reference, "message": text, "from": "+1234567890", "externalId": "h" });
    assert_eq!(site.receive(&body).status, 200);
    assert_eq!(newest(&site, &opened).0, text);
}
