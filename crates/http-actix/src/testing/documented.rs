//! Checks responses against the `OpenAPI` document.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Request, Response};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(crate::api::openapi::document()).unwrap());

/// Headers that matter to callers: a response has them exactly where the document says so.
const TELLING: &[&str] = &[
    "etag",
    "idempotent-replayed",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

const EVENT_STREAM: &str = "text/event-stream";

fn operation(request: &Request) -> Option<&'static Value> {
    let path = request.target.split('?').next().unwrap();
    let method = match request.method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    // The path without the slash is documented.
    let path = if (path, method.as_str()) == ("/api/ticket/", "get") {
        "/api/ticket"
    } else {
        path
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let matches = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| t.starts_with('{') || t == p)
    };
    let exact = paths.get(path);
    let item = exact.or_else(|| {
        paths
            .iter()
            .find(|(template, _)| matches(template))
            .map(|(_, item)| item)
    })?;
    let is_stream = item[&method]["responses"]["200"]["content"][EVENT_STREAM].is_object();
    // A stream is not for HEAD.
    item.get(&method).filter(|_| !(is_stream && request.method == "HEAD"))
}

/// Panics unless the document has the response: its status, headers and body.
pub(super) fn check(request: &Request, answer: &Response) {
    assert!(answer.header("x-request-id").is_some(), "{request:?} {answer:?}");
    let is_api = ["/api", "/docs", "/health", "/metrics"]
        .iter()
        .any(|folder| request.target.starts_with(folder));
    if !is_api {
        return;
    }
    let Some(operation) = operation(request) else {
        let is_preflight = request.method == "OPTIONS";
        assert!(
            is_preflight || matches!(answer.status, 404 | 405),
            "{request:?} {answer:?}"
        );
        return;
    };
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "undocumented: {request:?} {answer:?}");
    let documented: Vec<String> = response["headers"]
        .as_object()
        .unwrap()
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    for name in TELLING {
        let is_documented = documented.iter().any(|other| other == name);
        assert!(
            answer.header(name).is_none() || is_documented,
            "undocumented {name}: {request:?}"
        );
        // Only a replay has its header; all others are always present.
        let is_promised = is_documented && *name != "idempotent-replayed";
        assert!(
            answer.header(name).is_some() || !is_promised,
            "missing {name}: {request:?} {answer:?}"
        );
    }
    if answer.body.is_empty() {
        return;
    }
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let content = &response["content"][media_type];
    assert!(content.is_object(), "undocumented {media_type}: {request:?}");
    if media_type.ends_with("json") {
        let mismatch = mismatch(&DOCUMENT, &content["schema"], &answer.json());
        assert_eq!(mismatch, None, "undocumented: {request:?} {answer:?}");
    }
}

/// Panics unless the data of an event matches the document.
pub(super) fn check_event(name: &str, data: &Value) {
    let schema = match name {
        "ticket" => "Ticket",
        "message" => "Message",
        other => panic!("undocumented event: {other}"),
    };
    let schema = &DOCUMENT["components"]["schemas"][schema];
    assert_eq!(mismatch(&DOCUMENT, schema, data), None, "undocumented: {data}");
}

/// What a schema does not allow in a value: a member, a type, a word.
pub(crate) fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.strip_prefix('#')?)?;
        return mismatch(document, named, value);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let mut mismatches = ways.iter().map(|way| mismatch(document, way, value));
        return mismatches.try_fold(String::new(), |all, mismatch| mismatch.map(|mismatch| all + &mismatch));
    }
    let is_allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|kind| is_of_kind(value, kind)),
        kind => is_of_kind(value, kind),
    };
    let is_a_word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    if !is_allowed || !is_a_word {
        return Some(format!("{value} is not {schema}"));
    }
    match (value, &schema["properties"]) {
        (Value::Object(members), Value::Object(known)) => {
            let names = || {
                schema["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
            };
            let missing = names().find(|name| !members.contains_key(*name));
            let missing = missing.map(|name| format!("{name} is missing in {value}"));
            missing.or_else(|| {
                members.iter().find_map(|(name, member)| match known.get(name) {
                    None => Some(format!("{name} is not known in {value}")),
                    Some(schema) => mismatch(document, schema, member),
                })
            })
        }
        (Value::Array(items), _) => items.iter().find_map(|item| mismatch(document, &schema["items"], item)),
        _ => None,
    }
}

fn is_of_kind(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}
