//! What n8n answers: a line that is `Retry-After`, and the body.

use std::time::Duration;

use crate::oracle;
use notify_n8n::{external_id_in, retry_after_of};
use serde_json::Value;
use ticket_domain::{ExternalId, Timestamp};

pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let now = Timestamp::from_unix_micros(1_736_937_000_000_000).expect("a moment");
    if let Ok(value) = reqwest::header::HeaderValue::from_bytes(&data[..end]) {
        let wait = retry_after_of(&value, now);
        let digits = value
            .to_str()
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty() && text.len() < 19);
        if let Some(digits) = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())) {
            assert_eq!(wait, digits.parse().ok().map(Duration::from_secs));
        }
    }
    let body = data.get(end + 1..).unwrap_or_default();
    let found = external_id_in(body);
    if let Some(id) = &found {
        let text = id.to_string();
        assert_eq!(text.parse::<ExternalId>().ok().as_ref(), Some(id));
        assert!(!text.is_empty() && !oracle::has_controls(&text));
    }
    // Said once more without doubt, it is the first of the three that is an id.
    if let Ok(Value::Object(answer)) = serde_json::from_slice(body) {
        let first = ["externalId", "messageSid", "sid"]
            .into_iter()
            .find_map(|name| answer.get(name)?.as_str()?.parse::<ExternalId>().ok());
        assert_eq!(external_id_in(Value::Object(answer).to_string().as_bytes()), first);
    }
}
