//! `POST /api/ticket/{ticketRef}/replies`: an operator replies.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::Deserialize;
use ticket_domain::{MessageText, Visibility, use_cases::AddMessage};
use utoipa::ToSchema;

use crate::api::{
    add_message::{AddedMessage, created},
    body::{Document, KeyedBody},
    deadline::with_timeout,
    get_ticket::PathReference,
    keys::Operator,
    openapi::IdempotencyHeader,
    problem::Problem,
};
use crate::validation::{Field, present};

/// A reply of the team. The text is trimmed first, and CR LF becomes LF. Lengths count characters.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = NewReply, example = json!({ "message": "A new one is on its way." }))]
pub(crate) struct NewReply {
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, min_length = 1, max_length = 5_000, example = "A new one is on its way.")]
    message: Field<MessageText>,
    /// Whether it is an internal note, which only operators see. Absent or null: no.
    #[serde(default)]
    #[garde(skip)]
    internal: Option<bool>,
}

impl Document for NewReply {
    type Parsed = (MessageText, Visibility);

    fn parsed(self) -> Option<Self::Parsed> {
        let visibility = match self.internal {
            Some(true) => Visibility::Internal,
            Some(false) | None => Visibility::Public,
        };
        Some((self.message.good()?, visibility))
    }
}

/// Reply to a ticket
///
/// The message joins the thread as a manager's, or as an internal note, which the customer never sees. The ticket keeps its
/// status.
#[utoipa::path(
    post,
    path = "/api/ticket/{ticketRef}/replies",
    tag = "Operators",
    params(
        IdempotencyHeader,
    ),
    request_body = NewReply,
    responses((status = 201, description = "The message is in the thread.", body = AddedMessage))
)]
pub(crate) async fn reply(
    Operator(by): Operator,
    KeyedBody { key, body }: KeyedBody<NewReply>,
    PathReference(reference): PathReference,
    add_message: Data<AddMessage>,
) -> Result<HttpResponse, Problem> {
    let (text, visibility) = body;
    let added = with_timeout(add_message.as_operator(reference, (text, Vec::new(), visibility), key, by)).await?;
    Ok(created(&added))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{Request, Response, TestApp};

    fn reply(api: &TestApp, reference: &str, body: &Value) -> Response {
        let request = Request::post(&format!("/api/ticket/{reference}/replies"), body);
        api.as_operator(request.header("idempotency-key", "key-1"))
    }

    #[test]
    fn an_operator_writes_as_a_manager_without_a_notification() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.deliver(Some("SM1"));
        api.set_status(&opened.reference, "resolved");
        let answer = reply(&api, &opened.reference, &json!({ "message": " We look into it. " }));
        let added = answer.json();
        assert_eq!((answer.status, &added["ok"]), (201, &json!(true)));
        let shown = api.shown(&opened.reference);
        assert_eq!(
            shown["messages"][1],
            json!({
                "id": added["messageId"], "sender": "manager", "channel": "web", "mediaUrl": null,
                "body": "We look into it.", "createdAt": added["createdAt"]
            })
        );
        // The status stays as it is.
        assert_eq!(shown["ticket"]["status"], "resolved");
        assert_eq!(shown["ticket"]["delivery"]["state"], "sent");
        let log = api.audit_log();
        assert_eq!(
            [&log[0]["act"], &log[0]["messageId"]],
            [&json!("reply"), &added["messageId"]]
        );
    }

    #[test]
    fn it_has_the_rules_and_the_idempotency_of_messages() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let message = json!({ "message": "One" });
        let answer = reply(&api, &opened.reference, &json!({}));
        assert_eq!(answer.field_errors(), ["message required"]);
        let first = reply(&api, &opened.reference, &message);
        let again = reply(&api, &opened.reference, &message);
        assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        // The same text of the customer is another request.
        let customers = Request::post(&opened.messages(), &message).header("idempotency-key", "key-1");
        api.send(customers).assert_problem(422, "idempotency_key_reused");
        for reference in ["T-20250115-1234", "x"] {
            reply(&api, reference, &message).assert_problem(404, "ticket_not_found");
        }
    }
}
