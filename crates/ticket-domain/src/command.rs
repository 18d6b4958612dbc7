//! The words after a slash by which a manager steers the server from WhatsApp.

use crate::{MessageText, references_in, sanitize};

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
    /// A word that is none of these.
    Unknown,
}

impl Command {
    /// Reads a text that begins with a slash, in any case; `None` if it begins with anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || sanitize::is_invisible(c));
        let text = text.strip_prefix(['/', '／'])?.trim_start();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let word = word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        Some(match word.as_str() {
            "resolve" => Self::Resolve,
            "reopen" => Self::Reopen,
            "note" => Self::Note(note(rest)),
            "list" => Self::List,
            "undo" => Self::Undo,
            "help" => Self::Help,
            _ => Self::Unknown,
        })
    }
}

/// Whether a text is nothing but emoji, such as a reaction that arrives as a message.
pub(crate) fn is_emoji(text: &str) -> bool {
    let is_sign = |c: char| matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{e0020}'..='\u{e007f}');
    !text.trim().is_empty() && text.chars().all(|c| c.is_whitespace() || is_sign(c))
}

/// The text of a note, without the reference that says which ticket it is for.
fn note(rest: &str) -> Option<MessageText> {
    let rest = rest.trim();
    let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let is_reference = references_in(first).len() == 1;
    if is_reference { after } else { rest }.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_alone_are_no_words() {
        for text in ["👍", "👍🏽 🙏", "❤️", "👩‍👩‍👧‍👦", "🇮🇳"] {
            assert!(is_emoji(text), "{text}");
        }
        for text in ["", " ", "ok 👍", "1", "#️", "?", "é"] {
            assert!(!is_emoji(text), "{text}");
        }
    }

    #[test]
    fn a_slash_begins_a_command() {
        let note = |text: &str| Some(Command::Note(text.parse().ok()));
        for (text, expected) in [
            ("/resolve", Some(Command::Resolve)),
            (" /Resolve. T-20250115-1234", Some(Command::Resolve)),
            ("／REOPEN", Some(Command::Reopen)),
            ("\u{200e}/ undo", Some(Command::Undo)),
            ("/list", Some(Command::List)),
            ("/help", Some(Command::Help)),
            ("/note Ask Bob first.\nThen wait.", note("Ask Bob first.\nThen wait.")),
            ("/note T-20250115-1234 Ask Bob", note("Ask Bob")),
            ("/note", Some(Command::Note(None))),
            ("/note T-20250115-1234", Some(Command::Note(None))),
            ("/", Some(Command::Unknown)),
            ("/resolved", Some(Command::Unknown)),
            ("1/2", None),
            ("resolve", None),
            ("", None),
        ] {
            assert_eq!(Command::parse(text), expected, "{text:?}");
        }
    }
}
