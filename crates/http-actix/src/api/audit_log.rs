//! `GET /api/audit-log`: what operators did, for operators.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{AuditAction, AuditEntry, AuditEntryId, use_cases::Operate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::{
    keys::Operator,
    params::{LastId, PageSize, Params, next},
    problem::{Code, Problem},
    schemas::{ActSchema, ActorSchema},
    success::success,
};
use crate::validation::{AnyReference, LenientField};

/// The page that is wanted. An empty parameter counts as absent.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditLogParams {
    /// Only entries of this ticket.
    #[garde(dive)]
    #[param(value_type = Option<String>, example = "T-20250115-1234")]
    ticket_ref: LenientField<AnyReference>,
    /// Maximum number of entries, 1–100. Absent: 50.
    #[garde(dive)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100)]
    limit: LenientField<PageSize>,
    /// The `next` of the previous page, whose entries are newer.
    #[garde(dive)]
    #[param(value_type = Option<Uuid>)]
    before: LenientField<LastId>,
}

/// What an operator did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditEntryBody {
    id: Uuid,
    #[schema(format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    at: String,
    #[schema(value_type = ActorSchema)]
    actor: &'static str,
    /// The operator's name; null if their token has none.
    #[schema(required = true, example = "zoe")]
    actor_name: Option<String>,
    /// The ticket; null if the action concerns several.
    #[schema(required = true, example = "T-20250115-1234")]
    ticket_ref: Option<String>,
    #[schema(value_type = ActSchema)]
    act: &'static str,
    /// The status or priority before.
    #[schema(required = true, example = "open")]
    from: Option<&'static str>,
    /// The status or priority after.
    #[schema(required = true, example = "resolved")]
    to: Option<&'static str>,
    /// The message that was written, removed or attached.
    #[schema(required = true)]
    message_id: Option<Uuid>,
    /// The notification that was redelivered.
    #[schema(required = true)]
    notification_id: Option<Uuid>,
    /// How many notifications were redelivered at once, or how many messages were erased.
    #[schema(required = true, example = json!(null))]
    count: Option<u64>,
}

impl From<&AuditEntry> for AuditEntryBody {
    fn from(entry: &AuditEntry) -> Self {
        let mut body = Self {
            id: entry.stamp.id.0,
            at: entry.stamp.at.to_string(),
            actor: entry.stamp.by.kind().as_str(),
            actor_name: entry.stamp.by.name().map(str::to_owned),
            ticket_ref: entry.reference.map(|reference| reference.to_string()),
            act: entry.act.kind().as_str(),
            from: None,
            to: None,
            message_id: None,
            notification_id: None,
            count: None,
        };
        match entry.act {
            AuditAction::Status { from, to } => (body.from, body.to) = (Some(from.as_str()), Some(to.as_str())),
            AuditAction::Priority { from, to } => (body.from, body.to) = (Some(from.as_str()), Some(to.as_str())),
            AuditAction::Reply(id) | AuditAction::Note(id) | AuditAction::Remove(id) | AuditAction::Attach(id) => {
                body.message_id = Some(id.0);
            }
            AuditAction::Redeliver(id) => body.notification_id = Some(id.0),
            AuditAction::RedeliverDead(count) | AuditAction::Erase(count) => body.count = Some(count),
        }
        body
    }
}

/// One page of the audit log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditLog {
    entries: Vec<AuditEntryBody>,
    /// The `before` of the next page; null on the last one.
    #[schema(required = true)]
    next: Option<Uuid>,
}

