//! Who hears of changes in this process.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
};

use ticket_domain::ports::{ChangeEvent, Subscriber};

/// Those who subscribed.
#[derive(Default)]
pub(crate) struct Subscribers(RwLock<Arc<[Arc<dyn Subscriber>]>>);

impl Subscribers {
    /// Adds a subscriber.
    pub(crate) fn add(&self, subscriber: Arc<dyn Subscriber>) {
        let mut subscribers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *subscribers = subscribers.iter().cloned().chain([subscriber]).collect();
    }

    /// Publishes what has been committed. A subscriber that panics keeps no other from hearing it.
    pub(crate) fn publish(&self, events: &[ChangeEvent]) {
        let subscribers = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for &event in events {
            for subscriber in &*subscribers {
                if catch_unwind(AssertUnwindSafe(|| subscriber.on_change(event))).is_err() {
                    tracing::error!("a subscriber to changes panicked");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::resume_unwind, sync::Mutex};

    use super::*;

    #[test]
    fn a_subscriber_that_panics_keeps_no_other_from_hearing() {
        struct Panicking;
        impl Subscriber for Panicking {
            fn on_change(&self, _: ChangeEvent) {
                resume_unwind(Box::new("a bug in a subscriber"));
            }
        }
        #[derive(Default)]
        struct Heard(Mutex<Vec<ChangeEvent>>);
        impl Subscriber for Heard {
            fn on_change(&self, event: ChangeEvent) {
                self.0.lock().unwrap().push(event);
            }
        }
        let (subscribers, heard) = (Subscribers::default(), Arc::new(Heard::default()));
        subscribers.add(Arc::new(Panicking));
        subscribers.add(heard.clone());
        subscribers.publish(&[ChangeEvent::Unmatched, ChangeEvent::Resync]);
        assert_eq!(*heard.0.lock().unwrap(), [ChangeEvent::Unmatched, ChangeEvent::Resync]);
    }
}
