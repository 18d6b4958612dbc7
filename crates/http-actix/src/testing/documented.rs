//! Whether the `OpenAPI` document knows what happened.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Answer, Request};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(crate::openapi::openapi()).unwrap());

/// Headers that mean something to callers, so that an answer may have one only where the document says so.
const TELLING: &[&str] = &[
    "etag",
    "idempotent-replayed",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

fn operation(request: &Request) -> Option<&'static Value> {
    let path = request.target.split('?').next().unwrap();
    let method = match request.method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    // The same without a slash at its end is documented.
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
    item.get(&method)
}

/// Panics unless the document has the answer: its status, its headers and its kind of body.
pub(super) fn check(request: &Request, answer: &Answer) {
    assert!(answer.header("x-request-id").is_some(), "{request:?} {answer:?}");
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
        // Only a replay says that it is one; everything else that is promised is there.
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
    assert!(
        response["content"][media_type].is_object(),
        "undocumented {media_type}: {request:?}"
    );
}
