//! Failures and their consequences.

use std::time::{Duration, Instant};

use black_box::{Engine, MANAGER, TempStore, until as wait_until};

use crate::{
    fixture::{Fixture, SOON, delivery, payload, texts, until},
    real_n8n::TEMPLATE,
    table::{check, seen},
};

/// An inactive workflow responds 404, which is retried; once it is active, the message arrives.
pub(crate) async fn inactive_then_active(fixture: &mut Fixture) {
    check("n8n stopped", None);
    let answers = fixture.start_n8n_inactive().await;
    let starting = "n8n starting, for about two seconds";
    let html = answers.iter().flatten().find(|answer| seen(Some(*answer)).1 == "HTML");
    assert!(answers.contains(&None), "while n8n started: {answers:?}");
    check(starting, html);
    let answer = fixture.n8n.post("/webhook/ticket-created", &[], "{}").await;
    check("workflow inactive, unknown path, wrong method", answer.as_ref());

    let store = TempStore::new(Engine::Sqlite).await;
    let server = fixture.server_on(&store).start().await;
    let reference = server.open().await;
    server.wait_for_log("notification failed").await;
    assert!(fixture.twilio.sent().is_empty());
    assert_eq!(delivery(&server.ticket(&reference).await), "waiting");
    fixture.n8n_works().await;
    fixture
        .twilio
        .wait_for_ticket(&reference, "", Duration::from_mins(2))
        .await;
    server.wait_for_empty_outbox().await;
    assert_eq!(delivery(&server.ticket(&reference).await), "sent");
    server.end().await;
}

/// n8n rejects a wrong key; nothing is lost until the key is right.
pub(crate) async fn a_wrong_key(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let store = TempStore::new(Engine::Sqlite).await;
    let wrong = fixture
        .server_on(&store)
        .set("N8N_SHARED_SECRET", "not-the-key-0123456789abcdef0123456");
    let server = wrong.start().await;
    let reference = server.open().await;
    server.wait_for_log("notification failed").await;
    assert!(server.log().contains("403"), "{}", server.log());
    server.end().await;
    let server = fixture.server_on(&store).start().await;
    fixture.twilio.wait_for_ticket(&reference, "", SOON).await;
    server.wait_for_empty_outbox().await;
    assert_eq!(delivery(&server.ticket(&reference).await), "sent");
    server.end().await;
}

/// Twilio's rejections: retry later, use the template, try another number, never.
pub(crate) async fn messages_rejected_by_twilio(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    for (status, code, retry_after) in [
        (429, 20429, Some(2)),
        (429, 20429, None),
        (500, 20500, None),
        (401, 20003, None),
    ] {
        let asked = fixture.twilio.asked();
        fixture.twilio.then(status, code, retry_after);
        let (begun, reference) = (Instant::now(), server.open().await);
        fixture.twilio.wait_for_ticket(&reference, "", SOON).await;
        server.wait_for_empty_outbox().await;
        assert_eq!(fixture.twilio.asked(), asked + 2, "after {status}");
        assert!(begun.elapsed() >= Duration::from_secs(retry_after.unwrap_or(0).into()));
    }
    // The template follows in the same run of the workflow.
    let asked = fixture.twilio.asked();
    fixture.twilio.then(400, 63016, None);
    let (reference, sent) = fixture.open(&server).await;
    assert_eq!((sent.field("ContentSid"), sent.field("Body")), (TEMPLATE, ""));
    assert_eq!(fixture.twilio.asked(), asked + 2);
    let variables: serde_json::Value = serde_json::from_str(sent.field("ContentVariables")).unwrap();
    assert_eq!(variables["1"], reference);
    assert_eq!(delivery(&server.ticket(&reference).await), "sent");
    let (refused, given_up) = ("notification refused", "notification given up");
    let log = server.log();
    assert!(!log.contains(refused) && !log.contains(given_up), "{log}");

    // A permanent rejection is not retried. Without a second number the notification is dead.
    let asked = fixture.twilio.asked();
    fixture.twilio.then(400, 63003, None);
    let reference = server.open().await;
    until(&server, &reference, "given up", |ticket| delivery(ticket) == "failed").await;
    assert_eq!(fixture.twilio.asked(), asked + 1);
    assert!(server.log().contains(given_up), "{}", server.log());
    assert!((server.metric("notifications{state=\"dead\"}").await - 1.0).abs() < f64::EPSILON);
    fixture.twilio.none_twice();
    server.end().await;
}

