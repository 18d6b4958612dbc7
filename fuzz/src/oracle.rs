//! The rules of texts once more, as parse_naively as they can be said: what the product finds is held against this.

/// A text as it is stored: trimmed, with LF for every control character that breaks a line, and without the other ones.
pub fn tidy(raw: &str) -> String {
    let mut text = String::new();
    let mut chars = raw.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                chars.next_if_eq(&'\n');
                text.push('\n');
            }
            '\u{b}' | '\u{c}' | '\u{85}' => text.push('\n'),
            '\n' | '\t' => text.push(char),
            _ if char.is_control() => {}
            _ => text.push(char),
        }
    }
    text.trim().to_owned()
}

/// One line of at most `max` characters, if that is what `raw` holds.
pub fn line(raw: &str, max: usize) -> Option<String> {
    let is_break = |char| ['\n', '\t', '\u{2028}', '\u{2029}'].contains(&char);
    let line = tidy(raw)
        .chars()
        .map(|char| if is_break(char) { ' ' } else { char })
        .collect();
    Some(line).filter(|line: &String| (1..=max).contains(&line.chars().count()))
}

/// Prose of at most `max` characters, if that is what `raw` holds.
pub fn prose(raw: &str, max: usize) -> Option<String> {
    Some(tidy(raw)).filter(|text| (1..=max).contains(&text.chars().count()))
}

/// Whether a text has control characters other than line breaks and tabs.
pub fn has_controls(text: &str) -> bool {
    text.chars()
        .any(|char| char.is_control() && char != '\n' && char != '\t')
}

/// Whether a text has a mark by which WhatsApp formats: one that does not stand between two letters or digits.
pub fn formats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let is_inner = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_alphanumeric);
    (0..chars.len()).any(|at| {
        let is_mark = ['*', '_', '~'].contains(&chars[at]);
        chars[at] == '`' || (is_mark && !(is_inner(at.checked_sub(1)) && is_inner(Some(at + 1))))
    })
}

/// Whether a text has characters that turn the order of others around.
pub fn turns_around(text: &str) -> bool {
    text.chars()
        .any(|char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// The references in a text: every part of it that is one, tried one by one.
pub fn references(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found: Vec<String> = Vec::new();
    for from in 0..chars.len() {
        for to in from + 15..=(from + 20).min(chars.len()) {
            let (before, after) = (&chars[..from], &chars[to..]);
            let is_free = !before.last().is_some_and(|char| char.is_alphanumeric() || *char == '-')
                && !after.first().is_some_and(|char| char.is_alphanumeric())
                && !(after.first() == Some(&'-') && after.get(1).is_some_and(|char| char.is_alphanumeric()));
            if is_free && is_reference(&chars[from..to]) {
                let reference = chars[from..to].iter().collect::<String>().to_uppercase();
                if !found.contains(&reference) {
                    found.push(reference);
                }
            }
        }
    }
    found
}

fn is_reference(chars: &[char]) -> bool {
    chars.iter().enumerate().all(|(at, char)| match at {
        0 => ['t', 'T'].contains(char),
        1 | 10 => *char == '-',
        _ => char.is_ascii_digit(),
    })
}

/// The words that a search is made of, where all of it is ASCII.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}
