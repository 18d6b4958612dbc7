//! The door that the API and the pages share: who is calling, how often they may, which keys open what, and who is told
//! when a ticket changes.
//!
//! It knows nothing of JSON or HTML. What it refuses, each of the two says in its own way.

mod client_address;
mod keys;
mod live;
mod rate_limits;
mod seen;
mod store_failure;

use actix_web::HttpRequest;
use secrecy::SecretString;

use client_address::ClientAddress;
#[cfg(fuzzing)]
pub use client_address::client_of;
use keys::Keys;
pub use keys::bearer;
pub use live::{Following, Live};
use rate_limits::RateLimits;
pub use rate_limits::{Kind, TooMany};
pub use seen::{NotAnEvent, Seen, state_of_tag, state_tag};
pub use store_failure::log_store_failure;

/// Whom the door lets in. The default is closed: no key opens anything.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys that n8n may send as `x-api-key`: one, or two while they are exchanged. None: every call gets 401.
    pub inbound_keys: Vec<SecretString>,
    /// The operators' token. None: what is theirs answers 401.
    pub operator_token: Option<SecretString>,
    /// How many proxies in front are ours.
    pub trusted_proxy_hops: usize,
    /// Whether callers are limited.
    pub rate_limits: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inbound_keys: Vec::new(),
            operator_token: None,
            trusted_proxy_hops: 0,
            rate_limits: true,
        }
    }
}

/// The door. There is one a process, so that a caller's requests are counted together wherever they go.
pub struct Door {
    keys: Keys,
    trusted_proxy_hops: usize,
    limits: Option<RateLimits>,
}

impl Door {
    /// Hangs the door.
    pub fn new(settings: &Settings) -> Self {
        Self {
            keys: Keys::new(&settings.inbound_keys, settings.operator_token.as_ref()),
            trusted_proxy_hops: settings.trusted_proxy_hops,
            limits: settings.rate_limits.then(RateLimits::new),
        }
    }

    /// Counts a request against its sender's limit.
    pub fn limit(&self, kind: Kind, request: &HttpRequest) -> Result<(), TooMany> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let client = ClientAddress::of(request.peer_addr(), request.headers(), self.trusted_proxy_hops);
        limits.take(kind, client)
    }

    /// Whether `given` is the operators' token. A wrong one counts against the caller's limit.
    pub fn is_operator(&self, given: &[u8], request: &HttpRequest) -> Result<bool, TooMany> {
        self.judge(self.keys.is_operator(given), request)
    }

    /// Whether the request shows one of n8n's keys. A wrong one, or none, counts against the caller's limit.
    pub fn is_inbound(&self, request: &HttpRequest) -> Result<bool, TooMany> {
        self.judge(self.keys.is_inbound(keys::api_key(request)), request)
    }

    fn judge(&self, is_right: bool, request: &HttpRequest) -> Result<bool, TooMany> {
        if !is_right {
            self.limit(Kind::WrongKey, request)?;
        }
        Ok(is_right)
    }
}
