//! The store on Postgres and on embedded SQLite, over diesel.
//!
//! - `types.rs`, `schema.rs`, `rows/`: the tables, and rows to values and back.
//! - `prepared.rs`: statements that a connection keeps.
//! - `failure.rs`: why a call fails, and whether trying again may help.
//! - `statements/`: what the port calls ask of a database, written once and compiled for each engine.
//! - `postgres/`, `sqlite/`: what differs by nature: connections, batching, migrations, claiming, opening, search, lists.

#![allow(clippy::duplicate_mod, reason = "`statements` is compiled for each engine")]

mod failure;
pub mod postgres;
mod prepared;
mod rows;
mod schema;
pub mod sqlite;
mod types;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
