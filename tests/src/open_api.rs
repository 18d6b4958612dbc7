//! Checks responses against the server's own `OpenAPI` document.

use serde_json::Value;

/// What a response has that the document does not announce, if anything.
pub(crate) fn objection(document: &Value, method: &str, path: &str, status: u16, headers: &[&str]) -> Option<String> {
    let paths = document["paths"].as_object()?;
    // The server treats `/api/ticket/` like `/api/ticket`.
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let mut templates: Vec<_> = paths.keys().filter(|template| matches(path, template)).collect();
    // `/api/ticket/inbound` also matches `/api/ticket/{ticketRef}`; the literal template wins.
    templates.sort_by_key(|template| template.matches('{').count());
    let Some(template) = templates.first() else {
        return (status != 404).then(|| format!("{path} is not in the document"));
    };
    let operation = &paths[*template][method.to_lowercase()];
    if operation.is_null() {
        return (status != 405 && method != "OPTIONS").then(|| format!("{method} {template} is not in the document"));
    }
    let response = &operation["responses"][status.to_string()];
    if response.is_null() {
        return Some(format!("{method} {template} does not announce {status}"));
    }
    let announced = response["headers"].as_object();
    for header in headers {
        let is_announced = announced.is_some_and(|all| all.keys().any(|name| name.eq_ignore_ascii_case(header)));
        if !is_announced {
            return Some(format!(
                "{method} {template} {status} does not announce the header {header}"
            ));
        }
    }
    None
}

fn matches(path: &str, template: &str) -> bool {
    let (path, template) = (
        path.split('/').collect::<Vec<_>>(),
        template.split('/').collect::<Vec<_>>(),
    );
    path.len() == template.len()
        && path
            .iter()
            .zip(&template)
            .all(|(part, wanted)| wanted.starts_with('{') || part == wanted)
}
