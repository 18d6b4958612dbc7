//! How n8n answers a notification, case by case: the table of `docs/n8n.md`, as something that the server can be
//! driven against without n8n.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{N8n, Reaction, SHARED_SECRET};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Twilio took the message.
    Taken,
    /// It had taken it before.
    TakenBefore,
    /// Somebody else's workflow that answers at once.
    AtOnce,
    /// A workflow that ends without reaching its Respond node.
    NeverAnswers,
    /// The key is wrong or missing.
    WrongKey,
    /// The workflow is inactive, or there is none at this path.
    Inactive,
    /// n8n is not there.
    Away,
    /// n8n is starting.
    Starting,
    /// A credential is missing, or a node throws.
    Fails,
    /// The body is not JSON.
    NotJson,
    /// Twilio wants to be asked later.
    SlowDown,
    /// Twilio failed, did not answer, or refused for a reason that the owner can mend.
    NotNow,
    /// Another try of the same message is under way.
    UnderWay,
    /// Twilio refused the recipient.
    Refused,
    /// Our workflow can't read the payload.
    Unreadable,
    /// Config names no number, or variables of the template that can't be read.
    Careless,
    /// A probe.
    Probe,
}

/// What an answer consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No answer.
    Nothing,
    /// No body.
    Empty,
    /// JSON that names a message.
    JsonWithId,
    /// Other JSON.
    Json,
    /// HTML, but no JSON.
    Html,
    /// Other text.
    Text,
}

impl Kind {
    /// What this body is.
    pub fn of(body: &str) -> Self {
        let json = serde_json::from_str::<Value>(body);
        match json {
            _ if body.is_empty() => Self::Empty,
            Ok(json) if json["externalId"].is_string() => Self::JsonWithId,
            Ok(_) => Self::Json,
            Err(_) if body.trim_start().starts_with("<!DOCTYPE html>") => Self::Html,
            Err(_) => Self::Text,
        }
    }

    /// How the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Empty => "empty",
            Self::JsonWithId => "JSON with `externalId`",
            Self::Json => "JSON",
            Self::Html => "HTML",
            Self::Text => "text",
        }
    }
}

impl Case {
    /// Every row.
    pub const ALL: [Self; 17] = [
        Self::Taken,
        Self::TakenBefore,
        Self::AtOnce,
        Self::NeverAnswers,
        Self::WrongKey,
        Self::Inactive,
        Self::Away,
        Self::Starting,
        Self::Fails,
        Self::NotJson,
        Self::SlowDown,
        Self::NotNow,
        Self::UnderWay,
        Self::Refused,
        Self::Unreadable,
        Self::Careless,
        Self::Probe,
    ];

