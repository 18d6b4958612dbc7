//! Keys that callers show: n8n's, and the operators'.

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A key's SHA-256. Comparing digests takes the same time wherever, and however much, two keys differ.
struct KeyDigest([u8; 32]);

impl KeyDigest {
    fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

/// The keys that open what is protected.
pub(crate) struct Keys {
    inbound: Vec<KeyDigest>,
    operator: Vec<KeyDigest>,
}

impl Keys {
    /// An empty key opens nothing.
    pub(crate) fn new(inbound: &[SecretString], operator: &[SecretString]) -> Self {
        let digests = |keys: &[SecretString]| {
            keys.iter()
                .map(ExposeSecret::expose_secret)
                .filter(|key| !key.is_empty())
                .map(|key| KeyDigest::of(key.as_bytes()))
                .collect()
        };
        Self {
            inbound: digests(inbound),
            operator: digests(operator),
        }
    }

    pub(crate) fn is_inbound(&self, given: &[u8]) -> bool {
        is_one_of(given, &self.inbound)
    }

    pub(crate) fn is_operator(&self, given: &[u8]) -> bool {
        is_one_of(given, &self.operator)
    }
}

/// Whether `given` is one of `keys`. Always compares with each.
fn is_one_of(given: &[u8], keys: &[KeyDigest]) -> bool {
    let given = KeyDigest::of(given);
    let found = keys
        .iter()
        .fold(Choice::from(0), |found, key| found | key.0.ct_eq(&given.0));
    found.into()
}

/// The only value of a header; none if it is absent or stands there twice.
fn only<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r HeaderValue> {
    let mut values = request.headers().get_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// The key that n8n shows; empty if there is none.
pub(crate) fn api_key(request: &HttpRequest) -> &[u8] {
    only(request, "x-api-key").map_or(&b""[..], HeaderValue::as_bytes)
}

/// The token that stands behind `Authorization: Bearer`.
pub(crate) fn bearer(request: &HttpRequest) -> Option<&[u8]> {
    let value = only(request, AUTHORIZATION.as_str())?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_key_is_one_of_a_few() {
        let keys = Keys::new(
            &["old".into(), String::new().into(), "new".into()],
            &["".into(), "one".into(), "two".into()],
        );
        for (given, expected) in [
            ("old", true),
            ("new", true),
            ("", false),
            ("ol", false),
            ("OLD", false),
            ("oldnew", false),
        ] {
            assert_eq!(keys.is_inbound(given.as_bytes()), expected, "{given}");
        }
        for (given, expected) in [
            ("one", true),
            ("two", true),
            ("", false),
            ("old", false),
            ("one,two", false),
        ] {
            assert_eq!(keys.is_operator(given.as_bytes()), expected, "{given}");
        }
        assert!(!is_one_of(b"", &[]));
    }

    #[test]
    fn a_token_is_read_after_its_scheme() {
        for (value, expected) in [
            ("Bearer abc", Some(&b"abc"[..])),
            ("bearer  abc ", Some(b"abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("abc", None),
        ] {
            let request = TestRequest::default()
                .insert_header((AUTHORIZATION, value))
                .to_http_request();
            assert_eq!(bearer(&request), expected, "{value}");
        }
        let twice = TestRequest::default()
            .append_header((AUTHORIZATION, "Bearer a"))
            .append_header((AUTHORIZATION, "Bearer b"))
            .to_http_request();
        assert_eq!(bearer(&twice), None);
    }
}
