//! `/api/notifications`: undelivered notifications, for operators.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use ticket_domain::{
    NotificationId, NotificationRecord, NotificationState, Stage,
    ports::{Outbox, RedeliverResult},
    use_cases::Redeliver,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    keys::Operator,
    problem::{Code, Problem},
    schemas::{EventSchema, NotificationSchema, RecipientSchema},
    success::success,
};

/// Maximum number of listed notifications.
const MAX_LISTED: u16 = 200;

/// A notification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notification)]
pub(crate) struct NotificationBody {
    /// The id, which is also the `webhook-id` of every attempt. Each message after a refused or failed
    /// one appends `.1`, `.2` ….
    id: Uuid,
    /// Its ticket; null if it asks a manager which ticket a message is for.
    #[schema(required = true, example = "T-20250115-1234")]
    ticket_ref: Option<String>,
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
        let (stage, at) = match record.state {
            NotificationState::Waiting { due } => (Stage::Waiting, Some(due)),
            NotificationState::Held => (Stage::Held, None),
            NotificationState::Dead { at } => (Stage::Dead, Some(at)),
            NotificationState::Delivered { at, .. } => (Stage::Delivered, Some(at)),
        };
        Self {
            id: record.id.0,
            ticket_ref: record.reference.map(|reference| reference.to_string()),
            recipient: record.recipient.as_str(),
            event: record.event.as_str(),
            state: stage.as_str(),
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
    notifications: Vec<NotificationBody>,
}

/// The redelivered notification.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredNotification {
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
    responses((status = 200, description = "The notifications.", body = NotificationList))
)]
pub(crate) async fn list_undelivered(_: Operator, outbox: Data<dyn Outbox>) -> Result<HttpResponse, Problem> {
    let records = outbox.undelivered(MAX_LISTED).await?;
    Ok(success(NotificationList {
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
    params(("id" = Uuid, Path, description = "The notification's id.")),
    responses(
        (status = 200, description = "The notification after the request.", body = RedeliveredNotification),
        (status = 404, description = "`not_found`: there is no such notification."),
    )
)]
pub(crate) async fn redeliver_notification(
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
    Ok(success(RedeliveredNotification {
        queued,
        notification: record.into(),
    }))
}

/// The redelivered notifications.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredDead {
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
    responses((status = 200, description = "The notifications are due now.", body = RedeliveredDead))
)]
pub(crate) async fn redeliver_dead(
    Operator(by): Operator,
    redeliver: Data<Redeliver>,
) -> Result<HttpResponse, Problem> {
    let queued = redeliver.redeliver_dead(by).await?;
    Ok(success(RedeliveredDead { queued }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{Request, Response, TestApp};

    fn list(api: &TestApp) -> Value {
        api.get_as_operator("/api/notifications").json()["notifications"].take()
    }

    fn redeliver(api: &TestApp, id: &str) -> Response {
        api.as_operator(Request::new("POST", &format!("/api/notifications/{id}/redeliver")))
    }

    fn redeliver_dead(api: &TestApp) -> Value {
        let request = Request::new("POST", "/api/notifications/redeliver");
        api.as_operator(request).json()
    }

    #[test]
    fn a_dead_notification_is_listed_and_redelivered() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        api.give_up("n8n answered 410");
        let listed = list(&api);
        let dead = &listed[0];
        let told = ["ticketRef", "event", "state", "lastError"].map(|field| &dead[field]);
        assert_eq!(told, [&*opened.reference, "ticket.created", "dead", "n8n answered 410"]);
        assert_eq!(dead["failures"], 1);
        let delivery = json!({ "state": "failed", "at": dead["at"] });
        assert_eq!(api.shown(&opened.reference)["ticket"]["delivery"], delivery);

        let id = dead["id"].as_str().unwrap();
        for (queued, state) in [(true, "waiting"), (false, "delivered")] {
            let answer = redeliver(&api, id).json();
            assert_eq!(
                [&answer["queued"], &answer["notification"]["state"]],
                [&json!(queued), &json!(state)]
            );
            if queued {
                api.deliver(None);
            }
        }
        assert_eq!(list(&api), json!([]));
    }

    #[test]
    fn every_dead_notification_is_due_again_and_no_other() {
        let api = TestApp::start();
        assert_eq!(redeliver_dead(&api), json!({ "ok": true, "queued": 0 }));
        let opened = [api.open_ticket(), api.open_ticket(), api.open_ticket()];
        api.give_up("n8n answered 410");
        let waiting = api.open_ticket();
        assert_eq!(redeliver_dead(&api), json!({ "ok": true, "queued": 3 }));
        for opened in opened.iter().chain([&waiting]) {
            assert_eq!(api.delivery_state(&opened.reference), "waiting");
        }
        assert_eq!(redeliver_dead(&api)["queued"], 0);
        let log = api.audit_log();
        assert_eq!(log.len(), 1, "{log:?}");
        let entry = ["act", "count", "ticketRef"].map(|field| &log[0][field]);
        assert_eq!(entry, [&json!("redeliver_dead"), &json!(3), &json!(null)]);
    }

    #[test]
    fn an_unknown_notification_is_not_found() {
        let api = TestApp::start();
        for id in ["00000000-0000-4000-8000-000000000000", "x", "%00"] {
            redeliver(&api, id).assert_problem(404, "not_found");
        }
    }
}
