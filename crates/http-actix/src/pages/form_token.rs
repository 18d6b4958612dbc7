//! The token of a form, which makes it safe to send it twice.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use ticket_domain::{IdempotencyKey, ports::Random};

use crate::pages::form_data::FormData;

/// The hidden field with the token.
pub(crate) const FIELD: &str = "idempotencyKey";

/// The token of a form, or a new one if it is missing or invalid.
pub(crate) fn of(form: &FormData, random: &dyn Random) -> String {
    given(form).unwrap_or_else(|| new(random))
}

/// The token of a form, if it has a valid one.
pub(crate) fn given(form: &FormData) -> Option<String> {
    let token = form.get(FIELD).parse::<IdempotencyKey>().ok()?;
    Some(token.to_string())
}

/// A token for a new form.
pub(crate) fn new(random: &dyn Random) -> String {
    format!("{:032x}", u128::from_be_bytes(random.bytes()))
}

/// The idempotency key of a form: a hash of its token *and* its content. The same form with the same content is stored once,
/// also after a reload or going back. With other content it is stored again: somebody went back and wrote something else.
pub(crate) fn idempotency_key(token: &str, content: &[&[u8]]) -> Option<IdempotencyKey> {
    let mut hash = Sha256::new();
    for part in [token.as_bytes()].iter().chain(content) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    // Base64 is printable ASCII.
    format!("form-{}", BASE64_STANDARD.encode(hash.finalize())).parse().ok()
}
