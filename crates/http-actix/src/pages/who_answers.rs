//! Who answers, and how soon: a sentence on the customers' pages.

use std::{sync::Arc, time::Duration};

use ticket_domain::{texts, use_cases::AnswerTime};
use tokio::time::timeout;

use crate::access::log_store_failure;

/// How long a page waits for the store. It does without the sentence then.
const LIMIT: Duration = Duration::from_secs(1);

/// Knows who answers, and how soon.
pub(crate) struct WhoAnswers {
    name: Option<String>,
    time: Arc<AnswerTime>,
}

impl WhoAnswers {
    /// `name` is that of who answers, if customers may know it.
    pub(crate) fn new(name: Option<String>, time: Arc<AnswerTime>) -> Self {
        Self { name, time }
    }

    /// The sentence, if there is anything to tell.
    pub(crate) async fn sentence(&self) -> Option<String> {
        let usual = timeout(LIMIT, self.time.usual()).await.unwrap_or(Ok(None));
        let usual = usual.unwrap_or_else(|error| {
            log_store_failure(&error);
            None
        });
        texts::who_answers(self.name.as_deref(), usual)
    }
}
