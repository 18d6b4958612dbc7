//! What goes wrong, and what comes of it.

use std::time::{Duration, Instant};

use black_box::{Case, Engine, Kind, MANAGER, TempStore};

use crate::{
    real::TEMPLATE,
    stage::{SOON, Stage, delivery, payload, texts, until},
    table::hold,
};

/// An inactive workflow answers 404, which is tried again; once it is active, the ticket arrives.
pub(crate) async fn inactive_then_active(stage: &mut Stage) {
    hold(Case::Away, None, Kind::Nothing, "");
    let seen = stage.start_n8n_inactive().await;
    let starting = Case::Starting.row();
    assert!(
        seen.contains(&(None, Kind::Nothing)) && seen.contains(&(starting.status, Kind::Html)),
        "while n8n started: {seen:?}"
    );
    assert_eq!(starting.kind, Kind::Html.name());
    let (status, body) = stage.n8n.post("/webhook/ticket-created", &[], "{}").await.unwrap();
    hold(Case::Inactive, Some(status), Kind::of(&body), &body);

    let place = TempStore::new(Engine::Sqlite).await;
    let desk = stage.desk_on(&place).start().await;
    let reference = desk.open().await;
    desk.wait_for_log("notification failed").await;
    assert!(stage.twilio.sent().is_empty());
    assert_eq!(delivery(&desk.ticket(&reference).await), "waiting");
    stage.n8n_works().await;
    stage.twilio.wait_for_ticket(&reference, Duration::from_mins(2)).await;
    desk.all_settled().await;
    assert_eq!(delivery(&desk.ticket(&reference).await), "sent");
    assert!(desk.stop().await.success());
}

/// A wrong key is refused by n8n; nothing is lost until it is right.
pub(crate) async fn a_wrong_key(stage: &mut Stage) {
    stage.n8n_works().await;
    let place = TempStore::new(Engine::Sqlite).await;
    let wrong = stage
        .desk_on(&place)
        .set("N8N_SHARED_SECRET", "not-the-key-0123456789abcdef0123456");
    let desk = wrong.start().await;
    let reference = desk.open().await;
    desk.wait_for_log("notification failed").await;
    assert!(desk.log().contains("403"), "{}", desk.log());
    assert!(desk.stop().await.success());
    let desk = stage.desk_on(&place).start().await;
    stage.twilio.wait_for_ticket(&reference, SOON).await;
    desk.all_settled().await;
    assert_eq!(delivery(&desk.ticket(&reference).await), "sent");
    assert!(desk.stop().await.success());
}

/// Twilio's refusals: later, later, the template, another number, never.
pub(crate) async fn what_twilio_refuses(stage: &mut Stage) {
    let (_place, desk) = stage.desk().await;
    for (status, code, retry_after) in [
        (429, 20429, Some(2)),
        (429, 20429, None),
        (500, 20500, None),
        (401, 20003, None),
    ] {
        let asked = stage.twilio.asked();
        stage.twilio.then(status, code, retry_after);
        let (begun, reference) = (Instant::now(), desk.open().await);
        stage.twilio.wait_for_ticket(&reference, SOON).await;
        desk.all_settled().await;
        assert_eq!(stage.twilio.asked(), asked + 2, "after {status}");
        assert!(begun.elapsed() >= Duration::from_secs(retry_after.unwrap_or(0).into()));
    }
    // At once, in the same call of the workflow.
    let asked = stage.twilio.asked();
    stage.twilio.then(400, 63016, None);
    let (reference, sent) = stage.open(&desk).await;
    assert_eq!((sent.field("ContentSid"), sent.field("Body")), (TEMPLATE, ""));
    assert_eq!(stage.twilio.asked(), asked + 2);
    let variables: serde_json::Value = serde_json::from_str(sent.field("ContentVariables")).unwrap();
    assert_eq!(variables["1"], reference);
    assert_eq!(delivery(&desk.ticket(&reference).await), "sent");
    let (refused, given_up) = ("notification refused", "notification given up");
    let log = desk.log();
    assert!(!log.contains(refused) && !log.contains(given_up), "{log}");

    // For good: not asked again. There is no other number, so it is dead, and seen to be.
    let asked = stage.twilio.asked();
    stage.twilio.then(400, 63003, None);
    let reference = desk.open().await;
    until(&desk, &reference, "given up", |ticket| delivery(ticket) == "failed").await;
    assert_eq!(stage.twilio.asked(), asked + 1);
    assert!(desk.log().contains(given_up), "{}", desk.log());
    assert!((desk.metric("notifications{state=\"dead\"}").await - 1.0).abs() < f64::EPSILON);
    stage.twilio.none_twice();
    assert!(desk.stop().await.success());
}

