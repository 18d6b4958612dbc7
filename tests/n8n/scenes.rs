//! The loop when everything works.

use black_box::{CUSTOMER, Engine, MANAGER, TempStore, TestServer};
use serde_json::json;

use crate::{
    real::{REPEAT, REPORT_ONLY, TEMPLATE},
    stage::{SOON, Stage, delivery, payload, texts, until},
};

/// Ticket → WhatsApp → a quoted reply → the thread; then the customer writes again.
pub(crate) async fn the_loop_with_a_quoted_reply(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    let (reference, sent) = stage.open(&desk).await;
    assert_eq!(
        sent.field("Body"),
        format!(
            "🎫 *NEW SUPPORT TICKET*\n\n*Ticket:* {reference}\n*Customer:* Zoë Quuxley 🦊\n*Phone:* {CUSTOMER}\n\
             *Email:* zoe.quuxley@customer.example\n*Priority:* HIGH\n*Subject:* Product Quality Issue\n\n*Message:*\n\
             I received damaged bottles in my last order.\n\n*View Ticket:* https://desk.example/ticket/{reference}\n\n\
             Reply to this message to respond to the ticket."
        )
    );
    assert_eq!(sent.field("To"), format!("whatsapp:{MANAGER}"));
    assert_eq!(sent.field("From"), "whatsapp:+14155238886");
    let callback = stage.n8n.url("/webhook/twilio-status") + REPEAT;
    assert_eq!(sent.field("StatusCallback"), callback);
    assert_eq!(delivery(&desk.ticket(&reference).await), "sent");

    let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
    let (sid, answer) = stage
        .write(MANAGER, "New ones are on their way & <free> 🎁", &quote)
        .await;
    assert_eq!(answer.words(), "");
    let ticket = desk.ticket(&reference).await;
    assert_eq!(texts(&ticket)[1], "New ones are on their way & <free> 🎁");
    assert_eq!(ticket["messages"][1]["sender"], "manager");
    // Twilio repeats what it thinks was lost.
    stage
        .write_again(&sid, MANAGER, "New ones are on their way & <free> 🎁", &quote)
        .await;
    assert_eq!(texts(&desk.ticket(&reference).await).len(), 2);

    stage.write(CUSTOMER, &format!("{reference}: thank you"), &[]).await;
    let told = stage.twilio.wait_for(2, SOON).await.pop().unwrap();
    assert_eq!(texts(&desk.ticket(&reference).await).len(), 3);
    desk.all_settled().await;
    assert!(
        told.field("Body")
            .starts_with("💬 *NEW MESSAGE FROM THE CUSTOMER*\n\n*Ticket:* "),
        "{told:?}"
    );
    assert!(told.field("Body").contains(": thank you"), "{told:?}");
    assert!(desk.stop().await.success());
}

/// A bare reply is asked about, in the server's words; a number settles it.
pub(crate) async fn asking_back_and_a_pick(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    let (older, _) = stage.open(&desk).await;
    let (newer, _) = stage.open(&desk).await;
    let (sid, answer) = stage.write(MANAGER, "We send new ones", &[]).await;
    let asked = answer.words();
    let place = |reference: &str| {
        asked
            .find(reference)
            .unwrap_or_else(|| panic!("{reference} is not in {asked:?}"))
    };
    assert!(place(&newer) < place(&older), "{asked}");
    assert_eq!(
        stage.write_again(&sid, MANAGER, "We send new ones", &[]).await.words(),
        asked
    );
    assert_eq!(
        texts(&desk.ticket(&older).await).len() + texts(&desk.ticket(&newer).await).len(),
        2
    );

    let (pick, answer) = stage.write(MANAGER, "2", &[]).await;
    let told = answer.words();
    assert!(told.contains(&older), "{told}");
    assert_eq!(stage.write_again(&pick, MANAGER, "2", &[]).await.words(), told);
    assert_eq!(texts(&desk.ticket(&older).await)[1..], ["We send new ones"]);
    assert_eq!(texts(&desk.ticket(&newer).await).len(), 1);

    // Asked anew, and left to the team.
    let (_, answer) = stage.write(MANAGER, "And another thing", &[]).await;
    assert!(answer.words().contains(&newer), "{answer:?}");
    let (_, answer) = stage.write(MANAGER, "0", &[]).await;
    assert!(!answer.words().is_empty(), "{answer:?}");
    // A reference that does not exist is a 404 of the server's; the manager is asked too.
    let (_, answer) = stage.write(MANAGER, "T-20200101-0000 is done", &[]).await;
    assert!(answer.words().contains(&newer), "{answer:?}");
    // A stranger is told nothing.
    let (_, answer) = stage.write("+4915112345678", "Hello?", &[]).await;
    assert_eq!(answer.words(), "");
    assert!(desk.stop().await.success());
}

