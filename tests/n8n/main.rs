//! The whole loop with a real n8n: the real server, our workflows, a fake Twilio, and a real mailbox.
//! `make e2e-n8n` runs it. The scenarios share one n8n, since it starts slowly; each has its own server and tickets.
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
mod mailbox;
mod mails;
mod normal;
mod real_n8n;
mod shapes;
mod table;

use std::{panic::AssertUnwindSafe, pin::Pin, process::ExitCode, time::Instant};

use black_box::{chosen, conclude};
use fixture::Fixture;
use futures_util::FutureExt;

/// A running scenario.
type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A scenario's name and its function.
type Scenario = (&'static str, for<'a> fn(&'a mut Fixture) -> Running<'a>);

/// Lists scenarios.
macro_rules! scenarios {
    ($($module:ident::$name:ident),+ $(,)?) => {
        [$((stringify!($name), |fixture| Box::pin($module::$name(fixture)))),+]
    };
}

/// In this order: the first ones start n8n, the last ones load or kill it.
const SCENARIOS: &[Scenario] = &scenarios![
    failures::inactive_then_active,
    table::n8n_answers_as_the_table_says,
    normal::the_loop_with_a_quoted_reply,
    normal::a_question_and_its_answer,
    normal::a_customer_without_a_reference,
    normal::buttons_and_commands,
    normal::several_media,
    normal::the_probe,
    normal::forged_signatures,
    normal::long_and_marked_up_texts,
    normal::status_callbacks,
    normal::a_rate_limit_by_callback,
    mails::a_reply_by_mail,
    mails::automatic_mails,
    mails::a_stranger_s_mail,
    mails::mails_in_an_outage,
    shapes::what_is_handed_on,
    shapes::odd_senders,
    shapes::a_question_is_asked_once,
    shapes::a_tick_says_that_it_came,
    shapes::texts_buttons_and_rows,
    shapes::buttons_that_undo,
    failures::a_wrong_key,
    failures::messages_rejected_by_twilio,
    failures::the_same_webhook_twice,
    failures::the_server_is_away_for_a_reply,
    edge_cases::the_server_is_away_for_a_status,
    edge_cases::another_server_at_the_address,
    edge_cases::a_slow_server_and_many_media,
    edge_cases::a_reply_that_was_not_accepted,
    edge_cases::twilio_is_silent,
    edge_cases::a_careless_config,
    figures::at_rest,
    figures::many_at_once,
    failures::killed_while_sending,
    figures::away_for_a_minute,
];

#[tokio::main]
async fn main() -> ExitCode {
    let (begun, wanted) = (Instant::now(), chosen());
    let mut fixture = Fixture::set_up().await;
    println!("n8n is set up after {:.0?}", begun.elapsed());
    let (mut passed, mut failed) = (0, 0);
    for (name, scenario) in SCENARIOS {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
        if !is_wanted {
            continue;
        }
        let begun = Instant::now();
        fixture.twilio.forget();
        let is_ok = AssertUnwindSafe(scenario(&mut fixture)).catch_unwind().await.is_ok();
        println!(
            "{} {name}, {:.1?}",
            if is_ok { "ok    " } else { "FAILED" },
            begun.elapsed()
        );
        *(if is_ok { &mut passed } else { &mut failed }) += 1;
    }
    fixture.n8n.stop().await;
    conclude("scenarios with n8n", passed, failed, begun)
}
