//! Clients that send requests without end and read no response: the server's memory must not grow with them.

use std::{net::SocketAddr, time::Duration};

use black_box::{Engine, TempStore, TestServer, resident_kib};
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{MEASURING, connect_narrow, wire::head};

const CLIENTS: usize = 60;
/// How long each sends.
const SENDING: Duration = Duration::from_secs(3);
/// The memory that each connection may take. 60 of them took 564 MiB before the server stopped reading from clients that
/// do not read.
const EACH_KIB: u32 = 1024;

async fn send_without_end(address: SocketAddr, path: &str) {
    let mut stream = connect_narrow(address).await;
    let requests = head("GET", path, "").repeat(400);
    // The server stops reading at some point.
    let _ = timeout(SENDING, async {
        while stream.write_all(requests.as_bytes()).await.is_ok() {}
    })
    .await;
    // Still connected while the memory is measured.
    sleep(Duration::from_secs(2)).await;
}

async fn takes_little_memory(path: &'static str) {
    let _alone = MEASURING.lock().await;
    let store = TempStore::new(Engine::Sqlite).await;
    let server = TestServer::on(&store).start().await;
    assert_eq!(server.get(path).await.status, 200);
    let before = resident_kib(server.pid());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let address = server.address();
        clients.spawn(send_without_end(address, path));
    }
    sleep(SENDING + Duration::from_millis(500)).await;
    let meanwhile = resident_kib(server.pid());
    println!("{path}: {before} KiB, then {meanwhile} KiB");
    assert!(
        meanwhile < before + EACH_KIB * u32::try_from(CLIENTS).unwrap(),
        "{before} {meanwhile}"
    );
    assert_eq!(server.get("/health/live").await.status, 200);
    clients.join_all().await;
    server.stop().await;
}

#[tokio::test]
async fn unread_short_responses_take_little_memory() {
    takes_little_memory("/health/live").await;
}

#[tokio::test]
async fn unread_long_responses_take_little_memory() {
    takes_little_memory("/api/openapi.json").await;
}
