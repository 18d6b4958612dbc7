//! Somebody else at the address where n8n looks for the ticket server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it answers, and how often it was asked.
struct State {
    answer: String,
    pace: Duration,
    asked: usize,
}

/// A web server that answers every request alike. It ends when it is dropped.
pub(crate) struct Impostor {
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Impostor {
    /// Starts it. It answers 200 without a body, until it is told otherwise.
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the server's port");
        let state = State {
            answer: "200 OK\r\n\r\n".to_owned(),
            pace: Duration::ZERO,
            asked: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { state, server }
    }

    /// From now on it answers this, after so long.
    pub(crate) fn answers(&self, status: &str, body: &str, pace: Duration) {
        let mut state = self.state.lock().unwrap();
        let length = body.len();
        state.answer = format!("{status}\r\ncontent-length: {length}\r\n\r\n{body}");
        state.pace = pace;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

/// Reads one request, whole, and answers it.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let (answer, pace) = {
        let mut state = state.lock().unwrap();
        state.asked += 1;
        (state.answer.clone(), state.pace)
    };
    tokio::time::sleep(pace).await;
    let (status, rest) = answer.split_once("\r\n").expect("a status line");
    let response = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{rest}");
    // Whoever hung up is not waiting for an answer.
    let _ = stream.write_all(response.as_bytes()).await;
}

/// Whether the head and all of the body are there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
    let end = request
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    request.len() >= end + length
}
