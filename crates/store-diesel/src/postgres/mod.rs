//! The store on Postgres, for those who have a server: diesel over libpq, a pool of connections, and every rule that
//! concurrency needs in the hands of the database.
//!
//! - `connect.rs`: where the server is, how it is reached, and why it can't be.
//! - `migrate.rs`: the schema.
//! - `db.rs`, `attempt.rs`: how a call gets a connection, and how long it may take. `batches.rs`: what is executed in
//!   batches.
//! - `engine.rs`: what the shared statements need to know of Postgres; `locks.rs`: its advisory locks.
//! - `claims.rs`, `customer_data.rs`, `keys.rs`, `openings.rs`, `search.rs`, `threads.rs`: what is asked in
//!   Postgres' own way.
//! - `publisher.rs`, `listener.rs`: the change feed, here and in other processes.

mod attempt;
mod batches;
mod claims;
mod connect;
mod customer_data;
mod db;
pub(crate) mod dump;
mod engine;
mod keys;
mod listener;
mod locks;
mod migrate;
mod openings;
#[cfg(test)]
mod plans;
mod publisher;
mod search;
#[path = "../statements/mod.rs"]
mod statements;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;

pub use connect::ConnectError;
pub use migrate::{Schema, check};

use db::Db;

/// Tickets, messages and notifications in a Postgres database.
///
/// Every call ends within 4 seconds, whatever the database does. A call whose connection breaks between sending the
/// commit and hearing of it ends as unavailable, though it may have been written; repeating a call is harmless wherever
/// the request carries an idempotency key or the message an external id.
#[derive(Clone)]
pub struct PostgresStore {
    db: Db,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://…`), brings its schema up to date, and keeps at most `pool_size`
    /// connections. Replicas may do so at the same time. Blocks: about 5 seconds if there is no server, and as long as
    /// the migrations take.
    ///
    /// What a network failure needs is added to the URL unless it says otherwise: `connect_timeout`,
    /// `tcp_user_timeout` and the keep-alives.
    pub fn connect(url: &str, pool_size: u32) -> Result<Self, ConnectError> {
        Self::connect_past(url, url, pool_size)
    }

    /// The same where `url` leads through a pooler that shares connections between transactions: the migrations' lock,
    /// and hearing of other replicas' changes, need a connection of their own, which `direct` leads to.
    pub fn connect_past(direct: &str, url: &str, pool_size: u32) -> Result<Self, ConnectError> {
        let address = connect::Address::new(url)?;
        let direct = connect::Address::new(direct)?;
        migrate::migrate(&direct)?;
        Ok(Self {
            db: Db::new(&address, &direct, pool_size),
        })
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the address nor its password.
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}
