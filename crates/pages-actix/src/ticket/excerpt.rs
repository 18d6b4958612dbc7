//! Which messages of a long thread are shown at first.

use ticket_domain::Message;

/// At most so many.
const MOST: usize = 50;
/// At most so many bytes as they stand in the page, so that the whole page stays below 50 KiB.
const BYTES: usize = 28 * 1024;
/// What stands around each message's words in the page.
const AROUND: usize = 380;

/// The newest messages, and how many older ones there are. The newest one is always shown, however long it is.
pub(super) fn newest(messages: &[Message]) -> (&[Message], usize) {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take(MOST).take_while(|message| {
        bytes += AROUND + size(message);
        bytes <= BYTES
    });
    let count = fitting.count().max(1).min(messages.len());
    let earlier = messages.len() - count;
    (&messages[earlier..], earlier)
}

/// How many bytes a message's words take once they are escaped.
fn size(message: &Message) -> usize {
    let escaped = |byte: u8| match byte {
        b'<' | b'>' => 4,
        b'&' => 5,
        b'"' => 6,
        _ => 1,
    };
    let media = message.content.media().map_or(0, |media| media.as_str().len());
    message.content.body().as_str().bytes().map(escaped).sum::<usize>() + media
}
