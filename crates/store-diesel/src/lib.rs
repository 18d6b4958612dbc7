//! The store on Postgres and on embedded SQLite, over diesel.
//!
//! - `postgres/`: for those who have a database server.
//! - `sqlite/`: one file, built in. The default, since there is no service to install.

mod failure;

pub mod postgres;
pub mod sqlite;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
