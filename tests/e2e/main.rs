//! The pages in a real browser, against the real server, on both stores. `make e2e` runs it.
//!
//! The scenarios share one driver; each has its own server, store and browsers. After each scenario every browser is
//! checked for what pages may never do: see `page_checks`. Arguments choose scenarios by parts of their names;
//! screenshots and the pages of failed scenarios go to `target/e2e`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod accessibility;
mod actions;
mod backend;
mod browser;
mod checks;
mod chromedriver;
mod customer;
mod fixture;
mod form;
mod inbox;
mod keyboard;
mod no_script;
mod open_page;
mod page_checks;
mod private_tickets;
mod screenshots;
mod websites;
mod widget;
mod xss;

use std::{pin::Pin, process::ExitCode, sync::Arc, time::Instant};

use black_box::{Engine, chosen, conclude, or_until_asked_to_end};
use chromedriver::Chromedriver;
use fixture::Fixture;

/// A running scenario.
type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A scenario's name and its function.
type Scenario = (&'static str, fn(Arc<Fixture>) -> Running);

/// Lists scenarios.
macro_rules! scenarios {
    ($($module:ident::$name:ident),+ $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), |fixture| Box::pin($module::$name(fixture)))),+]
    };
}

const SCENARIOS: &[Scenario] = &scenarios![
    checks::a_bad_page_is_found,
    customer::from_the_form_to_an_answer_on_the_open_page,
    customer::an_answer_reopens_a_resolved_ticket,
    customer::through_many_tickets_in_one_window,
    open_page::the_tab_says_that_there_is_news,
    open_page::who_answers_and_the_way_to_whatsapp,
    open_page::times_are_in_the_readers_language,
    open_page::what_is_written_is_kept_and_sent_once,
    form::errors_are_shown_beside_their_fields,
    form::pressing_twice_makes_one_ticket,
    form::a_filled_honeypot_is_explained,
    no_script::the_customer_needs_no_script,
    no_script::the_operator_needs_no_script,
    keyboard::the_form_by_keyboard,
    keyboard::the_inbox_by_keyboard,
    private_tickets::a_ticket_without_its_key_is_not_found,
    widget::on_a_page_of_an_allowed_site,
    widget::remembering_requests_and_opening_them_in_place,
    widget::refused_on_a_page_of_another_site,
    widget::a_plain_form_of_an_allowed_site,
    inbox::signing_in_and_out,
    inbox::a_ticket_comes_in_and_is_answered,
    inbox::search_and_filters,
    inbox::a_message_without_a_ticket_is_attached,
    inbox::a_dead_notification_is_sent_again,
    xss::markup_is_text_for_customers,
    xss::markup_is_text_for_operators,
    accessibility::of_the_customers_pages,
    accessibility::of_the_inbox,
    accessibility::of_the_widget,
    screenshots::pictures,
];

#[tokio::main]
async fn main() -> ExitCode {
    // A scenario is a local task, so that its panic ends nothing else.
    or_until_asked_to_end(run()).await
}

async fn run() -> ExitCode {
    let (begun, wanted) = (Instant::now(), chosen());
    let driver = Arc::new(Chromedriver::start().await);
    // Both stores at once: a waiting browser leaves the machine to the other.
    let [sqlite, postgres] = Engine::ALL.map(|engine| run_on(engine, &driver, &wanted));
    let (sqlite, postgres) = tokio::join!(sqlite, postgres);
    driver.stop().await;
    let (passed, failed): (Vec<_>, Vec<_>) = sqlite.into_iter().chain(postgres).partition(|(_, is_ok)| *is_ok);
    for (name, _) in &failed {
        println!("failed: {name}");
    }
    conclude("scenarios in the browser", passed.len(), failed.len(), begun)
}

/// Runs the chosen scenarios on a store; returns their names and whether they passed.
async fn run_on(engine: Engine, driver: &Arc<Chromedriver>, wanted: &[String]) -> Vec<(String, bool)> {
    let mut ran = Vec::new();
    for (name, scenario) in SCENARIOS {
        let name = format!("{engine:?} {name}").to_lowercase();
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let fixture = Arc::new(Fixture::new(driver.clone(), engine, &name));
        let is_ok = fixture.run(*scenario).await;
        println!(
            "{} {name}, {:.1?}",
            if is_ok { "ok    " } else { "FAILED" },
            begun.elapsed()
        );
        ran.push((name, is_ok));
    }
    ran
}
