//! What makes sending a form twice harmless.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use ticket_domain::{IdempotencyKey, ports::Random};

use crate::pages::form_data::FormData;

/// The hidden field that tells one filling-in of a form from another.
pub(crate) const FIELD: &str = "idempotencyKey";

/// The form's own mark: what it came with, or a new one if it came with none that can be used.
pub(crate) fn mark(form: &FormData, random: &dyn Random) -> String {
    match form.get(FIELD).parse::<IdempotencyKey>() {
        Ok(mark) => mark.to_string(),
        Err(_) => new_mark(random),
    }
}

/// A mark for a form that is shown for the first time.
pub(crate) fn new_mark(random: &dyn Random) -> String {
    format!("{:032x}", u128::from_be_bytes(random.bytes()))
}

/// The key under which the form's content is stored: of the mark *and* the content. The same form with the same words,
/// sent twice, reloaded or sent again after going back, is one and the same. With other words it is another, which is
/// what somebody expects who went back, wrote something else and pressed the button.
pub(crate) fn key(mark: &str, content: &[&[u8]]) -> Option<IdempotencyKey> {
    let mut hash = Sha256::new();
    for part in [mark.as_bytes()].iter().chain(content) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    // Base64 is printable ASCII.
    format!("form-{}", BASE64_STANDARD.encode(hash.finalize())).parse().ok()
}
