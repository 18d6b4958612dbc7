//! `/api/notifications`: what did not reach the manager, for operators.

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
    problem::{Code, Problem},
    schemas::{EventWord, NotificationWord},
};

/// The most notifications that are listed.
const LISTED: u16 = 200;

/// A notification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notification)]
pub(crate) struct NotificationBody {
    /// Its id, and the `webhook-id` of every try. A message that went out in place of a refused one has `.1`, `.2` … after
    /// it.
    id: Uuid,
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    #[schema(value_type = EventWord, example = "ticket.created")]
    event: &'static str,
    #[schema(value_type = NotificationWord, example = "dead")]
    state: &'static str,
    /// The next try if it waits; when it was delivered or given up if it was; else null.
    #[schema(required = true, format = "date-time", example = "2025-01-15T11:45:00.000000Z")]
    at: Option<String>,
    /// How many tries of the schedule failed.
    #[schema(example = 12)]
    failures: u16,
    /// Why the last one failed.
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
            event: record.event.as_str(),
            state,
            at: at.map(|at| at.to_string()),
            failures: record.failures,
            last_error: record.last_error,
            created_at: record.created_at.to_string(),
        }
    }
}

/// Notifications.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationList {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    notifications: Vec<NotificationBody>,
}

/// What became of the wish.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredNotification {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// Whether it is due now. If not, it was delivered before, or is being tried at this moment.
    #[schema(example = true)]
    queued: bool,
    notification: NotificationBody,
}

/// List what is undelivered
///
/// Notifications that wait, are held or were given up: the newest first, at most 200.
#[utoipa::path(
    get,
    path = "/api/notifications",
    tag = "Operators",
    operation_id = "listUndelivered",
    security(("operator" = [])),
    responses(
        (status = 200, description = "The notifications.", body = NotificationList),
        (status = 401, description = "`unauthorized`: the operator's token is missing or wrong."),
        (status = 429, description = "`rate_limited`: too many wrong tokens."),
        (status = 500, description = "`storage_unavailable` or `internal`"),
    )
)]
pub(crate) async fn list_undelivered(_: Operator, outbox: Data<dyn Outbox>) -> Result<HttpResponse, Problem> {
    let records = outbox.undelivered(LISTED).await?;
    Ok(HttpResponse::Ok().json(NotificationList {
        ok: true,
        notifications: records.into_iter().map(NotificationBody::from).collect(),
    }))
}

/// Send a notification again
///
/// One that was given up starts its schedule anew, in its own words and at the first number. One that was delivered is
/// not sent twice.
#[utoipa::path(
    post,
    path = "/api/notifications/{id}/redeliver",
    tag = "Operators",
    operation_id = "redeliverNotification",
    params(("id" = Uuid, Path, description = "The notification's id.")),
    security(("operator" = [])),
    responses(
        (status = 200, description = "The notification as it stands now.", body = RedeliveredNotification),
        (status = 401, description = "`unauthorized`: the operator's token is missing or wrong."),
        (status = 404, description = "`not_found`: there is no such notification."),
        (status = 429, description = "`rate_limited`: too many wrong tokens."),
        (status = 500, description = "`storage_unavailable` or `internal`"),
    )
)]
pub(crate) async fn redeliver(
    _: Operator,
    redeliver: Data<Redeliver>,
    outbox: Data<dyn Outbox>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::with_detail(Code::NotFound, "There is no notification of this id.");
    let id = Uuid::try_parse(request.match_info().query("id")).map_err(|_| missing())?;
    let id = NotificationId(id);
    let queued = match redeliver.redeliver(id).await? {
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
        for answer in [list(&api), redeliver(&api, "00000000-0000-4000-8000-000000000000")] {
            assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
        }
    }
}
