//! Requests byte by byte, as no well-behaved client sends them.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A request's head with these further lines, each with its line end.
pub(crate) fn head(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: desk.example\r\n{lines}\r\n")
}

pub(crate) async fn write(stream: &mut TcpStream, bytes: &str) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
}

/// Reads a response with status 200 whose body ends with `end`.
pub(crate) async fn read_ok(stream: &mut TcpStream, end: &str) {
    let mut bytes = Vec::new();
    let reading = async {
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(stream.read_u8().await.expect("a whole response"));
        }
    };
    let read = timeout(Duration::from_secs(30), reading).await;
    assert!(
        read.is_ok() && bytes.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
}
