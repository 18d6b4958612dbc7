//! Access control for API and pages: client addresses, rate limits, keys, and subscriptions to ticket changes.
//!
//! It knows nothing of JSON or HTML: API and pages each turn its errors into responses.

mod byte_budget;
mod client_address;
mod guessing;
mod keys;
mod permits;
mod rate;
mod rate_limits;
mod seen;
mod store_failure;
mod subscriptions;
mod threads;
mod visitor;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use actix_web::{HttpRequest, http::header::HeaderMap};
use byte_budget::ByteBudget;
use client_address::ClientAddress;
use guessing::GuessingLimit;
use keys::Keys;
use permits::{KeyedSemaphore, Streams};
use rate_limits::RateLimits;
use ticket_domain::{Access, AccessLevel, TicketId};

use crate::Settings;
pub(crate) use byte_budget::BytePermit;
pub use keys::OperatorToken;
pub(crate) use keys::bearer;
pub use permits::StreamLimits;
pub(crate) use permits::{ConnectionPermit, StreamPermit, TooManyConnections};
pub use rate::{NotARate, Rate, Rates};
pub use rate_limits::{Kind, Limited, TooMany};
pub use seen::{InvalidEventId, LastEventId, state_of_tag, state_tag};
pub(crate) use store_failure::log_store_failure;
pub(crate) use subscriptions::{Subscription, TicketSubscriptions};
pub(crate) use threads::{ReadError, SharedThreads, SharedView, ThreadCopy};
pub(crate) use visitor::{VisitError, Visitor};

#[cfg(fuzzing)]
pub use client_address::client_of;

/// Rate limits, keys and connection permits: one per process, so that a client's requests to API and pages count together.
pub struct AccessControl {
    keys: Keys,
    trusted_proxy_hops: usize,
    limits: Option<RateLimits>,
    /// None where a reference alone shows no ticket.
    guessing: Option<GuessingLimit>,
    guessing_stops: Arc<AtomicU64>,
    /// None where a proxy is in front.
    connections: Option<Arc<KeyedSemaphore<IpAddr>>>,
    streams: Streams,
    responses: ByteBudget,
}

/// Bytes of response bodies that wait for their readers, in KiB. Those of threads count as threads.
const RESPONSES_KIB: u32 = 8 * 1024;
/// Bodies of up to this many bytes don't count: they fit into the buffers of a connection.
const SMALL_RESPONSE: usize = 64 * 1024;

impl AccessControl {
    /// Creates the access layer from its settings.
    pub fn new(settings: &Settings) -> Self {
        let guessing_stops = Arc::<AtomicU64>::default();
        let is_guessing_limited = settings.rate_limits && settings.ticket_access == Access::Open;
        Self {
            keys: Keys::new(&settings.inbound_keys, &settings.operator_tokens),
            trusted_proxy_hops: settings.trusted_proxy_hops,
            limits: settings.rate_limits.then(|| RateLimits::new(&settings.rates)),
            guessing: is_guessing_limited
                .then(|| GuessingLimit::new(settings.rates.all_misses, guessing_stops.clone())),
            guessing_stops,
            connections: (settings.trusted_proxy_hops == 0).then(|| KeyedSemaphore::new(settings.connections_of_one)),
            streams: Streams::new(settings.streams),
            responses: ByteBudget::new(RESPONSES_KIB, SMALL_RESPONSE),
        }
    }

    fn client(&self, request: &HttpRequest) -> ClientAddress {
        ClientAddress::of(request.peer_addr(), request.headers(), self.trusted_proxy_hops)
    }

    /// Counts a request against its sender's limit.
    pub fn limit(&self, kind: Kind, request: &HttpRequest) -> Result<(), TooMany> {
        let client = self.client(request);
        if let (Kind::Miss, Some(guessing), Some(_)) = (kind, &self.guessing, client.remote()) {
            guessing.count(Instant::now());
        }
        match &self.limits {
            Some(limits) => limits.take(kind, client),
            None => Ok(()),
        }
    }

