//! Holds every answer against the server's own `OpenAPI` document.

use serde_json::Value;

/// Says what of an answer the document does not announce.
pub(crate) fn objection(document: &Value, method: &str, path: &str, status: u16, headers: &[String]) -> Option<String> {
    let paths = document["paths"].as_object()?;
    // `/api/ticket/` is answered as `/api/ticket` is.
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let mut templates: Vec<_> = paths.keys().filter(|template| is_of(path, template)).collect();
    // `/api/ticket/inbound` is also of the form `/api/ticket/{ticketRef}`; the literal one is meant.
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

fn is_of(path: &str, template: &str) -> bool {
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
