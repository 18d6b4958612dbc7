//! The table "What n8n answers" of `docs/n8n.md`, as data and as a fake n8n that answers accordingly.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{FakeN8n, Reaction};

/// Declares the cases with their names in the table.
macro_rules! cases {
    ($($(#[$doc:meta])+ $case:ident: $name:literal,)+) => {
        /// A row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum N8nCase {
            $($(#[$doc])+ $case,)+
        }

        impl N8nCase {
            /// Every row.
            pub const ALL: &[Self] = &[$(Self::$case),+];

            /// Its name in the table.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $name,)+
                }
            }
        }
    };
}

cases! {
    /// Twilio took the message.
    Taken: "Twilio took the message",
    /// It had taken it before.
    TakenBefore: "Twilio had taken it before",
    /// Somebody else's workflow that answers at once.
    AtOnce: "another workflow, *Respond: immediately*",
    /// A workflow that ends without reaching its Respond node.
    NeverAnswers: "another workflow, Respond node never reached",
    /// The key is wrong or missing.
    WrongKey: "wrong or missing `x-api-key`",
    /// The workflow is inactive, or there is none at this path.
    Inactive: "workflow inactive, unknown path, wrong method",
    /// n8n is not there.
    Away: "n8n stopped",
    /// n8n is starting.
    Starting: "n8n starting, for about two seconds",
    /// A credential is missing, or a node throws.
    Fails: "credential missing, or a node throws",
    /// The body is not JSON.
    NotJson: "malformed JSON",
    /// Twilio wants to be asked later.
    SlowDown: "Twilio says 429",
    /// Twilio failed, did not answer, or refused for a reason that the owner can mend.
    NotNow: "Twilio fails, is silent, or refuses for anything but the recipient",
    /// Another try of the same message is under way.
    UnderWay: "the same message is under way",
    /// Twilio refused the recipient.
    Refused: "Twilio refuses the recipient",
    /// Our workflow can't read the payload.
    Unreadable: "the payload can't be read, or needs a template and there is none",
    /// Config names no number, or variables of the template that can't be read.
    Careless: "no number to send to, or a template is needed and `templateVariables` is no JSON",
    /// A probe.
    Probe: "`server check --probe`",
}

/// The kind of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// No response.
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

impl BodyKind {
    /// The kind of this body.
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

    /// Its name in the table.
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

impl N8nCase {
    /// Its row in the table.
    pub fn row(self) -> TableRow {
        let rows = TableRow::all();
        let mut found = rows.into_iter().filter(|row| row.case == self.name());
        let row = found
            .next()
            .unwrap_or_else(|| panic!("no row {:?} in {TABLE}", self.name()));
        assert!(found.next().is_none(), "{:?} is twice in {TABLE}", self.name());
        row
    }

    /// A fake n8n in this case.
    pub async fn fake(self) -> FakeN8n {
        let n8n = FakeN8n::start();
        let Some((status, content_type, body)) = self.response() else {
            n8n.go_away().await;
            return n8n;
        };
        let mut headers = Vec::new();
        if !content_type.is_empty() {
            headers.push(("content-type", content_type.to_owned()));
        }
        if self == Self::SlowDown {
            headers.push(("retry-after", "1".to_owned()));
        }
        n8n.always(Reaction::Respond(status, headers, body.to_owned()));
        n8n
    }

    /// Status, content type and body of the response; nothing if there is none. `make e2e-n8n` compares the table with a
    /// real n8n.
    fn response(self) -> Option<(u16, &'static str, &'static str)> {
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

/// Where the table is.
const TABLE: &str = "docs/n8n.md, \"What n8n answers\"";

/// A row of the table.
#[derive(Debug)]
pub struct TableRow {
    /// The case.
    pub case: String,
    /// The status; nothing without an answer.
    pub status: Option<u16>,
    /// The kind of the body, by [`BodyKind::name`].
    pub kind: String,
    /// What the ticket server does.
    pub consequence: String,
}

impl TableRow {
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
