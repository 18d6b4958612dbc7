//! An operator's session: a signed cookie, so that the server keeps no state.
//!
//! The cookie is `end.nonce.mac`: the end in seconds since 1970, 16 random bytes, and the HMAC-SHA256 of both, keyed with the
//! token it was opened with. During a rotation sessions of both tokens are valid; removing a token ends its sessions.

use std::time::Duration;

use actix_web::{HttpRequest, http::header::COOKIE};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use ticket_domain::{Actor, Timestamp, ports::Random};
use zeroize::Zeroizing;

use crate::access::OperatorToken;

/// How long a session lasts.
const LIFE: Duration = Duration::from_hours(7 * 24);

/// The cookie's name. Pages that were loaded over http can't set a cookie with this prefix.
fn name(is_https: bool) -> &'static str {
    if is_https { "__Secure-session" } else { "session" }
}

/// A valid session.
#[derive(Clone)]
pub(super) struct Session {
    /// Seconds since 1970.
    ends_at: u64,
    /// The cookie's value.
    value: String,
    /// The operator.
    actor: Actor,
}

impl Session {
    /// Starts a session for an operator's token.
    pub(super) fn begin(token: &OperatorToken, now: Timestamp, random: &dyn Random) -> Self {
        let ends_at = seconds(now.plus(LIFE));
        let claim = format!("{ends_at}.{:032x}", u128::from_be_bytes(random.bytes()));
        Self {
            ends_at,
            value: format!("{claim}.{}", code(&token.secret, &claim)),
            actor: token.actor(),
        }
    }

    /// The session of a request, if one of its cookies is valid at `now`.
    pub(super) fn of<'t>(
        request: &HttpRequest,
        is_https: bool,
        mut tokens: impl Iterator<Item = &'t OperatorToken>,
        now: Timestamp,
    ) -> Option<Self> {
        let name = name(is_https);
        tokens.find_map(|token| {
            let headers = request.headers().get_all(COOKIE);
            headers
                .filter_map(|header| header.to_str().ok())
                .flat_map(|header| header.split(';'))
                .filter_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
                .find_map(|value| Self::read(value, token, now))
        })
    }

    fn read(value: &str, token: &OperatorToken, now: Timestamp) -> Option<Self> {
        let (claim, given) = value.rsplit_once('.')?;
        if !is_equal(&code(&token.secret, claim), given) {
            return None;
        }
        let (ends_at, _) = claim.split_once('.')?;
        let ends_at = ends_at.parse().ok().filter(|ends_at| *ends_at > seconds(now))?;
        Some(Self {
            ends_at,
            value: value.to_owned(),
            actor: token.actor(),
        })
    }

    /// The operator.
    pub(super) fn actor(&self) -> Actor {
        self.actor
    }

    /// The `Set-Cookie` header of the session, for `path` and everything below.
    pub(super) fn cookie(&self, path: &str, is_https: bool) -> String {
        set_cookie(&self.value, path, is_https, LIFE.as_secs())
    }

    /// The `Set-Cookie` header that removes the cookie.
    pub(super) fn no_cookie(path: &str, is_https: bool) -> String {
        set_cookie("", path, is_https, 0)
    }

    /// The time until the session ends.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        Duration::from_secs(self.ends_at.saturating_sub(seconds(now)))
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.unix_micros() / 1_000_000).unwrap_or_default()
}

fn set_cookie(value: &str, path: &str, is_https: bool, max_age: u64) -> String {
    let name = name(is_https);
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")
}

/// HMAC-SHA256 in 43 letters (base64url). The key is the token's SHA-256, which fits into a block however long it is.
fn code(token: &SecretString, claim: &str) -> String {
    let mut key = Zeroizing::new([0; 64]);
    key[..32].copy_from_slice(&Sha256::digest(token.expose_secret()));
    let mac = Hmac::<Sha256>::new((&*key).into())
        .chain_update("inbox session\0")
        .chain_update(claim)
        .finalize()
        .into_bytes();
    BASE64_URL_SAFE_NO_PAD.encode(mac)
}

/// Compares in constant time.
fn is_equal(right: &str, given: &str) -> bool {
    right.as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn token() -> OperatorToken {
        "the-operators-token".into()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn begun() -> Session {
        Session::begin(&token(), at(1_000), &Zeros)
    }

    fn is_good(value: &str, token: &OperatorToken, now: Timestamp) -> bool {
        Session::read(value, token, now).is_some()
    }

    #[test]
    fn a_session_lasts_for_seven_days() {
        let session = begun();
        let end = 1_000 + 7 * 24 * 3_600;
        assert!(is_good(&session.value, &token(), at(1_000)));
        assert!(is_good(&session.value, &token(), at(end - 1)));
        assert!(!is_good(&session.value, &token(), at(end)));
        assert_eq!(session.left(at(end - 5)), Duration::from_secs(5));
        assert_eq!(session.left(at(end + 5)), Duration::ZERO);
    }

    #[test]
    fn a_session_cannot_be_forged_or_extended() {
        let session = begun();
        let (claim, mac) = session.value.rsplit_once('.').unwrap();
        let (end, nonce) = claim.split_once('.').unwrap();
        let later = end.parse::<u64>().unwrap() + 1;
        for (wrong, what) in [
            (String::new(), "nothing"),
            (claim.to_owned(), "no mac"),
            (format!("{claim}."), "an empty mac"),
            (format!("{later}.{nonce}.{mac}"), "a later end"),
            (format!("{end}.{}.{mac}", nonce.replace('0', "1")), "another nonce"),
            (format!("{claim}.{}", mac.to_uppercase()), "upper case"),
            (format!("{claim}.{mac}0"), "more at its end"),
            (format!("0{}", session.value), "more at its beginning"),
        ] {
            assert!(!is_good(&wrong, &token(), at(1_000)), "{what}");
        }
        for position in 0..mac.len() {
            let mut bytes = mac.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'0' { b'1' } else { b'0' };
            let wrong = format!("{claim}.{}", String::from_utf8(bytes).unwrap());
            assert!(!is_good(&wrong, &token(), at(1_000)), "{position}");
        }
        assert!(!is_good(&session.value, &"another-token".into(), at(1_000)));
    }

    #[test]
    fn it_is_found_among_other_cookies() {
        let value = begun().value;
        for (headers, expected) in [
            (vec![format!("session={value}")], true),
            (vec![format!("a=b; session={value};c=d")], true),
            (vec!["session=old".into(), format!("x=y; session={value}")], true),
            (vec![format!("mysession={value}")], false),
            (vec![format!("session2={value}")], false),
            (vec![], false),
        ] {
            let request = headers.iter().fold(TestRequest::default(), |request, header| {
                request.append_header((COOKIE, header.as_str()))
            });
            let request = request.to_http_request();
            let found = |is_https| Session::of(&request, is_https, [token()].iter(), at(1_000)).is_some();
            assert_eq!(found(false), expected, "{headers:?}");
            // Without the prefix it may come from a page over http.
            assert!(!found(true), "{headers:?}");
        }
    }
}
