//! A ticket's event stream, read as it comes.

use std::{sync::LazyLock, time::Duration};

use black_box::{TestServer, http_client};
use tokio::time::timeout;

/// How long the next event may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An open stream.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
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
        Self {
            response,
            text: String::new(),
        }
    }

    /// The id and the data of the next event with a message; `None` at the end of the stream.
    pub(crate) async fn next_message(&mut self) -> Option<(String, String)> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if field("event: ") == Some("message") {
                    return Some((field("id: ")?.to_owned(), field("data: ")?.to_owned()));
                }
            }
            let chunk = timeout(TIMEOUT, self.response.chunk()).await;
            let chunk = chunk.expect("something within 30 s").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
