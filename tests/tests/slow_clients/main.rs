//! Hundreds of clients that keep the server waiting. These tests measure, so they run one at a time and in their own
//! program: cargo runs one test program after the other, and `.config/nextest.toml` lets nothing run beside them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod others_are_served;
mod unread_responses;
mod wire;

use std::net::SocketAddr;

use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Mutex,
};

/// Held by the test that runs.
static MEASURING: Mutex<()> = Mutex::const_new(());

/// A connection with a small receive buffer.
async fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}
