//! One program for all fuzz targets, so that the server is linked once; `FUZZ_TARGET` names one. A target checks properties
//! that must hold whatever outsiders send; a panic or a 500 response is a finding.
#![no_main]

mod in_process;
mod oracle;
mod targets;
mod text_request;

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use text_request::TextRequest;

/// What a target is fed with.
enum Target {
    Bytes(fn(&[u8])),
    /// UTF-8 only.
    Text(fn(&str)),
    /// Only what the HTTP parser lets through.
    Request(fn(TextRequest)),
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a folder of fuzz/corpus");
    match name.as_str() {
        "api" => Target::Request(targets::api::run),
        "client_address" => Target::Bytes(targets::client_address::run),
        "create_ticket" => Target::Bytes(targets::create_ticket::run),
        "inbound" => Target::Bytes(targets::inbound::run),
        "last_event_id" => Target::Text(targets::last_event_id::run),
        "n8n_response" => Target::Bytes(targets::n8n_response::run),
        "notification" => Target::Text(targets::notification::run),
        "pages" => Target::Request(targets::pages::run),
        "references" => Target::Text(targets::references::run),
        "search" => Target::Text(targets::search::run),
        "status" => Target::Bytes(targets::status::run),
        "values" => Target::Text(targets::values::run),
        other => panic!("no such target: {other}"),
    }
});

fuzz_target!(|data: &[u8]| -> Corpus {
    match &*TARGET {
        Target::Bytes(run) => run(data),
        Target::Text(run) => match std::str::from_utf8(data) {
            Ok(text) => run(text),
            Err(_) => return Corpus::Reject,
        },
        Target::Request(run) => match TextRequest::read(data) {
            Some(request) => run(request),
            None => return Corpus::Reject,
        },
    }
    Corpus::Keep
});
