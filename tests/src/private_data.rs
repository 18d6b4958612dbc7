//! Private data that no log may show: the personal data and secrets that a test sends or receives, and whatever looks
//! like them.

use std::{collections::BTreeSet, sync::Mutex};

use serde_json::Value;
use url::{Url, form_urlencoded};

/// JSON and form fields with personal data.
const TEXTS: [&str; 10] = [
    "customerName",
    "customerEmail",
    "subject",
    "message",
    "body",
    "mediaUrl",
    "ask",
    "notice",
    "summary",
    "q",
];

/// Fields with telephone numbers.
const NUMBERS: [&str; 3] = ["customerPhone", "from", "to"];

/// Fields, headers and environment variables with secrets.
const SECRETS: [&str; 11] = [
    "x-api-key",
    "authorization",
    "cookie",
    "set-cookie",
    "token",
    "key",
    "RAILWAY_INBOUND_SECRET",
    "OPERATOR_TOKEN",
    "N8N_SHARED_SECRET",
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
];

/// Shorter texts can appear in a log by chance.
const TEXT_MIN: usize = 12;

/// The same for secrets: tests send wrong ones such as `wrong`.
const SECRET_MIN: usize = 8;

/// Parts of what the fixtures send, and of URLs with secrets.
const ALWAYS: [&str; 4] = ["quuxley", "damaged bottles", "?key=", "postgres://"];

/// The private data of one test.
#[derive(Default)]
pub(crate) struct PrivateData(Mutex<BTreeSet<String>>);

impl PrivateData {
    fn text(&self, text: &str) {
        let text = text.trim();
        if text.chars().count() >= TEXT_MIN {
            self.0.lock().unwrap().insert(text.to_owned());
        }
    }

    fn number(&self, text: &str) {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if (7..=15).contains(&digits.len()) {
            self.0.lock().unwrap().insert(digits);
        }
    }

    fn secret(&self, text: &str) {
        // `Bearer …`, `session=…; Path=…`, two keys during a rotation.
        for part in text.split([' ', ',', ';']) {
            let part = part.strip_prefix("session=").unwrap_or(part);
            // Ticket keys are recognised by their shape; there may be thousands.
            let is_known = is_key(part) || part.starts_with("sqlite:") || part.contains('=');
            if part.len() >= SECRET_MIN && !is_known {
                self.0.lock().unwrap().insert(part.to_owned());
            }
        }
    }

    /// Remembers a value if its name says that it is private.
    pub(crate) fn note(&self, name: &str, value: &str) {
        let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        if is_one_of(&SECRETS) {
            self.secret(value);
        } else if is_one_of(&NUMBERS) || name.starts_with("AGENT_PHONE") {
            value.split(',').for_each(|number| self.number(number));
        } else if is_one_of(&TEXTS) {
            self.text(value);
        } else if let Some((_, query)) = value.split_once('?') {
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
            let private = private.to_lowercase();
            // As a line of JSON shows it.
            let escaped = Value::from(private.as_str()).to_string();
            if lower.contains(&private) || lower.contains(escaped.trim_matches('"')) {
                found.push(format!("{private:?}, which was sent or received"));
            }
        }
        for line in log.lines() {
            found.extend(looks_private(line));
        }
        found.dedup();
        found
    }
}

/// Whether a word has the shape of a ticket's key.
fn is_key(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The words of a line that look like an e-mail address, a telephone number or a key.
fn looks_private(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || ".@+_%-".contains(c);
    let words = line.split(|c| !is_part(c));
    let looks = words.filter_map(|word| {
        let is_address = word
            .split_once('@')
            .is_some_and(|(name, domain)| !name.is_empty() && domain.trim_matches('.').contains('.'));
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        let is_number = word.split('+').skip(1).any(|rest| (7..=15).contains(&digits(rest)));
        let what = if is_address {
            "an e-mail address"
        } else if is_number {
            "a telephone number"
        } else if is_key(word) {
            "a key"
        } else {
            return None;
        };
        Some(format!("{word:?}, which looks like {what}: {line}"))
    });
    looks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_data_is_found_in_any_notation() {
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
        ] {
            assert_eq!(!private.found_in(log).is_empty(), is_shown, "{log}");
        }
    }

    #[test]
    fn words_that_look_private_are_found() {
        for (line, is_shown) in [
            ("to somebody@customer.example.", true),
            ("user@host", false),
            ("tel +491234567 and", true),
            ("2025-01-15T10:30:00+00:00", false),
            ("key 0123456789abcdef0123456789abcdef", true),
            ("id 01234567-89ab-cdef-0123-456789abcdef", false),
            ("0123456789abcdef0123456789abcdef0123456789abcdef", false),
        ] {
            assert_eq!(!looks_private(line).is_empty(), is_shown, "{line}");
        }
    }
}
