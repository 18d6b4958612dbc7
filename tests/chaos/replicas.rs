//! Several servers on one store.

use std::time::Duration;

use black_box::{Engine, Reaction, TestServer};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::sleep;

use crate::{outcome::Outcome, stage::Stage};

/// Tickets that all replicas open and tell of together.
const TICKETS: usize = 1_000;

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(30);

/// Each of a thousand tickets is told once, whoever tells of it.
pub(crate) async fn deliver_each_once(engine: Engine, replicas: u32) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let options = stage.options();
    let desks = join_all((0..replicas).map(|_| {
        stage.broken();
        options.start()
    }))
    .await;
    stage.go_to(&desks.iter().collect::<Vec<_>>());
    let load = stage.load(10, 5);
    stage
        .warm_up(&desks.iter().map(TestServer::pid).collect::<Vec<_>>())
        .await;
    load.end().await;
    let forms = stream::iter(0..TICKETS).map(|_| stage.clients.form());
    forms.buffer_unordered(32).for_each(async |_| ()).await;
    stage.settles().await;
    stage.look_at_memory();
    let outcome = stage.counted().await;
    for desk in desks {
        desk.stop().await;
    }
    outcome
}

/// A replica stands still while n8n answers it, past its leases; another one takes over; then it goes on.
pub(crate) async fn one_stands_still(engine: Engine) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let sleeper = stage.start().await;
    let load = stage.load(10, 5);
    stage.warm_up(&[sleeper.pid()]).await;
    load.end().await;
    stage.settles().await;
    let before = stage.n8n.count();
    // Its answers come while it stands still.
    stage.n8n.always(Reaction::After(
        Duration::from_secs(2),
        Box::new(Reaction::TakenByItsId),
    ));
    for _ in 0..4 {
        stage.clients.form().await;
    }
    stage.n8n.wait_for(before + 4, Duration::from_secs(5)).await;
    let frozen = stage.cut();
    signal(&sleeper, "STOP");
    stage.n8n.always(Reaction::TakenByItsId);
    let other = stage.start().await;
    stage.recovers(frozen).await;
    let load = stage.load(10, 5);
    stage.warm_up(&[other.pid()]).await;
    sleep(LEASE + Duration::from_secs(5)).await;
    // What it left undone has been told by the other one by now.
    let told_again = stage.n8n.received().split_off(before);
    if !told_again[..4]
        .iter()
        .all(|held| told_again[4..].iter().any(|again| again.id() == held.id()))
    {
        stage.fault("the other replica did not take over");
    }
    stage.go_to(&[&sleeper, &other]);
    let woken = stage.cut();
    signal(&sleeper, "CONT");
    stage.recovers(woken).await;
    sleep(Duration::from_secs(3)).await;
    load.end().await;
    stage.settles().await;
    stage.look_at_memory();
    let outcome = stage.counted().await;
    sleeper.stop().await;
    other.stop().await;
    outcome
}

fn signal(desk: &TestServer, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &desk.pid().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}
