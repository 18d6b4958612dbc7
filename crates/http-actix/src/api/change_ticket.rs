//! `PATCH /api/ticket/{ticketRef}`: an operator gives a ticket another status or priority.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{Priority, Status, TicketPatch, use_cases::Operate};
use utoipa::ToSchema;

use crate::api::{
    body::{Body, Document},
    deadline::with_timeout,
    get_ticket::{PathReference, TicketFacts},
    keys::Operator,
    problem::Problem,
    schemas::{PrioritySchema, StatusSchema},
    success::success,
};
use crate::validation::Field;

/// Changes to a ticket. At least one field must be given.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = ChangeTicket, example = json!({ "status": "resolved" }))]
pub(crate) struct ChangeTicket {
    /// The new status. Absent or null: unchanged.
    #[garde(custom(present_unless(&self.priority)), dive)]
    #[schema(value_type = Option<StatusSchema>)]
    status: Field<Status>,
    /// The new priority. Absent or null: unchanged.
    #[garde(dive)]
    #[schema(value_type = Option<PrioritySchema>)]
    priority: Field<Priority>,
}

/// A garde rule: the status is given, or the priority is.
fn present_unless(priority: &Field<Priority>) -> impl FnOnce(&Field<Status>, &()) -> garde::Result + '_ {
    move |status, ()| match (status, priority) {
        (Field::Missing, Field::Missing) => Err(garde::Error::new("must be given unless priority is")),
        _ => Ok(()),
    }
}

impl Document for ChangeTicket {
    type Parsed = TicketPatch;

    fn parsed(self) -> Option<TicketPatch> {
        Some(TicketPatch {
            status: self.status.good(),
            priority: self.priority.good(),
        })
    }
}

/// The ticket after the change.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangedTicket<'a> {
    #[schema(inline = false)]
    ticket: TicketFacts<'a>,
}

/// Change a ticket
///
/// Sets the status, the priority, or both. Setting what is set already changes nothing.
#[utoipa::path(
    patch,
    path = "/api/ticket/{ticketRef}",
    tag = "Operators",
    request_body = ChangeTicket,
    responses(
        (status = 200, description = "The ticket after the change.", body = ChangedTicket),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was changed."),
    )
)]
pub(crate) async fn change_ticket(
    Operator(by): Operator,
    Body(patch): Body<ChangeTicket>,
    PathReference(reference): PathReference,
    operate: Data<Operate>,
) -> Result<HttpResponse, Problem> {
    let ticket = with_timeout(operate.change(reference, patch, by)).await?;
    Ok(success(ChangedTicket {
        ticket: TicketFacts::from(&ticket),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{Request, Response, TestApp};

    fn change(api: &TestApp, reference: &str, body: &Value) -> Response {
        api.as_operator(Request::patch(&format!("/api/ticket/{reference}"), body))
    }

    #[test]
    fn a_ticket_gets_another_status_and_priority() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        for (body, expected) in [
            (json!({ "status": "resolved" }), ["resolved", "high"]),
            (json!({ "priority": "low", "status": null }), ["resolved", "low"]),
            (
                json!({ "status": "closed", "priority": "urgent", "other": 1 }),
                ["closed", "urgent"],
            ),
            (json!({ "status": "open" }), ["open", "urgent"]),
            (json!({ "status": "open", "priority": "urgent" }), ["open", "urgent"]),
        ] {
            let answer = change(&api, &opened.reference.to_lowercase(), &body);
            let mut shown = api.shown(&opened.reference)["ticket"].take();
            assert_eq!([&shown["status"], &shown["priority"]], expected, "{body}");
            shown.as_object_mut().unwrap().remove("delivery");
            assert_eq!(answer.json(), json!({ "ok": true, "ticket": shown }));
        }
        // The last request changed nothing, so it is not in the audit log.
        assert_eq!(api.audit_log().len(), 5);
    }

    #[test]
    fn invalid_changes_and_unknown_tickets_are_problems() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        for (body, errors) in [
            (json!({}), &["status required"][..]),
            (json!({ "status": null, "priority": null }), &["status required"]),
            (json!({ "status": "OPEN" }), &["status not_allowed"]),
            (json!({ "status": "" }), &["status not_allowed"]),
            (
                json!({ "status": true, "priority": "soon" }),
                &["priority not_allowed", "status not_text"],
            ),
            (json!({ "priority": [] }), &["priority not_text"]),
        ] {
            assert_eq!(change(&api, &opened.reference, &body).field_errors(), errors, "{body}");
        }
        for reference in ["T-20250115-1234", "x"] {
            let answer = change(&api, reference, &json!({ "status": "open" }));
            answer.assert_problem(404, "ticket_not_found");
        }
    }
}
