//! What a reader shows of what it has: `ETag` and `Last-Event-ID`.

use http_actix::{LastEventId, state_of_tag, state_tag};

pub fn run(text: &str) {
    if let Some(state) = state_of_tag(text) {
        assert_eq!(state_tag(state), text);
    }
    match text.parse::<LastEventId>() {
        Ok(seen) => {
            assert_eq!(seen.to_string().parse(), Ok(seen.clone()));
            assert!(text.ends_with(&format!("{}.{}", seen.messages, seen.state)));
        }
        Err(_) => {
            let number = text.split_once('.').map(|(number, _)| number);
            assert!(!number.is_some_and(|number| !number.is_empty()
                && number.len() < 10
                && number.bytes().all(|b| b.is_ascii_digit())));
        }
    }
}
