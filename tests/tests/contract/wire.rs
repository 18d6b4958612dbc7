//! Requests byte by byte, for what no well-behaved client sends.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
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

/// A request's head, with these lines besides, each with its end.
pub(crate) fn head(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: desk.example\r\n{lines}\r\n")
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// A connection whose answers the kernel holds little of.
pub(crate) async fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

pub(crate) async fn write(stream: &mut TcpStream, bytes: &str) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
}

/// What comes until the server closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // What it had still to read when it closed makes the end abrupt.
    drop(read.expect("the server closes"));
    String::from_utf8(bytes).unwrap()
}

/// Reads one answer that has a `content-length`.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            bytes.push(stream.read_u8().await.expect("a whole answer"));
            if !bytes.ends_with(b"\r\n\r\n") {
                continue;
            }
            let answer = Answer::parse(std::str::from_utf8(&bytes).unwrap());
            let length = answer
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await.expect("a whole body");
            return answer;
        }
    };
    timeout(PATIENCE, reading).await.expect("an answer")
}

/// Sends a request on a connection of its own.
pub(crate) async fn exchange(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = connect(address).await;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    write(&mut stream, &format!("{head}{body}")).await;
    Answer::parse(&rest(&mut stream).await)
}

/// Sends a form.
pub(crate) async fn post_form(address: SocketAddr, path: &str, lines: &str, form: &str) -> Answer {
    let lines = format!(
        "{lines}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        form.len()
    );
    exchange(address, &head("POST", path, &lines), form).await
}
