//! A text as each of the value types: what one accepts keeps the type's rule, and reads back as the same.

use std::str::FromStr;

use crate::oracle;
use ticket_domain::{
    AccessKey, Cursor, CustomerName, Email, ExternalId, IdempotencyKey, MediaUrl, MessageBody, MessageText, Phone,
    Priority, SearchText, Sender, Status, Subject, TicketRef, sanitize::decimal_digit,
};

/// A text as the value that it reads as, if it does, and as it is shown then: which must read as the same.
fn shown<T: FromStr + ToString + PartialEq>(text: &str) -> Option<String> {
    let value: T = text.parse().ok()?;
    let shown = value.to_string();
    assert!(shown.parse::<T>().is_ok_and(|again| again == value), "{shown:?}");
    Some(shown)
}

pub fn run(text: &str) {
    assert_eq!(shown::<CustomerName>(text), oracle::line(text, 200));
    assert_eq!(shown::<Subject>(text), oracle::line(text, 200));
    assert_eq!(shown::<SearchText>(text), oracle::line(text, 200));
    assert_eq!(shown::<MessageText>(text), oracle::prose(text, 5_000));

    let body = MessageBody::lenient(text).to_string();
    assert_eq!(shown::<MessageBody>(&body), Some(body.clone()));
    assert!(!oracle::has_controls(&body) && body.trim() == body);
    assert!(body.chars().count() <= MessageBody::MAX + MessageBody::CUT_MARK.chars().count());
    if let Some(prose) = oracle::prose(text, MessageBody::MAX) {
        assert_eq!(body, prose);
    }

    phone(text);
    if let Some(email) = shown::<Email>(text) {
        assert!((3..=254).contains(&email.chars().count()) && email.trim() == email);
        assert!(
            email
                .rsplit_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'))
        );
        assert!(!email.chars().any(char::is_control));
    }
    if let Some(url) = shown::<MediaUrl>(text) {
        assert!(url.to_ascii_lowercase().starts_with("https:") && url.chars().count() <= 2_048);
        assert!(!url.chars().any(|char| char.is_whitespace() || char.is_control()));
    }
    let is_id = |id: &String| (1..=128).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    let id = Some(text.trim().to_owned()).filter(is_id);
    assert_eq!(shown::<ExternalId>(text), id);
    let is_key = (1..=255).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    assert_eq!(shown::<IdempotencyKey>(text), is_key.then(|| text.to_owned()));
    let is_hex = text.len() == 32 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    assert_eq!(shown::<AccessKey>(text), is_hex.then(|| text.to_owned()));
    if let Ok(key) = text.parse::<AccessKey>() {
        assert!(key.matches(text) && !key.matches(&text[1..]));
    }
    if let Some(reference) = shown::<TicketRef>(text) {
        assert_eq!(reference, text.trim().to_uppercase());
    }
    shown::<Cursor>(text);
    assert_eq!(
        shown::<Priority>(text).is_some(),
        Priority::words().any(|word| word == text)
    );
    assert_eq!(
        shown::<Status>(text).is_some(),
        Status::words().any(|word| word == text)
    );
    assert_eq!(
        shown::<Sender>(text).is_some(),
        Sender::words().any(|word| word == text)
    );
}

/// A number has digits that were typed, in their order, and nothing else.
fn phone(text: &str) {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    match shown::<Phone>(text) {
        Some(phone) => {
            let number = phone.strip_prefix('+').unwrap_or(&phone);
            assert!((7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()));
            let mut typed = text.chars().filter_map(decimal_digit);
            assert!(number.bytes().all(|byte| typed.any(|digit| digit == byte - b'0')));
            assert!(phone.starts_with('+') || !text.contains('+'));
        }
        None => assert!(!(7..=15).contains(&text.len()) || digits(text) != text || text.starts_with("00")),
    }
}
