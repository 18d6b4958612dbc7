//! Labels of states and times.

use maud::{Markup, html};
use ticket_domain::{DeliveryState, Priority, Sender, Status, Timestamp};

/// A time in UTC. The script shows it in the reader's time zone (`time[datetime]`).
pub(crate) fn moment(at: Timestamp) -> Markup {
    let iso = at.to_string();
    // `2025-01-15T10:30:00.000000Z`
    let (day, time) = (iso.get(..10).unwrap_or_default(), iso.get(11..16).unwrap_or_default());
    html! { time datetime=(iso) { (day) " " (time) " UTC" } }
}

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "Open",
        Status::Resolved => "Resolved",
        Status::Closed => "Closed",
    }
}

pub(crate) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "Low",
        Priority::Medium => "Medium",
        Priority::High => "High",
        Priority::Urgent => "Urgent",
    }
}

/// The delivery state of the customer's last message. A waiting one may wait for long, without a receiver for ever, so
/// nothing is promised.
pub(crate) fn delivery(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "We’ve got it",
        DeliveryState::Sent => "Sent to the manager",
        DeliveryState::Delivered => "Delivered to the manager",
        DeliveryState::Read => "Read by the manager",
        DeliveryState::Failed => "We couldn’t reach the manager’s phone. Your message is safe and our team can see it.",
    }
}

/// What a ticket's status means for the customer. `can_write`: whether they may write on this page.
pub(crate) fn status_means(status: Status, can_write: bool) -> Option<&'static str> {
    match (status, can_write) {
        (Status::Open, _) => None,
        (Status::Resolved, true) => Some("We’ve marked this as solved. Still a problem? Write below to reopen it."),
        (Status::Resolved, false) => Some("The team marked this as solved."),
        (Status::Closed, true) => Some("We’ve closed this. Something else to say? Write below to reopen it."),
        (Status::Closed, false) => Some("The team closed this."),
    }
}

/// The name of a message's sender.
pub(crate) fn sender(sender: Sender) -> &'static str {
    match sender {
        Sender::Customer => "Customer",
        Sender::Manager => "Manager",
        Sender::Agent => "Support",
    }
}
