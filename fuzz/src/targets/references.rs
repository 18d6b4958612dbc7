//! References in a text: what is found is what a search through every part of the text finds.

use crate::oracle;
use ticket_domain::{Typed, references_in};

pub fn run(text: &str) {
    let found: Vec<String> = references_in(text).iter().map(ToString::to_string).collect();
    assert_eq!(found, oracle::references(text));
    // An answer to a question is a number or a reference and nothing else.
    if Typed::parse(text).is_some() {
        assert!(found.len() <= 1);
    }
}
