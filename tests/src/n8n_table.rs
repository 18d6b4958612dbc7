//! The table "What n8n answers" of `docs/n8n.md`, as data and as a fake n8n that answers accordingly.

use serde_json::Value;

use crate::{FakeN8n, Reaction, read};

/// A row of the table, and what a fake n8n responds in this case. `make e2e-n8n` compares the table with a real n8n.
#[derive(Debug, Clone, Copy)]
pub struct N8nCase {
    /// Its name in the table.
    pub name: &'static str,
    /// Status, content type and body; `None` if nobody listens.
    response: Option<(u16, &'static str, &'static str)>,
}

const JSON: &str = "application/json; charset=utf-8";

const fn case(name: &'static str, status: u16, content_type: &'static str, body: &'static str) -> N8nCase {
    N8nCase {
        name,
        response: Some((status, content_type, body)),
    }
}

/// Every row.
pub const N8N_CASES: [N8nCase; 17] = [
    case(
        "Twilio took the message",
        200,
        JSON,
        r#"{"ok":true,"externalId":"SM00000000000000000000000000000001"}"#,
    ),
    case(
        "Twilio had taken it before",
        200,
        JSON,
        r#"{"ok":true,"externalId":"SM00000000000000000000000000000001","repeated":true}"#,
    ),
    case(
        "another workflow, *Respond: immediately*",
        200,
        JSON,
        r#"{"message":"Workflow was started"}"#,
    ),
    case("another workflow, Respond node never reached", 200, "", ""),
    case("wrong or missing `x-api-key`", 403, "", "Authorization data is wrong!"),
    case(
        "workflow inactive, unknown path, wrong method",
        404,
        JSON,
        r#"{"code":404,"message":"The requested webhook \"POST ticket-created\" is not registered.","hint":"The workflow must be active for a production URL to run successfully."}"#,
    ),
    N8nCase {
        name: "n8n stopped",
        response: None,
    },
    case(
        "n8n starting, for about two seconds",
        404,
        "text/html; charset=utf-8",
        "<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n<pre>Cannot POST /webhook/ticket-created</pre>\n</body>\n</html>\n",
    ),
    case(
        "credential missing, or a node throws",
        500,
        JSON,
        r#"{"message":"Error in workflow"}"#,
    ),
    case(
        "malformed JSON",
        422,
        JSON,
        r#"{"code":422,"message":"Failed to parse request body"}"#,
    ),
    case(
        "Twilio says 429",
        429,
        JSON,
        r#"{"ok":false,"error":"twilio","twilioStatus":429,"twilioCode":20429}"#,
    ),
    case(
        "Twilio fails, is silent, or refuses for anything but the recipient",
        502,
        JSON,
        r#"{"ok":false,"error":"twilio","twilioStatus":500,"twilioCode":null}"#,
    ),
    case(
        "the same message is under way",
        503,
        JSON,
        r#"{"ok":false,"error":"under_way"}"#,
    ),
    case(
        "Twilio refuses the recipient",
        410,
        JSON,
        r#"{"ok":false,"error":"twilio","twilioStatus":400,"twilioCode":21211}"#,
    ),
    case(
        "the payload can't be read, or needs a template and there is none",
        410,
        JSON,
        r#"{"ok":false,"error":"invalid_payload","detail":"message"}"#,
    ),
    case(
        "no number to send to, or a template is needed and `templateVariables` is no JSON",
        502,
        JSON,
        r#"{"ok":false,"error":"no_number"}"#,
    ),
    case(
        "`server check --probe`",
        200,
        JSON,
        r#"{"ok":true,"probe":true,"inbound":{"status":400}}"#,
    ),
];

impl N8nCase {
    /// A fake n8n in this case.
    pub async fn fake(&self) -> FakeN8n {
        let n8n = FakeN8n::start();
        let Some((status, content_type, body)) = self.response else {
            n8n.go_away().await;
            return n8n;
        };
        let mut headers = Vec::new();
        if !content_type.is_empty() {
            headers.push(("content-type", content_type.to_owned()));
        }
        if status == 429 {
            headers.push(("retry-after", "1".to_owned()));
        }
        n8n.always(Reaction::Respond(status, headers, body.to_owned()));
        n8n
    }

    /// The response of the fake as the table writes it: the status, and the kind of the body.
    pub fn seen(&self) -> (Option<u16>, &'static str) {
        let response = self.response;
        let kind = response.map_or("none", |(_, _, body)| kind_of_body(body));
        (response.map(|(status, ..)| status), kind)
    }
}

/// How the table names the kind of a body.
pub fn kind_of_body(body: &str) -> &'static str {
    match serde_json::from_str::<Value>(body) {
        _ if body.is_empty() => "empty",
        Ok(json) if json["externalId"].is_string() => "JSON with `externalId`",
        Ok(_) => "JSON",
        Err(_) if body.trim_start().starts_with("<!DOCTYPE html>") => "HTML",
        Err(_) => "text",
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct TableRow {
    /// The case.
    pub case: String,
    /// The status, if there is a response, and the kind of the body.
    pub seen: (Option<u16>, String),
    /// What the ticket server does.
    pub consequence: String,
}

impl TableRow {
    /// The table of `docs/n8n.md`.
    pub fn all() -> Vec<Self> {
        let document = read("docs/n8n.md");
        let mut sections = document.split("\n## ");
        let section = sections.find(|section| section.starts_with("What n8n answers"));
        let lines = section.expect("the table").lines();
        let row = |line: &str| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [case, status, kind, consequence] = cells[..] else {
                panic!("{line} has not four cells");
            };
            Self {
                case: case.to_owned(),
                seen: (status.parse().ok(), kind.to_owned()),
                consequence: consequence.to_owned(),
            }
        };
        // The first one is the heading.
        lines.filter(|line| line.starts_with("| ")).skip(1).map(row).collect()
    }

    /// The row with this name.
    pub fn of(case: &str) -> Self {
        let row = Self::all().into_iter().find(|row| row.case == case);
        row.unwrap_or_else(|| panic!("no row {case:?} in docs/n8n.md"))
    }
}
