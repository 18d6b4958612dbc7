//! The line above each page: what needs an operator's attention.

use std::time::Duration;

use maud::{Markup, html};
use ticket_domain::{
    Attention, Timestamp,
    ports::{StoreError, Vitals},
};

use super::{age::since, auth::Operator, filter::Filter};

/// A notification that waits longer is shown.
const LONG: Duration = Duration::from_mins(5);

/// The counts for the head of each page.
pub(super) struct Counts {
    attention: Attention,
    vitals: Vitals,
}

impl Counts {
    pub(super) async fn read(operator: &Operator) -> Result<Self, StoreError> {
        let Operator {
            operate, health, now, ..
        } = operator;
        let (attention, vitals) = tokio::try_join!(operate.attention(), health.vitals(*now))?;
        Ok(Self { attention, vitals })
    }

    /// Tickets that await an answer, up to the maximum that is counted.
    pub(super) fn waiting(&self) -> u64 {
        self.attention.awaiting_manager.into()
    }

    pub(super) fn unmatched(&self) -> u64 {
        self.vitals.unmatched
    }

    /// Notifications that wait for an operator.
    pub(super) fn stuck(&self) -> u64 {
        self.vitals.dead + self.vitals.held
    }

    pub(super) fn failed(&self) -> u64 {
        self.vitals.dead
    }

    /// The time of the oldest waiting notification, if it waits for long or has no receiver.
    fn delayed(&self, operator: &Operator) -> Option<Timestamp> {
        let oldest = self.vitals.oldest_waiting?;
        let is_long = operator.now.since(oldest) >= LONG;
        (is_long || !operator.site.has_receiver).then_some(oldest)
    }

    /// The line.
    pub(super) fn line(&self, operator: &Operator) -> Markup {
        let Vitals {
            held, dead, waiting, ..
        } = self.vitals;
        let notifications = operator.at("/inbox/notifications");
        let delayed = self.delayed(operator);
        let is_quiet = self.waiting() == 0 && self.stuck() == 0 && self.unmatched() == 0 && delayed.is_none();
        let has_receiver = operator.site.has_receiver;
        html! {
            section.attention data-part="attention" aria-label="What needs attention" {
                @if is_quiet && waiting > 0 {
                    p {
                        "For now nobody waits for an answer. "
                        a href=(notifications) { (counted(waiting, "notification is", "notifications are")) " on the way" } "."
                    }
                } @else if is_quiet {
                    p { "All is well: nobody waits for an answer." }
                } @else {
                    ul {
                        @if self.waiting() > 0 { li { (self.answers(operator)) } }
                        @if dead > 0 {
                            li.danger { a href=(notifications) { (counted(dead, "notification", "notifications")) " failed" } }
                        }
                        @if let Some(oldest) = delayed {
                            li.warn {
                                @if !has_receiver { "No webhook is set: " }
                                a href=(notifications) { (counted(waiting, "notification waits", "notifications wait")) }
                                ", up to " (since(oldest, operator.now))
                            }
                        }
                        @if held > 0 { li.warn { a href=(notifications) { (held) " held" } } }
                        @if self.unmatched() > 0 {
                            li.warn {
                                a href=(operator.at("/inbox/unmatched")) {
                                    (counted(self.unmatched(), "unmatched message", "unmatched messages"))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn answers(&self, operator: &Operator) -> Markup {
        let count = self.attention.awaiting_manager;
        let is_more = count >= Attention::COUNTED;
        let list = Filter::waiting().query().after("/inbox");
        html! {
            a href=(operator.at(&list)) { "Waiting for an answer: " b { (count) @if is_more { " or more" } } }
            @if let Some(oldest) = &self.attention.oldest {
                ", "
                a href=(operator.at(&Filter::waiting().query().after(&format!("/inbox/ticket/{}", oldest.reference)))) {
                    "the oldest"
                }
                " for " (since(oldest.since, operator.now))
            }
        }
    }
}

/// A number and the noun that it counts.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
