//! Logs: to standard output, for people or for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogFormat};

/// Starts logging to standard output as configured. Does nothing if logging was started before.
pub fn start(config: &Config) {
    let on_terminal = std::io::stdout().is_terminal();
    let builder = fmt()
        .with_env_filter(EnvFilter::new(&config.log_filter))
        .with_target(true)
        .with_ansi(on_terminal);
    let started = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    // Fails only if a subscriber exists already, as in a test.
    drop(started);
}
