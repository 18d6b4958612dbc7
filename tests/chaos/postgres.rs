//! Postgres restarts, stalls, or has a locked table.

use std::time::{Duration, Instant};

use black_box::{DatabaseProxy, Engine, TempStore};
use diesel::{Connection, PgConnection, connection::SimpleConnection};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    cluster::Cluster,
    fixture::{Fixture, TRIED_AGAIN_WITHIN},
    outcome::Outcome,
};

/// Pause before each failure.
const BETWEEN: Duration = Duration::from_secs(3);

/// Restarts it with `-m immediate`, repeatedly.
pub(crate) async fn restarts(times: u32) -> Outcome {
    // Only the folder of the embedded store is used.
    let mut fixture = Fixture::on(TempStore::new(Engine::Sqlite).await);
    let mut cluster = Cluster::start_within(&std::env::temp_dir()).await;
    let server = fixture
        .start_with(&fixture.options().set("DATABASE_URL", &cluster.url()))
        .await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    for time in 0..times {
        sleep(Duration::from_millis(u64::from(500 + time * 37))).await;
        fixture.broken();
        cluster.stop_immediately().await;
        sleep(Duration::from_millis(500)).await;
        cluster.start().await;
        fixture.recovers(Instant::now()).await;
    }
    load.end().await;
    fixture.drains_within(TRIED_AGAIN_WITHIN).await;
    fixture.look_at_memory();
    let outcome = fixture.counted().await;
    server.stop().await;
    cluster.stop().await;
    outcome
}

/// Stalls the connections for half a minute without breaking them; repeatedly, to see whether
/// memory grows each time.
pub(crate) async fn is_silent(times: u32) -> Outcome {
    let mut fixture = Fixture::new(Engine::Postgres).await;
    let proxy = DatabaseProxy::to(&fixture.store.url()).await;
    let server = fixture
        .start_with(&fixture.options().set("DATABASE_URL", proxy.url()))
        .await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    for _ in 0..times {
        sleep(BETWEEN).await;
        // As long as a lease: a result may not be recorded in time.
        fixture.cut();
        proxy.stall();
        sleep(Duration::from_secs(30)).await;
        proxy.restore();
        fixture.recovers(Instant::now()).await;
    }
    load.end().await;
    fixture.drains_within(TRIED_AGAIN_WITHIN).await;
    fixture.was_felt();
    fixture.look_at_memory();
    let outcome = fixture.counted().await;
    server.stop().await;
    outcome
}

/// Locks a table for 20 seconds, like a careless `ALTER TABLE`, repeatedly.
pub(crate) async fn has_a_locked_table(table: &'static str, times: u32) -> Outcome {
    let mut fixture = Fixture::new(Engine::Postgres).await;
    let server = fixture.start().await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    for _ in 0..times {
        sleep(BETWEEN).await;
        let url = fixture.store.url();
        fixture.broken();
        let locked = spawn_blocking(move || {
            let mut connection = PgConnection::establish(&url).expect("a connection");
            let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            connection.batch_execute(&lock).expect("a lock");
            connection
        });
        let mut connection = locked.await.expect("a lock");
        sleep(Duration::from_secs(20)).await;
        let unlocked = spawn_blocking(move || connection.batch_execute("ROLLBACK"));
        unlocked.await.expect("no panic").expect("the lock's end");
        fixture.recovers(Instant::now()).await;
    }
    load.end().await;
    fixture.drains().await;
    fixture.was_felt();
    fixture.look_at_memory();
    let outcome = fixture.counted().await;
    server.stop().await;
    outcome
}
