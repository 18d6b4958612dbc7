//! `POST /api/unmatched/{id}/attach`: an operator says which ticket a message belongs to.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{MessageId, Sender, TicketRef, use_cases::Operate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        body::{Body, Document},
        keys::Operator,
        patience::in_time,
        problem::{Code, Problem},
    },
    validation::{Field, check, named, optional},
};

/// The ticket that a message belongs to.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AttachMessage, example = json!({ "ticketRef": "T-20250115-1234" }))]
pub(crate) struct AttachMessage {
    /// The reference, in upper or lower case.
    #[serde(default)]
    #[garde(custom(named))]
    #[schema(value_type = String, required = true, example = "T-20250115-1234")]
    ticket_ref: Field<TicketRef>,
    /// Who speaks: `customer`, `manager` or `agent`. Absent or null: the manager, if it came from a manager's number,
    /// else the customer.
    #[serde(default)]
    #[garde(custom(optional))]
    #[schema(value_type = Option<crate::api::schemas::SenderWord>, required = false, example = "customer")]
    sender: Field<Sender>,
}

impl Document for AttachMessage {
    const MAX_BYTES: usize = 64 * 1024;
}

/// Where the message is now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachedMessage {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// The ticket whose thread it is in.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    /// Whether it was there before. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
}

/// Attach a message to a ticket
///
/// The message joins the ticket's thread under its own time. A customer's opens the ticket again, and the manager is
/// told.
#[utoipa::path(
    post,
    path = "/api/unmatched/{id}/attach",
    tag = "Operators",
    operation_id = "attachMessage",
    params(("id" = Uuid, Path, description = "The message's id.")),
    request_body = AttachMessage,
    security(("operator" = [])),
    responses(
        (status = 200, description = "The message is in the thread.", body = AttachedMessage),
        (status = 400, description = "`validation_failed`: the body is no JSON object, or fields are at fault."),
        (status = 401, description = "`unauthorized`: the operator's token is missing or wrong."),
        (
            status = 404,
            description = "`ticket_not_found`: there is no such ticket. `not_found`: there is no such message."
        ),
        (status = 408, description = "`request_timeout`"),
        (status = 409, description = "`already_attached`: it is in another ticket's thread."),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: too many wrong tokens."),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was changed."),
    )
)]
pub(crate) async fn attach(
    _: Operator,
    body: Body<AttachMessage>,
    operate: Data<Operate>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check(&body.0, None)?;
    let id = Uuid::try_parse(request.match_info().query("id"))
        .map_err(|_| Problem::with_detail(Code::NotFound, "There is no such message."))?;
    let reference = body.0.ticket_ref.good();
    let reference = reference.ok_or(Problem::new(Code::TicketNotFound))?;
    let attached = in_time(operate.attach(MessageId(id), reference, body.0.sender.good())).await?;
    Ok(HttpResponse::Ok().json(AttachedMessage {
        ok: true,
        ticket_ref: attached.reference.to_string(),
        message_id: attached.message.0,
        duplicate: attached.duplicate,
    }))
}

#[cfg(test)]
mod tests {

    use serde_json::{Value, json};

    use crate::testing::{MANAGER, Request, Response, TestApp};

    const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

    fn attach(api: &TestApp, id: &str, body: &Value) -> Response {
        api.as_operator(Request::post(&format!("/api/unmatched/{id}/attach"), body))
    }

    #[test]
    fn a_message_joins_the_ticket_that_it_belongs_to_once() {
        let api = TestApp::start();
        let (opened, other) = (api.open_ticket(), api.open_ticket());
        let id = api.store_unmatched(MANAGER, "It is on its way.");
        let to = |reference: &str| json!({ "ticketRef": reference });
        let first = attach(&api, &id, &to(&opened.reference.to_lowercase()));
        let expected = |duplicate: bool| json!({ "ok": true, "ticketRef": opened.reference, "messageId": id, "duplicate": duplicate });
        assert_eq!((first.status, first.json()), (200, expected(false)));
        let thread = api.get(&format!("/api/ticket/{}", opened.reference)).json();
        assert_eq!(
            (&thread["messages"][1]["id"], &thread["messages"][1]["sender"]),
            (&json!(id), &json!("manager"))
        );
        assert_eq!(api.get_as_operator("/api/unmatched").json()["messages"], json!([]));

        let again = attach(&api, &id, &to(&opened.reference));
        assert_eq!((again.status, again.json()), (200, expected(true)));
        let elsewhere = attach(&api, &id, &to(&other.reference));
        assert_eq!((elsewhere.status, elsewhere.code().as_str()), (409, "already_attached"));
        assert!(elsewhere.text().contains(&opened.reference), "{}", elsewhere.text());
        let thread = api.get(&format!("/api/ticket/{}", other.reference)).json();
        assert_eq!(thread["messages"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_customers_own_message_opens_the_ticket_again() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.hand_over("SM1");
        api.set_status(&opened.reference, "closed");
        let id = api.store_unmatched("+1234567890", "Still broken.");
        assert_eq!(attach(&api, &id, &json!({ "ticketRef": opened.reference })).status, 200);
        let thread = api.get(&format!("/api/ticket/{}", opened.reference)).json();
        assert_eq!(
            (&thread["ticket"]["status"], &thread["messages"][1]["sender"]),
            (&json!("open"), &json!("customer"))
        );
        assert_eq!(api.delivery_state(&opened.reference), "waiting");
    }

    #[test]
    fn what_does_not_exist_is_not_found() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let id = api.store_unmatched(MANAGER, "Hello?");
        for (id, reference, code) in [
            (NOBODY, opened.reference.as_str(), "not_found"),
            ("x", &opened.reference, "not_found"),
            ("%00", &opened.reference, "not_found"),
            (&id, "T-20250115-1234", "ticket_not_found"),
            (&id, "x", "ticket_not_found"),
            (&id, "", "ticket_not_found"),
        ] {
            let answer = attach(&api, id, &json!({ "ticketRef": reference }));
            assert_eq!((answer.status, answer.code().as_str()), (404, code), "{id} {reference}");
        }
        for (body, fault) in [
            (json!({}), "ticketRef required"),
            (json!({ "ticketRef": null }), "ticketRef required"),
            (json!({ "ticketRef": 7 }), "ticketRef not_text"),
        ] {
            assert_eq!(attach(&api, &id, &body).faults(), [fault], "{body}");
        }
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        let answer = attach(&api, NOBODY, &json!({ "ticketRef": "T-20250115-1234" }));
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