    /// Counts a message that the customer writes into a ticket. A key shows who it is, and is no reason to take more.
    fn limit_messages(&self, ticket: TicketId) -> Result<(), TooMany> {
        self.limits
            .as_ref()
            .map_or(Ok(()), |limits| limits.take_message(ticket))
    }

    /// Takes the permit of a response body of which all `bytes` are in memory.
    pub(crate) fn hold_response(&self, bytes: usize) -> Result<BytePermit, TooMany> {
        self.responses.take(bytes)
    }

    /// Counts how often guessing stopped reading without a key.
    pub(crate) fn guessing_stops(&self) -> Arc<AtomicU64> {
        self.guessing_stops.clone()
    }

    /// Checks whether a request without a valid key may find out if a ticket exists. Nothing is counted.
    fn may_guess(&self, request: &HttpRequest) -> Result<(), TooMany> {
        if let (Some(guessing), Some(_)) = (&self.guessing, self.caller(request)) {
            guessing.check(Instant::now())?;
        }
        self.has_left(Kind::Miss, request)
    }

    /// Checks a sender's limit without counting the request.
    fn has_left(&self, kind: Kind, request: &HttpRequest) -> Result<(), TooMany> {
        match &self.limits {
            Some(limits) => limits.look(kind, self.client(request)),
            None => Ok(()),
        }
    }

    /// Whether `given` is an operator token. Nothing is counted.
    fn knows_operator(&self, given: &[u8]) -> bool {
        self.keys.operator_token(given).is_some()
    }

    /// Takes the permit of a connection from `peer`.
    pub(crate) fn connect(&self, peer: Option<SocketAddr>) -> Result<ConnectionPermit, TooManyConnections> {
        let address = ClientAddress::of(peer, &HeaderMap::new(), 0).remote();
        let counted = self.connections.as_ref().zip(address);
        let permit = counted.map(|(connections, address)| connections.take(address));
        permit.transpose()
    }

    /// Takes the permit of a stream of a ticket's events. With a valid key it doesn't count for the address, which may be that
    /// of a whole office.
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

    /// Takes the permit of an operator's event stream. It counts in total only: operators share an office, and so an address.
    pub(crate) fn open_operator_stream(&self) -> Result<StreamPermit, TooManyConnections> {
        self.streams.take(None, None)
    }

    /// The address that a request came from; none if it is a program on this machine.
    pub(crate) fn caller(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.client(request).remote()
    }

    /// The operator token that `given` is. A wrong one counts against the caller's limit.
    pub(crate) fn operator_token(
        &self,
        given: &[u8],
        request: &HttpRequest,
    ) -> Result<Option<&OperatorToken>, TooMany> {
        let token = self.keys.operator_token(given);
        self.counted(token.is_some(), request)?;
        Ok(token)
    }

    /// Whether the request has one of n8n's keys. A wrong or missing key counts against the caller's limit.
    pub(crate) fn is_inbound(&self, request: &HttpRequest) -> Result<bool, TooMany> {
        self.counted(self.keys.is_inbound(keys::api_key(request)), request)
    }

    fn counted(&self, is_right: bool, request: &HttpRequest) -> Result<bool, TooMany> {
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
    fn connections_are_limited_per_client_unless_a_proxy_is_in_front() {
        let access_control = |trusted_proxy_hops| {
            let settings = Settings {
                trusted_proxy_hops,
                connections_of_one: 2,
                ..Settings::default()
            };
            AccessControl::new(&settings)
        };
        let connect = |access_control: &AccessControl, peers: &[&str]| {
            let permits: Vec<_> = peers
                .iter()
                .map(|peer| access_control.connect(Some(peer.parse().unwrap())))
                .collect();
            permits.iter().filter(|permit| permit.is_ok()).count()
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
            // All are connections of the proxy.
            (1, &["203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3"], 3),
        ] {
            let access_control = access_control(hops);
            assert_eq!(connect(&access_control, peers), expected, "{peers:?}");
            // The permits were returned.
            assert_eq!(connect(&access_control, peers), expected, "{peers:?}");
        }
    }
}
