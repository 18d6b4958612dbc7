//! The loop when everything works.

use black_box::{CUSTOMER, Engine, MANAGER, SentMessage, TempStore, TestServer};
use serde_json::json;

use crate::{
    fixture::{Fixture, SOON, delivery, payload, texts, until},
    real_n8n::{REPEAT, REPORT_ONLY, TEMPLATE},
};

/// Ticket → WhatsApp → a quoted reply → the thread; then the customer writes again.
pub(crate) async fn the_loop_with_a_quoted_reply(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    let shown = fixture.twilio.shown(&sent);
    let titles: Vec<&str> = shown.choices.iter().map(|(title, ..)| title.as_str()).collect();
    assert_eq!(titles, ["Resolve", "Note"]);
    assert_eq!(
        shown.text,
        format!(
            "🎫 *HIGH: New ticket from Zoë Quuxley 🦊* – Product Quality Issue\n\n\
             I received damaged bottles in my last order.\n\n*Ticket:* {reference}\n*Phone:* {CUSTOMER}\n\
             *Email:* zoe.quuxley@customer.example\n*View ticket:* https://desk.example/ticket/{reference}\n\n\
             Swipe this message to answer."
        )
    );
    assert_eq!(sent.field("To"), format!("whatsapp:{MANAGER}"));
    assert_eq!(sent.field("From"), "whatsapp:+14155238886");
    let callback = fixture.n8n.url("/webhook/twilio-status") + REPEAT;
    assert_eq!(sent.field("StatusCallback"), callback);
    assert_eq!(delivery(&server.ticket(&reference).await), "sent");

    let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
    let (sid, answer) = fixture
        .write(MANAGER, "New ones are on their way & <free> 🎁", &quote)
        .await;
    assert_eq!(answer.twiml(), "");
    let ticket = server.ticket(&reference).await;
    assert_eq!(texts(&ticket)[1], "New ones are on their way & <free> 🎁");
    assert_eq!(ticket["messages"][1]["sender"], "manager");
    // Twilio repeats what it thinks was lost.
    fixture
        .write_again(&sid, MANAGER, "New ones are on their way & <free> 🎁", &quote)
        .await;
    assert_eq!(texts(&server.ticket(&reference).await).len(), 2);

    fixture.write(CUSTOMER, &format!("{reference}: thank you"), &[]).await;
    let told = fixture.twilio.wait_for(2, SOON).await.pop().unwrap();
    assert_eq!(texts(&server.ticket(&reference).await).len(), 3);
    server.wait_for_empty_outbox().await;
    let told = fixture.twilio.shown(&told).text;
    assert!(told.starts_with("💬 *New message from Zoë Quuxley 🦊*\n\n"), "{told}");
    assert!(told.contains(": thank you"), "{told}");
    server.end().await;
}

