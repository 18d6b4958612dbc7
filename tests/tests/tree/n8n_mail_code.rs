//! What the workflow for replies by e-mail makes of mails, as n8n's trigger gives them, and of the server's responses.

use serde_json::{Value, json};

use crate::n8n_workflow_code::run;

/// A customer's reply.
fn reply() -> Value {
    json!({
        "ticketApiBase": "http://x/",
        "from": { "value": [{ "name": "Doe, \"Zoë\" <x@other.example>", "address": "zoe@customer.example" }] },
        "messageId": "<CA+1@mail.customer.example>",
        "inReplyTo": "<0194697a@desk.example>",
        "references": ["<ticket.0194697a@desk.example>", "<0194697a@desk.example>"],
        "subject": "Re: Bottles",
        "text": "It works now.\n\nOn Monday Support wrote:\n> Does it?\n",
        "html": "<p>It works now.</p>",
        "headers": { "from": "From: zoe@customer.example", "return-path": "Return-Path: <zoe@customer.example>" },
        "attributes": { "uid": 7 },
    })
}

/// [`reply`] with these fields changed.
fn reply_with(changes: &Value) -> Value {
    let mut mail = reply();
    for (field, value) in changes.as_object().unwrap() {
        mail[field] = value.clone();
    }
    mail
}

/// The calls to the server for mails that come together.
fn calls(mails: &[Value]) -> Vec<Value> {
    let input = json!({ "input": mails, "config": {} });
    let read = run("mail-to-ticket", "Read the mails", &[input]).remove(0);
    assert_eq!(read["url"], "http://x/api/ticket/inbound");
    read["calls"].as_array().unwrap().clone()
}

#[test]
fn a_reply_is_handed_on_whole() {
    let expected = json!({
        "channel": "email",
        "externalId": "CA+1@mail.customer.example",
        "from": "zoe@customer.example",
        "message": "It works now.\n\nOn Monday Support wrote:\n> Does it?",
        "repliedToExternalId": "<0194697a@desk.example>",
        "references": "<ticket.0194697a@desk.example> <0194697a@desk.example>",
        "headers": { "return-path": "<zoe@customer.example>" },
    });
    let another = reply_with(&json!({ "messageId": "<2@x>" }));
    let calls = calls(&[reply(), another]);
    assert_eq!((&calls[0], &calls[1]["externalId"]), (&expected, &json!("2@x")));
}

#[test]
fn odd_mails_are_handed_on_too() {
    let long = format!("<{}@x>", "a".repeat(150));
    let one = json!({ "address": "a@b.example" });
    let cases = [
        ("externalId", json!({ "messageId": long }), json!(long[25..153])),
        ("externalId", json!({ "messageId": "<a\r\n b\u{7}@x>" }), json!("ab@x")),
        // Without an id: what it is in this mailbox.
        (
            "externalId",
            json!({ "messageId": null, "date": "2025-01-13" }),
            json!("uid.7.2025-01-13"),
        ),
        ("from", json!({ "from": null }), json!("")),
        (
            "from",
            json!({ "from": { "value": [{ "name": "x", "group": [] }] } }),
            json!(""),
        ),
        ("from", json!({ "from": { "value": [one, one] } }), json!("")),
        (
            "from",
            json!({ "from": { "value": [{ "address": "whatsapp:+919655716000" }] } }),
            json!(""),
        ),
        (
            "from",
            json!({ "from": { "value": [{ "address": "whatsapp:zoe@customer.example" }] } }),
            json!(""),
        ),
        ("references", json!({ "references": "<a@x>" }), json!("<a@x>")),
        ("references", json!({ "references": null }), json!("")),
        (
            "references",
            json!({ "references": "<a@x>\r\n\t<b@x>" }),
            json!("<a@x> <b@x>"),
        ),
        ("repliedToExternalId", json!({ "inReplyTo": null }), json!(null)),
        (
            "message",
            json!({ "text": null, "html": false }),
            json!("[e-mail without text]"),
        ),
        (
            "message",
            json!({ "text": "x".repeat(300_000) }),
            json!("x".repeat(40_000)),
        ),
    ];
    let mails: Vec<Value> = cases.iter().map(|(_, changes, _)| reply_with(changes)).collect();
    for ((field, changes, expected), call) in cases.iter().zip(calls(&mails)) {
        assert_eq!(call[field], *expected, "{changes}");
    }
}

