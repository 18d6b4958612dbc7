//! The database restarts, stalls, or is locked by somebody else.

use std::time::{Duration, Instant};

use black_box::{DatabaseProxy, Engine, TempStore};
use diesel::Connection;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    cluster::Cluster,
    fixture::{Fixture, TRIED_AGAIN_WITHIN},
    report::Outcome,
};

/// Pause before each failure.
const BETWEEN: Duration = Duration::from_secs(3);

/// Restarts Postgres with `-m immediate`, repeatedly.
pub(crate) async fn restarts(times: u32) -> Outcome {
    // Only the folder of the embedded store is used.
    let fixture = Fixture::on(TempStore::new(Engine::Sqlite).await);
    let mut cluster = Cluster::start_within(&std::env::temp_dir()).await;
    let options = fixture.options().set("DATABASE_URL", &cluster.url());
    let restarts = async |fixture: &mut Fixture| {
        for time in 0..times {
            sleep(Duration::from_millis(u64::from(500 + time * 37))).await;
            fixture.broken();
            cluster.stop_immediately().await;
            sleep(Duration::from_millis(500)).await;
            cluster.start().await;
            fixture.recovers(Instant::now()).await;
        }
    };
    let outcome = fixture.under_load(&options, Some(TRIED_AGAIN_WITHIN), restarts).await;
    cluster.stop().await;
    outcome
}

/// Stalls the connections to Postgres for half a minute without breaking them; repeatedly, to see whether memory grows
/// each time.
pub(crate) async fn is_silent(times: u32) -> Outcome {
    let fixture = Fixture::new(Engine::Postgres).await;
    let proxy = DatabaseProxy::to(&fixture.store.url()).await;
    let options = fixture.options().set("DATABASE_URL", proxy.url());
    let stalls = async |fixture: &mut Fixture| {
        for _ in 0..times {
            sleep(BETWEEN).await;
            // As long as a lease: a result may not be recorded in time.
            fixture.cut();
            proxy.stall();
            sleep(Duration::from_secs(30)).await;
            proxy.restore();
            fixture.recovers(Instant::now()).await;
        }
        fixture.was_felt();
    };
    fixture.under_load(&options, Some(TRIED_AGAIN_WITHIN), stalls).await
}

/// Locks a table of Postgres for 20 seconds, like a careless `ALTER TABLE`, repeatedly.
pub(crate) async fn has_a_locked_table(table: &'static str, times: u32) -> Outcome {
    let fixture = Fixture::new(Engine::Postgres).await;
    let options = fixture.options();
    let locks = async |fixture: &mut Fixture| {
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        for _ in 0..times {
            sleep(BETWEEN).await;
            fixture.broken();
            let connection = locked(fixture.store.postgres(), lock.clone()).await;
            sleep(Duration::from_secs(20)).await;
            drop(connection);
            fixture.recovers(Instant::now()).await;
        }
        fixture.was_felt();
    };
    fixture.under_load(&options, None, locks).await
}

/// Another process holds the write lock of the embedded store for this long, repeatedly.
pub(crate) async fn is_locked(time: Duration, times: u32) -> Outcome {
    let fixture = Fixture::new(Engine::Sqlite).await;
    let options = fixture.options();
    let locks = async |fixture: &mut Fixture| {
        for _ in 0..times {
            let connection = locked(fixture.store.sqlite(), "BEGIN IMMEDIATE".to_owned()).await;
            fixture.broken();
            sleep(time).await;
            drop(connection);
            fixture.recovers(Instant::now()).await;
        }
    };
    fixture.under_load(&options, None, locks).await
}

/// A connection that holds a lock until it is dropped.
async fn locked<C: Connection + 'static>(mut connection: C, sql: String) -> C {
    let locking = spawn_blocking(move || {
        connection.batch_execute(&sql).expect("a lock");
        connection
    });
    locking.await.expect("no panic")
}
