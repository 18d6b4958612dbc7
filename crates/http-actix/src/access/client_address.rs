//! Addresses of clients.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

/// The address that a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAddress {
    /// A program on this machine, without a proxy between.
    Local,
    /// A client at this address. Of IPv6 only the first 64 bits are kept, since a household has all the rest.
    Remote(IpAddr),
}

impl ClientAddress {
    /// The client of a request from `peer`, with `hops` trusted proxies in front. Each of them appends its caller to
    /// `X-Forwarded-For`, so the client is the `hops`-th entry from the right; callers can invent anything to its left. With
    /// fewer entries the request bypassed a trusted proxy, so none of them counts.
    pub(crate) fn of(peer: Option<SocketAddr>, headers: &HeaderMap, hops: usize) -> Self {
        let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        // As bytes: what callers wrote to the left may not be text.
        let forwarded: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        if forwarded.is_empty() && peer.is_loopback() {
            return Self::Local;
        }
        let client = match hops {
            0 => None,
            hops => forwarded
                .len()
                .checked_sub(hops)
                .and_then(|place| std::str::from_utf8(forwarded[place]).ok())
                .and_then(|entry| address(entry.trim())),
        };
        Self::Remote(network(client.unwrap_or(peer)))
    }

    /// The address, unless the client is on this machine.
    pub(crate) fn remote(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Remote(ip) => Some(ip),
        }
    }
}

/// The client that sent a request; none if it is a program on this machine.
#[cfg(fuzzing)]
pub fn client_of(peer: SocketAddr, headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    match ClientAddress::of(Some(peer), headers, hops) {
        ClientAddress::Local => None,
        ClientAddress::Remote(ip) => Some(ip),
    }
}

/// Parses an address as proxies write it: with or without a port and brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches('"');
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let ip = bare
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(peer: &str, forwarded: &[&str], hops: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        match ClientAddress::of(Some(peer.parse().unwrap()), &headers, hops) {
            ClientAddress::Local => "local".into(),
            ClientAddress::Remote(ip) => ip.to_string(),
        }
    }

    #[test]
    fn the_client_is_the_caller_of_the_outermost_trusted_proxy() {
        for (peer, forwarded, hops, expected) in [
            ("127.0.0.1:9", &[][..], 0, "local"),
            ("127.0.0.1:9", &[], 1, "local"),
            ("[::1]:9", &[], 1, "local"),
            ("[::ffff:127.0.0.1]:9", &[], 1, "local"),
            ("127.0.0.1:9", &["1.2.3.4"], 0, "127.0.0.1"),
            ("127.0.0.1:9", &["1.2.3.4"], 1, "1.2.3.4"),
            ("127.0.0.1:9", &["127.0.0.1"], 1, "127.0.0.1"),
            ("10.0.0.1:9", &[], 1, "10.0.0.1"),
            ("10.0.0.1:9", &["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),
            ("10.0.0.1:9", &["6.6.6.6", "1.2.3.4, 5.6.7.8"], 2, "1.2.3.4"),
            // Past a trusted proxy, or all of them: the entries are invented.
            ("10.0.0.1:9", &["1.2.3.4"], 3, "10.0.0.1"),
            ("10.0.0.1:9", &["6.6.6.6", "1.2.3.4"], 3, "10.0.0.1"),
            ("127.0.0.1:9", &["1.2.3.4"], 2, "127.0.0.1"),
            ("10.0.0.1:9", &["\u{e9}, 1.2.3.4"], 1, "1.2.3.4"),
            ("10.0.0.1:9", &["1.2.3.4, \u{e9}"], 1, "10.0.0.1"),
            ("10.0.0.1:9", &["\u{e9}", "6.6.6.6, 1.2.3.4 , 5.6.7.8"], 2, "1.2.3.4"),
            ("10.0.0.1:9", &["unknown"], 1, "10.0.0.1"),
            ("10.0.0.1:9", &[""], 1, "10.0.0.1"),
            ("10.0.0.1:9", &["1.2.3.4:5678"], 1, "1.2.3.4"),
            ("10.0.0.1:9", &["[2001:db8:1:2:3::4]:5678"], 1, "2001:db8:1:2::"),
            ("10.0.0.1:9", &["2001:db8:1:2:ffff::9"], 1, "2001:db8:1:2::"),
            ("10.0.0.1:9", &["::ffff:1.2.3.4"], 1, "1.2.3.4"),
            ("[2001:db8::5]:9", &[], 0, "2001:db8::"),
        ] {
            assert_eq!(client(peer, forwarded, hops), expected, "{peer} {forwarded:?} {hops}");
        }
    }
}
