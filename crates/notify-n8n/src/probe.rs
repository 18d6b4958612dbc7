//! A probe that goes round the loop: from here to the workflow, and from there to the inbound endpoint.

use serde::Deserialize;
use serde_json::Value;
use ticket_domain::EventKind;
use uuid::Uuid;

use crate::webhook::{N8nWebhook, answer_body, reason};

/// What our workflow answers without sending a message.
const BODY: &[u8] = br#"{"event":"probe"}"#;

/// How far a probe got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Our workflow answered.
    Workflow(Inbound),
    /// Something took it that does not know probes: a workflow of somebody else's, or an older one of ours. A message may have gone out.
    Foreign,
    /// The key was refused: HTTP 401 or 403.
    KeyRefused,
    /// Nothing listens at this address: HTTP 404. n8n answers so for an inactive workflow.
    NoWorkflow,
    /// The workflow failed: HTTP 5xx.
    WorkflowFailed(u16),
    /// Another status.
    Refused(u16),
    /// No answer, and why, without the address.
    Unreachable(Box<str>),
}

/// What the workflow met at the inbound endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The endpoint answered with this status. To the probe's empty message 400 means that the key was right.
    AnswerResult(u16),
    /// The workflow could not reach it, and why in its words.
    Unreachable(Box<str>),
}

/// n8n answers with a list where a node is set to.
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
    /// A number, or its digits.
    status: Option<Value>,
    detail: Option<String>,
}

/// The most characters of a workflow's own words that are shown.
const DETAIL_MAX: usize = 200;

impl N8nWebhook {
    /// Sends a probe where notifications of `kind` go. Our workflows answer it without a message to anybody.
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