/// A reply without a ticket brings a question, one for a burst. A digit of any script, a row and a quote answer it; what
/// selects nothing is answered and not published.
pub(crate) async fn a_question_and_its_answer(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (older, _) = fixture.open(&server).await;
    let (newer, _) = fixture.open(&server).await;
    let (sid, answer) = fixture.write(MANAGER, "We send new ones", &[]).await;
    assert_eq!(answer.twiml(), "");
    for (sid, text) in [(sid.as_str(), "We send new ones"), ("SMburst", "They come on Monday")] {
        assert_eq!(fixture.write_again(sid, MANAGER, text, &[]).await.twiml(), "");
    }
    let question = fixture.twilio.wait_for(3, SOON).await.pop().unwrap();
    let shown = fixture.twilio.shown(&question);
    assert!(
        shown.text.starts_with("Which ticket ") && shown.text.contains("“We send new ones”"),
        "{shown:?}"
    );
    assert_eq!(shown.choices.len(), 2);
    for (text, told) in [
        ("9", "see a 9. Reply 1–2, or 0."),
        ("the second", "tell which ticket you mean"),
    ] {
        let (_, answer) = fixture.write(MANAGER, text, &[]).await;
        assert!(answer.twiml().contains(told), "{answer:?}");
    }
    let (pick, answer) = fixture.write(MANAGER, "٢", &[]).await;
    assert_eq!(answer.twiml(), "");
    let told = fixture.shown(4).await.text;
    assert!(told.contains(&older), "{told}");
    assert_eq!(fixture.write_again(&pick, MANAGER, "٢", &[]).await.twiml(), told);
    assert_eq!(
        texts(&server.ticket(&older).await)[1..],
        ["We send new ones", "They come on Monday"]
    );

    // By a row of the list, and by a quote of the question.
    fixture.write(MANAGER, "Where shall we send them?", &[]).await;
    let question = fixture.twilio.wait_for(5, SOON).await.pop().unwrap();
    let row = fixture.twilio.shown(&question).choices[0].2.clone();
    let tap = [
        ("MessageType", "interactive"),
        ("ListId", row.as_str()),
        ("ListTitle", "Zoë"),
    ];
    fixture.write(MANAGER, "Zoë", &tap).await;
    assert!(fixture.shown(6).await.text.contains(&newer));
    fixture.write(MANAGER, "The first ones were too small", &[]).await;
    let question = fixture.twilio.wait_for(7, SOON).await.pop().unwrap();
    let quote = [("OriginalRepliedMessageSid", question.sid.as_str())];
    fixture.write(MANAGER, "1", &quote).await;
    assert!(fixture.shown(8).await.text.contains(&newer));
    let expected = ["Where shall we send them?", "The first ones were too small"];
    assert_eq!(texts(&server.ticket(&newer).await)[1..], expected);
    assert_eq!(texts(&server.ticket(&older).await).len(), 3);

    // An unknown reference is a 404; the manager is asked too. `0` leaves it to the team.
    let (_, answer) = fixture.write(MANAGER, "T-20200101-0000 is done", &[]).await;
    assert_eq!(answer.twiml(), "");
    fixture.twilio.wait_for(9, SOON).await;
    let (_, answer) = fixture.write(MANAGER, "0", &[]).await;
    assert!(answer.twiml().contains("nothing was sent"), "{answer:?}");
    server.end().await;
}

/// A customer who names no ticket is asked, confirms, and is heard from then on; somebody else learns where to open one.
pub(crate) async fn a_customer_without_a_reference(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, _) = fixture.open(&server).await;
    let (_, answer) = fixture.write(CUSTOMER, "Any news?", &[]).await;
    assert!(
        answer
            .twiml()
            .contains(&format!("Is this about {reference}, *Product Quality Issue*?")),
        "{answer:?}"
    );
    let (_, answer) = fixture.write(CUSTOMER, "Hello?", &[]).await;
    assert_eq!(answer.twiml(), "");
    let (sid, answer) = fixture.write(CUSTOMER, "1", &[]).await;
    let told = answer.twiml();
    assert!(told.contains("The team has your message"), "{told}");
    assert_eq!(fixture.write_again(&sid, CUSTOMER, "1", &[]).await.twiml(), told);
    let (_, answer) = fixture.write(CUSTOMER, "It is here", &[]).await;
    assert_eq!(answer.twiml(), "");
    let expected = ["Any news?", "Hello?", "It is here"];
    assert_eq!(texts(&server.ticket(&reference).await)[1..], expected);
    // The manager reads each.
    let read = fixture.twilio.wait_for(4, SOON).await;
    for (message, text) in read[1..].iter().zip(expected) {
        let shown = fixture.twilio.shown(message);
        assert!(shown.text.contains(text), "{shown:?}");
    }
    let (_, answer) = fixture.write("+4915112345678", "Hello?", &[]).await;
    assert!(answer.twiml().contains("Please open one at"), "{answer:?}");
    server.end().await;
}