/// The same notification twice, 30 ms apart: Twilio gets one message, and later repeats get the same id.
pub(crate) async fn the_same_webhook_twice(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    for round in 0..10 {
        let (id, ticket) = (format!("twin-{round}"), payload(&format!("T-20261104-{round:04}")));
        let asked = fixture.twilio.asked();
        let second = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            fixture.n8n.notify(&id, &ticket).await
        };
        let (first, second) = tokio::join!(fixture.n8n.notify(&id, &ticket), second);
        let mut answers = [&first, &second];
        answers.sort_by_key(|(status, _)| *status);
        assert_eq!(answers[0].0, 200, "{answers:?}");
        assert!(
            answers[1].0 == 503 || answers[1].1["externalId"] == answers[0].1["externalId"],
            "{answers:?}"
        );
        assert_eq!(fixture.twilio.asked(), asked + 1, "round {round}: {answers:?}");
        let (status, later) = fixture.n8n.notify(&id, &ticket).await;
        assert_eq!((status, &later["externalId"]), (200, &answers[0].1["externalId"]));
        assert_eq!(fixture.twilio.asked(), asked + 1);
    }
    // Four at once, as many as the server sends concurrently.
    let (id, ticket) = ("quadruplet", payload("T-20261104-9999"));
    let asked = fixture.twilio.asked();
    let one = || fixture.n8n.notify(id, &ticket);
    let answers = tokio::join!(one(), one(), one(), one());
    assert!(fixture.twilio.asked() <= asked + 1, "{answers:?}");
    let (status, _) = fixture.n8n.notify(id, &ticket).await;
    assert_eq!((status, fixture.twilio.asked()), (200, asked + 1), "{answers:?}");
}

/// The server is away while a manager writes: Twilio gets an error within its 15 seconds, and its repeat arrives.
pub(crate) async fn the_server_is_away_for_a_reply(fixture: &mut Fixture) {
    let (store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    server.end().await;
    let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
    let (sid, answer) = fixture.write(MANAGER, "while you were away", &quote).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, ""), "{answer:?}");
    assert!(answer.took < Duration::from_secs(12), "{answer:?}");
    println!("       n8n gives up after {:.1?}", answer.took);

    // The server comes back while n8n still retries.
    let back = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        fixture.server_on(&store).start().await
    };
    let (answer, server) = tokio::join!(fixture.write_again(&sid, MANAGER, "while you were away", &quote), back);
    assert_eq!(answer.twiml(), "");
    assert_eq!(texts(&server.ticket(&reference).await)[1..], ["while you were away"]);
    server.end().await;

    // A permanent rejection by the server is not repeated, and Twilio gets an error.
    let wrong = fixture
        .server_on(&store)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let server = wrong.start().await;
    let (_, answer) = fixture.write(MANAGER, "with another key", &quote).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let refused = server
        .metric("http_requests_total{method=\"POST\",route=\"/api/ticket/inbound\",status=\"401\"")
        .await;
    assert!((refused - 1.0).abs() < f64::EPSILON, "{refused} calls");
    server.end().await;
}

/// n8n is killed while Twilio has the message: whether it was accepted is unknown. For a minute the same id is rejected,
/// then it is sent again.
pub(crate) async fn killed_while_sending(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let ticket = payload("T-20261105-0001");
    fixture.twilio.delay(Duration::from_secs(3));
    let webhook = fixture.n8n.webhook();
    let body = ticket.to_string();
    let call = tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(webhook).header("x-api-key", black_box::SHARED_SECRET);
        let request = request
            .header("webhook-id", "killed")
            .header("content-type", "application/json");
        request.body(body).send().await.is_ok()
    });
    let begun = Instant::now();
    let is_asked = async || (fixture.twilio.waiting() > 0).then_some(());
    assert!(wait_until(SOON, is_asked).await.is_some(), "Twilio was not asked");
    fixture.n8n.kill().await;
    assert!(!call.await.unwrap(), "there is no answer");
    fixture.twilio.delay(Duration::ZERO);
    let asked = fixture.twilio.asked();
    fixture.n8n_works().await;
    let (status, answer) = fixture.n8n.notify("killed", &ticket).await;
    assert_eq!(status, 503, "{answer} after {:?}", begun.elapsed());
    loop {
        let (status, answer) = fixture.n8n.notify("killed", &ticket).await;
        if status == 200 {
            assert!(answer["externalId"].is_string(), "{answer}");
            break;
        }
        assert_eq!(status, 503, "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(75), "{answer}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(58), "after {:?}", begun.elapsed());
    println!("       sent again after {:.0?}", begun.elapsed());
    assert!(fixture.twilio.asked() > asked);
}
