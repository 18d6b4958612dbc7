//! The configuration: read once from the environment into types that can't hold nonsense, with every fault at once.

pub(crate) mod limits;
mod parts;
mod variables;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http_actix::Rates;
use secrecy::{ExposeSecret as _, SecretString};
use ticket_domain::{Access, Phone};
use url::Url;

use variables::Variables;
pub use variables::{ConfigError, ConfigErrors, LookUp};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 for any free one.
    pub port: u16,
    /// The base of the ticket URLs. `None`: localhost, and the port that is listened on.
    pub base_url: Option<Url>,
    /// What the pages call themselves.
    pub site_name: String,
    /// Where tickets are kept.
    pub database: Database,
    /// Where notifications go; if nowhere, they wait.
    pub receiver: Option<notify_n8n::Receiver>,
    /// The keys that open the inbound endpoint: none, one, or two while rotating.
    pub inbound_keys: Vec<SecretString>,
    /// The managers' numbers.
    pub agents: Agents,
    /// Who may read a ticket.
    pub access: Access,
    /// What opens the inbox and the operator API: none, one, or two while rotating.
    pub operator_tokens: Vec<SecretString>,
    /// Browser origins that may call the public endpoints.
    pub allowed_origins: Vec<String>,
    /// How many proxies in front are ours.
    pub trusted_proxy_hops: usize,
    /// Whether clients are limited.
    pub rate_limits: bool,
    /// What they are limited to.
    pub rates: Rates,
    /// The most connections. `None`: as many as are usual and fit.
    pub max_connections: Option<u32>,
    /// The most connections of one client address, where no proxy is in front.
    pub connections_of_one: usize,
    /// How many slow tries follow the three quick retries.
    pub slow_retries: u8,
    /// How long a notification is kept that was delivered and is not its ticket's newest. `None`: for ever.
    pub notification_retention: Option<Duration>,
    /// How long it is kept who wrote a ticket and what, from when something last happened to it. `None`: for ever.
    pub ticket_retention: Option<Duration>,
    /// How many notifications are sent at the same time.
    pub notify_concurrency: u16,
    /// How logs look.
    pub log_format: LogFormat,
    /// Which log events are shown, in the syntax of `RUST_LOG`.
    pub log_filter: String,
}

/// The managers' numbers.
#[derive(Debug, Clone)]
pub struct Agents {
    /// Who is recognised as a manager. The first is told of tickets, if the numbers were set.
    pub phones: Vec<Phone>,
    /// Whether somebody set them. To a number that nobody set nothing is ever sent.
    pub are_set: bool,
    /// A manager too, and told what the first can't be reached with.
    pub backup: Option<Phone>,
}

/// Where tickets are kept.
#[derive(Debug, Clone)]
pub enum Database {
    /// In a file of our own.
    Sqlite(PathBuf),
    /// On a Postgres server.
    Postgres {
        /// With its password, if it has one.
        url: SecretString,
        /// The same database past a pooler that shares connections between transactions, if there is one.
        direct: Option<SecretString>,
        /// The most connections at a time.
        pool_size: u32,
    },
}

impl Database {
    /// What a URL must be, for whoever gave another.
    pub(crate) const WANTED: &str = "must be sqlite:// and a file path, or an address that starts with postgres://";

    /// Reads a URL; `here` is the folder that relative paths start from.
    pub(crate) fn parse(url: SecretString, here: &Path, pool_size: u32) -> Option<Self> {
        if Self::is_postgres(&url) {
            return Some(Self::Postgres {
                url,
                direct: None,
                pool_size,
            });
        }
        let path = url.expose_secret().strip_prefix("sqlite://")?;
        let is_path = !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#']);
        is_path.then(|| Self::Sqlite(here.join(path)))
    }

    fn is_postgres(url: &SecretString) -> bool {
        let text = url.expose_secret();
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// A configuration, and what its owner should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works but is likely not meant, one sentence each, naming the variable.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the configuration by a look-up of variables. `here` is the folder that relative paths start from;
    /// `on_terminal` is whether people read the logs as they come.
    pub fn load(look_up: &LookUp<'_>, here: &Path, on_terminal: bool) -> Result<Loaded, ConfigErrors> {
        let mut vars = Variables::new(look_up);
        let port = parts::port(&mut vars);
        let config = Self {
            host: parts::host(&mut vars),
            port,
            base_url: parts::base_url(&mut vars, port),
            site_name: parts::site_name(&mut vars),
            database: parts::database(&mut vars, here),
            receiver: parts::receiver(&mut vars),
            inbound_keys: parts::inbound_keys(&mut vars),
            agents: parts::agents(&mut vars),
            access: parts::access(&mut vars),
            operator_tokens: parts::operator_tokens(&mut vars),
            allowed_origins: parts::allowed_origins(&mut vars),
            trusted_proxy_hops: parts::trusted_proxy_hops(&mut vars),
            rate_limits: limits::rate_limits(&mut vars),
            rates: limits::rates(&mut vars),
            max_connections: limits::max_connections(&mut vars),
            connections_of_one: limits::connections_of_one(&mut vars),
            slow_retries: parts::slow_retries(&mut vars),
            notification_retention: parts::notification_retention(&mut vars),
            ticket_retention: parts::ticket_retention(&mut vars),
            notify_concurrency: parts::notify_concurrency(&mut vars),
            log_format: parts::log_format(&mut vars, on_terminal),
            log_filter: parts::log_filter(&mut vars),
        };
        let warnings = vars.finish()?;
        Ok(Loaded { config, warnings })
    }
}

#[cfg(test)]
mod tests;