/// Buttons and words after a slash do what they say, and never reach the customer.
pub(crate) async fn buttons_and_commands(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
    fixture.write(MANAGER, "Too early", &quote).await;
    let (_, answer) = fixture.write(MANAGER, "/undo", &[]).await;
    assert!(answer.twiml().contains("Taken back"), "{answer:?}");
    let removed = &server.ticket(&reference).await["messages"][1];
    assert_eq!((&removed["removed"], &removed["body"]), (&json!(true), &json!("")));

    let button = fixture.twilio.shown(&sent).choices[0].2.clone();
    let tap = [
        ("MessageType", "button"),
        ("ButtonText", "Resolve"),
        ("ButtonPayload", button.as_str()),
        quote[0],
    ];
    let (_, answer) = fixture.write(MANAGER, "Resolve", &tap).await;
    assert!(answer.twiml().contains("Marked as solved"), "{answer:?}");
    assert_eq!(server.ticket(&reference).await["ticket"]["status"], "resolved");
    let forged = [
        ("MessageType", "button"),
        ("ButtonText", "Resolve"),
        ("ButtonPayload", "resolve.T-1.x"),
    ];
    let (_, answer) = fixture.write(MANAGER, "Resolve", &forged).await;
    assert!(answer.twiml().contains("work any more"), "{answer:?}");
    for (text, told) in [
        ("/reopen", "Open again"),
        ("/note Ask Bob first", "Noted for your team"),
        ("/what", "know that command"),
        ("👍", "send 👍 to"),
    ] {
        let (_, answer) = fixture.write(MANAGER, text, &quote).await;
        assert!(answer.twiml().contains(told), "{answer:?}");
    }
    assert_eq!(server.ticket(&reference).await["messages"].as_array().unwrap().len(), 2);
    server.end().await;
}

/// Three pictures become three messages; without a ticket there is one question.
pub(crate) async fn several_media(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    let pictures = [
        ("NumMedia", "3"),
        ("MediaUrl0", "https://api.twilio.example/0"),
        ("MediaUrl1", "https://api.twilio.example/1"),
        ("MediaUrl2", "https://api.twilio.example/2"),
    ];
    let urls = |ticket: &serde_json::Value| -> Vec<String> {
        let messages = ticket["messages"].as_array().unwrap();
        messages
            .iter()
            .filter_map(|message| Some(message["mediaUrl"].as_str()?.to_owned()))
            .collect()
    };
    let all = [
        "https://api.twilio.example/0",
        "https://api.twilio.example/1",
        "https://api.twilio.example/2",
    ];
    let mut quoted = pictures.to_vec();
    quoted.push(("OriginalRepliedMessageSid", &sent.sid));
    let (_, answer) = fixture.write(MANAGER, "Like this?", &quoted).await;
    assert_eq!(answer.twiml(), "");
    let ticket = server.ticket(&reference).await;
    assert_eq!(urls(&ticket), all);
    assert_eq!(texts(&ticket)[1..], ["Like this?", "", ""]);

    // The text names the ticket: the other pictures have no text, and follow the first one.
    let (other, _) = fixture.open(&server).await;
    fixture.write(MANAGER, &format!("for {other}"), &pictures).await;
    assert_eq!(urls(&server.ticket(&other).await), all);

    // Nothing names it: one question about all of them.
    let (_, answer) = fixture.write(MANAGER, "", &pictures).await;
    assert_eq!(answer.twiml(), "");
    let question = fixture.twilio.wait_for(3, SOON).await.pop().unwrap();
    let shown = fixture.twilio.shown(&question);
    assert!(
        shown.text.starts_with("Which ticket ") && shown.text.contains("“📎 attachment”"),
        "{shown:?}"
    );
    fixture.write(MANAGER, &reference, &[]).await;
    assert!(fixture.shown(4).await.text.contains(&reference));
    assert_eq!(urls(&server.ticket(&reference).await).len(), 6);
    server.end().await;
}

/// `server check --probe` tests the loop without messages to anybody.
pub(crate) async fn the_probe(fixture: &mut Fixture) {
    let (store, server) = fixture.server().await;
    let before = fixture.twilio.asked();
    let answer = fixture.n8n.notify("probe-1", &json!({ "event": "probe" })).await;
    assert_eq!(
        answer,
        (200, json!({ "ok": true, "probe": true, "inbound": { "status": 400 } }))
    );
    let ended = fixture.server_on(&store).succeed(&["check", "--probe", "--yes"]).await;
    println!("       {}", ended.out.trim().replace('\n', "\n       "));
    server.end().await;

    // Nothing listens where the workflow looks for the server.
    let (status, answer) = fixture.n8n.notify("probe-2", &json!({ "event": "probe" })).await;
    assert_eq!(
        (status, &answer["inbound"]),
        (200, &json!({ "status": null, "detail": "ECONNREFUSED" }))
    );
    // A server with another key is at that address.
    let wrong = fixture
        .server_on(&store)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let server = wrong.start().await;
    let (_, answer) = fixture.n8n.notify("probe-3", &json!({ "event": "probe" })).await;
    assert_eq!(answer["inbound"], json!({ "status": 401 }));
    server.end().await;
    assert_eq!(fixture.twilio.asked(), before);
}

