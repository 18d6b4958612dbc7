//! Access control for API and pages: client addresses, rate limits, keys, and subscriptions to ticket changes.
//!
//! It knows nothing of JSON or HTML: API and pages each turn its refusals into responses.

mod client_address;
mod keys;
mod live;
mod permits;
mod rate;
mod rate_limits;
mod seen;
mod store_failure;
mod visitor;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::{HttpRequest, http::header::HeaderMap};
use client_address::ClientAddress;
use keys::Keys;
use permits::{KeyedSemaphore, Streams};
use rate_limits::RateLimits;
use ticket_domain::{AccessLevel, Actor, TicketId};

use crate::Settings;
pub use keys::OperatorToken;
pub(crate) use keys::bearer;
pub(crate) use live::{Subscription, TicketSubscriptions};
pub use permits::StreamLimits;
pub(crate) use permits::{ConnectionPermit, StreamPermit, TooManyConnections};
pub use rate::{NotARate, Rate, Rates};
pub use rate_limits::{Kind, TooMany};
pub use seen::{InvalidEventId, LastEventId, state_of_tag, state_tag};
pub(crate) use store_failure::log_store_failure;
pub(crate) use visitor::{VisitError, Visitor};

#[cfg(fuzzing)]
pub use client_address::client_of;

/// Rate limits, keys and connection permits: one per process, so that a client's requests to API and pages count together.
pub struct AccessControl {
    keys: Keys,
    trusted_proxy_hops: usize,
    limits: Option<RateLimits>,
    /// None where a proxy is in front.
    connections: Option<Arc<KeyedSemaphore<IpAddr>>>,
    streams: Streams,
}

impl AccessControl {
    /// Creates the access layer from its settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            keys: Keys::new(&settings.inbound_keys, &settings.operator_tokens),
            trusted_proxy_hops: settings.trusted_proxy_hops,
            limits: settings.rate_limits.then(|| RateLimits::new(&settings.rates)),
            connections: (settings.trusted_proxy_hops == 0).then(|| KeyedSemaphore::new(settings.connections_of_one)),
            streams: Streams::new(settings.streams),
        }
    }

    fn client(&self, request: &HttpRequest) -> ClientAddress {
        ClientAddress::of(request.peer_addr(), request.headers(), self.trusted_proxy_hops)
    }

    /// Counts a request against its sender's limit.
    pub fn limit(&self, kind: Kind, request: &HttpRequest) -> Result<(), TooMany> {
        match &self.limits {
            Some(limits) => limits.take(kind, self.client(request)),
            None => Ok(()),
        }
    }

    /// Whether a request would be one too many for its sender. It is not counted.
    fn has_left(&self, kind: Kind, request: &HttpRequest) -> Result<(), TooMany> {
        match &self.limits {
            Some(limits) => limits.look(kind, self.client(request)),
            None => Ok(()),
        }
    }

    /// Whether `given` is the operators' token. Nothing is counted.
    fn knows_operator(&self, given: &[u8]) -> bool {
        self.keys.operator(given).is_some()
    }

    /// A place for a connection from `peer`.
    pub(crate) fn connect(&self, peer: Option<SocketAddr>) -> Result<ConnectionPermit, TooManyConnections> {
        let address = ClientAddress::of(peer, &HeaderMap::new(), 0).remote();
        let place = self.connections.as_ref().zip(address);
        let place = place.map(|(connections, address)| connections.take(address));
        Ok(ConnectionPermit {
            _of_one: place.transpose()?,
        })
    }

    /// A place for a stream of a ticket's events. The address of somebody with a right key is not looked at: they may be
    /// many, in one office.
    pub(crate) fn open_stream(
        &self,
        request: &HttpRequest,
        ticket: TicketId,
        access_level: AccessLevel,
    ) -> Result<StreamPermit, TooManyConnections> {
        match self.client(request) {
            ClientAddress::Local => self.streams.take(None, None),
            ClientAddress::Remote(ip) => {
                let counted = (access_level == AccessLevel::Anyone).then_some(ip);
                self.streams.take(counted, Some(ticket))
            }
        }
    }

    /// A place for a stream of an operator's: they share an office, and so an address, and are counted only in all.
    pub(crate) fn open_operator_stream(&self) -> Result<StreamPermit, TooManyConnections> {
        self.streams.take(None, None)
    }

    /// Who is counted as one caller, for what else is held back from whoever does too much of it. Nobody, where callers are
    /// not limited: programs on this machine, and where limits are off.
    pub(crate) fn caller(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.limits.as_ref()?;
        self.client(request).remote()
    }

    /// Which operator's token `given` is, if it is one. A wrong one counts against the caller's limit.
    pub(crate) fn operator(&self, given: &[u8], request: &HttpRequest) -> Result<Option<Actor>, TooMany> {
        let operator = self.keys.operator(given);
        self.judge(operator.is_some(), request)?;
        Ok(operator)
    }

    /// Whether the request shows one of n8n's keys. A wrong one, or none, counts against the caller's limit.
    pub(crate) fn is_inbound(&self, request: &HttpRequest) -> Result<bool, TooMany> {
        self.judge(self.keys.is_inbound(keys::api_key(request)), request)
    }

    fn judge(&self, is_right: bool, request: &HttpRequest) -> Result<bool, TooMany> {
        if !is_right {
            self.limit(Kind::WrongKey, request)?;
        }
        Ok(is_right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_connections_where_no_proxy_is_in_front() {
        let access_control = |trusted_proxy_hops| {
            AccessControl::new(&Settings {
                trusted_proxy_hops,
                connections_of_one: 2,
                ..Settings::default()
            })
        };
        let connect = |access_control: &AccessControl, peers: &[&str]| {
            let permits: Vec<_> = peers
                .iter()
                .map(|peer| access_control.connect(Some(peer.parse().unwrap())))
                .collect();
            permits.iter().filter(|place| place.is_ok()).count()
        };
        for (hops, peers, expected) in [
            (
                0,
                &["203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3", "203.0.113.2:1"][..],
                3,
            ),
            (
                0,
                &[
                    "[2001:db8::1]:1",
                    "[2001:db8::2]:1",
                    "[2001:db8::3]:1",
                    "[2001:db8:0:1::1]:1",
                ],
                3,
            ),
            (0, &["127.0.0.1:1", "127.0.0.1:2", "[::1]:3", "[::ffff:127.0.0.1]:4"], 4),
            // All of them are the proxy's.
            (1, &["203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3"], 3),
        ] {
            let access_control = access_control(hops);
            assert_eq!(connect(&access_control, peers), expected, "{peers:?}");
            // They are gone again.
            assert_eq!(connect(&access_control, peers), expected, "{peers:?}");
        }
    }
}
