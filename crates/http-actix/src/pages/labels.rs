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

/// The delivery state of the customer's last message.
pub(crate) fn delivery(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "On its way to the manager",
        DeliveryState::Sent => "Sent to the manager",
        DeliveryState::Delivered => "Delivered to the manager",
        DeliveryState::Read => "Read by the manager",
        DeliveryState::Failed => "Not delivered yet; we keep it safe",
    }
}

/// What the state means for the customer.
pub(crate) fn delivery_means(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "We have it safely. It goes to the manager next.",
        DeliveryState::Sent => "It left for the manager’s phone.",
        DeliveryState::Delivered => "It is on the manager’s phone.",
        DeliveryState::Read => "The manager has seen it.",
        DeliveryState::Failed => {
            "It could not be brought to the manager’s phone. It is not lost: the team sees it here."
        }
    }
}

/// What a ticket's status means for the customer. `can_write`: whether they may write on this page.
pub(crate) fn status_means(status: Status, can_write: bool) -> Option<&'static str> {
    match (status, can_write) {
        (Status::Open, _) => None,
        (Status::Resolved, true) => {
            Some("The team considers this solved. If it is not, write below and it opens again.")
        }
        (Status::Resolved, false) => Some("The team considers this solved."),
        (Status::Closed, true) => {
            Some("The team has closed this. If there is more to say, write below and it opens again.")
        }
        (Status::Closed, false) => Some("The team has closed this."),
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
