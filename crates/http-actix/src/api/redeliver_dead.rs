//! `POST /api/notifications/redeliver`: everything that was given up is sent again.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use ticket_domain::use_cases::Redeliver;
use utoipa::ToSchema;

use crate::api::{keys::Operator, problem::Problem};

/// What became of the wish.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeliveredDead {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// How many are due now.
    #[schema(example = 12)]
    queued: u64,
}

/// Send everything again that was given up
///
/// Each begins its schedule anew, in its own words and at the first number.
#[utoipa::path(
    post,
    path = "/api/notifications/redeliver",
    tag = "Operators",
    operation_id = "redeliverDead",
    security(("operator" = [])),
    responses(
        (status = 200, description = "They are due now.", body = RedeliveredDead),
        (status = 401, description = "`unauthorized`: the operator's token is missing or wrong."),
        (status = 429, description = "`rate_limited`: too many wrong tokens."),
        (status = 500, description = "`storage_unavailable` or `internal`"),
    )
)]
pub(crate) async fn redeliver_dead(_: Operator, redeliver: Data<Redeliver>) -> Result<HttpResponse, Problem> {
    let queued = redeliver.redeliver_dead().await?;
    Ok(HttpResponse::Ok().json(RedeliveredDead { ok: true, queued }))
}

#[cfg(test)]
mod tests {

    use serde_json::json;
    use ticket_domain::ports::{AttemptOutcome, Clock};

    use crate::testing::{Request, Response, SystemClock, TestApp};

    fn redeliver(api: &TestApp) -> Response {
        api.as_operator(Request::new("POST", "/api/notifications/redeliver"))
    }

    #[test]
    fn everything_that_was_given_up_is_due_again_and_nothing_else() {
        let api = TestApp::start();
        assert_eq!(redeliver(&api).json(), json!({ "ok": true, "queued": 0 }));
        let opened = [api.open_ticket(), api.open_ticket(), api.open_ticket()];
        api.record_attempt(|| AttemptOutcome::Dead {
            at: SystemClock.now(),
            reason: "n8n answered 410".into(),
        });
        let waiting = api.open_ticket();
        assert_eq!(redeliver(&api).json(), json!({ "ok": true, "queued": 3 }));
        for opened in opened.iter().chain([&waiting]) {
            assert_eq!(api.delivery_state(&opened.reference), "waiting");
        }
        assert_eq!(redeliver(&api).json()["queued"], 0);
        let trail = api.get_as_operator("/api/trail").json();
        let entries = trail["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{trail}");
        assert_eq!(
            (&entries[0]["act"], &entries[0]["count"], &entries[0]["ticketRef"]),
            (&json!("redeliver_dead"), &json!(3), &json!(null))
        );
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        let answer = redeliver(&api);
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
