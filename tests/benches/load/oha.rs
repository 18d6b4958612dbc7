//! The load generator: so many connections, each with its next request as soon as it has an answer, or all together at
//! a rate.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::measure::server::Server;

/// What is asked, and what the answer has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// `POST /api/ticket`, each time with one of the bodies of a file, a line each.
    Create(&'a Path),
    /// One of the addresses of a file, a line each.
    Read(&'a Path),
    /// The same by somebody who has this version already.
    ReadAgain(&'a Path, &'a str),
}

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pressure {
    /// Connections.
    pub(crate) connections: u16,
    /// For how long.
    pub(crate) time: Duration,
    /// Requests a second of all connections together; nothing: as many as are answered. Where it is given, a request
    /// that had to wait for its turn took longer by that.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Half of the answers took no longer.
    pub(crate) median: Duration,
    /// 99 of 100 did.
    pub(crate) p99: Duration,
    /// 999 of 1,000 did.
    pub(crate) p999: Duration,
    /// The server's processor time for one answer, without that of Postgres.
    pub(crate) processor_time: Duration,
    /// Answers with another status, and requests without an answer.
    pub(crate) failed: u32,
}

/// Asks `server`. Answers that are not what they have to be count for no rate; they are counted by themselves.
pub(crate) async fn press(server: &Server, ask: Ask<'_>, pressure: Pressure) -> Load {
    let before = server.processor_time();
    let report = run(server, ask, pressure).await;
    let used = server.processor_time().saturating_sub(before);
    let wanted = match ask {
        Ask::Create(_) => "201",
        Ask::Read(_) => "200",
        Ask::ReadAgain(..) => "304",
    };
    let count = |of: &Value| {
        of.as_u64()
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or_default()
    };
    let sum = |of: &Value| of.as_object().unwrap().values().map(count).sum::<u32>();
    let answers = count(&report["statusCodeDistribution"][wanted]);
    assert!(answers > 0, "{ask:?}: {report}");
    let percentile = |name: &str| seconds(&report["latencyPercentiles"][name]);
    Load {
        rate: f64::from(answers) / seconds(&report["summary"]["total"]).as_secs_f64(),
        median: percentile("p50"),
        p99: percentile("p99"),
        p999: percentile("p99.9"),
        processor_time: used / answers,
        failed: sum(&report["statusCodeDistribution"]) - answers + sum(&report["errorDistribution"]),
    }
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().unwrap())
}

async fn run(server: &Server, ask: Ask<'_>, pressure: Pressure) -> Value {
    let mut command = Command::new(program());
    command
        .args([
            "--no-tui",
            "--output-format=json",
            "--wait-ongoing-requests-after-deadline",
        ])
        .arg(format!("-z{}ms", pressure.time.as_millis()))
        .arg(format!("-c{}", pressure.connections));
    if let Some(rate) = pressure.rate {
        command.arg("--latency-correction").arg(format!("-q{rate:.0}"));
    }
    match ask {
        Ask::Create(bodies) => {
            command.args(["-mPOST", "-Tapplication/json", "-Z"]).arg(bodies);
            command.arg(server.url("/api/ticket"));
        }
        Ask::Read(addresses) => {
            command.arg("--urls-from-file").arg(addresses);
        }
        Ask::ReadAgain(addresses, tag) => {
            command.arg(format!("-HIf-None-Match: {tag}"));
            command.arg("--urls-from-file").arg(addresses);
        }
    }
    command.kill_on_drop(true);
    let output = timeout(pressure.time + Duration::from_secs(30), command.output()).await;
    let output = output.expect("oha ends in time").expect("oha runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oha: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where it is.
pub(crate) fn program() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "where the load generator is is the runner's to say"
    )]
    let path = std::env::var_os("OHA").expect("OHA: run this with `make bench`");
    path.into()
}
