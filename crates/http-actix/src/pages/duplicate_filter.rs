//! Rejects repetitions: the same text from one address is stored twice, then rejected for a while.
//!
//! It applies to forms only. Programs may have reasons to repeat themselves.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use ticket_domain::{IdempotencyKey, Timestamp, ports::Clock, sanitize};

use crate::access::TooMany;

/// How often the same text is stored within [`WINDOW`].
const ALLOWED: usize = 2;

/// How long a text is remembered.
const WINDOW: Duration = Duration::from_mins(10);

/// Maximum number of texts in each of two generations: about 4 MB. The oldest are forgotten first.
const MAX: usize = 10_000;

/// A text from one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Words {
    from: IpAddr,
    digest: [u8; 32],
}

/// One time that a text was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Time {
    /// The form, so that the same form counts once.
    form: [u8; 32],
    at: Timestamp,
}

/// A counted text, which is forgotten if it could not be stored.
#[must_use]
pub(crate) struct Taken(Option<(Words, Time)>);

/// Remembers the texts of each address.
pub(crate) struct DuplicateFilter {
    clock: Arc<dyn Clock>,
    window: Mutex<RecentWindow>,
}

/// Two generations; the older is forgotten when the newer is full.
#[derive(Default)]
struct RecentWindow {
    new: HashMap<Words, Vec<Time>>,
    old: HashMap<Words, Vec<Time>>,
}

impl DuplicateFilter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            window: Mutex::default(),
        }
    }

    /// Counts the words of a form from `caller`; `key` is the form's idempotency key. Without a caller, or without a key,
    /// nothing is counted.
    ///
    /// # Errors
    /// [`TooMany`] with the wait in seconds if the same words were stored [`ALLOWED`] times within [`WINDOW`].
    pub(crate) fn take(
        &self,
        caller: Option<IpAddr>,
        words: &[&str],
        key: Option<&IdempotencyKey>,
    ) -> Result<Taken, TooMany> {
        self.take_at(caller, words, key, self.clock.now())
    }

    fn take_at(
        &self,
        caller: Option<IpAddr>,
        words: &[&str],
        key: Option<&IdempotencyKey>,
        now: Timestamp,
    ) -> Result<Taken, TooMany> {
        let (Some(from), Some(key)) = (caller, key) else {
            return Ok(Taken(None));
        };
        let words = Words {
            from,
            digest: digest(words),
        };
        let time = Time {
            form: Sha256::digest(key.as_str()).into(),
            at: now,
        };
        let mut window = self.window();
        let times = window.of(words);
        // A clock that was set back must not extend the window.
        times.retain(|taken| taken.at <= now && now.since(taken.at) < WINDOW);
        if times.iter().any(|taken| taken.form == time.form) {
            return Ok(Taken(None));
        }
        if let [first, ..] = times[..]
            && times.len() >= ALLOWED
        {
            let wait = first.at.plus(WINDOW).since(now);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(TooMany { seconds });
        }
        times.push(time);
        Ok(Taken(Some((words, time))))
    }

    /// Forgets a text that could not be stored, so that it can be sent again.
    pub(crate) fn forget(&self, Taken(taken): Taken) {
        if let Some((words, time)) = taken {
            self.window().of(words).retain(|other| *other != time);
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, RecentWindow> {
        // A panic leaves a valid list of times.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecentWindow {
    /// The times of a text, moved to the new generation.
    fn of(&mut self, words: Words) -> &mut Vec<Time> {
        if self.new.len() >= MAX && !self.new.contains_key(&words) {
            self.old = std::mem::take(&mut self.new);
        }
        let before = self.old.remove(&words);
        let times = self.new.entry(words).or_default();
        times.extend(before.into_iter().flatten());
        times
    }
}

/// SHA-256 of texts as people read them: without case, repeated spaces and invisible characters.
fn digest(words: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in words {
        let folded = sanitize::line(part, None).to_lowercase();
        hash.update(folded.len().to_be_bytes());
        hash.update(folded);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SystemClock;

    fn filter() -> DuplicateFilter {
        DuplicateFilter::new(Arc::new(SystemClock))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    fn take(duplicates: &DuplicateFilter, from: u32, words: &str, form: &str, seconds: i64) -> Result<Taken, TooMany> {
        let from = std::net::Ipv4Addr::from_bits(from).into();
        let key = form.parse().unwrap();
        duplicates.take_at(Some(from), &["Bottles", words], Some(&key), at(seconds))
    }

    fn wait(taken: &Result<Taken, TooMany>) -> Option<u64> {
        taken.as_ref().err().map(|error| error.seconds)
    }

    #[test]
    fn the_third_of_the_same_texts_waits_until_the_first_is_forgotten() {
        let duplicates = filter();
        for (words, form, seconds, expected) in [
            ("Broken.", "a", 0, None),
            ("broken. ", "b", 100, None),
            ("BRO\u{200b}KEN.", "c", 200, Some(400)),
            ("broken.", "c", 599, Some(1)),
            // The same form again.
            ("Broken.", "b", 300, None),
            ("Another.", "d", 300, None),
            ("broken.", "e", 600, None),
            ("broken.", "f", 601, Some(99)),
        ] {
            assert_eq!(
                wait(&take(&duplicates, 1, words, form, seconds)),
                expected,
                "{words} {seconds}"
            );
        }
        assert_eq!(
            wait(&take(&duplicates, 2, "Broken.", "g", 601)),
            None,
            "another address"
        );
    }

    #[test]
    fn a_text_that_was_not_stored_does_not_count() {
        let duplicates = filter();
        for form in ["a", "b", "c", "d"] {
            let taken = take(&duplicates, 1, "Broken.", form, 0).ok().unwrap();
            duplicates.forget(taken);
        }
        // Nor do texts of callers who are not limited.
        for form in ["a", "b", "c", "d"] {
            let key = form.parse().unwrap();
            assert!(duplicates.take_at(None, &["x"], Some(&key), at(0)).is_ok());
        }
    }

    #[test]
    fn the_number_of_texts_is_bounded() {
        let duplicates = filter();
        assert!(take(&duplicates, 0, "x", "a", 0).is_ok() && take(&duplicates, 0, "x", "b", 0).is_ok());
        for from in 1..50_000 {
            let _ = take(&duplicates, from, "x", "a", 0);
            if from % 5_000 == 0 {
                // An address that keeps sending stays known.
                assert_eq!(wait(&take(&duplicates, 0, "x", "c", 0)), Some(600), "{from}");
            }
        }
        let window = duplicates.window();
        assert!(window.new.len() + window.old.len() <= 2 * MAX);
    }
}
