//! How the long test programs choose what to run, end when they are asked to, and report.

use std::{process::ExitCode, time::Instant};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};

/// The words on the command line that are no options: they choose by name.
pub fn chosen() -> Vec<String> {
    let words = std::env::args().skip(1);
    words.filter(|word| !word.starts_with('-')).collect()
}

/// Runs to the end, or until the process is asked to end: dropping the future ends the processes that it started. Local
/// tasks may be spawned.
pub async fn or_until_asked_to_end(run: impl Future<Output = ExitCode>) -> ExitCode {
    let local = LocalSet::new();
    let mut asked_to_end = signal(SignalKind::terminate()).expect("a handler");
    tokio::select! {
        code = local.run_until(run) => code,
        _ = asked_to_end.recv() => ExitCode::FAILURE,
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
    }
}

/// Prints the closing line. Choosing nothing is a mistake, not a success.
pub fn conclude(what: &str, passed: usize, failed: usize, begun: Instant) -> ExitCode {
    let is_ok = failed == 0 && passed > 0;
    let result = if is_ok { "ok" } else { "FAILED" };
    let took = begun.elapsed();
    println!("test result: {result}. {passed} {what} passed; {failed} failed; finished in {took:.0?}");
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
