//! Any request to the API, written as in `typed.rs`: its address, its parameters, its headers, its body.
#![no_main]

use fuzz::{site::on_a_site, typed::Typed};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(request) = Typed::read(data) else {
        return Corpus::Reject;
    };
    let path = request.uri.path().to_owned();
    let is_get = request.method == "GET";
    on_a_site(|site| {
        let answer = site.send_with_keys(request);
        // Whatever is refused is refused as the document says it is; a preflight has its own words.
        if path.starts_with("/api/") && answer.status >= 400 {
            assert_eq!(answer.media_type, "application/problem+json", "{}", answer.status);
        }
        // Where a list says that it goes on, it does.
        if is_get && answer.status == 200 && answer.media_type == "application/json" {
            let list = answer.json();
            if let Some(next) = list.get("next").and_then(|next| next.as_str()) {
                let name = if path == "/api/trail" { "before" } else { "after" };
                let after = site.send_with_keys(Typed::get(&format!("{path}?{name}={next}")));
                assert_eq!(after.status, 200, "{next}");
            }
        }
    });
    Corpus::StoreUnmatched
});