    /// How the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "Twilio took the message",
            Self::TakenBefore => "Twilio had taken it before",
            Self::AtOnce => "another workflow, *Respond: immediately*",
            Self::NeverAnswers => "another workflow, Respond node never reached",
            Self::WrongKey => "wrong or missing `x-api-key`",
            Self::Inactive => "workflow inactive, unknown path, wrong method",
            Self::Away => "n8n stopped",
            Self::Starting => "n8n starting, for about two seconds",
            Self::Fails => "credential missing, or a node throws",
            Self::NotJson => "malformed JSON",
            Self::SlowDown => "Twilio says 429",
            Self::NotNow => "Twilio fails, is silent, or refuses for anything but the recipient",
            Self::UnderWay => "the same message is under way",
            Self::Refused => "Twilio refuses the recipient",
            Self::Unreadable => "the payload can't be read, or needs a template and there is none",
            Self::Careless => "no number to send to, or a template is needed and `templateVariables` is no JSON",
            Self::Probe => "`server check --probe`",
        }
    }

    /// What the table says of it.
    pub fn row(self) -> Row {
        let rows = Row::all();
        let mut found = rows.into_iter().filter(|row| row.case == self.name());
        let row = found
            .next()
            .unwrap_or_else(|| panic!("no row {:?} in {TABLE}", self.name()));
        assert!(found.next().is_none(), "{:?} stands twice in {TABLE}", self.name());
        row
    }

    /// The answer, of the kind that a real n8n gives: `make e2e-n8n` holds that one against the table too.
    fn answer(self) -> Option<(u16, &'static str, &'static str)> {
        let json = "application/json; charset=utf-8";
        let html = "text/html; charset=utf-8";
        Some(match self {
            Self::Taken => (
                200,
                json,
                r#"{"ok":true,"externalId":"SM00000000000000000000000000000001"}"#,
            ),
            Self::TakenBefore => {
                let body = r#"{"ok":true,"externalId":"SM00000000000000000000000000000001","repeated":true}"#;
                (200, json, body)
            }
            Self::AtOnce => (200, json, r#"{"message":"Workflow was started"}"#),
            Self::NeverAnswers => (200, "", ""),
            Self::WrongKey => (403, "", "Authorization data is wrong!"),
            Self::Inactive => (404, json, NOT_REGISTERED),
            Self::Away => return None,
            Self::Starting => (404, html, CANNOT_POST),
            Self::Fails => (500, json, r#"{"message":"Error in workflow"}"#),
            Self::NotJson => (422, json, r#"{"code":422,"message":"Failed to parse request body"}"#),
            Self::SlowDown => (
                429,
                json,
                r#"{"ok":false,"error":"twilio","twilioStatus":429,"twilioCode":20429}"#,
            ),
            Self::NotNow => (
                502,
                json,
                r#"{"ok":false,"error":"twilio","twilioStatus":500,"twilioCode":null}"#,
            ),
            Self::UnderWay => (503, json, r#"{"ok":false,"error":"under_way"}"#),
            Self::Refused => (
                410,
                json,
                r#"{"ok":false,"error":"twilio","twilioStatus":400,"twilioCode":21211}"#,
            ),
            Self::Unreadable => (
                410,
                json,
                r#"{"ok":false,"error":"invalid_payload","detail":"message"}"#,
            ),
            Self::Careless => (502, json, r#"{"ok":false,"error":"no_number"}"#),
            Self::Probe => (200, json, r#"{"ok":true,"probe":true,"inbound":{"status":400}}"#),
        })
    }
}

/// Where the table stands.
const TABLE: &str = "docs/n8n.md, \"What n8n answers\"";

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The case.
    pub case: String,
    /// The status; nothing without an answer.
    pub status: Option<u16>,
    /// What the body is, as [`Kind::name`] says it.
    pub kind: String,
    /// What the ticket server does.
    pub consequence: String,
}

impl Row {
    /// The table of `docs/n8n.md`.
    pub fn all() -> Vec<Self> {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/n8n.md");
        let document = fs::read_to_string(document).expect("docs/n8n.md");
        let section = document
            .split("\n## ")
            .find(|section| section.starts_with("What n8n answers"));
        let lines = section.expect(TABLE).lines().filter(|line| line.starts_with("| "));
        let row = |line: &str| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [case, status, kind, consequence] = cells[..] else {
                panic!("{line} has not four cells");
            };
            Self {
                case: case.to_owned(),
                status: status.parse().ok(),
                kind: kind.to_owned(),
                consequence: consequence.to_owned(),
            }
        };
        // The first one is the heading.
        lines.skip(1).map(row).collect()
    }
}

const NOT_REGISTERED: &str = r#"{"code":404,"message":"The requested webhook \"POST ticket-created\" is not registered.","hint":"The workflow must be active for a production URL to run successfully."}"#;

const CANNOT_POST: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n<pre>Cannot POST /webhook/ticket-created</pre>\n</body>\n</html>\n";

/// A web server that answers as n8n does.
pub struct StandIn(N8n);

impl StandIn {
    /// Starts it, in this case.
    pub async fn start(case: Case) -> Self {
        let server = N8n::start();
        match case.answer() {
            None => server.go_away().await,
            Some((status, kind, body)) => {
                let mut headers = Vec::new();
                if !kind.is_empty() {
                    headers.push(("content-type", kind.to_owned()));
                }
                if case == Case::SlowDown {
                    headers.push(("retry-after", "1".to_owned()));
                }
                server.always(Reaction::Answer(status, headers, body.to_owned()));
            }
        }
        Self(server)
    }

    /// What stands there.
    pub fn server(&self) -> &N8n {
        &self.0
    }

    /// The trouble is over: from now on Twilio takes every message.
    pub fn mend(&self, case: Case) {
        if case == Case::Away {
            self.0.come_back();
        }
        self.0.always(Reaction::taken("SM00000000000000000000000000000001"));
    }

    /// Posts a notification as the server would; gives the status and the body, or nothing without an answer.
    pub async fn ask(&self) -> Option<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client.post(self.0.url()).header("x-api-key", SHARED_SECRET);
        let response = request.body("{}").send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.expect("a text")))
    }
}
