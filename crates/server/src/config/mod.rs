//! The configuration, read once from the environment. All errors are reported together.

pub(crate) mod limits;
mod mail;
mod parts;
mod site;
mod variables;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http_actix::{OperatorToken, Rates};
use secrecy::{ExposeSecret as _, SecretString};
use ticket_domain::{Access, Address, Phone, RetrySchedule};
use url::Url;

pub(crate) use mail::Mail;
use variables::Variables;
pub use variables::{ConfigError, ConfigErrors, LookUp};

/// The configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 for any free one.
    pub port: u16,
    /// The base of the ticket URLs. `None`: localhost, and the port that is listened on.
    pub base_url: Option<Url>,
    /// The name of the site on its pages.
    pub site_name: String,
    /// The name of who answers, for customers.
    pub manager_name: Option<String>,
    /// The number at which customers reach the workflows on WhatsApp.
    pub whatsapp_number: Option<Phone>,
    /// The store.
    pub database: Database,
    /// The webhooks. Without them, notifications wait.
    pub receiver: Option<notify_n8n::Receiver>,
    /// How customers are mailed. `None`: not at all.
    pub(crate) mail: Option<Mail>,
    /// The keys of the inbound endpoint: none, one, or two during rotation.
    pub inbound_keys: Vec<SecretString>,
    /// The managers' numbers.
    pub agents: Agents,
    /// Who may read a ticket.
    pub access: Access,
    /// The tokens of the inbox and the operator API, each perhaps with a name.
    pub operator_tokens: Vec<OperatorToken>,
    /// Browser origins that may call the public endpoints.
    pub allowed_origins: Vec<String>,
    /// The number of trusted proxies in front.
    pub trusted_proxy_hops: usize,
    /// Whether rate limits apply.
    pub rate_limits: bool,
    /// The rate limits.
    pub rates: Rates,
    /// How many messages a customer may write into a ticket by its key.
    pub max_customer_messages: u32,
    /// Maximum number of connections. `None`: the default, or fewer if the limit of open files is lower.
    pub max_connections: Option<u32>,
    /// Maximum number of connections per client address, if there is no proxy in front.
    pub connections_of_one: usize,
    /// The waits between the attempts of a notification.
    pub retry_schedule: RetrySchedule,
    /// Retention of delivered notifications, except the newest of each ticket. `None`: unlimited.
    pub notification_retention: Option<Duration>,
    /// Retention of personal data in inactive tickets. `None`: unlimited.
    pub ticket_retention: Option<Duration>,
    /// Maximum number of concurrent attempts per recipient.
    pub notify_concurrency: u16,
    /// The format of logs.
    pub log_format: LogFormat,
    /// The filter of log events, in the syntax of `RUST_LOG`.
    pub log_filter: String,
}

/// The managers.
#[derive(Debug, Clone)]
pub struct Agents {
    /// Their numbers and WhatsApp user ids. The first number gets the notifications, if they were set.
    pub addresses: Vec<Address>,
    /// Whether they were configured. Nothing is ever sent to the default number.
    pub are_set: bool,
    /// Another manager, who gets messages that do not reach the first.
    pub backup: Option<Phone>,
}

/// The database.
#[derive(Debug, Clone)]
pub enum Database {
    /// An embedded SQLite file.
    Sqlite(PathBuf),
    /// A Postgres server.
    Postgres {
        /// Its URL, perhaps with a password.
        url: SecretString,
        /// The same database without the transaction pooler, if there is one.
        direct: Option<SecretString>,
        /// Maximum number of connections.
        pool_size: u32,
    },
}

impl Database {
    /// Describes a valid URL, for error messages.
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

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// A configuration and its warnings.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that work but are probably unintended, one sentence each, naming the variable.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the configuration from variables. `here` is the folder for relative paths; `on_terminal` selects the default
    /// log format.
    pub fn load(look_up: &LookUp<'_>, here: &Path, on_terminal: bool) -> Result<Loaded, ConfigErrors> {
        let mut vars = Variables::new(look_up);
        let port = parts::port(&mut vars);
        let base_url = parts::base_url(&mut vars, port);
        let config = Self {
            host: parts::host(&mut vars),
            port,
            access: parts::access(&mut vars, base_url.as_ref()),
            base_url,
            site_name: site::site_name(&mut vars),
            manager_name: site::manager_name(&mut vars),
            whatsapp_number: site::whatsapp_number(&mut vars),
            database: parts::database(&mut vars, here),
            receiver: parts::receiver(&mut vars),
            mail: mail::mail(&mut vars),
            inbound_keys: parts::inbound_keys(&mut vars),
            agents: parts::agents(&mut vars),
            operator_tokens: parts::operator_tokens(&mut vars),
            allowed_origins: parts::allowed_origins(&mut vars),
            trusted_proxy_hops: parts::trusted_proxy_hops(&mut vars),
            rate_limits: limits::rate_limits(&mut vars),
            rates: limits::rates(&mut vars),
            max_customer_messages: limits::max_customer_messages(&mut vars),
            max_connections: limits::max_connections(&mut vars),
            connections_of_one: limits::connections_of_one(&mut vars),
            retry_schedule: parts::retry_schedule(&mut vars),
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
