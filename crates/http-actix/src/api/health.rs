//! `/health/live` and `/health/ready`: probes for restarts and for load balancing.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use ticket_domain::{
    Timestamp,
    ports::{Clock, PoolUse, StoreHealth, Vitals},
};
use utoipa::ToSchema;

use crate::{
    access::log_store_failure,
    api::{problem::Problem, success::success},
    ttl_cache::TtlCache,
};

/// The store's health, asked for at most once a second however many probes and scrapers there are.
pub(crate) struct HealthProbe {
    health: Arc<dyn StoreHealth>,
    clock: Arc<dyn Clock>,
    is_ready: TtlCache<bool>,
    vitals: TtlCache<Option<(Vitals, Timestamp)>>,
}

impl HealthProbe {
    pub(crate) fn new(health: Arc<dyn StoreHealth>, clock: Arc<dyn Clock>) -> Self {
        Self {
            health,
            clock,
            is_ready: TtlCache::default(),
            vitals: TtlCache::default(),
        }
    }

    /// Whether the store answers.
    async fn is_ready(&self) -> bool {
        let ask = async { self.health.ping().await.inspect_err(log_store_failure).is_ok() };
        self.is_ready.get(ask).await
    }

    /// The store's figures and when they were read; none if it does not answer.
    pub(crate) async fn vitals(&self) -> Option<(Vitals, Timestamp)> {
        let ask = async {
            let now = self.clock.now();
            let vitals = self.health.vitals(now).await.inspect_err(log_store_failure);
            vitals.ok().map(|vitals| (vitals, now))
        };
        self.vitals.get(ask).await
    }

    /// How many of the store's connections are in use, if it has a pool.
    pub(crate) fn pool_use(&self) -> Option<PoolUse> {
        self.health.pool_use()
    }
}

/// The probe succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Healthy {}

/// Is the process alive?
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "Operation",
    responses((status = 200, description = "It is.", body = Healthy))
)]
pub(crate) async fn live() -> HttpResponse {
    success(Healthy {})
}

/// Can it serve requests?
///
/// It can while the store answers, which is asked once a second at most. n8n being down does not matter: notifications
/// wait.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "Operation",
    responses(
        (status = 200, description = "It can.", body = Healthy),
        (status = 503, description = "`storage_unavailable`: the store does not answer."),
    )
)]
pub(crate) async fn ready(probe: Data<HealthProbe>) -> Result<HttpResponse, Problem> {
    if probe.is_ready().await {
        Ok(success(Healthy {}))
    } else {
        Err(Problem::not_ready())
    }
}

#[cfg(test)]
mod tests {

    use crate::testing::{Request, TestApp};

    #[test]
    fn a_process_lives_and_is_ready_while_its_store_answers() {
        let api = TestApp::start();
        assert_eq!(api.get("/health/live").text(), r#"{"ok":true}"#);
        assert_eq!(api.get("/health/ready").text(), r#"{"ok":true}"#);
        assert_eq!(api.send(Request::new("HEAD", "/health/ready")).status, 200);
    }

    #[test]
    fn without_its_store_it_lives_and_is_not_ready() {
        let api = TestApp::with(|setup| setup.is_down = true);
        assert_eq!(api.get("/health/live").status, 200);
        let answer = api.get("/health/ready");
        answer.assert_problem(503, "storage_unavailable");
        assert!(!answer.text().contains("secret"));
    }
}
