//! The ticket server, wired together: configuration, adapters, the delivery loop, housekeeping,
//! shutdown, the command line.
//!
//! [`Builder`] starts the whole application with any store and any notifier, also inside an integration test.

mod application;
mod check;
mod commands;
mod config;
mod copy;
mod delivery;
mod housekeeping;
mod logging;
mod surroundings;

pub use application::{Application, Builder, EndError, StartError};
pub use commands::run;
pub use logging::start as start_logging;
pub use config::{Agents, Config, Database, Fault, Faults, Loaded, LogFormat, LookUp};
pub use surroundings::{OsRandom, SystemClock};
