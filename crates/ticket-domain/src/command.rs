//! The words after a slash by which a manager steers the server from WhatsApp.

use crate::{MessageText, TicketRef, references_in, sanitize};

/// What a manager's text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/resolve`: marks a ticket as resolved.
    Resolve,
    /// `/reopen`: opens it again.
    Reopen,
    /// `/note …`: adds an internal note to it; `None` without a text.
    Note(Option<MessageText>),
    /// `/list`: lists open tickets.
    List,
    /// `/undo`: takes the last answer back.
    Undo,
    /// `/help`: lists these words.
    Help,
    /// Another of these words than `/note`, with words behind it that nothing could be done with.
    WithWords,
    /// A word that is none of these.
    Unknown,
}

impl Command {
    /// Reads a text that begins with a slash, in any case, and the reference behind the first word; `None` if it begins with
    /// anything else.
    pub fn parse(text: &str) -> Option<(Self, Option<TicketRef>)> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || sanitize::is_invisible(c));
        let text = text.strip_prefix(['/', '／'])?.trim_start();
        let (word, rest) = first_word(text);
        let (first, after) = first_word(rest);
        let (reference, words) = match references_in(first).as_slice() {
            [reference] => (Some(*reference), after),
            _ => (None, rest),
        };
        let word = word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let bare = match word.as_str() {
            "note" => return Some((Self::Note(words.parse().ok()), reference)),
            "resolve" => Self::Resolve,
            "reopen" => Self::Reopen,
            "list" => Self::List,
            "undo" => Self::Undo,
            "help" => Self::Help,
            _ => return Some((Self::Unknown, reference)),
        };
        let has_words = words.chars().any(char::is_alphanumeric);
        Some((if has_words { Self::WithWords } else { bare }, reference))
    }
}

/// A text up to its first white space, and what follows.
fn first_word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

/// Whether a text is nothing but emoji, such as a reaction that arrives as a message.
pub(crate) fn is_emoji(text: &str) -> bool {
    let is_joint = |c: char| matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{e0020}'..='\u{e007f}');
    let is_sign =
        |c: char| "©®‼⁉™ℹ〰〽㊗㊙".contains(c) || matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}');
    !text.trim().is_empty() && text.chars().all(|c| c.is_whitespace() || is_joint(c) || is_sign(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_alone_are_no_words() {
        for text in ["👍", "👍🏽 🙏", "❤️", "👩‍👩‍👧‍👦", "🇮🇳", "‼️", "©️ ™", "㊗️"]
        {
            assert!(is_emoji(text), "{text}");
        }
        for text in ["", " ", "ok 👍", "1", "#️", "?", "é"] {
            assert!(!is_emoji(text), "{text}");
        }
    }

    #[test]
    fn a_slash_begins_a_command() {
        let note = |text: &str| Command::Note(text.parse().ok());
        let reference: Option<TicketRef> = "T-20250115-1234".parse().ok();
        for (text, expected) in [
            ("/resolve", (Command::Resolve, None)),
            (" /Resolve. T-20250115-1234!", (Command::Resolve, reference)),
            ("／REOPEN 👍", (Command::Reopen, None)),
            ("\u{200e}/ undo", (Command::Undo, None)),
            ("/list", (Command::List, None)),
            ("/help", (Command::Help, None)),
            ("/resolve We sent a new one", (Command::WithWords, None)),
            ("/undo T-20250115-1234 now", (Command::WithWords, reference)),
            (
                "/resolve T-20250115-1234 T-20250115-5678",
                (Command::WithWords, reference),
            ),
            (
                "/note Ask Bob first.\nThen wait.",
                (note("Ask Bob first.\nThen wait."), None),
            ),
            ("/note T-20250115-1234 Ask Bob", (note("Ask Bob"), reference)),
            ("/note as T-20250115-1234", (note("as T-20250115-1234"), None)),
            ("/note", (Command::Note(None), None)),
            ("/note T-20250115-1234", (Command::Note(None), reference)),
            ("/", (Command::Unknown, None)),
            ("/resolved", (Command::Unknown, None)),
        ] {
            assert_eq!(Command::parse(text), Some(expected), "{text:?}");
        }
        for text in ["1/2", "resolve", ""] {
            assert_eq!(Command::parse(text), None, "{text:?}");
        }
    }
}
