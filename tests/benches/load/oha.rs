//! The load generators: so many connections, each with its next request as soon as it has a response, or all together at
//! a rate. Reading is oha's.

use std::{path::Path, time::Duration};

use black_box::{cpu_time, setting};
use serde_json::Value;
use tokio::{process::Command, task::spawn_blocking, time::timeout};

use crate::{Outcome, create::create, measure::server::Server};

/// What is requested.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Requests<'a> {
    /// `POST /api/ticket`, each time with another form.
    Create,
    /// One of the addresses of a file, a line each; with a tag, by a reader who has this version already.
    Read(&'a Path, Option<&'a str>),
}

/// How much is requested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u16,
    pub(crate) time: Duration,
    pub(crate) rate: Option<f64>,
}

impl Load {
    /// `rate`: requests a second of all connections together; `None`: as many as get a response. With a rate, a request
    /// that had to wait for its turn took longer by that.
    pub(crate) fn of(connections: u16, time: Duration, rate: Option<f64>) -> Self {
        Self {
            connections,
            time,
            rate,
        }
    }
}

/// Sends requests to `server`. Responses with a wrong status count for no rate, but as failures.
pub(crate) async fn press(server: &Server, requests: Requests<'_>, load: Load) -> Outcome {
    let before = cpu_time(server.pid());
    let mut outcome = match requests {
        Requests::Create => {
            let address = server.address();
            let tally = spawn_blocking(move || create(address, load)).await.unwrap();
            let responses = u32::try_from(tally.times.len()).unwrap();
            let permille = |part: usize| tally.times[tally.times.len() * part / 1_000];
            Outcome {
                rate: f64::from(responses) / tally.took.as_secs_f64(),
                times: [500, 990, 999].map(permille).to_vec(),
                processor_time: None,
                responses,
                failed: tally.failed,
            }
        }
        Requests::Read(addresses, tag) => read(addresses, tag, load).await,
    };
    let used = cpu_time(server.pid()).saturating_sub(before);
    outcome.processor_time = Some(used.as_secs_f64() * 1e6 / f64::from(outcome.responses));
    outcome
}

async fn read(addresses: &Path, tag: Option<&str>, load: Load) -> Outcome {
    let report = run(addresses, tag, load).await;
    let wanted = if tag.is_some() { "304" } else { "200" };
    let count = |of: &Value| u32::try_from(of.as_u64().unwrap_or_default()).unwrap();
    let sum = |of: &Value| of.as_object().unwrap().values().map(count).sum::<u32>();
    let responses = count(&report["statusCodeDistribution"][wanted]);
    assert!(responses > 0, "{}: {report}", addresses.display());
    let percentiles =
        ["p50", "p99", "p99.9"].map(|name| report["latencyPercentiles"][name].as_f64().unwrap() * 1_000.0);
    Outcome {
        rate: f64::from(responses) / report["summary"]["total"].as_f64().unwrap(),
        times: percentiles.to_vec(),
        processor_time: None,
        responses,
        failed: sum(&report["statusCodeDistribution"]) - responses + sum(&report["errorDistribution"]),
    }
}

async fn run(addresses: &Path, tag: Option<&str>, load: Load) -> Value {
    let mut command = Command::new(setting("OHA").expect("OHA: run this with `make bench`"));
    command
        .args([
            "--no-tui",
            "--output-format=json",
            "--wait-ongoing-requests-after-deadline",
        ])
        .arg(format!("-z{}ms", load.time.as_millis()))
        .arg(format!("-c{}", load.connections));
    command.args(tag.map(|tag| format!("-HIf-None-Match: {tag}")));
    command.arg("--urls-from-file").arg(addresses);
    command.kill_on_drop(true);
    let output = timeout(load.time + Duration::from_secs(30), command.output()).await;
    let output = output.expect("oha ends in time").expect("oha runs");
    assert!(
        output.status.success(),
        "oha: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
