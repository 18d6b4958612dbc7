//! The table "What n8n answers" of `docs/n8n.md`, as data and as a fake n8n that answers accordingly.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{FakeN8n, Reaction, read};

/// A case of the table, and what a fake n8n responds in it. `make e2e-n8n` compares the table with a real n8n.
#[derive(Debug, Clone)]
pub struct N8nCase {
    /// Its name in the table.
    pub name: String,
    /// Status and body; `None` if nobody listens.
    response: Option<(u16, String)>,
}

impl N8nCase {
    /// Every case, from `tests/corpus/n8n_answers.json`: a body that is an object is sent as JSON.
    pub fn all() -> Vec<Self> {
        let cases: BTreeMap<String, Value> =
            serde_json::from_str(&read("tests/corpus/n8n_answers.json")).expect("cases");
        let case = |(name, answer): (String, Value)| {
            let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            let body = answer["body"]
                .as_str()
                .map_or(answer["body"].to_string(), str::to_owned);
            Self {
                name,
                response: status.map(|status| (status, body)),
            }
        };
        cases.into_iter().map(case).collect()
    }

    /// A fake n8n in this case.
    pub async fn fake(&self) -> FakeN8n {
        let n8n = FakeN8n::start();
        let Some((status, body)) = self.response.clone() else {
            n8n.go_away().await;
            return n8n;
        };
        let content_type = match kind_of_body(&body) {
            "HTML" => Some("text/html; charset=utf-8"),
            kind if kind.starts_with("JSON") => Some("application/json; charset=utf-8"),
            _ => None,
        };
        let content_type = content_type.map(|kind| ("content-type", kind.to_owned()));
        let mut headers = Vec::from_iter(content_type);
        if status == 429 {
            headers.push(("retry-after", "1".to_owned()));
        }
        n8n.always(Reaction::Respond(status, headers, body));
        n8n
    }

    /// The response of the fake as the table writes it: the status, and the kind of the body.
    pub fn seen(&self) -> (Option<u16>, &'static str) {
        let response = self.response.as_ref();
        let kind = response.map_or("none", |(_, body)| kind_of_body(body));
        (response.map(|(status, _)| *status), kind)
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
