//! The phones, and Twilio before them.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    demo::Context,
    message, n8n,
    state::{Author, ChatMessage, PHONES, PICTURES, Ticks},
};

/// What is typed into a phone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Typed {
    /// The phone.
    number: String,
    #[serde(default)]
    text: String,
    /// The id of the message that is quoted.
    quoting: Option<String>,
    /// What the button carries that was tapped; its title is the text.
    tapped: Option<String>,
    /// The names of attached pictures: WhatsApp makes a message of each.
    #[serde(default)]
    pictures: Vec<String>,
}

/// A phone that is looked at.
#[derive(Deserialize)]
pub(crate) struct Looked {
    number: String,
}

/// Takes a notification for its phone: the message's id. If it is to fail, no phone shows it.
pub(crate) fn show(context: &Data<Context>, payload: &Value) -> String {
    let mut bubble = ChatMessage::new(Author::Server, message::words(payload));
    bubble.template = payload["template"] == true;
    bubble.actions = message::actions(payload);
    let sid = bubble.sid.clone();
    let fails = context.state.change(|state| {
        let fails = state.trouble.next_fails.take();
        if fails.is_none() {
            let number = payload["to"].as_str().unwrap_or(PHONES[0].0);
            state.phone(number).bubbles.push(bubble);
        }
        fails
    });
    actix_web::rt::spawn(n8n::report_arrival(context.clone(), sid.clone(), fails));
    sid
}

/// `POST /phone/messages`: somebody presses "send". Answers when the server has been told.
pub(crate) async fn send(context: Data<Context>, typed: Json<Typed>) -> HttpResponse {
    let Typed {
        number,
        text,
        quoting,
        tapped,
        pictures,
    } = typed.into_inner();
    let is_known = |picture: &String| PICTURES.contains(&picture.as_str());
    if (text.trim().is_empty() && pictures.is_empty()) || !pictures.iter().all(is_known) {
        return HttpResponse::BadRequest().finish();
    }
    let mut messages = messages(&text, quoting, pictures);
    messages[0].tapped = tapped;
    let (number, twice) = context.state.change(|state| {
        let phone = state.phone(&number);
        phone.bubbles.extend(messages.iter().cloned());
        let number = phone.number;
        (number, std::mem::take(&mut state.trouble.reply_twice))
    });
    for message in &messages {
        n8n::reply(&context, number, message, twice).await;
    }
    HttpResponse::Ok().json(json!({ "sids": messages.iter().map(|message| &message.sid).collect::<Vec<_>>() }))
}

/// One message, or one for each picture: the words and the quote go with the first.
fn messages(text: &str, quoting: Option<String>, pictures: Vec<String>) -> Vec<ChatMessage> {
    let mut first = ChatMessage::new(Author::Manager, text.trim().into());
    first.quoting = quoting;
    let mut pictures = pictures.into_iter();
    first.picture = pictures.next();
    let further = pictures.map(|picture| ChatMessage {
        picture: Some(picture),
        ..ChatMessage::new(Author::Manager, String::new())
    });
    [first].into_iter().chain(further).collect()
}

/// `POST /phone/messages/{sid}/again`: Twilio is told to hand on once more a message that n8n did not take.
pub(crate) async fn send_again(context: Data<Context>, sid: Path<String>) -> HttpResponse {
    let failed = context.state.change(|state| {
        let (number, bubble) = state.bubble(&sid)?;
        (bubble.ticks == Ticks::Failed).then(|| {
            bubble.ticks = Ticks::Sent;
            (number, bubble.clone())
        })
    });
    let Some((number, bubble)) = failed else {
        return HttpResponse::NotFound().finish();
    };
    n8n::reply(&context, number, &bubble, false).await;
    HttpResponse::NoContent().finish()
}

/// `POST /phone/read`: somebody looks at a phone. All that arrived on it is read.
pub(crate) async fn read(context: Data<Context>, looked: Json<Looked>) -> HttpResponse {
    let sids: Vec<String> = context.state.change(|state| {
        let bubbles = state.phone(&looked.number).bubbles.iter_mut();
        let unread = bubbles.filter(|bubble| bubble.author == Author::Server && bubble.ticks == Ticks::Delivered);
        unread
            .map(|bubble| {
                bubble.ticks = Ticks::Read;
                bubble.sid.clone()
            })
            .collect()
    });
    for sid in sids {
        n8n::report(&context, &sid, "read", None).await;
    }
    HttpResponse::NoContent().finish()
}
