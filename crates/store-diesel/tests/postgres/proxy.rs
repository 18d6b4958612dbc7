//! A network between the store and the server, which can fall silent.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Hands everything on to the server, until it is told not to. Dropped, it breaks all connections.
pub(crate) struct Proxy {
    port: u16,
    flows: watch::Sender<bool>,
}

impl Proxy {
    /// A way to the server at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let server = authority(url).rsplit('@').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (flows, gate) = watch::channel(true);
        tokio::spawn(async move {
            let mut closed = gate.clone();
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    // The proxy was dropped.
                    _ = closed.wait_for(|_| false) => return,
                };
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pump(from_client, to_server, gate.clone()));
                tokio::spawn(pump(from_server, to_client, gate.clone()));
            }
        });
        Self { port, flows }
    }

    /// `url`, by way of this.
    pub(crate) fn url(&self, url: &str) -> String {
        let (user, _) = authority(url).rsplit_once('@').unwrap_or(("postgres", ""));
        url.replacen(authority(url), &format!("{user}@127.0.0.1:{}", self.port), 1)
    }

    /// From now on nothing gets through, without a word to either side.
    pub(crate) fn fall_silent(&self) {
        self.flows.send_replace(false);
    }

    /// What was held back goes on.
    pub(crate) fn flow(&self) {
        self.flows.send_replace(true);
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = gate.wait_for(|_| false) => return,
        };
        let Ok(length @ 1..) = read else { return };
        if gate.wait_for(|flows| *flows).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// `user@host:port` of a URL.
fn authority(url: &str) -> &str {
    url.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap()
}
