//! The server is killed, or asked to stop.

use std::time::{Duration, Instant};

use black_box::{Engine, Reaction};
use tokio::time::sleep;

use crate::{fixture::Fixture, report::Outcome};

/// `kill -9`, again and again, under ten forms and five messages a second.
pub(crate) async fn under_load(engine: Engine, cuts: u32) -> Outcome {
    again_and_again(Fixture::new(engine).await, cuts, 5, 0).await
}

/// The same under 20 messages a second, of which the manager's are mailed: each crash after fifty more of these.
pub(crate) async fn while_mailing(engine: Engine, cuts: u32) -> Outcome {
    again_and_again(Fixture::mailing(engine).await, cuts, 20, 50).await
}

async fn again_and_again(mut fixture: Fixture, cuts: u32, messages: u32, answers: usize) -> Outcome {
    let mut server = fixture.start().await;
    let load = fixture.load(10, messages);
    let mut wanted = 0;
    for cut in 0..cuts {
        wanted += answers;
        if !fixture.clients.answered(wanted).await {
            fixture.fault(format!("not even {wanted} answers were acknowledged"));
        }
        // Each crash at another point of the interval.
        sleep(Duration::from_millis(u64::from(150 + cut * 37 % 250))).await;
        let killed = fixture.cut();
        server.kill().await;
        server = fixture.start().await;
        fixture.recovers(killed).await;
    }
    load.end().await;
    fixture.drains().await;
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}

/// `kill -9` while n8n holds as many requests as are sent concurrently.
pub(crate) async fn while_n8n_holds(engine: Engine) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    let mut server = fixture.start().await;
    for _ in 0..2 {
        let before = fixture.n8n.count();
        fixture.n8n.always(Reaction::Hang);
        for _ in 0..4 {
            fixture.clients.form().await;
        }
        fixture.n8n.wait_for(before + 4, Duration::from_secs(5)).await;
        fixture.n8n.always(Reaction::AcceptWithOwnId);
        let killed = fixture.cut();
        server.kill().await;
        server = fixture.start().await;
        fixture.recovers(killed).await;
        fixture.drains().await;
    }
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}

/// SIGTERM under load, and a new server: nothing is interrupted, so nothing may be repeated.
pub(crate) async fn asked_to_stop(engine: Engine, times: u32) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    // So that an attempt is always under way.
    let taken = Reaction::AcceptWithOwnId.after(Duration::from_millis(200));
    fixture.n8n.always(taken);
    let mut server = fixture.start().await;
    let load = fixture.load(10, 5);
    for stop in 0..times {
        sleep(Duration::from_millis(u64::from(300 + stop * 37 % 250))).await;
        let asked = fixture.broken();
        // `stop` waits up to 25 s.
        let status = server.stop().await;
        if !status.success() {
            fixture.fault(format!("it ended with {status}"));
        }
        server = fixture.start().await;
        fixture.recovers(asked).await;
    }
    load.end().await;
    let begun = Instant::now();
    fixture.drains().await;
    if begun.elapsed() > Duration::from_secs(20) {
        fixture.fault("leases were not handed back");
    }
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}
