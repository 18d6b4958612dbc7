//! When a form was shown, proved by the process that showed it: whoever fills it in within a breath is a program.
//!
//! A form without a stamp is taken: plain forms on other people's sites have none. So is one that this process did not
//! make, since another replica may have shown the form.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use ticket_domain::{Timestamp, ports::Random};

/// The hidden field that it stands in.
pub(crate) const FIELD: &str = "shown";

/// Nobody fills in six fields faster than this.
pub(crate) const AT_LEAST: Duration = Duration::from_secs(3);

/// Makes stamps, and reads its own.
pub(crate) struct Stamps {
    key: SecretBox<[u8; 64]>,
}

impl Stamps {
    pub(crate) fn new(random: &dyn Random) -> Self {
        // A block of SHA-256.
        let mut key = Box::new([0; 64]);
        random.fill(&mut *key);
        Self {
            key: SecretBox::new(key),
        }
    }

    /// The stamp of a form that is shown at `now`: Unix microseconds, a dot, and their HMAC-SHA256.
    pub(crate) fn at(&self, now: Timestamp) -> String {
        let time = now.unix_micros().to_string();
        let code = self.code(&time);
        format!("{time}.{code}")
    }

    /// The stamp for a form that comes back with `given`: when it was first shown, or now.
    pub(crate) fn of(&self, given: &str, now: Timestamp) -> String {
        let shown = self.read(given).filter(|shown| *shown <= now);
        self.at(shown.unwrap_or(now))
    }

    /// Whether a form with this stamp comes sooner than people send one. A clock that was set back tells nothing.
    pub(crate) fn is_too_soon(&self, given: &str, now: Timestamp) -> bool {
        let shown = self.read(given).filter(|shown| *shown <= now);
        shown.is_some_and(|shown| now.since(shown) < AT_LEAST)
    }

    fn read(&self, given: &str) -> Option<Timestamp> {
        let (time, code) = given.split_once('.')?;
        let is_ours: bool = self.code(time).as_bytes().ct_eq(code.as_bytes()).into();
        let micros = time.parse().ok().filter(|_| is_ours)?;
        Timestamp::from_unix_micros(micros).ok()
    }

    fn code(&self, time: &str) -> String {
        let mac = Hmac::<Sha256>::new(self.key.expose_secret().into()).chain_update(time);
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);

    impl Random for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_micros(millis * 1_000).unwrap()
    }

    #[test]
    fn three_seconds_are_enough_and_a_form_that_comes_back_keeps_its_time() {
        let stamps = Stamps::new(&Always(1));
        let stamp = stamps.at(at(10_000));
        assert!(stamps.is_too_soon(&stamp, at(10_000)) && stamps.is_too_soon(&stamp, at(12_999)));
        assert!(!stamps.is_too_soon(&stamp, at(13_000)));
        let again = stamps.of(&stamp, at(11_000));
        assert!(stamps.is_too_soon(&again, at(12_999)) && !stamps.is_too_soon(&again, at(13_000)));
    }

    #[test]
    fn what_it_did_not_make_tells_nothing() {
        let stamps = Stamps::new(&Always(1));
        let stamp = stamps.at(at(10_000));
        let (time, code) = stamp.split_once('.').unwrap();
        let others = Stamps::new(&Always(2)).at(at(10_000));
        for unreadable in [
            "",
            ".",
            time,
            &format!("{time}."),
            &format!("1{time}.{code}"),
            &format!("{time}.{code}x"),
            &others,
        ] {
            assert!(!stamps.is_too_soon(unreadable, at(10_001)), "{unreadable}");
            assert_eq!(stamps.of(unreadable, at(10_001)), stamps.at(at(10_001)));
        }
        // The clock was set back.
        assert!(!stamps.is_too_soon(&stamp, at(9_000)));
        assert_eq!(stamps.of(&stamp, at(9_000)), stamps.at(at(9_000)));
    }
}
