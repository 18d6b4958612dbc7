//! Looking for words.

use icu_normalizer::DecomposingNormalizerBorrowed;
use ticket_domain::SearchText;

/// What somebody looks for: whole words, and a last one that may only be begun.
pub(super) struct Words {
    whole: Vec<String>,
    begun: Option<String>,
}

impl Words {
    pub(super) fn of(text: &SearchText) -> Self {
        let mut whole = words(text.as_str());
        let begun = whole.pop();
        Self { whole, begun }
    }

    /// Whether `text` has all of them. Without any word nothing is found.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let there = words(text);
        let is_begun = |begun: &String| there.iter().any(|word| word.starts_with(begun));
        self.begun.as_ref().is_some_and(is_begun) && self.whole.iter().all(|word| there.contains(word))
    }
}

/// The words of a text, without case and accents.
fn words(text: &str) -> Vec<String> {
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    let is_accent = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
    let plain: String = decomposed.chars().filter(|c| !is_accent(*c)).collect();
    let words = plain.to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
