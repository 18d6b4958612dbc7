//! The server's API, called over HTTP as anybody would. Every call leaves a line in the log.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{Client, Method, RequestBuilder, header::CONTENT_TYPE};
use serde_json::Value;

use crate::state::SharedState;

/// How long a call may take in all: as long as Twilio waits for n8n.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What opens the parts of the API that are not for everybody.
pub(crate) struct Keys {
    /// n8n's, for `/api/ticket/inbound`.
    pub(crate) inbound: String,
    /// The operator's token.
    pub(crate) operator: String,
}

/// What the server answered.
pub(crate) struct ApiResponse {
    /// 0 if it did not answer.
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    /// Null if there is none.
    pub(crate) body: Value,
}

impl ApiResponse {
    /// A text of the body, or nothing.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    /// The question that the caller is to ask.
    pub(crate) fn question(&self) -> Option<&str> {
        self.text("ask").filter(|_| self.body["questionSent"] != true)
    }
}

/// The server, as it is seen from outside.
pub(crate) struct Api {
    base: String,
    keys: Keys,
    client: Client,
    state: Arc<SharedState>,
}

impl Api {
    /// Calls the server at this address.
    pub(crate) fn new(address: SocketAddr, keys: Keys, state: Arc<SharedState>) -> reqwest::Result<Self> {
        Ok(Self {
            base: format!("http://{address}"),
            keys,
            client: Client::builder().no_proxy().timeout(TIMEOUT).build()?,
            state,
        })
    }

    /// Opens a ticket, as the website does.
    pub(crate) async fn open_ticket(&self, form: String, idempotency_key: Option<&str>) -> ApiResponse {
        let path = "/api/ticket";
        let mut request = self.request(Method::POST, path).body(form);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let answer = answer(request.header(CONTENT_TYPE, "application/json")).await;
        self.log("website → server", "POST", path, &answer);
        answer
    }

    /// Reads a ticket, as the website does. A poll that found nothing new leaves no line.
    pub(crate) async fn read_ticket(&self, path: &str, etag: Option<&str>) -> ApiResponse {
        let mut request = self.request(Method::GET, path);
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let answer = answer(request).await;
        if answer.status != 304 {
            self.log("website → server", "GET", path, &answer);
        }
        answer
    }

    /// Hands something in with the inbound key.
    pub(crate) async fn hand_in(&self, leg: &'static str, path: &str, body: &Value) -> ApiResponse {
        let request = self
            .request(Method::POST, path)
            .header("x-api-key", &self.keys.inbound)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let answer = answer(request).await;
        let notes = [reported(body), note(&answer.body)];
        let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
        self.state.log(leg, "POST", path, answer.status, notes.join(", "));
        answer
    }

    /// Sends the oldest waiting notification again: what an operator does who doesn't want to wait for the server's next try.
    /// Its success lets all the others follow.
    pub(crate) async fn send_again(&self) {
        let path = "/api/notifications";
        let listed = answer(self.request(Method::GET, path).bearer_auth(&self.keys.operator)).await;
        self.log("operator → server", "GET", path, &listed);
        if let Some(id) = oldest_waiting(&listed.body) {
            let path = format!("{path}/{id}/redeliver");
            let sent = answer(self.request(Method::POST, &path).bearer_auth(&self.keys.operator)).await;
            self.log("operator → server", "POST", &path, &sent);
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    fn log(&self, leg: &'static str, method: &'static str, path: &str, answer: &ApiResponse) {
        self.state.log(leg, method, path, answer.status, note(&answer.body));
    }
}

async fn answer(request: RequestBuilder) -> ApiResponse {
    let Ok(response) = request.send().await else {
        return ApiResponse {
            status: 0,
            etag: None,
            body: Value::Null,
        };
    };
    let status = response.status().as_u16();
    let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
    ApiResponse {
        status,
        etag: etag.map(str::to_owned),
        body: serde_json::from_slice(&response.bytes().await.unwrap_or_default()).unwrap_or_default(),
    }
}

/// The id of the oldest notification that waits. The list has the newest first, and the dead ones too.
fn oldest_waiting(listed: &Value) -> Option<&str> {
    let mut oldest_first = listed["notifications"].as_array()?.iter().rev();
    oldest_first.find(|notification| notification["state"] == "waiting")?["id"].as_str()
}

/// Which delivery state is handed in, if any.
fn reported(body: &Value) -> String {
    let status = body["status"].as_str().unwrap_or_default();
    match body["errorCode"].as_u64() {
        Some(error) => format!("{status} {error}"),
        None => status.into(),
    }
}

/// What an answer says, in a few words.
fn note(body: &Value) -> String {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let queued = || body["queued"].as_bool().map(|queued| format!("queued: {queued}"));
    let delivery = || Some(format!("delivery: {}", body["ticket"]["delivery"]["state"].as_str()?));
    let asked = || body["ask"].is_string().then(|| "asks which ticket".to_owned());
    let duplicate = || body["duplicate"].as_bool()?.then(|| "duplicate".to_owned());
    // A state may come before our own answer has been stored.
    let unknown = || (body["known"] == false).then(|| "not known yet".to_owned());
    let notes = [
        asked().or_else(|| text("code")),
        text("ticketRef").or_else(delivery),
        duplicate(),
        unknown(),
        queued(),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_waits_is_sent_again() {
        let all = ["waiting 4", "waiting 3", "held 2", "dead 1"].map(|one| one.split_once(' ').unwrap_or_default());
        let listed = |all: &[(&str, &str)]| {
            let all = all.iter().map(|(state, id)| json!({ "id": id, "state": state }));
            json!({ "notifications": all.collect::<Vec<_>>() })
        };
        assert_eq!(oldest_waiting(&listed(&all)), Some("3"));
        assert_eq!(oldest_waiting(&listed(&all[2..])), None);
        assert_eq!(oldest_waiting(&Value::Null), None);
    }
}
