//! A way to the database that can be closed.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Hands connections on to a Postgres server while it is open. When it is closed, they break off and new ones are
/// dropped.
pub struct Gate {
    url: String,
    is_open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// Stands before the server that `url` names.
    pub async fn before(url: &str) -> Self {
        let (head, rest) = url.split_once('@').expect("a user in the address");
        let (server, database) = rest.split_once('/').expect("a database in the address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let is_open = Arc::new(watch::Sender::new(true));
        let server: SocketAddr = server.parse().expect("an address of this machine");
        tokio::spawn(hand_on(listener, server, is_open.clone()));
        Self {
            url: format!("{head}@{address}/{database}"),
            is_open,
        }
    }

    /// What `DATABASE_URL` has to be to go through the gate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections off, and lets no new ones through.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}

async fn hand_on(listener: TcpListener, server: SocketAddr, is_open: Arc<watch::Sender<bool>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut open = is_open.subscribe();
        tokio::spawn(async move {
            if !*open.borrow_and_update() {
                return;
            }
            let Ok(mut server) = TcpStream::connect(server).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = open.wait_for(|open| !open) => {}
            }
        });
    }
}
