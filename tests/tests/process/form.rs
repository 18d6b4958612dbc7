//! HTML forms, as a browser sends them.

use black_box::{Response, TestServer};
use serde_json::Value;
use url::form_urlencoded;

/// Sends a form with these fields from a page of our own.
pub(crate) async fn post_form(server: &TestServer, path: &str, fields: &Value) -> Response {
    let fields = fields.as_object().unwrap().iter();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields.map(|(name, value)| (name, value.as_str().unwrap())))
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://desk.example"),
    ];
    server.send("POST", path, &headers, Some(body)).await
}
