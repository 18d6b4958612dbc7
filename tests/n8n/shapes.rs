//! The shapes that WhatsApp's messages come in, and what the workflows make of them. A server that remembers what it was
//! sent stands at the ticket server's address.

use black_box::{CUSTOMER, MANAGER, Reaction};
use serde_json::{Value, json};

use crate::fixture::{Fixture, SOON, payload, texts};

/// What somebody sends, and what reaches the ticket server: the fields given here, of one call each.
type Shape<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<Value>);

/// Every kind of message, from every kind of sender: what people wrote is handed on, and nothing else.
pub(crate) async fn what_is_handed_on(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let server = fixture.impostor();
    server.always(Reaction::json(&json!({ "ok": true })));
    let medium = |kind: &'static str| {
        [
            ("NumMedia", "1"),
            ("MediaUrl0", "https://api.twilio.example/0"),
            ("MediaContentType0", kind),
        ]
    };
    let media = ["text/vcard", "audio/ogg", "image/webp"].map(medium);
    let kept = |message: &str| json!({ "message": message, "mediaUrl": "https://api.twilio.example/0" });
    let several = [
        ("NumMedia", "2"),
        ("MediaUrl0", "https://api.twilio.example/0"),
        ("MediaUrl1", "https://api.twilio.example/1"),
    ];
    let tap = [
        ("MessageType", "interactive"),
        ("ButtonText", "Resolve"),
        ("ButtonPayload", "resolve.1.x"),
        ("OriginalRepliedMessageSid", "SMout1"),
    ];
    let row = [
        ("MessageType", "interactive"),
        ("ListId", "choose.2.x"),
        ("ListTitle", "Zoë"),
        ("OriginalRepliedMessageSid", "SMout2"),
    ];
    let shapes: Vec<Shape> = vec![
        (
            "Hello",
            &[],
            vec![json!({ "message": "Hello", "from": format!("whatsapp:{MANAGER}"), "buttonPayload": null })],
        ),
        (
            "We are here",
            &[("Latitude", "25.01"), ("Longitude", "-77.39")],
            vec![json!({
                "message": "We are here\n📍 25.01,-77.39"
            })],
        ),
        (
            "",
            &[
                ("Latitude", "1.5"),
                ("Longitude", "2.5"),
                ("Label", "Depot"),
                ("Address", "1 Main St"),
            ],
            vec![json!({
                "message": "📍 Depot, 1 Main St 1.5,2.5"
            })],
        ),
        ("", &media[0], vec![kept("")]),
        ("", &media[1], vec![kept("")]),
        ("", &media[2], vec![kept("")]),
        (
            "Look",
            &several,
            vec![
                json!({ "message": "Look", "mediaUrl": "https://api.twilio.example/0" }),
                json!({ "message": "", "mediaUrl": "https://api.twilio.example/1" }),
            ],
        ),
        // What stands on a button was not written by anybody.
        (
            "Resolve",
            &tap,
            vec![json!({
                "message": "", "buttonPayload": "resolve.1.x", "repliedToExternalId": "SMout1"
            })],
        ),
        (
            "Zoë",
            &row,
            vec![json!({ "message": "", "buttonPayload": "choose.2.x", "repliedToExternalId": "SMout2" })],
        ),
        ("Zoë", &[("MessageType", "button"), ("ButtonText", "Zoë")], vec![]),
        (
            "👍",
            &[("MessageType", "reaction"), ("OriginalRepliedMessageSid", "SMout1")],
            vec![],
        ),
        ("", &[("MessageType", "edit")], vec![]),
        ("", &[("MessageType", "deleted")], vec![]),
        ("", &[("MessageType", "unsupported")], vec![]),
        ("", &[], vec![]),
        (" \n", &[], vec![]),
        (
            "Hi",
            &[("ExternalUserId", "US.13491208655302741918")],
            vec![json!({
                "from": format!("whatsapp:{MANAGER}"), "fromUserId": "US.13491208655302741918"
            })],
        ),
    ];
    for (text, more, expected) in shapes {
        let before = server.count();
        let (sid, answer) = fixture.write(MANAGER, text, more).await;
        assert_eq!(answer.twiml(), "", "{text:?} {more:?}");
        let calls: Vec<Value> = server
            .received()
            .split_off(before)
            .iter()
            .map(black_box::Received::json)
            .collect();
        assert_eq!(calls.len(), expected.len(), "{text:?} {more:?}: {calls:?}");
        for (call, fields) in calls.iter().zip(expected) {
            assert!(call["externalId"].as_str().unwrap().starts_with(&sid), "{call}");
            for (field, value) in fields.as_object().unwrap() {
                assert_eq!(call[field], *value, "{text:?} {more:?}: {field} of {call}");
            }
        }
    }
}

