//! Sends notifications to n8n's webhooks.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use ticket_domain::{
    EventKind, ExternalId, Timestamp,
    ports::{Clock, Delivering, DeliveryResult, Failure, FailureKind, Notifier, Rejection},
};
use url::Url;

use crate::route::Cause;

/// Time limit of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time limit of an attempt, from the connection to the end of the response.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Maximum size of a response in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// Maximum length of an error in characters.
const WHY_MAX: usize = 300;

/// The webhooks.
#[derive(Clone)]
pub struct Receiver {
    /// For new tickets.
    pub created: Url,
    /// For later events of a ticket.
    pub updated: Url,
    /// The secret that n8n expects as `x-api-key`.
    pub secret: SecretString,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may contain a password, and its path may be a secret.
        f.debug_struct("Receiver")
            .field("created", &self.created.host_str())
            .field("updated", &self.updated.host_str())
            .finish_non_exhaustive()
    }
}

/// Sends notifications to n8n webhooks.
pub struct N8nWebhook {
    client: Client,
    receiver: Receiver,
    key: HeaderValue,
    clock: Arc<dyn Clock>,
}

/// Why a webhook can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The secret is not a valid header value.
    #[error("the shared secret must be one line without control characters")]
    Secret,
    /// The HTTP client can't be made.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

impl N8nWebhook {
    /// Sends to `receiver`.
    pub fn new(receiver: Receiver, clock: Arc<dyn Clock>) -> Result<Self, SetUpError> {
        let mut key =
            HeaderValue::from_bytes(receiver.secret.expose_secret().as_bytes()).map_err(|_| SetUpError::Secret)?;
        key.set_sensitive(true);
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // The secret must not follow a redirect to another host, or go through a proxy from the environment.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("ticket-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetUpError::Client)?;
        Ok(Self {
            client,
            receiver,
            key,
            clock,
        })
    }

    /// Posts one message. `id` is the same on every attempt.
    pub(crate) async fn post(&self, to: EventKind, id: String, body: Vec<u8>) -> reqwest::Result<Response> {
        let url = match to {
            EventKind::Created | EventKind::Question => &self.receiver.created,
            EventKind::Updated
            | EventKind::Attachment
            | EventKind::Answered
            | EventKind::Resolved
            | EventKind::Links => &self.receiver.updated,
        };
        let seconds = self.clock.now().unix_micros().div_euclid(1_000_000);
        self.client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("x-api-key", self.key.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .body(body)
            .send()
            .await
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, twilio_code: Option<u32>) -> Failure {
        let kind = match status {
            StatusCode::GONE => FailureKind::Permanent,
            StatusCode::TOO_MANY_REQUESTS => FailureKind::Throttled,
            _ => FailureKind::Temporary,
        };
        let note = if status.is_redirection() {
            "; redirects are not followed"
        } else {
            ""
        };
        let cause = match twilio_code.map(|code| (code, Cause::of(Rejection::Reported(Some(code))))) {
            Some((code, Cause::Account(to_repair))) => format!("; Twilio error {code}: {to_repair}"),
            Some((code, _)) => format!("; Twilio error {code}"),
            None => String::new(),
        };
        Failure {
            reason: format!("answered HTTP {}{note}{cause}", status.as_u16()).into(),
            kind,
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| retry_after(value, self.clock.now())),
        }
    }
}

/// Returns the wait of `Retry-After`: a number of seconds, or the time from now to a date.
fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = time::OffsetDateTime::from(httpdate::parse_http_date(text).ok()?);
    Some(Timestamp::from(then).since(now))
}

#[async_trait]
impl Notifier for N8nWebhook {
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult {
        let id = match delivering.round {
            0 => delivering.id.to_string(),
            round => format!("{}.{round}", delivering.id),
        };
        match self.post(delivering.event, id, delivering.payload.0.to_vec()).await {
            Ok(response) if response.status().is_success() => DeliveryResult::Accepted {
                external_id: external_id(response).await,
            },
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                let refused = answer_body(response).await.unwrap_or_default();
                let refused: Refused = serde_json::from_slice(&refused).unwrap_or_default();
                DeliveryResult::Failed(self.refusal(status, &headers, refused.twilio_code))
            }
            Err(error) => DeliveryResult::Failed(Failure {
                reason: reason(error),
                kind: FailureKind::Temporary,
                retry_after: None,
            }),
        }
    }
}

/// The fields of a response that may name the sent message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    external_id: Option<serde_json::Value>,
    message_sid: Option<serde_json::Value>,
    sid: Option<serde_json::Value>,
}

/// What our workflow says of a message that Twilio refused.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    twilio_code: Option<u32>,
}

/// Returns the id of the WhatsApp message, if the response contains it. n8n has accepted the notification in any case.
async fn external_id(response: Response) -> Option<ExternalId> {
    id_in(&answer_body(response).await?)
}

fn id_in(answer: &[u8]) -> Option<ExternalId> {
    let taken: Taken = serde_json::from_slice(answer).ok()?;
    [taken.external_id, taken.message_sid, taken.sid]
        .into_iter()
        .flatten()
        .find_map(|id| id.as_str()?.parse().ok())
}

/// Returns the external id in a response.
#[cfg(fuzzing)]
pub fn external_id_in(answer: &[u8]) -> Option<ExternalId> {
    id_in(answer)
}

/// Returns the wait of a `Retry-After`, from `now`.
#[cfg(fuzzing)]
pub fn retry_after_of(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    retry_after(value, now)
}

/// Returns the body of a response as far as it arrives; `None` if it is too long.
pub(crate) async fn answer_body(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return None;
        }
    }
    Some(body)
}

/// Returns why a request failed, without the URL, which may contain a secret.
pub(crate) fn reason(error: reqwest::Error) -> Box<str> {
    if error.is_timeout() && !error.is_connect() {
        return format!("no answer within {} s", TIMEOUT.as_secs()).into();
    }
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = error.source();
    }
    if reason.contains("certificate verify failed") {
        // OpenSSL puts the cause in brackets at the end.
        let detail = reason.rfind('(').map_or("", |at| &reason[at..]);
        reason = format!("the receiver's certificate is not trusted {detail}");
    }
    reason.chars().take(WHY_MAX).collect::<String>().into()
}
