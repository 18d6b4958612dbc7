//! The head line: what needs an operator.

use std::time::Duration;

use maud::{Markup, html};
use ticket_domain::{
    Attention,
    ports::{StoreError, Vitals},
};

use super::{age::span, filter::Filter, gate::Operator};

/// Notifications that have waited for so long need a look.
const LONG: Duration = Duration::from_mins(5);

/// What is counted for the head of each page.
pub(super) struct Counts {
    attention: Attention,
    vitals: Vitals,
}

impl Counts {
    pub(super) async fn read(operator: &Operator) -> Result<Self, StoreError> {
        let parts = &operator.pages.parts;
        let (attention, vitals) = tokio::try_join!(parts.operate.attention(), parts.health.vitals(operator.now))?;
        Ok(Self { attention, vitals })
    }

    /// Tickets that wait for an answer, as far as they are counted.
    pub(super) fn waiting(&self) -> u64 {
        self.attention.awaiting_manager.into()
    }

    pub(super) fn unmatched(&self) -> u64 {
        self.vitals.unmatched
    }

    /// Notifications that need an operator's word.
    pub(super) fn stuck(&self) -> u64 {
        self.vitals.dead + self.vitals.held
    }

    pub(super) fn failed(&self) -> u64 {
        self.vitals.dead
    }

    /// How long the notification has waited that waits for the longest time, if that is long.
    fn delayed(&self, operator: &Operator) -> Option<Duration> {
        let waited = operator.now.since(self.vitals.oldest_waiting?);
        Some(waited).filter(|waited| *waited >= LONG)
    }

    /// The line.
    pub(super) fn line(&self, operator: &Operator) -> Markup {
        let Vitals {
            held, dead, waiting, ..
        } = self.vitals;
        let notifications = operator.at("/inbox/notifications");
        let delayed = self.delayed(operator);
        let is_quiet = self.waiting() == 0 && self.stuck() == 0 && self.unmatched() == 0 && delayed.is_none();
        html! {
            section.attention data-part="attention" aria-label="What needs attention" {
                @if is_quiet {
                    p { "All is well: nobody waits for an answer." }
                } @else {
                    ul {
                        @if self.waiting() > 0 { li { (self.answers(operator)) } }
                        @if dead > 0 {
                            li.danger { a href=(notifications) { (counted(dead, "notification", "notifications")) " failed" } }
                        }
                        @if let Some(waited) = delayed {
                            li.warn {
                                a href=(notifications) { (counted(waiting, "notification waits", "notifications wait")) }
                                ", up to " (span(waited))
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
                " for " (span(operator.now.since(oldest.since)))
            }
        }
    }
}

/// A number and what it counts.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
