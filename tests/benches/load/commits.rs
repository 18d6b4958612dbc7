//! What sharing commits is worth in the embedded store, without HTTP around it: its port is called by as many tasks at
//! once as a server has connections, and by one in turn, which is a commit a ticket, since what waits alone is committed
//! alone.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use store_contract::Fixture;
use store_sqlite::SqliteStore;
use ticket_domain::{Payload, Timestamp, ports::Opened};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

/// About as long as what n8n is told.
const PAYLOAD_BYTES: usize = 620;

/// Tickets a second from `tasks` tasks, each of which opens its next as soon as it has its last. Into a fresh file.
pub(crate) async fn opened(file: &Path, tasks: u16, time: Duration) -> f64 {
    let file = file.to_owned();
    let store = spawn_blocking(move || SqliteStore::open(&file)).await.unwrap().unwrap();
    let fixture = Arc::new(Fixture::new(Arc::new(store)));
    let opened = Arc::new(AtomicU32::new(0));
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let (fixture, opened) = (fixture.clone(), opened.clone());
        running.spawn(async move {
            while begun.elapsed() < time {
                open(&fixture).await;
                opened.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let ended = timeout(time + Duration::from_secs(30), running.join_all()).await;
    ended.expect("the store answers in time");
    f64::from(opened.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64()
}

async fn open(fixture: &Fixture) {
    let mut opening = fixture.opening(Timestamp::from_unix_micros(1_736_937_000_123_456).unwrap());
    opening.notification.payload = Payload([b'x'; PAYLOAD_BYTES].as_slice().into());
    assert_eq!(fixture.store().open(opening).await.unwrap(), Opened::Now);
}
