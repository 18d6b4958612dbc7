//! The part of a long thread that is shown at first.

use ticket_domain::Message;

/// Maximum number of messages.
const MAX: usize = 50;
/// Maximum size of the messages in the page, in bytes, so that the page stays below 50 KiB. A single message may be longer.
const BYTES: usize = 28 * 1024;
/// The same with `?all`: a few thousand usual messages. A page is in memory until its reader has taken it.
const LONG_PAGE_BYTES: usize = 1024 * 1024;
/// The markup around each message, in bytes.
const AROUND: usize = 420;

/// The newest messages, and the number of older ones. The newest message is always shown.
pub(crate) fn newest(messages: &[Message]) -> (&[Message], usize) {
    newest_within(messages, BYTES)
}

/// The newest messages of at most `most` bytes in the page.
pub(crate) fn newest_within(messages: &[Message], most: usize) -> (&[Message], usize) {
    newest_of(messages, MAX, most)
}

/// The newest messages that fit into a long page.
pub(crate) fn newest_of_long_page(messages: &[Message]) -> (&[Message], usize) {
    newest_of(messages, usize::MAX, LONG_PAGE_BYTES)
}

fn newest_of(messages: &[Message], count: usize, most: usize) -> (&[Message], usize) {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take(count).take_while(|message| {
        bytes += AROUND + size(message);
        bytes <= most
    });
    let count = fitting.count().max(1).min(messages.len());
    let earlier = messages.len() - count;
    (&messages[earlier..], earlier)
}

/// The size of a message's text and media URL in the page, in bytes.
pub(crate) fn size(message: &Message) -> usize {
    let media = message.content.media().map_or("", |media| media.as_str());
    escaped(message.content.body().as_str()) + escaped(media)
}

/// The size of a text after escaping, in bytes.
pub(crate) fn escaped(text: &str) -> usize {
    text.bytes().map(escaped_byte).sum()
}

/// The beginning of a text: at most `characters`, and at most `bytes` after escaping.
pub(crate) fn beginning(text: &str, characters: usize, bytes: usize) -> &str {
    let mut sum = 0;
    let end = text.char_indices().enumerate().find(|(count, (at, character))| {
        sum += escaped(text.get(*at..at + character.len_utf8()).unwrap_or_default());
        *count == characters || sum > bytes
    });
    match end {
        None => text,
        Some((_, (at, _))) => text.get(..at).unwrap_or_default(),
    }
}

fn escaped_byte(byte: u8) -> usize {
    match byte {
        b'<' | b'>' => 4,
        b'&' => 5,
        b'"' => 6,
        _ => 1,
    }
}
