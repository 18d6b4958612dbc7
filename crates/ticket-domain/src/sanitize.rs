//! What customers wrote, as it may stand in a message of ours: a telephone shows that message as the desk's own words.
//!
//! The API gives texts back as they were written. Only what is composed of them goes through here.

use icu_properties::{CodePointMapData, props::GeneralCategory};

use crate::{TicketRef, reference::hide_references};

/// Stands for a text of which nothing can be seen.
const NOTHING: &str = "[no visible text]";

/// One line that cannot be taken for anything of ours: nothing in it formats, runs backwards or hides, and it names no
/// ticket but `own`.
pub fn line(text: &str, own: Option<TicketRef>) -> String {
    let seen = visible(text);
    let folded = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    something(hide_references(&escape_whatsapp_markup(&folded), own))
}

/// A text of several lines, word for word, in which nothing runs backwards and no ticket is named but `own`.
pub fn prose(text: &str, own: Option<TicketRef>) -> String {
    let is_override = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    something(hide_references(&text.replace(is_override, ""), own))
}

fn something(text: String) -> String {
    if is_blank(&text) { NOTHING.into() } else { text }
}

/// At most `max` characters. A reference that would be cut off is left out: its first digits are another ticket's.
pub fn cut(text: String, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text;
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", without_partial_reference(&kept))
}

/// The text without a reference at its end that may have been cut off.
pub(crate) fn without_partial_reference(kept: &str) -> &str {
    let tail = kept.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit());
    let is_reference = kept[tail.len()..].starts_with('-') && tail.ends_with(['t', 'T']);
    if is_reference { &tail[..tail.len() - 1] } else { kept }
}

/// The signs by which WhatsApp formats, shown by others that look the same; in a link by their codes, so that it still
/// leads where it led. Between two letters or digits they do nothing, and stay.
pub fn escape_whatsapp_markup(text: &str) -> String {
    // As most texts are.
    if !text.contains(['*', '_', '~', '`']) {
        return text.to_owned();
    }
    let is_edge = |other: Option<char>| !other.is_some_and(|c| c.is_ascii_alphanumeric());
    let mut sanitize = String::with_capacity(text.len());
    let (mut before, mut is_link) = (None, false);
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        is_link = if is_space(c) {
            false
        } else {
            is_link || rest.starts_with("http://") || rest.starts_with("https://")
        };
        let works = c == '`' || is_edge(before) || is_edge(rest.chars().nth(1));
        match alike(c).filter(|_| works) {
            Some((_, code)) if is_link => sanitize.push_str(code),
            Some((shown, _)) => sanitize.push(shown),
            None => sanitize.push(c),
        }
        before = Some(c);
    }
    sanitize
}

/// What is shown for a mark, and what it is in a link.
fn alike(mark: char) -> Option<(char, &'static str)> {
    Some(match mark {
        '*' => ('∗', "%2A"),
        '_' => ('ˍ', "%5F"),
        '~' => ('∼', "%7E"),
        '`' => ('ˋ', "%60"),
        _ => return None,
    })
}

/// White space as JavaScript has it, where the workflow does the same.
fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// The value of a decimal digit of any script.
pub fn decimal_digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    let category = CodePointMapData::<GeneralCategory>::new();
    let is_digit = |c: &char| category.get(*c) == GeneralCategory::DecimalNumber;
    if !is_digit(&c) {
        return None;
    }
    // Unicode has them in runs of ten, each from zero to nine.
    let before = ('\0'..c).rev().take_while(is_digit).count();
    u8::try_from(before % 10).ok()
}

/// Whether nothing of a text can be seen.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// A text without what cannot be seen. What joins two signs of an emoji, or of a script beyond ASCII, stays.
pub(crate) fn visible(text: &str) -> String {
    if !text.contains(is_invisible) {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let before = kept.chars().next_back();
        let next = rest.peek().copied();
        let stays = match c {
            // Persian joins and parts letters so, emoji make families of it.
            '\u{200c}' | '\u{200d}' => {
                let is_joined = |c: char| !c.is_ascii() && !c.is_whitespace() && !is_invisible(c);
                before.is_some_and(|c| is_joined(c) || c == '\u{fe0f}') && next.is_some_and(is_joined)
            }
            // In colour, or on a key.
            '\u{fe0f}' => {
                before.is_some_and(|c| !c.is_ascii() && !c.is_whitespace() && !is_invisible(c))
                    || (before.is_some() && next == Some('\u{20e3}'))
            }
            c => !is_invisible(c),
        };
        if stays {
            kept.push(c);
        }
    }
    kept
}

