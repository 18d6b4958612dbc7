//! Any request to the pages, written as in `typed.rs`: forms, filters, addresses. Nothing that was typed gets into a page
//! unescaped (`server.rs`).
#![no_main]

use fuzz::{in_process::with_server, text_request::TextRequest};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(request) = TextRequest::read(data) else {
        return Corpus::Reject;
    };
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
    Corpus::Keep
});
