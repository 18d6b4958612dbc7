//! The clock jumps, or days go by.

use std::time::{Duration, Instant};

use black_box::{Engine, Reaction, until};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use tokio::time::sleep;

use crate::{fixture::Fixture, report::Outcome, shifted_clock::ShiftedClockServer};

/// How far the clock jumps.
const JUMP: Duration = Duration::from_hours(1);

/// Tickets whose notifications wait during the outage.
const WAITING: u32 = 1_000;

/// Tickets whose notifications are given up.
const GIVEN_UP: u32 = 50;

/// The first attempt and the three quick retries.
const QUICK_TRIES: u16 = 4;

/// Steps of the clock: each passes one of the eight slow retries, with its fifth of jitter.
const NIGHTS: [Duration; 8] = [
    Duration::from_mins(6),
    Duration::from_mins(36),
    Duration::from_mins(150),
    Duration::from_mins(370),
    Duration::from_mins(730),
    Duration::from_hours(17),
    Duration::from_hours(25),
    Duration::from_hours(29),
];

/// How long due attempts may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the backlog may take when n8n is back: it is twice the number that has to go out within two minutes.
const OUT_WITHIN: Duration = Duration::from_mins(4);

/// Starts a server with an adjustable clock and sends all clients to it.
async fn start(fixture: &Fixture) -> ShiftedClockServer {
    let server = ShiftedClockServer::start(&fixture.options()).await;
    fixture.clients.go_to(&[server.address()]);
    server
}

/// The clock jumps an hour forward, back, back again, and so on, under load.
pub(crate) async fn jumps(engine: Engine, times: u32) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    // So slow that some notification awaits its first attempt at every jump.
    let taken = Reaction::AcceptWithOwnId.after(Duration::from_millis(350));
    fixture.n8n.always(taken);
    let mut server = start(&fixture).await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    for time in 0..times {
        sleep(Duration::from_millis(u64::from(300 + time * 37 % 250))).await;
        // A jump forward may end a lease during an attempt.
        let jumped = fixture.cut();
        match time % 4 {
            0 | 3 => server.forth(JUMP).await,
            _ => server.back(JUMP).await,
        }
        fixture.recovers(jumped).await;
    }
    load.end().await;
    fixture.drains().await;
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}

/// n8n is away until all slow retries but the last have failed; then it is back. Then it is
/// away even longer.
pub(crate) async fn outage(engine: Engine) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    let mut server = is_waited_out(&mut fixture).await;
    let begun = Instant::now();
    is_given_up(&mut fixture, &mut server).await;
    fixture.drains().await;
    println!(
        "       on {engine:?}, {GIVEN_UP} were given up and sent again in {:.0?}",
        begun.elapsed()
    );
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}

/// The same with the mail server, while the manager is told at once.
pub(crate) async fn mail_outage(engine: Engine) -> Outcome {
    let mut fixture = Fixture::mailing(engine).await;
    let server = is_waited_out(&mut fixture).await;
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}

/// The receiver is away until all slow retries but the last have failed; then it is back. Returns the server.
async fn is_waited_out(fixture: &mut Fixture) -> ShiftedClockServer {
    let mut server = start(fixture).await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    load.end().await;
    fixture.drains().await;
    fixture.broken();
    fixture.receiver_goes_away().await;
    let mut wanted = comes(fixture, WAITING).await;
    for night in &NIGHTS[..NIGHTS.len() - 1] {
        server.forth(*night).await;
        wanted += WAITING;
        tries(fixture, wanted).await;
    }
    fixture.receiver_comes_back();
    let back = Instant::now();
    fixture.recovers(back).await;
    fixture.drains_within(OUT_WITHIN).await;
    let engine = fixture.store.engine();
    println!("       on {engine:?}, {WAITING} went out in {:.1?}", back.elapsed());
    server
}

/// n8n is away until the last retry has failed; then an operator redelivers everything.
async fn is_given_up(fixture: &mut Fixture, server: &mut ShiftedClockServer) {
    fixture.broken();
    fixture.n8n.go_away().await;
    comes(fixture, GIVEN_UP).await;
    let mut failures = QUICK_TRIES;
    for night in NIGHTS {
        fail(fixture, failures).await;
        server.forth(night).await;
        failures += 1;
    }
    fail(fixture, failures).await;
    let dead = ["notifications{state=\"dead\"}"];
    let are_dead = async || (fixture.clients.metric(&dead).await == Some(f64::from(GIVEN_UP))).then_some(());
    if until(PATIENCE, are_dead).await.is_none() {
        fixture.fault(format!("after {failures} failures not all are given up"));
    }
    fixture.n8n.come_back();
    fixture.recovers(Instant::now()).await;
    let redeliver = "/api/notifications/redeliver";
    let answer = fixture.clients.operate(Method::POST, redeliver).await;
    if answer["queued"] != GIVEN_UP {
        fixture.fault(format!(
            "of {GIVEN_UP} that were given up, an operator sent {answer} again"
        ));
    }
}

/// Opens tickets while n8n is away and waits for the quick retries of each. Returns the number of
/// failed attempts in all.
async fn comes(fixture: &mut Fixture, tickets: u32) -> u32 {
    let forms = stream::iter(0..tickets).map(|_| fixture.clients.form());
    forms.buffer_unordered(16).for_each(async |_| ()).await;
    let wanted = u32::from(QUICK_TRIES) * tickets;
    tries(fixture, wanted).await;
    wanted
}

/// Waits until every waiting notification has failed this often.
async fn fail(fixture: &mut Fixture, failures: u16) {
    let has_failed = async || {
        let listed = fixture.clients.operate(Method::GET, "/api/notifications").await;
        let listed = listed["notifications"].as_array()?;
        let is_so_far = |one: &serde_json::Value| one["failures"] == failures;
        (listed.len() == GIVEN_UP as usize && listed.iter().all(is_so_far)).then_some(())
    };
    if until(PATIENCE, has_failed).await.is_none() {
        fixture.fault(format!("not everything was tried {failures} times"));
    }
}

/// Waits for this number of failed attempts in all.
async fn tries(fixture: &mut Fixture, wanted: u32) {
    let names = ["notification_tries_total{outcome=\"retry\"}"];
    let are_tried = async || (fixture.clients.metric(&names).await >= Some(f64::from(wanted))).then_some(());
    if until(Duration::from_mins(2), are_tried).await.is_none() {
        let came = fixture.clients.metric(&names).await;
        fixture.fault(format!("{came:?} of {wanted} tries came"));
    }
}