/// Read the audit log
///
/// What operators did, newest first.
#[utoipa::path(
    get,
    path = "/api/audit-log",
    tag = "Operators",
    params(AuditLogParams),
    responses(
        (status = 200, description = "A page of the audit log.", body = AuditLog),
        (status = 404, description = "`ticket_not_found`"),
    )
)]
pub(crate) async fn audit_log(
    _: Operator,
    Params(params): Params<AuditLogParams>,
    operate: Data<Operate>,
) -> Result<HttpResponse, Problem> {
    let reference = match params.ticket_ref.good() {
        Some(AnyReference(reference)) => Some(reference.ok_or_else(|| Problem::new(Code::TicketNotFound))?),
        None => None,
    };
    let size = params.limit.good().unwrap_or_default();
    let before = params.before.good().map(|LastId(id)| AuditEntryId(id));
    let entries = operate.audit_log(reference, before, size.0).await?;
    Ok(success(AuditLog {
        entries: entries.iter().map(AuditEntryBody::from).collect(),
        next: next(&entries, size, |entry| entry.stamp.id.0),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        access::OperatorToken,
        testing::{MANAGER, Request, TestApp},
    };

    #[test]
    fn an_operator_whose_token_has_a_name_is_named() {
        let api = TestApp::with(|setup| {
            setup.settings.operator_tokens.push(OperatorToken {
                name: "zoe".parse().ok(),
                secret: "zoes-token".into(),
            });
        });
        let target = format!("/api/ticket/{}", api.open_ticket().reference);
        let reply = Request::post(&format!("{target}/replies"), &json!({ "message": "Done." }));
        assert_eq!(api.send(reply.bearer("zoes-token")).status, 201);
        let resolve = Request::patch(&target, &json!({ "status": "resolved" }));
        assert_eq!(api.as_operator(resolve).status, 200);
        let log = api.audit_log();
        let names: Vec<&Value> = log.iter().map(|entry| &entry["actorName"]).collect();
        assert_eq!(names, [&json!(null), &json!("zoe")]);
    }

    #[test]
    fn every_action_is_listed_with_what_it_changed() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let target = format!("/api/ticket/{}", opened.reference);
        api.give_up("n8n answered 410");
        let undelivered = api.get_as_operator("/api/notifications").json();
        let notification = &undelivered["notifications"][0]["id"];
        let again = format!("/api/notifications/{}/redeliver", notification.as_str().unwrap());
        assert_eq!(api.as_operator(Request::new("POST", &again)).status, 200);
        let both = json!({ "status": "resolved", "priority": "low" });
        assert_eq!(api.as_operator(Request::patch(&target, &both)).status, 200);
        let reply = Request::post(&format!("{target}/replies"), &json!({ "message": "Done." }));
        let reply = api.as_operator(reply).json();
        let message = api.store_unmatched(MANAGER, "Really done.");
        let attach = format!("/api/unmatched/{message}/attach");
        let attach = Request::post(&attach, &json!({ "ticketRef": opened.reference }));
        assert_eq!(api.as_operator(attach).status, 200);

        let mut entries = api.audit_log();
        let action = |entry: &Value| entry["act"].as_str().unwrap().to_owned();
        // The entries of one request have no order.
        entries[2..4].sort_by_key(action);
        let actions: Vec<String> = entries.iter().map(action).collect();
        assert_eq!(actions, ["attach", "reply", "priority", "status", "redeliver"]);
        let changes = [
            json!({ "messageId": message }),
            json!({ "messageId": reply["messageId"] }),
            json!({ "from": "high", "to": "low" }),
            json!({ "from": "open", "to": "resolved" }),
            json!({ "notificationId": notification }),
        ];
        for (mut entry, change) in entries.into_iter().zip(changes) {
            assert!(entry["at"].take().is_string() && entry["id"].take().is_string());
            let mut expected = json!({
                "id": null, "at": null, "actor": "operator", "actorName": null, "ticketRef": opened.reference,
                "act": entry["act"], "from": null, "to": null,
                "messageId": null, "notificationId": null, "count": null
            });
            let change = change.as_object().unwrap().clone();
            expected.as_object_mut().unwrap().extend(change);
            assert_eq!(entry, expected);
        }
    }

    #[test]
    fn it_is_read_in_pages_of_one_ticket_or_of_all_also_by_its_former_path() {
        let api = TestApp::start();
        let (opened, other) = (api.open_ticket(), api.open_ticket());
        for status in ["resolved", "open", "closed"] {
            api.set_status(&opened.reference, status);
            api.set_status(&other.reference, status);
        }
        for (of, expected) in [
            ("", vec!["closed", "closed", "open", "open", "resolved", "resolved"]),
            (opened.reference.as_str(), vec!["closed", "open", "resolved"]),
        ] {
            for path in ["/api/audit-log", "/api/trail"] {
                let entries = api.all_pages(&format!("{path}?ticketRef={of}&limit=2"), "before", "entries");
                assert!(of.is_empty() || entries.iter().all(|entry| entry["ticketRef"] == of));
                let statuses: Vec<&Value> = entries.iter().map(|entry| &entry["to"]).collect();
                assert_eq!(statuses, expected, "{path} {of}");
            }
        }
    }

    #[test]
    fn invalid_parameters_and_unknown_tickets_are_problems() {
        let api = TestApp::start();
        let answer = api.get_as_operator("/api/audit-log?before=x&limit=many");
        assert_eq!(answer.field_errors(), ["before invalid_cursor", "limit out_of_range"]);
        for reference in ["T-20250115-1234", "x"] {
            let answer = api.get_as_operator(&format!("/api/audit-log?ticketRef={reference}"));
            answer.assert_problem(404, "ticket_not_found");
        }
    }
}
