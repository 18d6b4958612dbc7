//! `/api/notifications`: undelivered notifications, for operators.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use ticket_domain::{
    NotificationId, NotificationRecord, NotificationState,
    ports::{Outbox, RedeliverResult},
    use_cases::Redeliver,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    keys::Operator,
    openapi::OperatorProblems,
    problem::{Code, Problem},
    schemas::{EventSchema, NotificationSchema, RecipientSchema},
};

/// Maximum number of listed notifications.
const MAX_LISTED: u16 = 200;

/// A notification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notification)]
pub(crate) struct NotificationBody {
    /// The id, which is also the `webhook-id` of every attempt. A fallback after a refused message appends `.1`, `.2` ….
    id: Uuid,
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    #[schema(value_type = RecipientSchema)]
    recipient: &'static str,
    #[schema(value_type = EventSchema)]
    event: &'static str,
    #[schema(value_type = NotificationSchema)]
    state: &'static str,
    /// When the next attempt is due, or when it was delivered or became dead; null if it is held.
    #[schema(required = true, format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    at: Option<String>,
    /// Failed attempts of the schedule.
    #[schema(example = 12)]
    failures: u16,
    /// Why the last attempt failed.
    #[schema(required = true, example = "n8n answered 503")]
    last_error: Option<Box<str>>,
    #[schema(format = "date-time", example = "2025-01-15T10:30:00.000000Z")]
    created_at: String,
}

impl From<NotificationRecord> for NotificationBody {
    fn from(record: NotificationRecord) -> Self {
        let (state, at) = match record.state {
            NotificationState::Waiting { due } => ("waiting", Some(due)),
            NotificationState::Held => ("held", None),
            NotificationState::Dead { at } => ("dead", Some(at)),
            NotificationState::Delivered { at, .. } => ("delivered", Some(at)),
        };
        Self {
            id: record.id.0,
            ticket_ref: record.reference.to_string(),
            recipient: record.recipient.as_str(),
            event: record.event.as_str(),
            state,
            at: at.map(|at| at.to_string()),
            failures: record.failures,
            last_error: record.last_error,
            created_at: record.created_at.to_string(),
        }
    }
}

/// Undelivered notifications.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationList {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    notifications: Vec<NotificationBody>,
}

/// The redelivered notification.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredNotification {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// Whether it is due now. If not, it was delivered before, or an attempt is in progress.
    #[schema(example = true)]
    queued: bool,
    notification: NotificationBody,
}

/// List undelivered notifications
///
/// Waiting, held and dead ones: newest first, at most 200.
#[utoipa::path(
    get,
    path = "/api/notifications",
    tag = "Operators",
    operation_id = "listUndelivered",
    security(("operator" = [])),
    responses(
        OperatorProblems,
        (status = 200, description = "The notifications.", body = NotificationList),
    )
)]
pub(crate) async fn list_undelivered(_: Operator, outbox: Data<dyn Outbox>) -> Result<HttpResponse, Problem> {
    let records = outbox.undelivered(MAX_LISTED).await?;
    Ok(HttpResponse::Ok().json(NotificationList {
        ok: true,
        notifications: records.into_iter().map(NotificationBody::from).collect(),
    }))
}

/// Redeliver a notification
///
/// A dead notification starts its schedule over, with its own text and the first number. A delivered one is not sent
/// again.
#[utoipa::path(
    post,
    path = "/api/notifications/{id}/redeliver",
    tag = "Operators",
    operation_id = "redeliverNotification",
    params(("id" = Uuid, Path, description = "The notification's id.")),
    security(("operator" = [])),
    responses(
        OperatorProblems,
        (status = 200, description = "The notification after the request.", body = RedeliveredNotification),
        (status = 404, description = "`not_found`: there is no such notification."),
    )
)]
pub(crate) async fn redeliver(
    Operator(by): Operator,
    redeliver: Data<Redeliver>,
    outbox: Data<dyn Outbox>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::with_detail(Code::NotFound, "There is no notification with this id.");
    let id = Uuid::try_parse(request.match_info().query("id")).map_err(|_| missing())?;
    let id = NotificationId(id);
    let queued = match redeliver.redeliver(id, by).await? {
        RedeliverResult::Queued => true,
        RedeliverResult::AlreadyDelivered | RedeliverResult::InProgress => false,
        RedeliverResult::NotFound => return Err(missing()),
    };
    let record = outbox.notification(id).await?.ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(RedeliveredNotification {
        ok: true,
        queued,
        notification: record.into(),
    }))
}

/// The redelivered notifications.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredDead {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// How many are due now.
    #[schema(example = 12)]
    queued: u64,
}

