//! Any request to the pages, written as `text_request.rs` says: forms, filters, addresses. Nothing that was typed gets into a page
//! unescaped (`in_process.rs`).

use crate::{in_process::with_server, text_request::TextRequest};

pub fn run(request: TextRequest) {
    with_server(|server| {
        let answer = server.send_with_keys(request);
        // Whoever is led on stays on this server.
        if let Some(location) = answer.headers.get("location") {
            let location = location.to_str().expect("ASCII");
            let base = url::Url::parse("https://desk.example").expect("a base");
            let target = base.join(location).expect("an address");
            assert!(
                target.origin() == base.origin() || target.as_str().starts_with("http://localhost:8080/"),
                "{location}"
            );
        }
    });
}
