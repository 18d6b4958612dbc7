//! A ticket's event stream, read as it comes.

use std::{sync::LazyLock, time::Duration};

use black_box::{TestServer, http_client};
use serde_json::Value;
use tokio::time::timeout;

/// How long the next event may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An open stream.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Events {
    /// Opens the stream of a ticket, after the event with this id if there is one.
    pub(crate) async fn open(server: &TestServer, reference: &str, last_id: Option<&str>) -> Self {
        // One client for all streams: building one reads every certificate of the machine.
        static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| http_client(Duration::from_mins(2)));
        let mut request = CLIENT.get(server.url(&format!("/api/ticket/{reference}/events")));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next event; nothing at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let lines: String = self.text.drain(..end + 2).collect();
                let field = |name| lines.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(name), Some(id), Some(data)) = (field("event: "), field("id: "), field("data: ")) {
                    return Some(Event {
                        name: name.to_owned(),
                        id: id.to_owned(),
                        data: serde_json::from_str(data).unwrap(),
                    });
                }
            }
            let chunk = timeout(TIMEOUT, self.response.chunk()).await;
            let chunk = chunk.expect("something within 30 s").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event with a message.
    pub(crate) async fn next_message(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == "message" {
                return event;
            }
        }
    }

    /// Reads to the end of the stream; whether it ended within the timeout.
    pub(crate) async fn end(&mut self) -> bool {
        timeout(TIMEOUT, async { while self.next().await.is_some() {} })
            .await
            .is_ok()
    }
}