/// Redeliver all dead notifications
///
/// Each starts its schedule over, with its own text and the first number.
#[utoipa::path(
    post,
    path = "/api/notifications/redeliver",
    tag = "Operators",
    operation_id = "redeliverDead",
    security(("operator" = [])),
    responses(
        OperatorProblems,
        (status = 200, description = "The notifications are due now.", body = RedeliveredDead),
    )
)]
pub(crate) async fn redeliver_dead(
    Operator(by): Operator,
    redeliver: Data<Redeliver>,
) -> Result<HttpResponse, Problem> {
    let queued = redeliver.redeliver_dead(by).await?;
    Ok(HttpResponse::Ok().json(RedeliveredDead { ok: true, queued }))
}

#[cfg(test)]
mod tests {

    use serde_json::json;
    use ticket_domain::ports::{AttemptOutcome, Clock};

    use crate::testing::{OPERATOR_TOKEN, Request, Response, SystemClock, TestApp};

    fn list(api: &TestApp) -> Response {
        api.send(Request::new("GET", "/api/notifications").bearer(OPERATOR_TOKEN))
    }

    fn redeliver(api: &TestApp, id: &str) -> Response {
        let target = format!("/api/notifications/{id}/redeliver");
        api.send(Request::new("POST", &target).bearer(OPERATOR_TOKEN))
    }

    #[test]
    fn a_dead_notification_is_listed_and_sent_again() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.record_attempt(|| AttemptOutcome::Dead {
            at: SystemClock.now(),
            reason: "n8n answered 410".into(),
        });
        let answer = list(&api);
        let body = answer.json();
        let dead = &body["notifications"][0];
        assert_eq!((answer.status, &body["ok"]), (200, &json!(true)));
        assert_eq!(
            (
                &dead["ticketRef"],
                &dead["event"],
                &dead["state"],
                &dead["failures"],
                &dead["lastError"]
            ),
            (
                &json!(opened.reference),
                &json!("ticket.created"),
                &json!("dead"),
                &json!(1),
                &json!("n8n answered 410")
            )
        );
        let ticket = api.get(&format!("/api/ticket/{}", opened.reference)).json();
        assert_eq!(
            ticket["ticket"]["delivery"],
            json!({ "state": "failed", "at": dead["at"] })
        );

        let id = dead["id"].as_str().unwrap();
        let again = redeliver(&api, id);
        assert_eq!((again.status, &again.json()["queued"]), (200, &json!(true)));
        assert_eq!(again.json()["notification"]["state"], "waiting");
        api.record_attempt(|| AttemptOutcome::Delivered {
            at: SystemClock.now(),
            external_id: None,
        });
        let delivered = redeliver(&api, id).json();
        assert_eq!(
            (&delivered["queued"], &delivered["notification"]["state"]),
            (&json!(false), &json!("delivered"))
        );
        assert_eq!(list(&api).json()["notifications"], json!([]));
    }

    fn redeliver_dead(api: &TestApp) -> Response {
        api.as_operator(Request::new("POST", "/api/notifications/redeliver"))
    }

    #[test]
    fn everything_that_was_given_up_is_due_again_and_nothing_else() {
        let api = TestApp::start();
        assert_eq!(redeliver_dead(&api).json(), json!({ "ok": true, "queued": 0 }));
        let opened = [api.open_ticket(), api.open_ticket(), api.open_ticket()];
        api.record_attempt(|| AttemptOutcome::Dead {
            at: SystemClock.now(),
            reason: "n8n answered 410".into(),
        });
        let waiting = api.open_ticket();
        assert_eq!(redeliver_dead(&api).json(), json!({ "ok": true, "queued": 3 }));
        for opened in opened.iter().chain([&waiting]) {
            assert_eq!(api.delivery_state(&opened.reference), "waiting");
        }
        assert_eq!(redeliver_dead(&api).json()["queued"], 0);
        let audit_log = api.get_as_operator("/api/audit-log").json();
        let entries = audit_log["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{audit_log}");
        assert_eq!(
            (&entries[0]["act"], &entries[0]["count"], &entries[0]["ticketRef"]),
            (&json!("redeliver_dead"), &json!(3), &json!(null))
        );
    }

    #[test]
    fn what_does_not_exist_is_not_found() {
        let api = TestApp::start();
        for id in ["00000000-0000-4000-8000-000000000000", "x", "%00"] {
            let answer = redeliver(&api, id);
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{id}");
        }
    }

    #[test]
    fn wrong_tokens_are_limited() {
        let api = TestApp::start();
        let send = |token| {
            let request = Request::new("GET", "/api/notifications").bearer(token);
            api.send(request.header("x-forwarded-for", "1.2.3.4")).status
        };
        assert!((0..1_000).map(|_| send("wrong")).any(|status| status == 429));
        assert!((0..140).all(|_| send(OPERATOR_TOKEN) == 200));
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        for answer in [
            list(&api),
            redeliver(&api, "00000000-0000-4000-8000-000000000000"),
            redeliver_dead(&api),
        ] {
            assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
        }
    }
}
