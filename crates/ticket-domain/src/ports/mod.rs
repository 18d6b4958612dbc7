//! What the use cases ask of the world. Each port is a trait that an adapter implements; each call is one act that
//! happens wholly or not at all.

mod notifier;
mod outbox;
mod store;
mod surroundings;

pub use notifier::{Answer, Composer, Delivering, Event, Failure, FailureKind, Notifier};
pub use outbox::{Claim, Claimed, Outbox, Redelivered, Settled, Verdict};
pub use store::{
    Append, Appended, Idempotency, LookUp, Opened, Opening, PoolUse, Precedent, Source, StoreError, StoreHealth,
    TicketStore, Vitals, parse,
};
pub use surroundings::{Clock, Random, Wake};

/// Everything that a store offers.
pub trait Store: TicketStore + Outbox + StoreHealth {}

impl<T: TicketStore + Outbox + StoreHealth> Store for T {}
