//! Keys of callers: of n8n and of operators.

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use ticket_domain::{Actor, OperatorName};

/// A key's SHA-256. Comparing digests takes the same time wherever two keys differ.
struct KeyDigest([u8; 32]);

impl KeyDigest {
    fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

/// A token that opens the inbox and the operator API.
#[derive(Debug, Clone)]
pub struct OperatorToken {
    /// Whose it is. The audit log names them.
    pub name: Option<OperatorName>,
    /// The secret.
    pub secret: SecretString,
}

impl OperatorToken {
    /// The operator with this token.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Operator(self.name)
    }
}

impl From<&str> for OperatorToken {
    fn from(secret: &str) -> Self {
        Self {
            name: None,
            secret: secret.into(),
        }
    }
}

/// Keys, each with what it opens.
struct Opens<T>(Vec<(KeyDigest, T)>);

impl<T> Opens<T> {
    /// Hashes keys. Empty ones are ignored.
    fn new<'k>(keys: impl Iterator<Item = (&'k SecretString, T)>) -> Self {
        let digest = |(key, opens): (&SecretString, T)| {
            let key = key.expose_secret();
            (!key.is_empty()).then(|| (KeyDigest::of(key.as_bytes()), opens))
        };
        Self(keys.filter_map(digest).collect())
    }

    /// What `given` opens. Always compares with all keys.
    fn find(&self, given: &[u8]) -> Option<&T> {
        let given = KeyDigest::of(given);
        self.0.iter().fold(None, |found, (key, opens)| {
            let is_this = bool::from(key.0.ct_eq(&given.0));
            found.or(is_this.then_some(opens))
        })
    }
}

/// All keys.
pub(crate) struct Keys {
    inbound: Opens<()>,
    operators: Opens<OperatorToken>,
}

impl Keys {
    pub(crate) fn new(inbound: &[SecretString], operators: &[OperatorToken]) -> Self {
        Self {
            inbound: Opens::new(inbound.iter().map(|key| (key, ()))),
            operators: Opens::new(operators.iter().map(|token| (&token.secret, token.clone()))),
        }
    }

    pub(crate) fn is_inbound(&self, given: &[u8]) -> bool {
        self.inbound.find(given).is_some()
    }

    /// The operator token that `given` is.
    pub(crate) fn operator_token(&self, given: &[u8]) -> Option<&OperatorToken> {
        self.operators.find(given)
    }
}

/// The only value of a header; none if there are none or several.
fn only<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r HeaderValue> {
    let mut values = request.headers().get_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// The value of `x-api-key`; empty if there is none.
pub(crate) fn api_key(request: &HttpRequest) -> &[u8] {
    only(request, "x-api-key").map_or(&b""[..], HeaderValue::as_bytes)
}

/// The token in `Authorization: Bearer`.
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
            &[
                "".into(),
                "one".into(),
                OperatorToken {
                    name: "Zoë".parse().ok(),
                    ..OperatorToken::from("two")
                },
            ],
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
            ("one", Some("operator")),
            ("two", Some("operator:Zoë")),
            ("", None),
            ("old", None),
            ("one,two", None),
        ] {
            let operator = keys
                .operator_token(given.as_bytes())
                .map(|token| token.actor().to_string());
            assert_eq!(operator.as_deref(), expected, "{given}");
        }
        assert!(!Keys::new(&[], &[]).is_inbound(b""));
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
