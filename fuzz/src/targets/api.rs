//! Any request to the API, written as `text_request.rs` says: its address, its parameters, its headers, its body.

use crate::{in_process::with_server, text_request::TextRequest};

pub fn run(request: TextRequest) {
    let path = request.uri.path().to_owned();
    let is_get = request.method == "GET";
    with_server(|server| {
        let answer = server.send_with_keys(request);
        // Whatever is refused is refused as the document says it is; a preflight has its own words.
        if path.starts_with("/api/") && answer.status >= 400 {
            assert_eq!(answer.media_type, "application/problem+json", "{}", answer.status);
        }
        // Where a list says that it goes on, it does.
        if is_get && answer.status == 200 && answer.media_type == "application/json" {
            let list = answer.json();
            if let Some(next) = list.get("next").and_then(|next| next.as_str()) {
                let is_audit_log = matches!(path.as_str(), "/api/audit-log" | "/api/trail");
                let name = if is_audit_log { "before" } else { "after" };
                let after = server.send_with_keys(TextRequest::get(&format!("{path}?{name}={next}")));
                assert_eq!(after.status, 200, "{next}");
            }
        }
    });
}
