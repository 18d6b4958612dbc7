//! Which messages of a long thread are shown at first.

use ticket_domain::Message;

/// At most so many.
const MOST: usize = 50;
/// At most so many bytes as they stand in the page, so that the whole page stays below 50 KiB. There are two exceptions: a
/// single message may be longer, and whoever asks for all (`?all`) gets all, however much that is.
const BYTES: usize = 28 * 1024;
/// What stands around each message's words in the page.
const AROUND: usize = 380;

/// The newest messages, and how many older ones there are. The newest one is always shown, however long it is.
pub(crate) fn newest(messages: &[Message]) -> (&[Message], usize) {
    newest_within(messages, BYTES)
}

/// The newest messages that take so many bytes of a page.
pub(crate) fn newest_within(messages: &[Message], most: usize) -> (&[Message], usize) {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take(MOST).take_while(|message| {
        bytes += AROUND + size(message);
        bytes <= most
    });
    let count = fitting.count().max(1).min(messages.len());
    let earlier = messages.len() - count;
    (&messages[earlier..], earlier)
}

/// How many bytes a message's words take once they are escaped.
pub(crate) fn size(message: &Message) -> usize {
    let media = message.content.media().map_or("", |media| media.as_str());
    escaped(message.content.body().as_str()) + escaped(media)
}

/// How many bytes a text takes once it is escaped.
pub(crate) fn escaped(text: &str) -> usize {
    text.bytes().map(escaped_byte).sum()
}

/// The beginning of a text: at most so many characters, and at most so many bytes once it is escaped.
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
