//! `/metrics`: the counters of the process for Prometheus.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{HttpResponse, web::Data};
use prometheus::{
    Encoder, Error, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use ticket_domain::{
    Timestamp,
    ports::{PoolUse, Vitals},
};

use crate::access::StreamPermit;
use crate::api::{
    health::HealthProbe,
    problem::{Code, Problem},
};

/// Upper bounds in seconds. Most responses take milliseconds, and none more than the ten seconds that a body may take.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts delivery attempts by their outcome. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct DeliveryMetrics(Arc<Attempts>);

#[derive(Debug, Default)]
struct Attempts {
    delivered: AtomicU64,
    retry: AtomicU64,
    dead: AtomicU64,
}

impl DeliveryMetrics {
    /// Counts an accepted notification.
    pub fn delivered(&self) {
        self.0.delivered.fetch_add(1, Relaxed);
    }

    /// Counts a failed attempt that another will follow.
    pub fn retry(&self) {
        self.0.retry.fetch_add(1, Relaxed);
    }

    /// Counts a failed attempt after which the notification is dead.
    pub fn dead(&self) {
        self.0.dead.fetch_add(1, Relaxed);
    }
}

/// The metrics of requests, event streams and delivery attempts.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    streams: IntGauge,
    guessing_stops: Arc<AtomicU64>,
    attempts: DeliveryMetrics,
}

/// Counts an event stream as open, until it is dropped.
pub(crate) struct OpenStream {
    gauge: IntGauge,
    _permit: StreamPermit,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Metrics {
    /// Registers the metrics, all at zero but those that others count.
    ///
    /// # Errors
    /// If two metrics have the same name.
    pub(crate) fn new(attempts: DeliveryMetrics, guessing_stops: Arc<AtomicU64>) -> Result<Self, Error> {
        let labels = &["method", "route", "status"];
        let requests = IntCounterVec::new(Opts::new("http_requests_total", "Requests answered."), labels)?;
        let durations = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time until the answer was ready.")
                .buckets(BUCKETS.to_vec()),
            labels,
        )?;
        let streams = IntGauge::new("event_streams_open", "Event streams of tickets that are open.")?;
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(streams.clone()))?;
        Ok(Self {
            registry,
            requests,
            durations,
            streams,
            guessing_stops,
            attempts,
        })
    }

    /// Counts a response. `route` is a pattern, so that there are few label values.
    pub(crate) fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        let status = status.to_string();
        let labels = &[method, route, &status];
        self.requests.with_label_values(labels).inc();
        self.durations.with_label_values(labels).observe(took.as_secs_f64());
    }

    /// Counts an event stream as open, until the guard is dropped.
    pub(crate) fn open_stream(&self, permit: StreamPermit) -> OpenStream {
        self.streams.inc();
        OpenStream {
            gauge: self.streams.clone(),
            _permit: permit,
        }
    }

    /// All metrics in Prometheus' text format, those of the store as they are now.
    fn text(&self, vitals: Option<(&Vitals, Timestamp)>, pool: Option<PoolUse>) -> Result<Vec<u8>, Error> {
        let now = Registry::new();
        let attempts = Opts::new(
            "notification_tries_total",
            "Tries to deliver a notification, by outcome.",
        );
        let attempts = IntCounterVec::new(attempts, &["outcome"])?;
        let Attempts { delivered, retry, dead } = &*self.attempts.0;
        for (outcome, count) in [("delivered", delivered), ("retry", retry), ("dead", dead)] {
            attempts.with_label_values(&[outcome]).inc_by(count.load(Relaxed));
        }
        now.register(Box::new(attempts))?;
        let help = "How often guessed references stopped reading without a key.";
        let stops = IntCounter::new("guessing_stops_total", help)?;
        stops.inc_by(self.guessing_stops.load(Relaxed));
        now.register(Box::new(stops))?;
        if let Some((vitals, at)) = vitals {
            show_vitals(&now, vitals, at)?;
        }
        if let Some(pool) = pool {
            let values = [("open", pool.open), ("idle", pool.idle), ("max", pool.max)];
            let values = values.map(|(state, count)| (state, count.into()));
            show_by_state(&now, "store_connections", "Connections to the store.", &values)?;
        }
        let mut text = Vec::new();
        let mut families = self.registry.gather();
        families.extend(now.gather());
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

fn gauge_value(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn show(registry: &Registry, name: &str, help: &str, value: u64) -> Result<(), Error> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(gauge_value(value));
    registry.register(Box::new(gauge))
}

fn show_by_state(registry: &Registry, name: &str, help: &str, values: &[(&str, u64)]) -> Result<(), Error> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), &["state"])?;
    for (state, count) in values {
        gauges.with_label_values(&[*state]).set(gauge_value(*count));
    }
    registry.register(Box::new(gauges))
}

