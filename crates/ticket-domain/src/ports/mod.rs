//! What the use cases ask of the world. Each port is a trait that an adapter implements; each call is one act that
//! happens wholly or not at all.

mod customer_data;
mod desk;
mod housekeeping;
mod news;
mod notifier;
mod outbox;
mod questions;
mod receipts;
mod store;
mod surroundings;
pub mod transfer;

pub use customer_data::{CustomerData, Erasing, Erasure, Removed, Stale, StaleTickets};
pub use desk::{Attach, Attached, Changing, Desk};
pub use housekeeping::{Housekeeping, Purge, Purged};
pub use news::{Announcements, Follower, News};
pub use notifier::{Answer, Composer, Delivering, Event, Failure, FailureKind, Notifier};
pub use outbox::{Claim, Claimed, Outbox, Redelivered, Settled, Verdict};
pub use questions::{Answered, Picked, Picking, Questions};
pub use receipts::{Advance, Handed, Receipts};
pub use store::{
    Append, Appended, Asking, Idempotency, Keep, Kept, Known, LookUp, Note, Opened, Opening, PoolUse, Precedent,
    Replaced, Source, StoreError, StoreHealth, TicketStore, Vitals, parse,
};
pub use surroundings::{Clock, Random, Wake};

/// Everything that a store offers.
pub trait Store:
    TicketStore + Questions + Outbox + Receipts + Desk + Announcements + Housekeeping + CustomerData + StoreHealth
{
}

impl<T> Store for T where
    T: TicketStore + Questions + Outbox + Receipts + Desk + Announcements + Housekeeping + CustomerData + StoreHealth
{
}
