//! The whole loop with a real n8n: the server that ships, our workflows, and a Twilio of this machine. `make e2e-n8n`
//! runs it. The scenarios share one n8n, since a start takes its time; each has a server and tickets of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests"
)]

mod edge_cases;
mod failures;
mod figures;
mod fixture;
mod normal;
mod other_workflows;
mod real_n8n;
mod table;

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::ExitCode,
    task::Poll,
    time::Instant,
};

use fixture::Fixture;

/// What happens in a scenario.
type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A scenario and what it proves.
type Scenario = (&'static str, for<'a> fn(&'a mut Fixture) -> Running<'a>);

/// Writes down a list of scenarios.
macro_rules! scenarios {
    ($($module:ident::$name:ident),+ $(,)?) => {
        [$((stringify!($name), |fixture| Box::pin($module::$name(fixture)))),+]
    };
}

/// In this order: the first ones see n8n start, the last ones are loud.
const SCENARIOS: &[Scenario] = &scenarios![
    failures::inactive_then_active,
    table::n8n_answers_as_the_table_says,
    normal::the_loop_with_a_quoted_reply,
    normal::asking_back_and_a_pick,
    normal::several_media,
    normal::the_probe,
    normal::forged_signatures,
    normal::long_and_marked_up_texts,
    normal::what_twilio_reports_later,
    failures::a_wrong_key,
    failures::what_twilio_refuses,
    failures::the_same_webhook_twice,
    failures::the_server_is_away_for_a_reply,
    edge_cases::the_server_is_away_for_a_status,
    edge_cases::somebody_else_answers_as_the_server,
    edge_cases::a_slow_server_and_many_media,
    edge_cases::a_reply_that_was_not_taken,
    edge_cases::twilio_is_silent,
    edge_cases::a_careless_config,
    figures::at_rest,
    figures::many_at_once,
    failures::killed_while_sending,
    figures::away_for_a_minute,
];

#[tokio::main]
async fn main() -> ExitCode {
    let begun = Instant::now();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut fixture = Fixture::set_up().await;
    println!("n8n is set up after {:.0?}", begun.elapsed());
    let mut failed = Vec::new();
    for (name, scenario) in SCENARIOS {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
        if !is_wanted {
            continue;
        }
        let begun = Instant::now();
        fixture.twilio.forget();
        let is_ok = ends_well(scenario(&mut fixture)).await;
        println!(
            "{} {name}, {:.1?}",
            if is_ok { "ok    " } else { "FAILED" },
            begun.elapsed()
        );
        if !is_ok {
            failed.push(*name);
        }
    }
    fixture.n8n.stop().await;
    println!(
        "{} scenarios failed {failed:?}, {:.0?} in all",
        failed.len(),
        begun.elapsed()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a scenario came to its end without a panic.
async fn ends_well(mut scenario: Running<'_>) -> bool {
    poll_fn(|context| {
        let step = catch_unwind(AssertUnwindSafe(|| scenario.as_mut().poll(context)));
        step.map_or(Poll::Ready(false), |step| step.map(|()| true))
    })
    .await
}
