//! What stands below the customer's messages: how far the last one came, and which were answered. It shows only what was
//! observed.

use std::collections::HashMap;

use maud::{Markup, html};
use ticket_domain::{Delivery, DeliveryState, Message, MessageId, Sender, Status, Thread, Visibility};

use crate::pages::labels;

/// What is known of a message of the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receipt {
    /// An answer came after it.
    Answered,
    /// The ticket was resolved or closed without another answer.
    Ended(Status),
    /// How far it came.
    Delivery(Delivery),
}

impl Receipt {
    fn class(self) -> &'static str {
        match self {
            Self::Answered | Self::Ended(_) => "read",
            Self::Delivery(Delivery { state, .. }) => match state {
                DeliveryState::Waiting => "waiting",
                DeliveryState::Sent => "sent",
                DeliveryState::Delivered => "delivered",
                DeliveryState::Read => "read",
                DeliveryState::Failed => "failed",
            },
        }
    }
}

/// The receipts of a thread: of the last message before each answer, and of the customer's last message.
pub(super) struct Receipts(HashMap<MessageId, Receipt>);

impl Receipts {
    pub(super) fn of(thread: &Thread) -> Self {
        let is_customers = |message: &Message| message.sender == Sender::Customer;
        let (mut receipts, mut last) = (HashMap::new(), None);
        for message in &thread.messages {
            if is_customers(message) {
                last = Some(message.id);
            } else if message.visibility == Visibility::Public
                && let Some(answered) = last.take()
            {
                receipts.insert(answered, Receipt::Answered);
            }
        }
        if let Some(last) = last {
            let receipt = match thread.ticket.status {
                Status::Open => Receipt::Delivery(thread.delivery),
                ended @ (Status::Resolved | Status::Closed) => Receipt::Ended(ended),
            };
            receipts.insert(last, receipt);
        }
        Self(receipts)
    }

    /// The line below a message, if it has one.
    pub(super) fn below(&self, message: &Message) -> Markup {
        let line = |receipt: &Receipt| {
            html! {
                p.receipt .(receipt.class()) {
                    @match *receipt {
                        Receipt::Answered => { "Answered" }
                        Receipt::Ended(status) => { (labels::status(status)) }
                        Receipt::Delivery(Delivery { state, at }) => { (labels::delivery(state)) " " (labels::moment(at)) }
                    }
                }
            }
        };
        self.0.get(&message.id).map(line).unwrap_or_default()
    }
}
