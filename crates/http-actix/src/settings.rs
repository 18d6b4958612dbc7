//! Configuration of the HTTP server.

use std::time::Duration;

use secrecy::SecretString;
use ticket_domain::{Access, Phone};

use crate::access::{OperatorToken, Rates, StreamLimits};

/// Configuration of API and pages. The default serves `localhost` and accepts no key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the site, for titles and page headers.
    pub site_name: String,
    /// The name of who answers, for customers.
    pub manager_name: Option<String>,
    /// The number, with its country code, to which customers may send photos and voice notes on WhatsApp.
    pub whatsapp_number: Option<Phone>,
    /// Whether customers get e-mail.
    pub mail: bool,
    /// Public URL of the site, without a trailing slash. With `https` browsers are told to stay with it.
    pub base_url: String,
    /// Who may read tickets.
    pub ticket_access: Access,
    /// Browser origins, such as `https://www.example.com`, that may call the public endpoints and send the form.
    /// `https://*.example.com` stands for every subdomain, but not for the domain itself.
    pub allowed_origins: Vec<String>,
    /// Keys that n8n may send as `x-api-key`: one, or two during a rotation. Without any, its endpoints answer 401.
    pub inbound_keys: Vec<SecretString>,
    /// Operator tokens: any number with a name, and one without, or two during a rotation. Without any, operators can't sign
    /// in.
    pub operator_tokens: Vec<OperatorToken>,
    /// How many trusted reverse proxies append to `X-Forwarded-For`.
    pub trusted_proxy_hops: usize,
    /// Whether requests are rate limited.
    pub rate_limits: bool,
    /// The rate limits.
    pub rates: Rates,
    /// How many messages a ticket takes that its customer writes on its page or with its key, the first included.
    pub max_customer_messages: u32,
    /// Maximum connections per client address. Applies without a proxy only, and not to programs on this machine.
    pub connections_of_one: usize,
    /// Maximum open event streams.
    pub streams: StreamLimits,
    /// Worker threads. None: one per processor core.
    pub workers: Option<usize>,
    /// Maximum connections of all workers together. Further ones wait in the listener's queue.
    pub max_connections: usize,
    /// How long a client may keep a connection waiting.
    pub deadlines: Deadlines,
    /// How long a request body may take to arrive, else 408.
    pub body_deadline: Duration,
    /// An event stream without events sends a comment after this time, so that no proxy closes it.
    pub heartbeat: Duration,
}

/// Whether `origin`, as browsers write it, is among `allowed`.
pub(crate) fn is_allowed_origin(allowed: &[String], origin: &str) -> bool {
    allowed.iter().any(|allowed| {
        let Some((scheme, domain)) = allowed.split_once('*') else {
            return allowed == origin;
        };
        let subdomain = origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_suffix(domain))
            .unwrap_or_default();
        let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        !subdomain.is_empty() && subdomain.bytes().all(is_in_name)
    })
}

impl Settings {
    /// Whether browsers use https.
    pub(crate) fn is_https(&self) -> bool {
        self.base_url.starts_with("https:")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site_name: "Support".into(),
            manager_name: None,
            whatsapp_number: None,
            mail: false,
            base_url: "http://localhost:8080".into(),
            ticket_access: Access::Open,
            allowed_origins: Vec::new(),
            inbound_keys: Vec::new(),
            operator_tokens: Vec::new(),
            trusted_proxy_hops: 0,
            rate_limits: true,
            rates: Rates::default(),
            max_customer_messages: 500,
            connections_of_one: 256,
            streams: StreamLimits::default(),
            workers: None,
            max_connections: 10_000,
            deadlines: Deadlines::default(),
            body_deadline: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// How long a client may keep a connection waiting before it is closed. Each applies to every request of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests. Longer than the proxies in front keep idle connections, so that they close first.
    pub idle: Duration,
    /// In writing a response: closed if the client has taken less than [`MIN_RATE`](Self::MIN_RATE) over this time of waiting
    /// for it.
    pub write: Duration,
}

impl Deadlines {
    /// The slowest that a client may read, in bytes per second.
    pub const MIN_RATE: u32 = 10_000;
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_subdomains_alone() {
        let allowed = [
            "https://*.example.com:8443".to_owned(),
            "https://shop.example".to_owned(),
        ];
        for (origin, expected) in [
            ("https://www.example.com:8443", true),
            ("https://a.b.example.com:8443", true),
            ("https://shop.example", true),
            ("https://example.com:8443", false),
            ("https://.example.com:8443", false),
            ("https://evil-example.com:8443", false),
            ("https://www.example.com", false),
            ("http://www.example.com:8443", false),
            ("https://www.example.com.evil.example:8443", false),
            ("https://evil.example/.example.com:8443", false),
            ("https://evil.example#.example.com:8443", false),
            ("https://evil.example:443.example.com:8443", false),
            ("https://www.shop.example", false),
            ("null", false),
        ] {
            assert_eq!(is_allowed_origin(&allowed, origin), expected, "{origin}");
        }
    }
}
