//! The ticket server, wired together: configuration, adapters, the delivery loop, housekeeping,
//! shutdown, the command line.
//!
//! [`Builder`] starts the whole application with any store and any notifier, also inside an integration test.

mod application;
mod check;
mod commands;
mod config;
mod customers;
mod delivery;
mod environment;
mod housekeeping;
mod listening;
mod logging;
mod running;
mod transfer;

pub use application::{Builder, StartError};
pub use commands::run;
pub use config::{Agents, Config, ConfigError, ConfigErrors, Database, Loaded, LogFormat, LookUp};
pub use environment::{OsRandom, SystemClock};
pub use logging::start as start_logging;
pub use running::{Application, EndError};
