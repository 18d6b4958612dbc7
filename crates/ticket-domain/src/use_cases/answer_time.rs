//! Tells how soon tickets are usually answered.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Timestamp,
    ports::{Clock, StoreError, TicketStore},
};

/// Answers of this time count.
const PERIOD: Duration = Duration::from_hours(24 * 30);
/// Fewer first answers than these say nothing.
const LEAST: usize = 5;
/// How long a value is used.
const LIFE: Duration = Duration::from_hours(1);
/// How long nobody else asks the store, once somebody does.
const PAUSE: Duration = Duration::from_mins(1);

/// Knows how soon tickets are usually answered. Asks the store once an hour, however many want to know.
pub struct AnswerTime {
    store: Arc<dyn TicketStore>,
    clock: Arc<dyn Clock>,
    last: Mutex<Last>,
}

/// What was read last, and when it is read again.
#[derive(Clone, Copy)]
struct Last {
    usual: Option<Duration>,
    until: Timestamp,
}

impl AnswerTime {
    /// Reads the answers in `store`.
    pub fn new(store: Arc<dyn TicketStore>, clock: Arc<dyn Clock>) -> Self {
        let last = Last {
            usual: None,
            until: Timestamp::UNIX_EPOCH,
        };
        Self {
            store,
            clock,
            last: Mutex::new(last),
        }
    }

    /// Returns the median wait for a first answer within the last 30 days; `None` with fewer than five. Who asks while
    /// another reads it gets the value from before.
    ///
    /// # Errors
    ///
    /// If the store fails. It is asked again after a minute.
    pub async fn usual(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.clock.now();
        if let Some(last) = self.known(now) {
            return Ok(last.usual);
        }
        let mut waits = self.store.first_answers(now.minus(PERIOD)).await?;
        waits.sort_unstable();
        let median = waits.get(waits.len() / 2).copied();
        let usual = median.filter(|_| waits.len() >= LEAST);
        let until = now.plus(LIFE);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last { usual, until };
        Ok(usual)
    }

    /// What was read last, while it is used; `None` if the caller is to read it.
    fn known(&self, now: Timestamp) -> Option<Last> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if now < last.until {
            return Some(*last);
        }
        last.until = now.plus(PAUSE);
        None
    }
}
