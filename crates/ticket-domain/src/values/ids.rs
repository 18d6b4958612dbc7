//! Identifiers that the system gives.

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub Uuid);

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names a ticket among programs; people use its reference.
    TicketId
}
id! {
    /// Names a message.
    MessageId
}
id! {
    /// Names a notification. It is the `webhook-id` of every try.
    NotificationId
}
id! {
    /// Proves that a worker still holds what it claimed.
    LeaseToken
}
id! {
    /// Names a question that a manager was asked.
    QuestionId
}
id! {
    /// Names an entry of the trail of what operators did.
    AuditEntryId
}