/// The same message, 30 ms apart: Twilio is asked once, and whoever asks again later hears the same id.
pub(crate) async fn the_same_webhook_twice(stage: &mut Stage) {
    stage.n8n_works().await;
    for round in 0..10 {
        let (id, ticket) = (format!("twin-{round}"), payload(&format!("T-20261104-{round:04}")));
        let asked = stage.twilio.asked();
        let second = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            stage.n8n.notify(&id, &ticket).await
        };
        let (first, second) = tokio::join!(stage.n8n.notify(&id, &ticket), second);
        let mut answers = [&first, &second];
        answers.sort_by_key(|(status, _)| *status);
        assert_eq!(answers[0].0, 200, "{answers:?}");
        assert!(
            answers[1].0 == 503 || answers[1].1["externalId"] == answers[0].1["externalId"],
            "{answers:?}"
        );
        assert_eq!(stage.twilio.asked(), asked + 1, "round {round}: {answers:?}");
        let (status, later) = stage.n8n.notify(&id, &ticket).await;
        assert_eq!((status, &later["externalId"]), (200, &answers[0].1["externalId"]));
        assert_eq!(stage.twilio.asked(), asked + 1);
    }
    // Four at once, as many as the server has under way.
    let (id, ticket) = ("quadruplet", payload("T-20261104-9999"));
    let asked = stage.twilio.asked();
    let one = || stage.n8n.notify(id, &ticket);
    let answers = tokio::join!(one(), one(), one(), one());
    assert!(stage.twilio.asked() <= asked + 1, "{answers:?}");
    let (status, _) = stage.n8n.notify(id, &ticket).await;
    assert_eq!((status, stage.twilio.asked()), (200, asked + 1), "{answers:?}");
}

/// The server is away while a manager writes: Twilio hears so within its 15 seconds, and its repeat arrives.
pub(crate) async fn the_server_is_away_for_a_reply(stage: &mut Stage) {
    let (place, desk) = stage.desk().await;
    let (reference, sent) = stage.open(&desk).await;
    assert!(desk.stop().await.success());
    let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
    let (sid, answer) = stage.write(MANAGER, "while you were away", &quote).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, ""), "{answer:?}");
    assert!(answer.took < Duration::from_secs(12), "{answer:?}");
    println!("       n8n gives up after {:.1?}", answer.took);

    // It comes back while n8n still tries.
    let back = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stage.desk_on(&place).start().await
    };
    let (answer, desk) = tokio::join!(stage.write_again(&sid, MANAGER, "while you were away", &quote), back);
    assert_eq!(answer.words(), "");
    assert_eq!(texts(&desk.ticket(&reference).await)[1..], ["while you were away"]);
    assert!(desk.stop().await.success());

    // What the server refuses for good is not repeated, and Twilio hears that it failed.
    let wrong = stage
        .desk_on(&place)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let desk = wrong.start().await;
    let (_, answer) = stage.write(MANAGER, "with another key", &quote).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let refused = desk
        .metric("http_requests_total{method=\"POST\",route=\"/api/ticket/inbound\",status=\"401\"")
        .await;
    assert!((refused - 1.0).abs() < f64::EPSILON, "{refused} calls");
    assert!(desk.stop().await.success());
}

/// n8n is killed while Twilio has the message: nobody knows whether it was taken. For a minute the same id is refused,
/// then it goes again.
pub(crate) async fn killed_while_sending(stage: &mut Stage) {
    stage.n8n_works().await;
    let ticket = payload("T-20261105-0001");
    stage.twilio.pace(Duration::from_secs(3));
    let webhook = stage.n8n.webhook();
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
    while stage.twilio.waiting() == 0 {
        assert!(begun.elapsed() < SOON, "Twilio was not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.n8n.kill().await;
    assert!(!call.await.unwrap(), "there is no answer");
    stage.twilio.pace(Duration::ZERO);
    let asked = stage.twilio.asked();
    stage.n8n_works().await;
    let (status, answer) = stage.n8n.notify("killed", &ticket).await;
    assert_eq!(status, 503, "{answer} after {:?}", begun.elapsed());
    loop {
        let (status, answer) = stage.n8n.notify("killed", &ticket).await;
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
    assert!(stage.twilio.asked() > asked);
}