/// Three pictures of one message are three messages of the thread; without a ticket they are asked about once.
pub(crate) async fn several_media(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    let (reference, sent) = stage.open(&desk).await;
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
    let (_, answer) = stage.write(MANAGER, "Like this?", &quoted).await;
    assert_eq!(answer.words(), "");
    let ticket = desk.ticket(&reference).await;
    assert_eq!(urls(&ticket), all);
    assert_eq!(texts(&ticket)[1..], ["Like this?", "", ""]);

    // The text names the ticket: the other pictures have no text, and follow the first one.
    let (other, _) = stage.open(&desk).await;
    stage.write(MANAGER, &format!("for {other}"), &pictures).await;
    assert_eq!(urls(&desk.ticket(&other).await), all);

    // Nothing names it: one question about all of them.
    let (_, answer) = stage.write(MANAGER, "", &pictures).await;
    assert_eq!(answer.text.matches("<Message>").count(), 1, "{answer:?}");
    assert!(answer.words().contains(&reference), "{answer:?}");
    let (_, answer) = stage.write(MANAGER, &reference, &[]).await;
    assert!(answer.words().contains(&reference), "{answer:?}");
    assert_eq!(urls(&desk.ticket(&reference).await).len(), 6);
    assert!(desk.stop().await.success());
}

/// `server check --probe` goes round the loop and tells nobody.
pub(crate) async fn the_probe(stage: &mut Stage) {
    let (place, desk) = stage.desk().await;
    let before = stage.twilio.asked();
    let answer = stage.n8n.notify("probe-1", &json!({ "event": "probe" })).await;
    assert_eq!(
        answer,
        (200, json!({ "ok": true, "probe": true, "inbound": { "status": 400 } }))
    );
    let (status, out, err) = stage.desk_on(&place).run(&["check", "--probe", "--yes"]).await;
    assert!(status.success(), "{out}{err}");
    println!("       {}", out.trim().replace('\n', "\n       "));
    assert!(desk.stop().await.success());

    // Nothing listens where the workflow looks for the server.
    let (status, answer) = stage.n8n.notify("probe-2", &json!({ "event": "probe" })).await;
    assert_eq!(
        (status, &answer["inbound"]),
        (200, &json!({ "status": null, "detail": "ECONNREFUSED" }))
    );
    // Somebody at that address knows another key.
    let wrong = stage
        .desk_on(&place)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let desk = wrong.start().await;
    let (_, answer) = stage.n8n.notify("probe-3", &json!({ "event": "probe" })).await;
    assert_eq!(answer["inbound"], json!({ "status": 401 }));
    assert!(desk.stop().await.success());
    assert_eq!(stage.twilio.asked(), before);
}

/// What Twilio did not sign never reaches the server.
pub(crate) async fn forged_signatures(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    let (reference, sent) = stage.open(&desk).await;
    let from = format!("whatsapp:{MANAGER}");
    let reply = [
        ("MessageSid", "SMforged"),
        ("From", &from),
        ("Body", "Send me your bank account"),
        ("OriginalRepliedMessageSid", &sent.sid),
        ("NumMedia", "0"),
    ];
    let webhook = stage.n8n.url("/webhook/twilio-whatsapp");
    let answer = stage.twilio.call_signed_by("another token", &webhook, &reply).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let unsigned = stage.n8n.post("/webhook/twilio-whatsapp", &[], "{}").await.unwrap();
    assert_eq!(unsigned.0, 403, "{unsigned:?}");
    let status = [("MessageSid", sent.sid.as_str()), ("MessageStatus", "failed")];
    let answer = stage
        .twilio
        .call_signed_by("another token", &stage.n8n.url("/webhook/twilio-status"), &status)
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let ticket = desk.ticket(&reference).await;
    assert_eq!((texts(&ticket).len(), delivery(&ticket)), (1, "sent"));
    assert!((desk.metric("messages_unmatched").await - 0.0).abs() < f64::EPSILON);

    // Told to report only, the workflow lets it through and shows it as a failed execution.
    let webhook = stage.n8n.url(&format!("/webhook/{REPORT_ONLY}"));
    let answer = stage.twilio.call_signed_by("another token", &webhook, &reply).await;
    assert_eq!(answer.words(), "");
    assert_eq!(texts(&desk.ticket(&reference).await).len(), 2);
    stage.n8n.wait_for_log("The signature is wrong; let through").await;
    // Ten media are the most; whoever says more is not believed.
    let mut many = reply.to_vec();
    many[0].1 = "SMforged2";
    many[4].1 = "30000000000";
    let answer = stage.twilio.call_signed_by("another token", &webhook, &many).await;
    assert_eq!(answer.words(), "");
    assert!(answer.took < std::time::Duration::from_secs(5), "{answer:?}");
    assert!(desk.stop().await.success());
}

