//! The listening socket.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use tokio::net::{TcpSocket, lookup_host};

use crate::application::StartError;

/// Length of the accept queue. The usual 128 overflows when a few hundred clients connect at once, and a dropped client
/// retries only after a second.
const BACKLOG: u32 = 1024;

/// Listens on the first usable address of `host`.
pub(crate) async fn listen(host: &str, port: u16) -> Result<TcpListener, StartError> {
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let listening = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((bare_host, port)).await? {
            match listen_at(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    listening.await.map_err(|source| StartError::Listen {
        host: host.into(),
        port,
        source,
    })
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