fn show_vitals(registry: &Registry, vitals: &Vitals, now: Timestamp) -> Result<(), Error> {
    let states = [
        // `waiting` includes the leased ones; here each counts once.
        ("waiting", vitals.waiting.saturating_sub(vitals.leased)),
        ("leased", vitals.leased),
        ("held", vitals.held),
        ("dead", vitals.dead),
    ];
    let help = "Undelivered notifications, by state.";
    show_by_state(registry, "notifications", help, &states)?;
    let age = vitals.oldest_waiting.map_or(0, |made| now.since(made).as_secs());
    let (name, help) = (
        "notifications_oldest_waiting_age_seconds",
        "Age of the oldest waiting notification.",
    );
    show(registry, name, help, age)?;
    let help = "Messages whose ticket is not known.";
    show(registry, "messages_unmatched", help, vitals.unmatched)
}

/// Counts for Prometheus
///
/// Without figures from the store if it doesn't answer. They are read at most once a second.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operation",
    responses(
        (status = 200, description = "Prometheus text format.", body = String, content_type = "text/plain"),
        (status = 500, description = "`internal`"),
    )
)]
pub(crate) async fn metrics(metrics: Data<Metrics>, probe: Data<HealthProbe>) -> Result<HttpResponse, Problem> {
    let vitals = probe.vitals().await;
    let vitals = vitals.as_ref().map(|(vitals, at)| (vitals, *at));
    let text = metrics.text(vitals, probe.pool_use());
    let text = text.map_err(|error| {
        tracing::error!("the metrics could not be written: {error}");
        Problem::new(Code::Internal)
    })?;
    Ok(HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::TestApp;

    #[test]
    fn requests_and_attempts_are_counted() {
        let tries = DeliveryMetrics::default();
        let api = TestApp::with(|setup| setup.delivery_metrics = tries.clone());
        api.open_ticket();
        api.get("/api/ticket/T-20250115-1234?key=secret");
        api.get("/api/ticket/T-20250115-1235");
        api.get("/somewhere/else");
        tries.delivered();
        tries.retry();
        tries.retry();
        let answer = api.get("/metrics");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
        for line in [
            r#"http_requests_total{method="POST",route="/api/ticket",status="201"} 1"#,
            r#"http_requests_total{method="GET",route="/api/ticket/{ticketRef}",status="404"} 2"#,
            r#"http_requests_total{method="GET",route="none",status="404"} 1"#,
            r#"http_request_duration_seconds_count{method="POST",route="/api/ticket",status="201"} 1"#,
            r#"notifications{state="waiting"} 1"#,
            r#"notifications{state="dead"} 0"#,
            "notifications_oldest_waiting_age_seconds 0",
            "messages_unmatched 0",
            "guessing_stops_total 0",
            r#"notification_tries_total{outcome="delivered"} 1"#,
            r#"notification_tries_total{outcome="retry"} 2"#,
            r#"notification_tries_total{outcome="dead"} 0"#,
        ] {
            assert!(
                answer.text().lines().any(|other| other == line),
                "{line}\n{}",
                answer.text()
            );
        }
        assert!(!answer.text().contains("secret") && !answer.text().contains("T-2025"));
    }

    #[test]
    fn without_the_store_the_other_metrics_are_shown() {
        let api = TestApp::with(|setup| setup.is_down = true);
        api.get("/health/live");
        let answer = api.get("/metrics");
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(r#"route="/health/live",status="200"} 1"#));
        assert!(!answer.text().contains("messages_unmatched"));
    }

    #[test]
    fn the_pool_is_shown_where_there_is_one() {
        let metrics =
            Metrics::new(DeliveryMetrics::default(), Arc::default()).unwrap_or_else(|error| unreachable!("{error}"));
        let pool = PoolUse {
            open: 5,
            idle: 3,
            max: 10,
        };
        let text = metrics.text(None, Some(pool)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in [
            r#"store_connections{state="open"} 5"#,
            r#"store_connections{state="idle"} 3"#,
            r#"store_connections{state="max"} 10"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
