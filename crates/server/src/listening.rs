//! The listening socket.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::lookup_host;

use crate::application::StartError;

/// Bytes that the system buffers for each connection, which it doubles. It would take megabytes for each client that reads
/// slowly, and tell late that one reads at all. A page fits; a faraway client still gets a megabyte a second.
const SEND_BUFFER: usize = 64 * 1024;

/// Length of the accept queue. The usual 128 overflows when a few hundred clients connect at once, and a dropped client
/// retries only after a second.
const BACKLOG: i32 = 1024;

/// Listens on the first usable address of `host`. `::` stands for every address of this machine: IPv6 and IPv4, or IPv4
/// alone where the system has no IPv6.
pub(crate) async fn listen(host: &str, port: u16) -> Result<TcpListener, StartError> {
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let listening = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((bare_host, port)).await? {
            match listen_at(address) {
                Ok(listener) => return Ok(listener),
                Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_without_ipv6(&error) => {
                    return listen_at((Ipv4Addr::UNSPECIFIED, port).into());
                }
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
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 callers come in under mapped addresses, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether a socket can't be opened because the system has no IPv6: it knows no such addresses, or has none.
fn is_without_ipv6(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[tokio::test]
    async fn every_address_is_ipv6_and_ipv4_alike() {
        let listener = listen("::", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // Where the system has no IPv6, IPv4 alone.
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_port_that_is_taken_does_not_look_like_a_system_without_ipv6() {
        // What Linux says: EAFNOSUPPORT of a kernel without IPv6, EADDRNOTAVAIL of one with all of it switched off.
        for (code, expected) in [(97, true), (99, true), (98, false), (13, false)] {
            assert_eq!(is_without_ipv6(&io::Error::from_raw_os_error(code)), expected, "{code}");
        }
    }
}
