//! Clients that send requests without end and take no answer: the answers wait with them, not in the server's memory.

use std::{net::SocketAddr, time::Duration};

use black_box::{Engine, TempStore, TestServer};
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::wire::{connect_narrow, head};

const CLIENTS: usize = 60;
/// How long each goes on sending.
const SENDING: Duration = Duration::from_secs(3);
/// What each connection may take, all that it holds included. 60 of them took 564 MiB before nothing was read from those
/// who do not read.
const EACH_KIB: u64 = 1024;

async fn send_without_end(address: SocketAddr, path: &str) {
    let mut stream = connect_narrow(address).await;
    let requests = head("GET", path, "").repeat(400);
    // It ends where the server does not read on.
    let _ = timeout(SENDING, async {
        while stream.write_all(requests.as_bytes()).await.is_ok() {}
    })
    .await;
    // Still connected while the memory is looked at.
    sleep(Duration::from_secs(2)).await;
}

async fn takes_little_memory(path: &'static str) {
    let place = TempStore::new(Engine::Sqlite).await;
    let desk = TestServer::on(&place).start().await;
    assert_eq!(desk.get(path).await.status, 200);
    let before = desk.resident_kib();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let address = desk.address();
        clients.spawn(send_without_end(address, path));
    }
    sleep(SENDING + Duration::from_millis(500)).await;
    let meanwhile = desk.resident_kib();
    println!("{path}: {before} KiB, then {meanwhile} KiB");
    assert!(meanwhile < before + EACH_KIB * CLIENTS as u64, "{before} {meanwhile}");
    assert_eq!(desk.get("/health/live").await.status, 200);
    clients.join_all().await;
    desk.stop().await;
}

#[tokio::test]
async fn short_answers_that_nobody_takes_fill_no_memory() {
    takes_little_memory("/health/live").await;
}

#[tokio::test]
async fn long_answers_that_nobody_takes_fill_no_memory() {
    takes_little_memory("/api/openapi.json").await;
}
