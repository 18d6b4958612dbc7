//! The server is killed.

use std::time::{Duration, Instant};

use black_box::{Engine, Reaction};
use tokio::time::sleep;

use crate::{outcome::Outcome, stage::Stage};

/// `kill -9`, again and again, under ten forms and five messages a second.
pub(crate) async fn under_load(engine: Engine, cuts: u32) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let mut desk = stage.start().await;
    let load = stage.load(10, 5);
    for cut in 0..cuts {
        // Every cut at another point of a beat.
        sleep(Duration::from_millis(u64::from(150 + cut * 37 % 250))).await;
        let killed = stage.cut();
        desk.kill().await;
        desk = stage.start().await;
        stage.recovers(killed).await;
    }
    load.end().await;
    stage.settles().await;
    let outcome = stage.counted().await;
    desk.stop().await;
    outcome
}

/// `kill -9` while n8n holds as many requests as are sent at once.
pub(crate) async fn while_n8n_holds(engine: Engine) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let mut desk = stage.start().await;
    for _ in 0..2 {
        let before = stage.n8n.count();
        stage.n8n.always(Reaction::Hang);
        for _ in 0..4 {
            stage.clients.form().await;
        }
        stage.n8n.wait_for(before + 4, Duration::from_secs(5)).await;
        stage.n8n.always(Reaction::TakenByItsId);
        let killed = stage.cut();
        desk.kill().await;
        desk = stage.start().await;
        stage.recovers(killed).await;
        stage.settles().await;
    }
    let outcome = stage.counted().await;
    desk.stop().await;
    outcome
}

/// SIGTERM under load, and a new server: nothing is cut off, so nothing may be repeated.
pub(crate) async fn asked_to_stop(engine: Engine, times: u32) -> Outcome {
    let mut stage = Stage::new(engine).await;
    // So that there is always something under way.
    let taken = Reaction::After(Duration::from_millis(300), Box::new(Reaction::TakenByItsId));
    stage.n8n.always(taken);
    let mut desk = stage.start().await;
    let load = stage.load(10, 5);
    for stop in 0..times {
        sleep(Duration::from_millis(u64::from(300 + stop * 37 % 250))).await;
        let asked = stage.broken();
        // `stop` waits for 25 s at the most.
        let status = desk.stop().await;
        if !status.success() {
            stage.fault(format!("it ended with {status}"));
        }
        desk = stage.start().await;
        stage.recovers(asked).await;
    }
    load.end().await;
    let begun = Instant::now();
    stage.settles().await;
    if begun.elapsed() > Duration::from_secs(20) {
        stage.fault("leases were not handed back");
    }
    let outcome = stage.counted().await;
    desk.stop().await;
    outcome
}
