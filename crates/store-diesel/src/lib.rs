//! The store on Postgres and on embedded SQLite, over diesel.
//!
//! - `failure.rs`: why a call ended without a result.
//! - `calls.rs`, `batch.rs`: how calls run, one by one or in batches. Blocking lives there and nowhere else.
//! - `subscribers.rs`: who hears of changes.
//! - `postgres/`: for those who have a database server.
//! - `sqlite/`: one file, built in. The default, since there is no service to install.

mod batch;
mod calls;
mod failure;

pub mod postgres;
pub mod sqlite;
mod subscribers;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
