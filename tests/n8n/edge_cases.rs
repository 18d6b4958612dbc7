//! Edge cases: statuses, another server at the address, a silent Twilio, a careless Config.

use std::time::{Duration, Instant};

use black_box::{MANAGER, Reaction};
use serde_json::json;

use crate::{
    fixture::{Fixture, SOON, payload, texts},
    real_n8n::{CARELESS, IMPATIENT, TEMPLATE},
};

/// What the fallback webhook responds to a sender.
const NOT_TAKEN: &str = "Your message was not taken. Please send it again.";

/// Twilio reports a status once and ignores the response: a restarting server gets it all the same.
pub(crate) async fn the_server_is_away_for_a_status(fixture: &mut Fixture) {
    let (store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    server.end().await;
    let answer = fixture.report(&sent.sid, "undelivered", Some("63016")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
    assert!(answer.took < Duration::from_secs(2), "{answer:?}");
    // Longer than replies are retried.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let server = fixture.server_on(&store).start().await;
    let count = fixture.twilio.sent().len() + 1;
    let template = fixture.twilio.wait_for(count, SOON).await.pop().unwrap();
    assert_eq!(
        (template.ticket_ref(), template.field("ContentSid")),
        (reference, TEMPLATE)
    );
    server.end().await;

    // The retries end with a failed execution. A response of another server is not retried at all.
    let path = format!("/webhook/{IMPATIENT}");
    let answer = fixture.report_to(&path, &sent.sid, "delivered", None).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    fixture
        .n8n
        .wait_for_log("The ticket server did not take a status")
        .await;
    let impostor = fixture.impostor();
    impostor.always(Reaction::Respond(200, Vec::new(), "<!DOCTYPE html>".into()));
    let answer = fixture.report(&sent.sid, "delivered", None).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    fixture
        .n8n
        .wait_for_log("The ticket server refused a status: 200")
        .await;
    assert_eq!(impostor.count(), 1);
}

/// A 200 from another server does not mean that a reply was accepted; characters that XML can't hold are left out.
pub(crate) async fn another_server_at_the_address(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let impostor = fixture.impostor();
    for body in ["", "<!DOCTYPE html><p>Welcome", "null", "[1]", "{\"ok\":\"true\"}"] {
        impostor.always(Reaction::Respond(200, Vec::new(), body.into()));
        let (_, answer) = fixture.write(MANAGER, "to nobody", &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (502, ""), "{body:?}: {answer:?}");
    }
    fixture.n8n.wait_for_log("not the ticket server's answer").await;
    let notice = json!({ "ok": true, "notice": "a\u{1}b\u{b} <c>\u{ffff}\nd" });
    impostor.always(Reaction::json(&notice));
    let (_, answer) = fixture.write(MANAGER, "to somebody", &[]).await;
    assert_eq!(answer.twiml(), "ab <c>\nd");
}

/// Ten media of 2.5 seconds each take longer than Twilio waits: it gets an error in time.
pub(crate) async fn a_slow_server_and_many_media(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let impostor = fixture.impostor();
    impostor.always(Reaction::json(&json!({ "ok": true })).after(Duration::from_millis(2_500)));
    let names: Vec<String> = (0..10).map(|i| format!("MediaUrl{i}")).collect();
    let mut media = vec![("NumMedia", "10")];
    media.extend(
        names
            .iter()
            .map(|name| (name.as_str(), "https://api.twilio.example/picture")),
    );
    let (_, answer) = fixture.write(MANAGER, "many", &media).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.took < Duration::from_secs(14), "{answer:?}");
}

/// Twilio's fallback webhook: one more attempt, then a message to the sender.
pub(crate) async fn a_reply_that_was_not_accepted(fixture: &mut Fixture) {
    let fallback = "/webhook/twilio-whatsapp-fallback";
    let (store, server) = fixture.server().await;
    let (reference, sent) = fixture.open(&server).await;
    server.end().await;
    let more = [
        ("OriginalRepliedMessageSid", sent.sid.as_str()),
        ("ErrorCode", "11200"),
        ("ErrorUrl", "https://n8n.example.com/webhook/twilio-whatsapp"),
    ];
    let answer = fixture.write_to(fallback, "SMfallback", MANAGER, "lost?", &more).await;
    assert_eq!(answer.twiml(), NOT_TAKEN);
    let wrong = fixture
        .server_on(&store)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let server = wrong.start().await;
    let answer = fixture.write_to(fallback, "SMfallback", MANAGER, "lost?", &more).await;
    assert_eq!(answer.twiml(), NOT_TAKEN);
    server.end().await;
    let server = fixture.server_on(&store).start().await;
    let answer = fixture.write_to(fallback, "SMfallback", MANAGER, "lost?", &more).await;
    assert_eq!(answer.twiml(), "");
    assert_eq!(texts(&server.ticket(&reference).await)[1..], ["lost?"]);
    // Unsigned requests are rejected here too.
    let (address, params) = (
        fixture.n8n.url(fallback),
        [("MessageSid", "SMother"), ("Body", "from nobody")],
    );
    let forged = fixture.twilio.call("another token", &address, &params).await;
    assert_eq!(forged.status, 403, "{forged:?}");
    server.end().await;
}

/// Twilio is slow or never responds: nobody may get a message twice within a minute.
pub(crate) async fn twilio_is_silent(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    fixture.twilio.delay(Duration::from_secs(8));
    let (status, answer) = fixture.n8n.notify("slow", &payload("T-20261106-0001")).await;
    assert_eq!(status, 200, "{answer}");
    fixture.twilio.delay(Duration::from_secs(16));
    // A confirmation goes as text then, before the 15 seconds are over for which Twilio waits.
    let server = fixture.impostor();
    server.always(Reaction::json(&json!({
        "ok": true, "notice": "Sent to Zoë.", "actions": [{ "title": "Undo", "payload": "undo.1.x" }],
    })));
    let (_, answer) = fixture.write(MANAGER, "1", &[]).await;
    assert_eq!(answer.twiml(), "Sent to Zoë.");
    assert!(answer.took < Duration::from_secs(14), "{answer:?}");
    let (begun, ticket) = (Instant::now(), payload("T-20261106-0002"));
    let (status, answer) = fixture.n8n.notify("silent", &ticket).await;
    assert_eq!((status, &answer["twilioStatus"]), (502, &json!(null)), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    fixture.twilio.delay(Duration::ZERO);
    let asked = fixture.twilio.asked();
    let (status, answer) = fixture.n8n.notify("silent", &ticket).await;
    assert_eq!((status, &answer["error"]), (503, &json!("under_way")));
    assert_eq!(fixture.twilio.asked(), asked);
}

/// A Config without a number and with invalid template variables: messages that need them wait, others go out.
pub(crate) async fn a_careless_config(fixture: &mut Fixture) {
    fixture.n8n_works().await;
    let path = format!("/webhook/{CARELESS}");
    let post = async |id: &str, ticket: &serde_json::Value| {
        let headers = [("x-api-key", black_box::SHARED_SECRET), ("webhook-id", id)];
        let (status, body) = fixture.n8n.post(&path, &headers, &ticket.to_string()).await.unwrap();
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
    };
    let mut ticket = payload("T-20261107-0001");
    ticket["to"] = format!("whatsapp:{MANAGER}").into();
    assert_eq!(post("careless-1", &ticket).await.0, 200);
    assert_eq!(
        fixture.twilio.sent().pop().unwrap().field("To"),
        format!("whatsapp:{MANAGER}")
    );
    // WhatsApp wants the template, now or from the start.
    fixture.twilio.then(400, 63016, None);
    assert_eq!(post("careless-2", &ticket).await.0, 502);
    ticket["template"] = true.into();
    let (status, answer) = post("careless-3", &ticket).await;
    assert_eq!((status, &answer["error"]), (502, &json!("template_variables")));
    ticket.as_object_mut().unwrap().remove("to");
    let (status, answer) = post("careless-4", &ticket).await;
    assert_eq!((status, &answer["error"]), (502, &json!("no_number")));
}