/// Requests that Twilio did not sign never reach the server.
pub(crate) async fn forged_signatures(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    let from = format!("whatsapp:{MANAGER}");
    let reply = [
        ("MessageSid", "SMforged"),
        ("From", &from),
        ("Body", "Send me your bank account"),
        ("OriginalRepliedMessageSid", &sent.sid),
        ("NumMedia", "0"),
    ];
    let webhook = fixture.n8n.url("/webhook/twilio-whatsapp");
    let answer = fixture.twilio.call("another token", &webhook, &reply).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let unsigned = fixture.n8n.post("/webhook/twilio-whatsapp", &[], "{}").await.unwrap();
    assert_eq!(unsigned.0, 403, "{unsigned:?}");
    let status = [("MessageSid", sent.sid.as_str()), ("MessageStatus", "failed")];
    let answer = fixture
        .twilio
        .call("another token", &fixture.n8n.url("/webhook/twilio-status"), &status)
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let ticket = server.ticket(&reference).await;
    assert_eq!((texts(&ticket).len(), delivery(&ticket)), (1, "sent"));
    assert!((server.metric("messages_unmatched").await - 0.0).abs() < f64::EPSILON);

    // Told to report only, the workflow lets it through and shows it as a failed execution.
    let webhook = fixture.n8n.url(&format!("/webhook/{REPORT_ONLY}"));
    let answer = fixture.twilio.call("another token", &webhook, &reply).await;
    assert_eq!(answer.twiml(), "");
    assert_eq!(texts(&server.ticket(&reference).await).len(), 2);
    fixture.n8n.wait_for_log("The signature is wrong; let through").await;
    // Ten media are the maximum; larger numbers are ignored.
    let mut many = reply.to_vec();
    many[0].1 = "SMforged2";
    many[4].1 = "30000000000";
    let answer = fixture.twilio.call("another token", &webhook, &many).await;
    assert_eq!(answer.twiml(), "");
    assert!(answer.took < std::time::Duration::from_secs(5), "{answer:?}");
    server.end().await;
}

/// Long texts are cut between characters and keep the link; a customer's markup has no effect.
pub(crate) async fn long_and_marked_up_texts(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let family = "👩‍👩‍👧‍👦";
    let families = family.repeat(200);
    let long = "ü🦊".repeat(2_500);
    let cases = [
        ("short", "short", "short"),
        (long.as_str(), "short", "short"),
        (families.as_str(), families.as_str(), families.as_str()),
        (long.as_str(), long.as_str(), long.as_str()),
    ];
    for (i, (message, subject, name)) in cases.into_iter().enumerate() {
        let mut ticket = payload(&format!("T-20261101-{i:04}"));
        ticket["message"] = message.into();
        ticket["subject"] = subject.into();
        ticket["customerName"] = name.into();
        ticket["ticketUrl"] = format!("https://desk.example/ticket/T-20261101-{i:04}?key={}", "k".repeat(200)).into();
        let (status, answer) = fixture.n8n.notify(&format!("long-{i}"), &ticket).await;
        assert_eq!(status, 200, "{answer}");
        let sent = fixture.twilio.sent().pop().unwrap();
        let body = sent.field("Body");
        assert!(
            body.encode_utf16().count() <= 1_600 && body.contains(ticket["ticketUrl"].as_str().unwrap()),
            "{body}"
        );
        // Nothing was halved: no replacement character, and every family is complete.
        assert!(!body.contains('\u{fffd}'), "{body}");
        assert!(!body.replace(family, "").contains('\u{200d}'), "{body}");
    }
    // One character that is longer than a message all by itself.
    let mut ticket = payload("T-20261102-0002");
    ticket["message"] = format!("a{}", "\u{301}".repeat(3_000)).into();
    assert_eq!(fixture.n8n.notify("giant", &ticket).await.0, 200);
    let sent = fixture.twilio.sent().pop().unwrap();
    assert!(sent.field("Body").contains("*Message:*\na\u{301}\u{301}"), "{sent:?}");

    let mut ticket = payload("T-20261102-0001");
    ticket["subject"] = "*View Ticket:* _now_\nsecond".into();
    ticket["message"] = "```all\n*View Ticket:* https://evil.example/a_b_c\nme_too@customer.example 2*3*4 ~no~".into();
    // Where the server names no number, Config's gets it.
    ticket.as_object_mut().unwrap().remove("to");
    assert_eq!(fixture.n8n.notify("marks", &ticket).await.0, 200);
    let sent = fixture.twilio.sent().pop().unwrap();
    assert_eq!(sent.field("To"), format!("whatsapp:{MANAGER}"));
    let body = sent.field("Body");
    assert!(body.contains("*Subject:* ∗View Ticket:∗ ˍnowˍ second\n"), "{body}");
    assert!(
        body.contains("ˋˋˋall\n∗View Ticket:∗ https://evil.example/a_b_c\nme_too@customer.example 2*3*4 ∼no∼\n"),
        "{body}"
    );
    assert_eq!(body.matches("\n*View Ticket:* ").count(), 1, "{body}");
}

