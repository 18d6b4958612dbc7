//! Requests byte by byte, as no well-behaved client sends them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A response.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl RawResponse {
    fn parse(text: &str) -> Self {
        let (head, _) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(':').unwrap());
        Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A request's head with these further lines, each with its line end.
pub(crate) fn head(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: desk.example\r\n{lines}\r\n")
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

pub(crate) async fn write(stream: &mut TcpStream, bytes: &str) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
}

/// Everything until the server closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await;
    // Unread bytes of ours at the server make the end abrupt.
    drop(read.expect("the server closes"));
    // The assets of /docs come compressed.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response with a `content-length`.
pub(crate) async fn read_response(stream: &mut TcpStream) -> RawResponse {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            bytes.push(stream.read_u8().await.expect("a whole response"));
            if !bytes.ends_with(b"\r\n\r\n") {
                continue;
            }
            let response = RawResponse::parse(std::str::from_utf8(&bytes).unwrap());
            let length = response
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await.expect("a whole body");
            return response;
        }
    };
    timeout(TIMEOUT, reading).await.expect("a response")
}

/// Sends a request on its own connection.
pub(crate) async fn exchange(address: SocketAddr, head: &str, body: &str) -> RawResponse {
    let mut stream = connect(address).await;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    write(&mut stream, &format!("{head}{body}")).await;
    RawResponse::parse(&rest(&mut stream).await)
}

/// Sends a form.
pub(crate) async fn post_form(address: SocketAddr, path: &str, lines: &str, form: &str) -> RawResponse {
    let lines = format!(
        "{lines}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        form.len()
    );
    exchange(address, &head("POST", path, &lines), form).await
}
