//! `POST /api/ticket/{ticketRef}/replies`: an operator replies.

use actix_web::{HttpResponse, web::Data};
use ticket_domain::use_cases::AddMessage;

use crate::api::{
    add_message::{AddedMessage, NewMessage, created},
    body::KeyedBody,
    deadline::with_timeout,
    get_ticket::PathReference,
    keys::Operator,
    openapi::IdempotencyHeader,
    problem::Problem,
};

/// Reply to a ticket
///
/// The message joins the thread as a manager's. The ticket keeps its status.
#[utoipa::path(
    post,
    path = "/api/ticket/{ticketRef}/replies",
    tag = "Operators",
    params(
        IdempotencyHeader,
    ),
    request_body = NewMessage,
    responses((status = 201, description = "The message is in the thread.", body = AddedMessage))
)]
pub(crate) async fn reply(
    Operator(by): Operator,
    KeyedBody { key, body: text }: KeyedBody<NewMessage>,
    PathReference(reference): PathReference,
    add_message: Data<AddMessage>,
) -> Result<HttpResponse, Problem> {
    let added = with_timeout(add_message.as_operator(reference, text, key, by)).await?;
    Ok(created(&added))
}

#[cfg(test)]
mod tests {

    use serde_json::{Value, json};

    use crate::testing::{Request, Response, TestApp};

    fn reply(api: &TestApp, reference: &str, body: &Value) -> Response {
        api.as_operator(Request::post(&format!("/api/ticket/{reference}/replies"), body))
    }

    #[test]
    fn an_operator_answers_as_a_manager_and_nobody_is_told_twice() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.hand_over("SM1");
        api.set_status(&opened.reference, "resolved");
        let answer = reply(&api, &opened.reference, &json!({ "message": " We look into it. " }));
        let added = answer.json();
        assert_eq!((answer.status, &added["ok"]), (201, &json!(true)));
        let thread = api.get(&format!("/api/ticket/{}", opened.reference)).json();
        assert_eq!(
            thread["messages"][1],
            json!({
                "id": added["messageId"], "sender": "manager", "channel": "web", "mediaUrl": null,
                "body": "We look into it.", "createdAt": added["createdAt"]
            })
        );
        // It leaves the status as it is, and the managers are not told of what one of them wrote.
        assert_eq!(thread["ticket"]["status"], "resolved");
        assert_eq!(thread["ticket"]["delivery"]["state"], "sent");
        let audit_log = api.get_as_operator("/api/audit-log").json();
        assert_eq!(
            (&audit_log["entries"][0]["act"], &audit_log["entries"][0]["messageId"]),
            (&json!("reply"), &added["messageId"])
        );
    }

    #[test]
    fn it_has_the_rules_and_the_idempotency_of_messages() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        assert_eq!(
            reply(&api, &opened.reference, &json!({})).faults(),
            ["message required"]
        );
        let send = |target: &str, bearer: bool| {
            let request = Request::post(target, &json!({ "message": "One" })).header("idempotency-key", "key-1");
            if bearer {
                api.as_operator(request)
            } else {
                api.send(&request)
            }
        };
        let target = format!("/api/ticket/{}/replies", opened.reference);
        let (first, again) = (send(&target, true), send(&target, true));
        assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        // The same words of the customer are another request.
        let customers = send(&opened.messages(), false);
        assert_eq!(
            (customers.status, customers.code().as_str()),
            (422, "idempotency_key_reused")
        );
        for reference in ["T-20250115-1234", "x"] {
            let answer = reply(&api, reference, &json!({ "message": "One" }));
            assert_eq!((answer.status, answer.code().as_str()), (404, "ticket_not_found"));
        }
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        let answer = reply(&api, "T-20250115-1234", &json!({ "message": "One" }));
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
