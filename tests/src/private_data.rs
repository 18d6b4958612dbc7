//! Private data that no log may show: the personal data and secrets that a test sends or receives, and whatever looks
//! like them.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex},
};

use regex::Regex;
use serde_json::Value;
use url::{Url, form_urlencoded};

/// JSON and form fields with personal data.
const TEXTS: [&str; 11] = [
    "customerName",
    "customerEmail",
    "subject",
    "message",
    "body",
    "mediaUrl",
    "ask",
    "notice",
    "summary",
    "text",
    "q",
];

/// Fields with telephone numbers.
const NUMBERS: [&str; 5] = ["customerPhone", "from", "to", "AGENT_PHONE", "AGENT_PHONE_BACKUP"];

/// Stands for the numbers of erased customers, and in the number of a migration.
const ERASED: &str = "0100000";

/// Fields, headers and environment variables with secrets.
const SECRETS: [&str; 12] = [
    "x-api-key",
    "authorization",
    "cookie",
    "set-cookie",
    "token",
    "key",
    "RAILWAY_INBOUND_SECRET",
    "OPERATOR_TOKEN",
    "N8N_SHARED_SECRET",
    "SMTP_URL",
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
];

/// Shorter texts can appear in a log by chance.
const TEXT_MIN: usize = 12;

/// The same for secrets: tests send wrong ones such as `wrong`.
const SECRET_MIN: usize = 8;

/// Parts of what the fixtures send, and of URLs with secrets.
const ALWAYS: [&str; 4] = ["quuxley", "damaged bottles", "?key=", "postgres://"];

/// A ticket's key.
static KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[0-9a-f]{32}$").expect("a pattern"));

/// An e-mail address, a telephone number or a ticket's key.
static LOOKS_PRIVATE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"[\w.+%-]+@[\w-]+\.[\w.-]*\w|\+\d{7,15}\b|(?:^|[^\w-])[0-9a-f]{32}(?:[^\w-]|$)";
    Regex::new(pattern).expect("a pattern")
});

/// The private data of one test.
#[derive(Default)]
pub(crate) struct PrivateData(Mutex<BTreeSet<String>>);

impl PrivateData {
    /// Remembers a value if its name says that it is private.
    pub(crate) fn note(&self, name: &str, value: &str) {
        let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let mut private = self.0.lock().unwrap();
        if is_one_of(&SECRETS) {
            // `Bearer …`, `session=…; Path=…`, two keys during a rotation.
            let parts = value.split([' ', ',', ';']);
            let parts = parts.map(|part| part.strip_prefix("session=").unwrap_or(part));
            // Ticket keys are recognised by their shape; there may be thousands.
            let is_known = |part: &&str| KEY.is_match(part) || part.starts_with("sqlite:") || part.contains('=');
            private.extend(
                parts
                    .filter(|part| part.len() >= SECRET_MIN && !is_known(part))
                    .map(str::to_lowercase),
            );
        } else if is_one_of(&NUMBERS) {
            let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
            private.extend(
                value
                    .split(',')
                    .map(digits)
                    .filter(|digits| (7..=15).contains(&digits.len()) && digits != ERASED),
            );
        } else if is_one_of(&TEXTS) {
            let text = value.trim();
            private.extend((text.chars().count() >= TEXT_MIN).then(|| text.to_lowercase()));
        } else if let Some((_, query)) = value.split_once('?') {
            drop(private);
            self.query(query);
        }
    }

    fn query(&self, query: &str) {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            self.note(&name, &value);
        }
    }

    /// Remembers what is private in a URL, above all the key in its query.
    pub(crate) fn note_address(&self, path: &str) {
        if let Ok(url) = Url::parse("http://desk.invalid").and_then(|base| base.join(path)) {
            self.query(url.query().unwrap_or_default());
        }
    }

    /// Remembers what is private in a JSON or form body.
    pub(crate) fn note_body(&self, body: &[u8]) {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => self.json("", &value),
            Err(_) if body.iter().all(u8::is_ascii_graphic) => {
                self.query(str::from_utf8(body).unwrap_or_default());
            }
            Err(_) => {}
        }
    }

    fn json(&self, name: &str, value: &Value) {
        match value {
            Value::String(text) => self.note(name, text),
            Value::Array(values) => values.iter().for_each(|value| self.json(name, value)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.json(name, value)),
            _ => {}
        }
    }

    /// The private data in a log, one line each.
    pub(crate) fn found_in(&self, log: &str) -> Vec<String> {
        let lower = log.to_lowercase();
        let parts = ALWAYS.iter().filter(|part| lower.contains(**part));
        let mut found: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
        for private in &*self.0.lock().unwrap() {
            // As a line of JSON shows it.
            let escaped = Value::from(private.as_str()).to_string();
            if lower.contains(private) || lower.contains(escaped.trim_matches('"')) {
                found.push(format!("{private:?}, which was sent or received"));
            }
        }
        let looks_private = log.lines().filter(|line| LOOKS_PRIVATE.is_match(line));
        found.extend(looks_private.map(|line| format!("what looks private: {line}")));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_is_found_in_any_notation() {
        let private = PrivateData::default();
        private.note_body(r#"{"a":[{"message":"I said \"something\""}],"from":"whatsapp:+1 555-000-1111"}"#.as_bytes());
        private.note_body(b"subject=Damaged+bottles%21&idempotencyKey=not-a-secret");
        private.note_address("/inbox?q=looked+for+words");
        private.note("authorization", "Bearer the-operators-token");
        private.note("ticketUrl", "https://desk.example/ticket/T-1?key=another-odd-key");
        for (log, is_shown) in [
            (r#"{"x":"i SAID \"something\""}"#, true),
            ("from 15550001111", true),
            ("Damaged Bottles!", true),
            ("not-a-secret", false),
            ("/ticket/T-20250115-1234", false),
            ("x=looked for words", true),
            ("the-operators-token", true),
            ("another-odd-key", true),
            ("Bearer", false),
            ("nothing of it", false),
            // What was never sent, but looks private.
            ("to somebody@customer.example.", true),
            ("user@host", false),
            ("tel +491234567 and", true),
            ("2025-01-15T10:30:00+00:00", false),
            ("key 0123456789abcdef0123456789abcdef", true),
            ("id 01234567-89ab-cdef-0123-456789abcdef", false),
            ("0123456789abcdef0123456789abcdef0123456789abcdef", false),
        ] {
            assert_eq!(!private.found_in(log).is_empty(), is_shown, "{log}");
        }
    }
}
