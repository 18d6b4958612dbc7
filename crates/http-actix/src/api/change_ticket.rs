//! `PATCH /api/ticket/{ticketRef}`: an operator gives a ticket another status or priority.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{Priority, Status, TicketPatch, use_cases::Operate};
use utoipa::ToSchema;

use crate::{
    api::{
        body::{Body, Document},
        get_ticket::{TicketFacts, reference_of},
        keys::Operator,
        patience::in_time,
        problem::Problem,
        schemas::{PriorityWord, StatusWord},
    },
    validation::{Field, check, fault, optional},
};

/// What a ticket should be. At least one of the fields must be given.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(as = ChangeTicket, example = json!({ "status": "resolved" }))]
pub(crate) struct ChangeTicket {
    /// Where it should stand. Absent or null: as it is.
    #[serde(default)]
    #[garde(custom(or_else(&self.priority)))]
    #[schema(value_type = Option<StatusWord>, required = false, example = "resolved")]
    status: Field<Status>,
    /// How pressing it should be. Absent or null: as it is.
    #[serde(default)]
    #[garde(custom(optional))]
    #[schema(value_type = Option<PriorityWord>, required = false, example = "low")]
    priority: Field<Priority>,
}

/// A garde rule: the field may be missing only if the other one is not.
fn or_else(other: &Field<Priority>) -> impl FnOnce(&Field<Status>, &()) -> garde::Result + '_ {
    move |field, context| match (field, other) {
        (Field::Missing, Field::Missing) => Err(fault("required", "must be given unless priority is")),
        _ => optional(field, context),
    }
}

impl Document for ChangeTicket {
    const MAX_BYTES: usize = 64 * 1024;
}

impl ChangeTicket {
    /// The wish with every fault of it told at once.
    fn checked(self) -> Result<TicketPatch, Problem> {
        check(&self, None)?;
        Ok(TicketPatch {
            status: self.status.good(),
            priority: self.priority.good(),
        })
    }
}

/// A ticket as it stands now.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangedTicket<'a> {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    #[schema(inline = false)]
    ticket: TicketFacts<'a>,
}

/// Change a ticket
///
/// Gives it another status, another priority, or both. What is so already changes nothing.
#[utoipa::path(
    patch,
    path = "/api/ticket/{ticketRef}",
    tag = "Operators",
    operation_id = "changeTicket",
    params(
        ("ticketRef" = String, Path, description = "The reference, in upper or lower case.", example = "T-20250115-1234"),
    ),
    request_body = ChangeTicket,
    security(("operator" = [])),
    responses(
        (status = 200, description = "The ticket as it stands now.", body = ChangedTicket),
        (status = 400, description = "`validation_failed`: the body is no JSON object, or fields are at fault."),
        (status = 401, description = "`unauthorized`: the operator's token is missing or wrong."),
        (status = 404, description = "`ticket_not_found`"),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: too many wrong tokens."),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was changed."),
    )
)]
pub(crate) async fn change_ticket(
    _: Operator,
    body: Body<ChangeTicket>,
    operate: Data<Operate>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let patch = body.0.checked()?;
    let ticket = in_time(operate.change(reference_of(&request)?, patch)).await?;
    Ok(HttpResponse::Ok().json(ChangedTicket {
        ok: true,
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
            assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{body}");
            let mut shown = api.get(&format!("/api/ticket/{}", opened.reference)).json()["ticket"].take();
            assert_eq!([&shown["status"], &shown["priority"]], expected, "{body}");
            shown.as_object_mut().unwrap().remove("delivery");
            assert_eq!(answer.json()["ticket"], shown);
        }
        // What was so already is no act.
        let trail = api.get_as_operator("/api/trail").json();
        assert_eq!(trail["entries"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn a_change_is_something_that_a_ticket_can_be() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        for (body, faults) in [
            (json!({}), &["status required"][..]),
            (json!({ "status": null, "priority": null }), &["status required"]),
            (json!({ "status": "OPEN" }), &["status not_allowed"]),
            (json!({ "status": "" }), &["status not_allowed"]),
            (
                json!({ "status": 1, "priority": "soon" }),
                &["priority not_allowed", "status not_text"],
            ),
            (json!({ "priority": [] }), &["priority not_text"]),
        ] {
            assert_eq!(change(&api, &opened.reference, &body).faults(), faults, "{body}");
        }
        for reference in ["T-20250115-1234", "x"] {
            let answer = change(&api, reference, &json!({ "status": "open" }));
            assert_eq!((answer.status, answer.code().as_str()), (404, "ticket_not_found"));
        }
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        let answer = change(&api, "T-20250115-1234", &json!({ "status": "open" }));
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