#[test]
fn headers_tell_that_no_person_wrote_it() {
    let headers = json!({ "headers": {
        "auto-submitted": "Auto-Submitted:\r\n auto-replied; owner-email=\"x\"",
        "precedence": "Precedence: bulk",
        "x-autoreply": "X-Autoreply: yes",
        "x-autorespond": "X-Autorespond: x: y",
        "list-id": "List-Id: A list\r\n\t<list.x>",
        "return-path": "Return-Path: <>",
        "received": "Received: from x",
    } });
    let expected = json!({
        "auto-submitted": "auto-replied; owner-email=\"x\"",
        "precedence": "bulk",
        "x-autoreply": "yes",
        "x-autorespond": "x: y",
        "list-id": "A list <list.x>",
        "return-path": "<>",
    });
    let none = json!({ "headers": {} });
    let calls = calls(&[reply_with(&headers), reply_with(&none)]);
    assert_eq!((&calls[0]["headers"], &calls[1]["headers"]), (&expected, &json!({})));
}

#[test]
fn html_becomes_text_whose_quotes_can_be_told() {
    let cases = [
        (
            "<html><head><title>t</title><style>p { color: red }</style><body><!--[if mso]><p>no</p><![endif]-->\
             <div dir=\"ltr\">It&#8217;s&nbsp;5 &lt; 6 &amp; <b>well\n\n</b> &#x1F642;</div><div><br></div>\
             <div>Second<br>line<img src=\"data:image/png;base64,AAAA\"></div><script>if (a < b) run()</script>\
             <p>One</p><p>Two &unknown;</p><div>On Monday Support &lt;a@desk.example&gt; wrote:</div>\
             <blockquote type=\"cite\"><p>Does it?</p><p>Tell us</p></blockquote><div>Yes</div>",
            "It’s 5 < 6 & well 🙂\n\nSecond\nline\nOne\n\nTwo &unknown;\n\nOn Monday Support <a@desk.example> wrote:\n\
             > Does it?\n>\n> Tell us\n>\nYes",
        ),
        ("1 < 2<br>&#99999999;<br", "1 < 2\n&#99999999;"),
        ("<!-- all of it", "[e-mail without text]"),
    ];
    let mails = cases.map(|(html, _)| reply_with(&json!({ "text": " \n", "html": html })));
    for ((html, expected), call) in cases.iter().zip(calls(&mails)) {
        assert_eq!(call["message"], *expected, "{html}");
    }
}

/// What becomes of the first of some mails after the server's response; `started` is when n8n first tried.
fn told(status: Option<u16>, body: &Value, calls: &[&str], started: i64) -> Value {
    let calls: Vec<Value> = calls.iter().map(|id| json!({ "externalId": id })).collect();
    let state = json!({ "url": "x", "calls": calls, "faults": ["Before"], "tries": 3, "started": started });
    let response = status.map_or(
        json!({ "error": {} }),
        |status| json!({ "statusCode": status, "body": body.to_string() }),
    );
    run(
        "mail-to-ticket",
        "What now?",
        &[json!({ "input": response, "config": state })],
    )
    .remove(0)
}

#[test]
fn a_mail_is_tried_again_or_stored_or_shown() {
    const LONG_AGO: i64 = 0;
    let soon = 4_000_000_000_000;
    for status in [None, Some(429), Some(500), Some(503)] {
        let again = told(status, &json!({}), &["a", "b"], soon);
        assert_eq!(
            (&again["kind"], &again["tries"], &again["pause"]),
            (&json!("again"), &json!(4), &json!(4))
        );
        assert_eq!(again["calls"].as_array().unwrap().len(), 2);
    }
    for (status, body) in [
        (200, json!({ "ok": true, "ticketRef": null })),
        (400, json!({ "ok": false, "code": "ticket_not_named" })),
        (404, json!({ "ok": false, "code": "ticket_not_found" })),
    ] {
        let next = told(Some(status), &body, &["a", "b"], soon);
        assert_eq!((&next["kind"], &next["tries"]), (&json!("next"), &json!(0)));
        assert_eq!(
            (&next["calls"], &next["faults"]),
            (&json!([{ "externalId": "b" }]), &json!(["Before"]))
        );
    }
    // A mail that is refused keeps none of the others back, and is shown in the end.
    let refused = json!({ "ok": false, "code": "validation_failed" });
    for (status, body, started, said) in [
        (
            Some(400),
            &refused,
            soon,
            "The mail a was refused: 400 validation_failed",
        ),
        (Some(401), &json!({}), soon, "The mail a was refused: 401"),
        (Some(200), &json!("hello"), soon, "The mail a was refused: 200"),
        (Some(404), &json!({}), soon, "The mail a was refused: 404"),
        (
            None,
            &json!({}),
            LONG_AGO,
            "The mail a was not taken; last the ticket server answered nothing",
        ),
        (
            Some(503),
            &json!({}),
            LONG_AGO,
            "The mail a was not taken; last the ticket server answered 503",
        ),
    ] {
        let next = told(status, body, &["a", "b"], started);
        assert_eq!(
            (&next["kind"], &next["faults"]),
            (&json!("next"), &json!(["Before", said]))
        );
        let failed = told(status, body, &["a"], started);
        assert_eq!(failed, json!({ "kind": "failed", "fault": format!("Before. {said}") }));
    }
}
