//! The whole loop with a real n8n: the server that ships, our workflows, and a Twilio of this machine. `make e2e-n8n`
//! runs it. The scenes share one n8n, since a start takes its time; each has a server and tickets of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests"
)]

mod figures;
mod impostor;
mod mishaps;
mod others;
mod real;
mod scenes;
mod stage;
mod table;
mod trouble;

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::ExitCode,
    task::Poll,
    time::Instant,
};

use stage::Stage;

/// What happens in a scene.
type Acting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A scene and what it proves.
type Scene = (&'static str, for<'a> fn(&'a mut Stage) -> Acting<'a>);

/// Writes down a list of scenes.
macro_rules! scenes {
    ($($module:ident::$name:ident),+ $(,)?) => {
        [$((stringify!($name), |stage| Box::pin($module::$name(stage)))),+]
    };
}

/// In this order: the first ones see n8n start, the last ones are loud.
const SCENES: &[Scene] = &scenes![
    trouble::inactive_then_active,
    table::n8n_answers_as_the_table_says,
    scenes::the_loop_with_a_quoted_reply,
    scenes::asking_back_and_a_pick,
    scenes::several_media,
    scenes::the_probe,
    scenes::forged_signatures,
    scenes::long_and_marked_up_texts,
    scenes::what_twilio_reports_later,
    trouble::a_wrong_key,
    trouble::what_twilio_refuses,
    trouble::the_same_webhook_twice,
    trouble::the_server_is_away_for_a_reply,
    mishaps::the_server_is_away_for_a_status,
    mishaps::somebody_else_answers_as_the_server,
    mishaps::a_slow_server_and_many_media,
    mishaps::a_reply_that_was_not_taken,
    mishaps::twilio_is_silent,
    mishaps::a_careless_config,
    figures::at_rest,
    figures::many_at_once,
    trouble::killed_while_sending,
    figures::away_for_a_minute,
];

#[tokio::main]
async fn main() -> ExitCode {
    let begun = Instant::now();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut stage = Stage::set_up().await;
    println!("n8n is set up after {:.0?}", begun.elapsed());
    let mut failed = Vec::new();
    for (name, scene) in SCENES {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
        if !is_wanted {
            continue;
        }
        let begun = Instant::now();
        stage.twilio.forget();
        let is_ok = ends_well(scene(&mut stage)).await;
        println!(
            "{} {name}, {:.1?}",
            if is_ok { "ok    " } else { "FAILED" },
            begun.elapsed()
        );
        if !is_ok {
            failed.push(*name);
        }
    }
    stage.n8n.stop().await;
    println!(
        "{} scenes failed {failed:?}, {:.0?} in all",
        failed.len(),
        begun.elapsed()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a scene came to its end without a panic.
async fn ends_well(mut scene: Acting<'_>) -> bool {
    poll_fn(|context| {
        let step = catch_unwind(AssertUnwindSafe(|| scene.as_mut().poll(context)));
        step.map_or(Poll::Ready(false), |step| step.map(|()| true))
    })
    .await
}
