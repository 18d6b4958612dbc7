//! `/health/live` and `/health/ready`: for whoever restarts the process, and whoever sends it traffic.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::log_store_failure;
use crate::api::{Api, problem::Problem};

/// All is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Healthy {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
}

/// Is the process alive?
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "Operation",
    operation_id = "live",
    responses((status = 200, description = "It is.", body = Healthy))
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Healthy { ok: true })
}

/// Can it serve requests?
///
/// It can while the store answers, which is asked once a second at most. n8n being down does not matter: notifications
/// wait.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "Operation",
    operation_id = "ready",
    responses(
        (status = 200, description = "It can.", body = Healthy),
        (status = 503, description = "`storage_unavailable`: the store does not answer."),
    )
)]
pub(crate) async fn ready(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let api = Api::of(&request)?;
    let ask = async { api.health.ping().await.inspect_err(log_store_failure).is_ok() };
    if api.is_ready.get(ask).await {
        Ok(HttpResponse::Ok().json(Healthy { ok: true }))
    } else {
        Err(Problem::not_ready())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::testing::{DownStore, Request, Service};

    #[test]
    fn a_process_lives_and_is_ready_while_its_store_answers() {
        let api = Service::start();
        assert_eq!(api.get("/health/live").text(), r#"{"ok":true}"#);
        assert_eq!(api.get("/health/ready").text(), r#"{"ok":true}"#);
        assert_eq!(api.send(&Request::new("HEAD", "/health/ready")).status, 200);
    }

    #[test]
    fn without_its_store_it_lives_and_is_not_ready() {
        let api = Service::with(|setup| setup.store = Some(Arc::new(DownStore)));
        assert_eq!(api.get("/health/live").status, 200);
        let answer = api.get("/health/ready");
        assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"));
        assert!(!answer.text().contains("secret"));
    }
}
