//! The store on Postgres and on embedded SQLite, over diesel.
//!
//! - `types.rs`, `schema.rs`, `rows/`: the tables, and rows to values and back.
//! - `prepared.rs`: statements that a connection keeps.
//! - `failure.rs`: why a call fails, and whether trying again may help.
//! - `calls.rs`, `batch.rs`: how calls run, one by one or in batches. Blocking lives there and nowhere else.
//! - `subscribers.rs`: who hears of changes in this process.
//! - `statements/`: what the port calls ask of a database, written once and compiled for each engine.
//! - `dump/`: everything that a store holds as lines of JSON, for backups and for copies into another store.
//! - `postgres/`, `sqlite/`: what differs by nature: connections, what is batched, migrations, claiming, opening, search,
//!   lists.

#![allow(clippy::duplicate_mod, reason = "`statements` is compiled for each engine")]

mod batch;
mod calls;
pub mod dump;
mod failure;
pub mod postgres;
mod prepared;
mod rows;
mod schema;
pub mod sqlite;
mod subscribers;
mod types;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
