//! A way to the database that can be closed.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is handed on.
    Open,
    /// It is kept, and nobody is told.
    Silent,
    /// Connections break off.
    Closed,
}

/// Hands connections on to a Postgres server while it is open. When it is closed, they break off and new ones are
/// dropped. When it is silent, they stand and nothing comes through.
pub struct Gate {
    url: String,
    way: Arc<watch::Sender<Way>>,
}

impl Gate {
    /// Stands before the server that `url` names.
    pub async fn before(url: &str) -> Self {
        let (head, rest) = url.split_once('@').expect("a user in the address");
        let (server, database) = rest.split_once('/').expect("a database in the address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(watch::Sender::new(Way::Open));
        let server: SocketAddr = server.parse().expect("an address of this machine");
        tokio::spawn(hand_on(listener, server, way.clone()));
        Self {
            url: format!("{head}@{address}/{database}"),
            way,
        }
    }

    /// What `DATABASE_URL` has to be to go through the gate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections off, and lets no new ones through.
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }

    /// Lets nothing through, and breaks nothing off: who waits for an answer hears nothing.
    pub fn fall_silent(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Lets connections through again, and what was sent meanwhile.
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }
}

async fn hand_on(listener: TcpListener, server: SocketAddr, way: Arc<watch::Sender<Way>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry_both_ways(client, server, way.subscribe()));
    }
}

async fn carry_both_ways(client: TcpStream, server: SocketAddr, mut way: watch::Receiver<Way>) {
    let is_closed = |way: &mut watch::Receiver<Way>| *way.borrow_and_update() == Way::Closed;
    if way.wait_for(|way| *way != Way::Silent).await.is_err() || is_closed(&mut way) {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let both = async {
        tokio::join!(
            carry(client_reads, server_writes, way.clone()),
            carry(server_reads, client_writes, way.clone())
        )
    };
    let mut closed = way.clone();
    tokio::select! {
        _ = both => {}
        _ = closed.wait_for(|way| *way == Way::Closed) => {}
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut way: watch::Receiver<Way>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if way.wait_for(|way| *way != Way::Silent).await.is_err() {
            return;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}
