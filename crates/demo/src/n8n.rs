//! n8n with its three workflows: notifications out to WhatsApp, replies and delivery states back to the server.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data, Json},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    api::ApiResponse,
    demo::Context,
    phone,
    state::{Author, ChatMessage, Failures, PHONES, Ticks, media_url},
};

/// Where replies go.
const INBOUND: &str = "/api/ticket/inbound";
/// Where delivery states go.
const STATUS: &str = "/api/ticket/inbound/status";
/// How long WhatsApp takes from one tick to the next: long enough to be seen.
const TICK: Duration = Duration::from_millis(400);
/// How long a call to a silent n8n is held: a little longer than the server and Twilio wait, which is 15 s for both.
const SILENCE: Duration = Duration::from_secs(16);

/// `POST /webhook/…`: the server tells of a ticket.
pub(crate) async fn webhook(request: HttpRequest, context: Data<Context>, body: Bytes) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
    let trouble = context.state.look().trouble;
    if trouble.n8n_silent && !trouble.n8n_down {
        let note = format!("{}, no answer", about(&payload));
        context.state.log("server → n8n", "POST", request.path(), 0, note);
        if !wakes(&context).await {
            // Nobody waits for this any more.
            return HttpResponse::GatewayTimeout().finish();
        }
    }
    let (status, answer) = answer_webhook(&context, header("x-api-key"), header("webhook-id"), &payload);
    let note = match status {
        StatusCode::OK if answer["repeated"] == true => format!("{}, taken before", about(&payload)),
        StatusCode::OK => about(&payload),
        _ => answer["message"].as_str().unwrap_or_default().into(),
    };
    context
        .state
        .log("server → n8n", "POST", request.path(), status.as_u16(), note);
    HttpResponse::build(status).json(answer)
}

/// Waits while n8n is silent: whether that ended in time.
async fn wakes(context: &Context) -> bool {
    let awake = context.state.until(|trouble| !trouble.n8n_silent || trouble.n8n_down);
    timeout(SILENCE, awake).await.is_ok()
}

/// What a notification is about, in a few words.
fn about(payload: &Value) -> String {
    let text = |name: &str| payload[name].as_str().unwrap_or_default();
    let event = text("event").trim_start_matches("ticket.");
    let template = if payload["template"] == true { ", template" } else { "" };
    let to_backup = if text("to") == PHONES[1].0 {
        ", to the second number"
    } else {
        ""
    };
    format!("{event} {}{template}{to_backup}", text("ticketRef"))
}

/// What our workflow answers. Refusals are those of a real n8n.
fn answer_webhook(
    context: &Data<Context>,
    key: Option<&str>,
    webhook_id: Option<&str>,
    payload: &Value,
) -> (StatusCode, Value) {
    let refuse = |status, message: &str| (status, json!({ "ok": false, "message": message }));
    let trouble = context.state.look().trouble;
    if trouble.n8n_down {
        // What a proxy answers before an n8n that is away.
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "n8n is down");
    }
    if key != Some(context.webhook_key.as_str()) {
        return refuse(StatusCode::FORBIDDEN, "Authorization data is wrong!");
    }
    if !payload.is_object() {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "Failed to parse request body");
    }
    if let Some(sid) = webhook_id.and_then(|id| context.state.look().sent.get(id).cloned()) {
        let answer = json!({ "ok": true, "externalId": sid, "repeated": true });
        return (StatusCode::OK, answer);
    }
    if trouble.twilio_refuses {
        return refuse(StatusCode::BAD_GATEWAY, "Twilio refuses");
    }
    let sid = phone::show(context, payload);
    if let Some(id) = webhook_id {
        context.state.change(|state| state.sent.insert(id.into(), sid.clone()));
    }
    let is_lost = context
        .state
        .change(|state| std::mem::take(&mut state.trouble.ticket_twice));
    if is_lost {
        return refuse(StatusCode::GATEWAY_TIMEOUT, "taken, and the answer is lost");
    }
    (StatusCode::OK, json!({ "ok": true, "externalId": sid }))
}

/// Hands a reply on to the server, and what it says to the phone. Twilio may call twice with the same message: when it
/// got no answer to the first call. So it shows one answer, the second, whatever the first would have been.
pub(crate) async fn reply(context: &Context, number: &'static str, bubble: &ChatMessage, twice: bool) {
    if !wakes(context).await || context.state.look().trouble.n8n_down {
        return context.state.tick(&bubble.sid, Ticks::Failed);
    }
    let body = json!({
        // What stands on a button was not written by anybody.
        "message": if bubble.tapped.is_some() { "" } else { &bubble.text },
        "from": format!("whatsapp:{number}"),
        "channel": "whatsapp",
        "externalId": bubble.sid,
        "mediaUrl": bubble.picture.as_deref().map(media_url),
        "repliedToExternalId": bubble.quoting,
        "buttonPayload": bubble.tapped,
    });
    let call = || context.api.hand_in("n8n → server", INBOUND, &body);
    let answer = if twice {
        tokio::join!(call(), call()).1
    } else {
        call().await
    };
    show_reply(context, number, bubble, &answer);
}

/// Gives the phone what the server says to a reply: our workflow answers Twilio with `notice` or `ask` as a message, with
/// its buttons, unless the server sent the question by itself.
fn show_reply(context: &Context, number: &str, bubble: &ChatMessage, answer: &ApiResponse) {
    let ticks = match answer.status {
        200 => Ticks::Read,
        // Kept for the team.
        400 | 404 => Ticks::Delivered,
        _ => Ticks::Failed,
    };
    if let Some(words) = answer.text("notice").or_else(|| answer.question()) {
        let mut said = ChatMessage::new(Author::Answer, words.into());
        said.actions = serde_json::from_value(answer.body["actions"].clone()).unwrap_or_default();
        context.state.change(|state| state.phone(number).bubbles.push(said));
    }
    context.state.tick(&bubble.sid, ticks);
}

/// Tells the server how far a notification got. Without n8n nobody does, and Twilio does not say it again.
pub(crate) async fn report(context: &Context, sid: &str, status: &str, error: Option<u32>) {
    let trouble = context.state.look().trouble;
    if trouble.n8n_down || trouble.n8n_silent {
        return;
    }
    let mut body = json!({ "externalId": sid, "status": status });
    if let Some(error) = error {
        body["errorCode"] = error.into();
    }
    context.api.hand_in("n8n → server", STATUS, &body).await;
}

/// Reports what WhatsApp makes of a message that Twilio took: it arrives, or fails with this error.
pub(crate) async fn report_arrival(context: Data<Context>, sid: String, fails: Option<u32>) {
    sleep(TICK).await;
    if fails.is_some() {
        return report(&context, &sid, "failed", fails).await;
    }
    report(&context, &sid, "sent", None).await;
    sleep(TICK).await;
    // WhatsApp keeps it until the phone is on.
    context.state.until(|trouble| !trouble.phone_off).await;
    report(&context, &sid, "delivered", None).await;
    context.state.tick(&sid, Ticks::Delivered);
}

/// `PUT /trouble`: turns trouble on and off. When the way is free again, an operator has the queue sent at once.
pub(crate) async fn trouble(context: Data<Context>, wanted: Json<Failures>) -> HttpResponse {
    let before = context
        .state
        .change(|state| std::mem::replace(&mut state.trouble, wanted.0));
    if before.blocks() && !wanted.blocks() {
        context.api.send_again().await;
    }
    HttpResponse::NoContent().finish()
}
