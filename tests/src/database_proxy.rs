//! A proxy to Postgres that can stall or cut connections.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What the proxy does with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Forwards them.
    Forward,
    /// Keeps them, without an error.
    Stall,
    /// Breaks connections.
    Cut,
}

/// Forwards connections to a Postgres server. When cut, connections break and new ones are dropped. When stalled, they
/// stay open and nothing passes.
pub struct DatabaseProxy {
    url: String,
    mode: Arc<watch::Sender<Mode>>,
}

impl DatabaseProxy {
    /// A proxy to the server in `url`.
    pub async fn to(url: &str) -> Self {
        let (head, rest) = url.split_once('@').expect("a user in the address");
        let (server, database) = rest.split_once('/').expect("a database in the address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mode = Arc::new(watch::Sender::new(Mode::Forward));
        let server: SocketAddr = server.parse().expect("an address of this machine");
        tokio::spawn(accept(listener, server, mode.clone()));
        Self {
            url: format!("{head}@{address}/{database}"),
            mode,
        }
    }

    /// The `DATABASE_URL` that leads through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections and drops new ones.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets nothing pass and breaks nothing: whoever waits for a response goes on waiting.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Forwards again, including what was sent meanwhile.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, mode: Arc<watch::Sender<Mode>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward_both(client, server, mode.subscribe()));
    }
}

async fn forward_both(client: TcpStream, server: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let is_closed = |mode: &mut watch::Receiver<Mode>| *mode.borrow_and_update() == Mode::Cut;
    if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() || is_closed(&mut mode) {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let both = async {
        tokio::join!(
            forward(client_reads, server_writes, mode.clone()),
            forward(server_reads, client_writes, mode.clone())
        )
    };
    let mut closed = mode.clone();
    tokio::select! {
        _ = both => {}
        _ = closed.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut mode: watch::Receiver<Mode>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() {
            return;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}