/// Takes no room, shows nothing, or makes what follows run the other way: what Unicode lets programs ignore, the marks of
/// direction, and letters that are blank.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::references_in;

    fn own() -> TicketRef {
        "T-20250115-1234".parse().unwrap()
    }

    #[test]
    fn a_line_formats_nothing_and_hides_nothing() {
        for (text, expected) in [
            ("Zoë 🦊", "Zoë 🦊"),
            ("*a* _b_ ~c~ `d`", "∗a∗ ˍbˍ ∼c∼ ˋdˋ"),
            ("*URGENT*@evil.example", "∗URGENT∗@evil.example"),
            ("*a@b.c … d@e.f*", "∗a@b.c … d@e.f∗"),
            ("john_doe@example.com", "john_doe@example.com"),
            ("é*b*é", "é∗b∗é"),
            ("https://x.example/a_b/*c*", "https://x.example/a_b/%2Ac%2A"),
            ("(http://x/_y_) _z_", "(http://x/%5Fy%5F) ˍzˍ"),
            (" a\u{202e}b\u{200b}c\u{2028}d  e ", "abc d e"),
            (
                "مى\u{200c}خواهم 👩\u{200d}🔧 ❤\u{fe0f}\u{200d}🔥 2\u{fe0f}\u{20e3}",
                "مى\u{200c}خواهم 👩\u{200d}🔧 ❤\u{fe0f}\u{200d}🔥 2\u{fe0f}\u{20e3}",
            ),
            ("a\u{200d}b 👩\u{200d}\u{200d}🔧 x\u{fe0f}", "ab 👩\u{200d}🔧 x"),
            ("\u{2800}\u{3164}\u{e0041}", NOTHING),
        ] {
            assert_eq!(line(text, None), expected, "{text:?}");
        }
    }

    #[test]
    fn only_its_own_ticket_is_named() {
        for (text, expected) in [
            ("see T-20250115-1234.", "see T-20250115-1234."),
            ("see t-20250115-9999", "see t‑20250115‑9999"),
            ("T-2025\u{202a}0115-9999", "T‑20250115‑9999"),
            // What is no reference now may become one when its end is cut off.
            ("T-20250115-1234-56", "T‑20250115‑1234-56"),
            ("xT-20250115-99991", "xT‑20250115‑99991"),
            ("\u{202c}", NOTHING),
            ("a\n*b*", "a\n*b*"),
        ] {
            assert_eq!(prose(text, Some(own())), expected, "{text:?}");
        }
        assert_eq!(line("T-2025\u{200b}0115-9999", Some(own())), "T‑20250115‑9999");
    }

    #[test]
    fn what_is_cut_ends_with_no_part_of_a_reference() {
        let text = || "see T-20250115-12345 now".to_owned();
        assert_eq!(cut(text(), 24), text());
        for (max, expected) in [
            (23, "see T-20250115-12345 n…"),
            (20, "see …"),
            (7, "see …"),
            (5, "see …"),
            (3, "se…"),
        ] {
            assert_eq!(cut(text(), max), expected, "{max}");
        }
        assert_eq!(cut("room 12345".into(), 8), "room 12…");
    }

    #[test]
    fn a_digit_of_any_script_has_its_value() {
        for digits in [
            "0123456789",
            "٠١٢٣٤٥٦٧٨٩",
            "०१२३४५६७८९",
            "０１２３４５６７８９",
            "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡",
            "𝟶𝟷𝟸𝟹𝟺𝟻𝟼𝟽𝟾𝟿",
        ] {
            let values: Vec<_> = digits.chars().map(decimal_digit).collect();
            assert_eq!(values, (0..10).map(Some).collect::<Vec<_>>(), "{digits}");
        }
        for other in ['a', '²', '½', '①', '一', 'Ⅳ', ' '] {
            assert_eq!(decimal_digit(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_names_another_ticket(text in "([Tt]-2025011[0-9]-[0-9]{3,11}|[-x \u{200b}\u{202e}*٣]|T-20250115-1234){0,6}", max in 1_usize..60) {
            for shown in [line(&text, Some(own())), prose(&text, Some(own()))] {
                for part in [shown.clone(), cut(shown, max)] {
                    prop_assert!(references_in(&part).iter().all(|found| *found == own()), "{part}");
                }
            }
        }

        #[test]
        fn a_line_is_one_line_and_without_what_is_not_seen(text in any::<String>()) {
            let line = line(&text, None);
            let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}');
            prop_assert!(!line.contains(['\n', '\u{2028}', '`']), "{line:?}");
            prop_assert!(!line.is_empty());
            prop_assert!(!line.chars().any(|c| is_invisible(c) && !joins(c)), "{line:?}");
        }
    }
}
