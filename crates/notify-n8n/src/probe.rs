//! A probe of the whole loop: from the server to the workflow, and from there to the inbound endpoint.

use serde::Deserialize;
use serde_json::Value;
use ticket_domain::EventKind;
use uuid::Uuid;

use crate::webhook::{N8nWebhook, answer_body, reason};

/// Our workflow responds to this without sending a message.
const BODY: &[u8] = br#"{"event":"probe"}"#;

/// How far a probe got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Our workflow responded.
    Workflow(Inbound),
    /// The workflow does not know probes: it is a custom one, or an older one of ours. It may have sent a message.
    Foreign,
    /// The key was refused: HTTP 401 or 403.
    KeyRefused,
    /// No workflow has this URL, or it is inactive: HTTP 404.
    NoWorkflow,
    /// The workflow failed: HTTP 5xx.
    WorkflowFailed(u16),
    /// Another status.
    Refused(u16),
    /// There was no response. The reason does not contain the URL.
    Unreachable(Box<str>),
}

/// What the workflow got from the inbound endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The endpoint responded with this status. The probe's empty message gets 400 if the key is right.
    AnswerResult(u16),
    /// The workflow could not reach it, for this reason.
    Unreachable(Box<str>),
}

/// n8n responds with an object or a list, depending on a node's settings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answers {
    One(ProbeResponse),
    List(Vec<ProbeResponse>),
}

impl Answers {
    fn first(self) -> Option<ProbeResponse> {
        match self {
            Self::One(answer) => Some(answer),
            Self::List(answers) => answers.into_iter().next(),
        }
    }
}

#[derive(Deserialize)]
struct ProbeResponse {
    #[serde(default)]
    probe: bool,
    inbound: Option<InboundAnswer>,
}

#[derive(Default, Deserialize)]
struct InboundAnswer {
    /// A number, or a text of digits.
    status: Option<Value>,
    detail: Option<String>,
}

/// Maximum length of the workflow's reason in characters.
const DETAIL_MAX: usize = 200;

impl N8nWebhook {
    /// Sends a probe to the webhook for `kind`. Our workflows respond without sending a message.
    pub async fn probe(&self, kind: EventKind, id: Uuid) -> Probed {
        let response = match self.post(kind, id.to_string(), BODY.to_vec()).await {
            Ok(response) => response,
            Err(error) => return Probed::Unreachable(reason(error)),
        };
        match response.status().as_u16() {
            200..=299 => {}
            401 | 403 => return Probed::KeyRefused,
            404 => return Probed::NoWorkflow,
            status @ 500..=599 => return Probed::WorkflowFailed(status),
            status => return Probed::Refused(status),
        }
        let body = answer_body(response).await.unwrap_or_default();
        match serde_json::from_slice(&body).map(Answers::first) {
            Ok(Some(ProbeResponse { probe: true, inbound })) => Probed::Workflow(inbound.unwrap_or_default().into()),
            _ => Probed::Foreign,
        }
    }
}

impl From<InboundAnswer> for Inbound {
    fn from(answer: InboundAnswer) -> Self {
        let digits = |status: &Value| status.as_str().map_or_else(|| status.to_string(), str::to_owned);
        if let Some(status) = answer.status.and_then(|status| digits(&status).parse().ok()) {
            return Self::AnswerResult(status);
        }
        let detail = answer.detail.unwrap_or_else(|| "the workflow does not say why".into());
        let printable = detail.chars().filter(|c| !c.is_control());
        Self::Unreachable(printable.take(DETAIL_MAX).collect::<String>().into())
    }
}
