//! The customer's website: its own small backend, which asks the ticket server.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::ApiResponse,
    demo::Context,
    state::{Listed, PICTURES, media_url},
};

/// What a customer adds to a ticket.
#[derive(Deserialize)]
pub(crate) struct More {
    /// The customer's number, which shows who it is.
    from: String,
    message: String,
}

/// `POST /website/tickets`: the form is sent.
pub(crate) async fn open(request: HttpRequest, context: Data<Context>, form: Json<Value>) -> HttpResponse {
    let key = header(&request, "idempotency-key");
    let answer = context.api.open_ticket(form.to_string(), key).await;
    if let Some(reference) = answer.text("ticketRef") {
        let listed = Listed {
            ticket_ref: reference.into(),
            subject: form["subject"].as_str().unwrap_or_default().trim().into(),
        };
        context.state.change(|state| {
            if !state.tickets.iter().any(|known| known.ticket_ref == listed.ticket_ref) {
                state.tickets.push(listed);
            }
        });
    }
    pass_on(answer)
}

/// `GET /website/tickets/{ref}`: the customer looks at a ticket.
pub(crate) async fn read(request: HttpRequest, context: Data<Context>, reference: Path<String>) -> HttpResponse {
    let Some(path) = path_of(&reference) else {
        return HttpResponse::NotFound().finish();
    };
    let mut answer = context.api.read_ticket(&path, header(&request, "if-none-match")).await;
    // The pictures are nowhere but here.
    for message in answer.body["messages"].as_array_mut().into_iter().flatten() {
        let shown = PICTURES.iter().find(|name| message["mediaUrl"] == media_url(name));
        message["picture"] = json!(shown);
    }
    pass_on(answer)
}

/// `POST /website/tickets/{ref}/messages`: the customer writes again. The website hands it in with the server's key.
pub(crate) async fn write(context: Data<Context>, reference: Path<String>, more: Json<More>) -> HttpResponse {
    let body = json!({
        "ticketRef": *reference,
        "message": more.message,
        "from": more.from,
        "channel": "web",
    });
    let answer = context
        .api
        .hand_in("website → server", "/api/ticket/inbound", &body)
        .await;
    pass_on(answer)
}

/// The ticket's path, if it can be a reference.
fn path_of(reference: &str) -> Option<String> {
    let is_plain = reference
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_plain.then(|| format!("/api/ticket/{reference}"))
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

fn pass_on(answer: ApiResponse) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    if let Some(etag) = answer.etag {
        response.insert_header(("etag", etag));
    }
    if answer.body.is_null() {
        response.finish()
    } else {
        response.json(answer.body)
    }
}