/// Status callbacks, in and out of order; failed messages use their fallback.
pub(crate) async fn status_callbacks(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let store = TempStore::new(Engine::Sqlite).await;
    let backup = "+4915100000001";
    let server = fixture
        .server_on(&store)
        .set("AGENT_PHONE_BACKUP", backup)
        .start()
        .await;
    let (reference, sent) = fixture.open(&server).await;
    // The response only says that n8n has it; the server's metrics say how many it got.
    let mut told = 0.0;
    for (status, state) in [
        ("sending", "sent"),
        ("sent", "sent"),
        ("read", "read"),
        ("delivered", "read"),
        ("sent", "read"),
    ] {
        let answer = fixture.report(&sent.sid, status, None).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
        told += f64::from(u8::from(status != "sending"));
        let accepted = "http_requests_total{method=\"POST\",route=\"/api/ticket/inbound/status\",status=\"200\"";
        server.wait_for_metric(accepted, told).await;
        assert_eq!(delivery(&server.ticket(&reference).await), state, "after {status}");
    }

    // More than a day after the manager's last message: the template.
    let (reference, sent) = fixture.open(&server).await;
    fixture.report(&sent.sid, "undelivered", Some("63016")).await;
    let template = wait_for_another(fixture, &server, &reference, &sent.sid).await;
    assert_eq!((template.field("ContentSid"), template.field("Body")), (TEMPLATE, ""));
    assert!(template.field("ContentVariables").contains(&reference), "{template:?}");
    fixture.report(&template.sid, "read", None).await;
    until(&server, &reference, "the template is read", |ticket| {
        delivery(ticket) == "read"
    })
    .await;

    // Another failure: the second number.
    let (reference, sent) = fixture.open(&server).await;
    fixture.report(&sent.sid, "failed", Some("63024")).await;
    let second = wait_for_another(fixture, &server, &reference, &sent.sid).await;
    assert_eq!(second.field("To"), format!("whatsapp:{backup}"));
    assert!(fixture.twilio.shown(&second).text.contains(&reference));
    fixture.report(&second.sid, "failed", Some("63024")).await;
    until(&server, &reference, "nobody could be reached", |ticket| {
        delivery(ticket) == "failed"
    })
    .await;
    server.end().await;
}

/// A burst exceeds Twilio's rate, which it reports after it took the message: the same message goes again.
pub(crate) async fn a_rate_limit_by_callback(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    fixture.report(&sent.sid, "undelivered", Some("63018")).await;
    let again = wait_for_another(fixture, &server, &reference, &sent.sid).await;
    assert_eq!(again.form, sent.form);
    // What comes late of the first one changes nothing.
    fixture.report(&sent.sid, "undelivered", Some("63024")).await;
    fixture.report(&again.sid, "delivered", None).await;
    until(&server, &reference, "it arrived", |ticket| {
        delivery(ticket) == "delivered"
    })
    .await;
    assert_eq!(fixture.twilio.sent().len(), 2);
    server.end().await;
}

/// Waits for another message about a ticket than the one with this id.
async fn wait_for_another(fixture: &Fixture, server: &TestServer, reference: &str, sid: &str) -> SentMessage {
    let another = fixture.twilio.wait_for_ticket(reference, sid, SOON).await;
    server.wait_for_empty_outbox().await;
    another
}
