//! Several servers on one store.

use std::time::Duration;

use black_box::{Engine, Reaction, Signal, TestServer, signal};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::sleep;

use crate::{fixture::Fixture, report::Outcome};

/// Tickets that all replicas open together.
const TICKETS: usize = 1_000;

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(30);

/// Each of a thousand notifications is sent once, by whichever replica.
pub(crate) async fn deliver_each_once(engine: Engine, replicas: u32) -> Outcome {
    deliver(Fixture::new(engine).await, replicas, 0).await
}

/// So is each of a thousand receipts, and each of a thousand messages is in one mail.
pub(crate) async fn mail_each_once(engine: Engine, replicas: u32) -> Outcome {
    deliver(Fixture::mailing(engine).await, replicas, TICKETS).await
}

async fn deliver(mut fixture: Fixture, replicas: u32, messages: usize) -> Outcome {
    let options = fixture.options();
    let servers = join_all((0..replicas).map(|_| {
        fixture.broken();
        options.start()
    }))
    .await;
    fixture.go_to(&servers.iter().collect::<Vec<_>>());
    let load = fixture.load(10, 5);
    fixture
        .warm_up(&servers.iter().map(TestServer::pid).collect::<Vec<_>>())
        .await;
    load.end().await;
    let forms = stream::iter(0..TICKETS).map(|_| fixture.clients.form());
    forms.buffer_unordered(32).for_each(async |_| ()).await;
    let messages = stream::iter(0..messages).map(|_| fixture.clients.message());
    messages.buffer_unordered(32).for_each(async |()| ()).await;
    fixture.drains().await;
    let outcome = fixture.audited().await;
    for server in servers {
        server.stop().await;
    }
    outcome
}

/// A replica is stopped during its attempts, past its leases; another one takes over; then the first goes on.
pub(crate) async fn one_stands_still(engine: Engine) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    let sleeper = fixture.start().await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[sleeper.pid()]).await;
    load.end().await;
    fixture.drains().await;
    let before = fixture.n8n.count();
    // The responses arrive while it is stopped.
    fixture
        .n8n
        .always(Reaction::AcceptWithOwnId.after(Duration::from_secs(2)));
    for _ in 0..4 {
        fixture.clients.form().await;
    }
    fixture.n8n.wait_for(before + 4, Duration::from_secs(5)).await;
    let frozen = fixture.cut();
    signal(sleeper.pid(), Signal::STOP);
    fixture.n8n.always(Reaction::AcceptWithOwnId);
    let other = fixture.start().await;
    fixture.recovers(frozen).await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[other.pid()]).await;
    sleep(LEASE + Duration::from_secs(5)).await;
    // The other replica has taken over by now.
    let told_again = fixture.n8n.received().split_off(before);
    if !told_again[..4]
        .iter()
        .all(|held| told_again[4..].iter().any(|again| again.id() == held.id()))
    {
        fixture.fault("the other replica did not take over");
    }
    fixture.go_to(&[&sleeper, &other]);
    let woken = fixture.cut();
    signal(sleeper.pid(), Signal::CONT);
    fixture.recovers(woken).await;
    sleep(Duration::from_secs(3)).await;
    load.end().await;
    fixture.drains().await;
    let outcome = fixture.audited().await;
    sleeper.stop().await;
    other.stop().await;
    outcome
}