/// A sender is handed on as Twilio names it, and a status that was sent to the wrong address is a status.
pub(crate) async fn odd_senders(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let server = fixture.impostor();
    server.always(Reaction::json(&json!({ "ok": true })));
    for from in ["US.13491208655302741918", "103000000000001@lid", "", CUSTOMER] {
        let (_, answer) = fixture.write(from, "Refund is on its way", &[]).await;
        assert_eq!(answer.twiml(), "");
        assert_eq!(
            server.received().pop().unwrap().json()["from"],
            format!("whatsapp:{from}")
        );
    }
    let answer = fixture
        .report_to("/webhook/twilio-whatsapp", "SMout1", "undelivered", Some("63018"))
        .await;
    assert_eq!(answer.twiml(), "");
    let status = server.received().pop().unwrap();
    assert_eq!(status.path, "/api/ticket/inbound/status");
    assert_eq!(
        status.json(),
        json!({ "externalId": "SMout1", "status": "undelivered", "errorCode": "63018" })
    );
}

/// The manager reads each question once: in the answer, unless the server has sent it by itself.
pub(crate) async fn a_question_is_asked_once(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let server = fixture.impostor();
    let unnamed = |more: Value| {
        let mut body = json!({ "ok": false, "code": "ticket_not_named", "ask": "Which ticket?" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Reaction::Respond(400, Vec::new(), body.to_string())
    };
    for (reaction, said) in [
        (unnamed(json!({})), "Which ticket?"),
        (unnamed(json!({ "questionSent": false })), "Which ticket?"),
        (unnamed(json!({ "questionSent": true })), ""),
        (
            unnamed(json!({ "questionSent": true, "notice": "Not sent yet." })),
            "Not sent yet.",
        ),
        (
            Reaction::json(&json!({ "ok": true, "notice": "Sent to Zoë." })),
            "Sent to Zoë.",
        ),
    ] {
        server.always(reaction);
        assert_eq!(fixture.write(MANAGER, "We send new ones", &[]).await.1.twiml(), said);
    }
}

/// What was stored is marked as read if nothing is to be said about it.
pub(crate) async fn a_tick_says_that_it_came(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let server = fixture.impostor();
    for (body, is_marked) in [
        (json!({ "ok": true, "messageId": "m1", "duplicate": false }), true),
        (json!({ "ok": true, "messageId": "m1", "duplicate": true }), false),
        (
            json!({ "ok": true, "messageId": "m1", "duplicate": false, "notice": "Sent." }),
            false,
        ),
        (json!({ "ok": true }), false),
    ] {
        server.always(Reaction::json(&body));
        let before = fixture.twilio.read().len();
        let (sid, _) = fixture.write(MANAGER, "We send new ones", &[]).await;
        if is_marked {
            assert_eq!(fixture.twilio.wait_for_read(before + 1).await[before..], [sid]);
        } else {
            // The next one that is marked shows that this one was not.
            server.always(Reaction::json(
                &json!({ "ok": true, "messageId": "m2", "duplicate": false }),
            ));
            let (next, _) = fixture.write(MANAGER, "And more", &[]).await;
            assert_eq!(
                fixture.twilio.wait_for_read(before + 1).await[before..],
                [next],
                "{body}"
            );
        }
    }
}

/// The server's own text goes out as it is, with buttons or rows where Config has a Content resource for them.
pub(crate) async fn texts_buttons_and_rows(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let actions = json!([
        { "title": "Resolve", "payload": "resolve.1.x" },
        { "title": "Note", "payload": "note.1.x" },
    ]);
    let mut ticket = payload("T-20261108-0001");
    ticket["text"] = "*Zoë* (high): Bottles\n\nBroken. T-20261108-0001".into();
    ticket["actions"] = actions;
    let notify = async |id: &str, payload: &Value| {
        let (status, answer) = fixture.n8n.notify(id, payload).await;
        assert_eq!(status, 200, "{answer}");
        fixture.twilio.sent().pop().unwrap()
    };
    let sent = notify("buttons", &ticket).await;
    let shown = fixture.twilio.shown(&sent);
    assert_eq!(shown.text, ticket["text"]);
    assert_eq!(
        shown.choices,
        [
            ("Resolve".into(), String::new(), "resolve.1.x".into()),
            ("Note".into(), String::new(), "note.1.x".into())
        ]
    );

    // Too long for buttons, and no longer for WhatsApp.
    let mut long = ticket.clone();
    long["text"] = format!("T-20261108-0001 {}", "x".repeat(1_500)).into();
    let sent = notify("long", &long).await;
    assert_eq!(
        (sent.field("Body"), sent.field("ContentSid")),
        (long["text"].as_str().unwrap(), "")
    );
    // A resource that is gone: without buttons, in the same run.
    fixture.twilio.then(404, 20404, None);
    let sent = notify("gone", &ticket).await;
    assert_eq!(
        (sent.field("Body"), sent.field("ContentSid")),
        (ticket["text"].as_str().unwrap(), "")
    );
    // Too late for both: the template.
    fixture.twilio.then(400, 63016, None);
    let sent = notify("late", &ticket).await;
    assert_eq!(sent.field("ContentSid"), crate::real_n8n::TEMPLATE);

    for rows in [2, 10] {
        let actions: Vec<Value> = (1..=rows)
            .map(|row| json!({ "title": format!("Zoë {row}"), "description": "Bottles, 2 days", "payload": format!("choose.{row}") }))
            .collect();
        let question = json!({ "event": "question", "to": MANAGER, "text": "Which ticket?", "actions": actions });
        let sent = notify(&format!("rows-{rows}"), &question).await;
        let shown = fixture.twilio.shown(&sent);
        assert_eq!((shown.text.as_str(), shown.choices.len()), ("Which ticket?", rows));
        let last = (
            format!("Zoë {rows}"),
            "Bottles, 2 days".to_owned(),
            format!("choose.{rows}"),
        );
        assert_eq!(shown.choices.last(), Some(&last));
    }
    // One row, or a text without any: as text. There is no template for a question.
    let question = json!({ "event": "question", "to": MANAGER, "text": "Is this about Bottles? Reply 1" });
    assert_eq!(
        notify("row", &question).await.field("Body"),
        "Is this about Bottles? Reply 1"
    );
    fixture.twilio.then(400, 63016, None);
    assert_eq!(fixture.n8n.notify("late-question", &question).await.0, 410);
    assert_eq!(
        fixture
            .n8n
            .notify("empty", &json!({ "event": "question", "to": MANAGER }))
            .await
            .0,
        410
    );
}

/// A confirmation goes with a button that takes the answer back, or as text if Twilio does not take that.
pub(crate) async fn buttons_that_undo(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, _) = fixture.open(&server).await;
    fixture.write(MANAGER, "We send new ones", &[]).await;
    fixture.twilio.wait_for(2, SOON).await;
    let (_, answer) = fixture.write(MANAGER, "1", &[]).await;
    assert_eq!(answer.twiml(), "");
    let shown = fixture.shown(3).await;
    assert!(
        shown.text.starts_with("Sent to Zoë") && shown.text.contains(&reference),
        "{shown:?}"
    );
    let [(title, _, payload)] = &shown.choices[..] else {
        panic!("not one button: {shown:?}");
    };
    assert_eq!(title, "Undo");
    let sent = fixture.twilio.sent().pop().unwrap();
    assert_eq!(sent.field("To"), format!("whatsapp:{MANAGER}"));
    assert_eq!(sent.field("From"), "whatsapp:+14155238886");
    assert_eq!(texts(&server.ticket(&reference).await)[1..], ["We send new ones"]);
    let tap = [
        ("MessageType", "button"),
        ("ButtonText", "Undo"),
        ("ButtonPayload", payload.as_str()),
        ("OriginalRepliedMessageSid", sent.sid.as_str()),
    ];
    let (_, answer) = fixture.write(MANAGER, "Undo", &tap).await;
    assert!(answer.twiml().contains("Taken back"), "{answer:?}");
    assert_eq!(texts(&server.ticket(&reference).await)[1..], [""]);

    // A resource that is gone.
    fixture.write(MANAGER, "We send new ones", &[]).await;
    fixture.twilio.wait_for(4, SOON).await;
    fixture.twilio.then(404, 20404, None);
    let (_, answer) = fixture.write(MANAGER, "1", &[]).await;
    assert!(answer.twiml().starts_with("Sent to Zoë"), "{answer:?}");
    assert_eq!(fixture.twilio.sent().len(), 4);
    server.end().await;
}
