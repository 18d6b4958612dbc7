//! Ids that the system gives.

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
    /// Identifies a ticket for programs; people use its reference.
    TicketId
}
id! {
    /// Identifies a message.
    MessageId
}
id! {
    /// Identifies a notification. It is the `webhook-id` of every attempt.
    NotificationId
}
id! {
    /// Identifies a worker's lease of a notification.
    LeaseToken
}
id! {
    /// Identifies a clarifying question to a manager.
    QuestionId
}
id! {
    /// Identifies an entry of the audit log.
    AuditEntryId
}
id! {
    /// Identifies a file.
    FileId
}