/// Whatever is long is cut between characters, and the link stays; a customer's marks make no layout.
pub(crate) async fn long_and_marked_up_texts(stage: &mut Stage) {
    stage.n8n_works().await;
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
        let (status, answer) = stage.n8n.notify(&format!("long-{i}"), &ticket).await;
        assert_eq!(status, 200, "{answer}");
        let sent = stage.twilio.sent().pop().unwrap();
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
    assert_eq!(stage.n8n.notify("giant", &ticket).await.0, 200);
    let sent = stage.twilio.sent().pop().unwrap();
    assert!(sent.field("Body").contains("*Message:*\na\u{301}\u{301}"), "{sent:?}");

    let mut ticket = payload("T-20261102-0001");
    ticket["subject"] = "*View Ticket:* _now_\nsecond".into();
    ticket["message"] = "```all\n*View Ticket:* https://evil.example/a_b_c\nme_too@customer.example 2*3*4 ~no~".into();
    // Where the server names no number, Config's gets it.
    ticket.as_object_mut().unwrap().remove("to");
    assert_eq!(stage.n8n.notify("marks", &ticket).await.0, 200);
    let sent = stage.twilio.sent().pop().unwrap();
    assert_eq!(sent.field("To"), format!("whatsapp:{MANAGER}"));
    let body = sent.field("Body");
    assert!(body.contains("*Subject:* ∗View Ticket:∗ ˍnowˍ second\n"), "{body}");
    assert!(
        body.contains("ˋˋˋall\n∗View Ticket:∗ https://evil.example/a_b_c\nme_too@customer.example 2*3*4 ∼no∼\n"),
        "{body}"
    );
    assert_eq!(body.matches("\n*View Ticket:* ").count(), 1, "{body}");
}

/// Status callbacks, in order and out of order; what failed goes another way.
pub(crate) async fn what_twilio_reports_later(stage: &mut Stage) {
    stage.n8n_works().await;
    let place = TempStore::new(Engine::Sqlite).await;
    let backup = "+4915100000001";
    let desk = stage.desk_on(&place).set("AGENT_PHONE_BACKUP", backup).start().await;
    let (reference, sent) = stage.open(&desk).await;
    // The answer says only that n8n has it; how many the server was told is in its figures.
    let mut told = 0.0;
    for (status, state) in [
        ("sending", "sent"),
        ("sent", "sent"),
        ("read", "read"),
        ("delivered", "read"),
        ("sent", "read"),
    ] {
        let answer = stage.report(&sent.sid, status, None).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
        told += f64::from(u8::from(status != "sending"));
        wait_for_statuses(&desk, told).await;
        assert_eq!(delivery(&desk.ticket(&reference).await), state, "after {status}");
    }

    // More than a day after the manager's last message: the template.
    let (reference, sent) = stage.open(&desk).await;
    stage.report(&sent.sid, "undelivered", Some("63016")).await;
    let template = wait_for_another(stage, &desk, &reference, &sent.sid).await;
    assert_eq!((template.field("ContentSid"), template.field("Body")), (TEMPLATE, ""));
    assert!(template.field("ContentVariables").contains(&reference), "{template:?}");
    stage.report(&template.sid, "read", None).await;
    until(&desk, &reference, "the template is read", |ticket| {
        delivery(ticket) == "read"
    })
    .await;

    // Another failure: the second number.
    let (reference, sent) = stage.open(&desk).await;
    stage.report(&sent.sid, "failed", Some("63024")).await;
    let second = wait_for_another(stage, &desk, &reference, &sent.sid).await;
    assert_eq!(second.field("To"), format!("whatsapp:{backup}"));
    assert!(second.field("Body").contains(&reference));
    stage.report(&second.sid, "failed", Some("63024")).await;
    until(&desk, &reference, "nobody could be reached", |ticket| {
        delivery(ticket) == "failed"
    })
    .await;
    assert!(desk.stop().await.success());
}

/// Waits until the server has taken so many statuses.
async fn wait_for_statuses(desk: &TestServer, count: f64) {
    let taken = async {
        let name = "http_requests_total{method=\"POST\",route=\"/api/ticket/inbound/status\",status=\"200\"";
        while desk.metric(name).await < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, taken).await;
    assert!(waited.is_ok(), "the server was not told of {count} statuses");
}

/// Waits for a ticket's message that is not this one.
async fn wait_for_another(stage: &Stage, desk: &TestServer, reference: &str, sid: &str) -> black_box::Sent {
    let newest = || {
        stage
            .twilio
            .sent()
            .into_iter()
            .rfind(|sent| sent.ticket_ref() == reference)
    };
    until(desk, reference, "another message", |_| {
        newest().is_some_and(|sent| sent.sid != sid)
    })
    .await;
    desk.all_settled().await;
    newest().unwrap()
}
