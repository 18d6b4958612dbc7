//! Another process locks the embedded store.

use std::time::{Duration, Instant};

use black_box::Engine;
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{fixture::Fixture, outcome::Outcome};

/// Another process holds the write lock for this long.
pub(crate) async fn is_locked(time: Duration, times: u32) -> Outcome {
    let mut fixture = Fixture::new(Engine::Sqlite).await;
    let server = fixture.start().await;
    let load = fixture.load(10, 5);
    fixture.warm_up(&[server.pid()]).await;
    for _ in 0..times {
        let file = fixture.store.file();
        let locked = spawn_blocking(move || {
            let mut connection = SqliteConnection::establish(file.to_str().expect("a path")).expect("a connection");
            let lock = "PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE";
            connection.batch_execute(lock).expect("a lock");
            connection
        });
        let mut connection = locked.await.expect("a lock");
        fixture.broken();
        sleep(time).await;
        let unlocked = spawn_blocking(move || connection.batch_execute("ROLLBACK"));
        unlocked.await.expect("no panic").expect("the lock's end");
        fixture.recovers(Instant::now()).await;
    }
    load.end().await;
    fixture.drains().await;
    fixture.look_at_memory();
    let outcome = fixture.counted().await;
    server.stop().await;
    outcome
}
