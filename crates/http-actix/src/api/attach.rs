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

    fn attach(api: &TestApp, id: &str, body: &Value) -> Response {
        api.as_operator(Request::post(&format!("/api/unmatched/{id}/attach"), body))
    }

    #[test]
    fn a_message_joins_the_ticket_that_it_belongs_to_once() {
        let api = TestApp::start();
        let (opened, other) = (api.open_ticket(), api.open_ticket());
        let id = api.store_unmatched(MANAGER, "It is on its way.");
        for (reference, duplicate) in [
            (opened.reference.to_lowercase(), false),
            (opened.reference.clone(), true),
        ] {
            let answer = attach(&api, &id, &json!({ "ticketRef": reference }));
            assert_eq!(
                answer.json(),
                json!({ "ok": true, "ticketRef": opened.reference, "messageId": id, "duplicate": duplicate })
            );
            let message = &api.shown(&opened.reference)["messages"][1];
            assert_eq!([&message["id"], &message["sender"]], [id.as_str(), "manager"]);
        }
        assert_eq!(api.get_as_operator("/api/unmatched").json()["messages"], json!([]));
        let elsewhere = attach(&api, &id, &json!({ "ticketRef": other.reference }));
        elsewhere.assert_problem(409, "already_attached");
        assert!(elsewhere.text().contains(&opened.reference), "{elsewhere:?}");
        assert_eq!(api.shown(&other.reference)["messages"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_customers_message_reopens_the_ticket_and_notifies_the_manager() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.deliver(Some("SM1"));
        api.set_status(&opened.reference, "closed");
        let id = api.store_unmatched("+1234567890", "Still broken.");
        assert_eq!(attach(&api, &id, &json!({ "ticketRef": opened.reference })).status, 200);
        let shown = api.shown(&opened.reference);
        assert_eq!(
            [&shown["ticket"]["status"], &shown["messages"][1]["sender"]],
            ["open", "customer"]
        );
        assert_eq!(api.delivery_state(&opened.reference), "waiting");
    }

    #[test]
    fn unknown_messages_and_tickets_are_not_found() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let id = api.store_unmatched(MANAGER, "Hello?");
        for (id, reference, code) in [
            ("00000000-0000-4000-8000-000000000000", &*opened.reference, "not_found"),
            ("x", &opened.reference, "not_found"),
            ("%00", &opened.reference, "not_found"),
            (&id, "T-20250115-1234", "ticket_not_found"),
            (&id, "x", "ticket_not_found"),
            (&id, "", "ticket_not_found"),
        ] {
            attach(&api, id, &json!({ "ticketRef": reference })).assert_problem(404, code);
        }
        for (body, error) in [
            (json!({}), "ticketRef required"),
            (json!({ "ticketRef": null }), "ticketRef required"),
            (json!({ "ticketRef": [7] }), "ticketRef not_text"),
        ] {
            assert_eq!(attach(&api, &id, &body).field_errors(), [error], "{body}");
        }
    }
}
