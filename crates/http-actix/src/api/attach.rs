//! `POST /api/unmatched/{id}/attach`: an operator attaches an unmatched message to a ticket.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{MessageId, Sender, TicketRef, use_cases::Operate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    body::{Body, Document},
    deadline::with_timeout,
    keys::Operator,
    problem::{Code, Problem},
    schemas::SenderSchema,
    success::success,
};
use crate::validation::{AnyReference, Field, present};

/// The ticket that a message belongs to.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AttachMessage, example = json!({ "ticketRef": "T-20250115-1234" }))]
pub(crate) struct AttachMessage {
    /// The reference, in upper or lower case.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, example = "T-20250115-1234")]
    ticket_ref: Field<AnyReference>,
    /// Who wrote the message: `customer`, `manager` or `agent`. Absent or null: the manager if it came from a manager's
    /// number, else the customer.
    #[garde(dive)]
    #[schema(value_type = Option<SenderSchema>)]
    sender: Field<Sender>,
}

impl Document for AttachMessage {
    /// The ticket, if the text is a reference, and the sender.
    type Parsed = (Option<TicketRef>, Option<Sender>);

    fn parsed(self) -> Option<Self::Parsed> {
        let AnyReference(reference) = self.ticket_ref.good()?;
        Some((reference, self.sender.good()))
    }
}

/// The attached message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachedMessage {
    /// The ticket whose thread it is in.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    /// Whether it was attached before. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
}

/// Attach a message to a ticket
///
/// The message joins the ticket's thread at the time when it arrived. A customer's message reopens the ticket and
/// notifies the manager.
#[utoipa::path(
    post,
    path = "/api/unmatched/{id}/attach",
    tag = "Operators",
    params(("id" = Uuid, Path, description = "The message's id.")),
    request_body = AttachMessage,
    responses(
        (status = 200, description = "The message is in the thread.", body = AttachedMessage),
        (
            status = 404,
            description = "`ticket_not_found`: there is no such ticket. `not_found`: there is no such message."
        ),
        (status = 409, description = "`already_attached`: it is in another ticket's thread."),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was changed."),
    )
)]
pub(crate) async fn attach_message(
    Operator(by): Operator,
    Body((reference, sender)): Body<AttachMessage>,
    operate: Data<Operate>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = Uuid::try_parse(request.match_info().query("id"))
        .map_err(|_| Problem::with_detail(Code::NotFound, "There is no such message."))?;
    let reference = reference.ok_or_else(|| Problem::new(Code::TicketNotFound))?;
    let attached = with_timeout(operate.attach(MessageId(id), reference, sender, by)).await?;
    Ok(success(AttachedMessage {
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
