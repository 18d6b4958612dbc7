//! Whose request it is, by `X-Forwarded-For`. The first byte says how many proxies are ours; each line is a header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use http_actix::client_of;

pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let hops = usize::from(first % 5);
    let peer = match first / 5 % 3 {
        0 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        1 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        _ => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6)),
    };
    let values: Vec<HeaderValue> = rest
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    let of = |values: &[HeaderValue]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static("x-forwarded-for"), value.clone());
        }
        client_of(SocketAddr::new(peer, 9), &headers, hops)
    };
    let client = of(&values);
    let entries: Vec<String> = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|entry| std::str::from_utf8(entry).unwrap_or_default().trim().to_owned())
        .collect();
    // A program of this machine is one without a proxy between.
    assert_eq!(client.is_none(), entries.is_empty() && peer.is_loopback());
    // Of IPv6 only a network is left, and nothing is an IPv4 address in disguise.
    if let Some(IpAddr::V6(ip)) = client {
        assert!(ip.segments()[4..] == [0; 4] && ip.to_ipv4_mapped().is_none());
    }
    let fallback = client == Some(network(peer));
    if hops == 0 {
        assert!(client.is_none() || fallback);
    }
    // The entry that counts is ours; what a caller invents further left changes nothing.
    if hops > 0 && !entries.is_empty() {
        let counts = entries.iter().rev().nth(hops - 1).map_or("", String::as_str);
        match parse_naively(counts) {
            Some(ip) => assert_eq!(client, Some(network(ip)), "{counts:?}"),
            // Quotes and brackets around it are taken away, however many there are.
            None => assert!(fallback || counts.contains(['[', ']', '"']), "{counts:?}"),
        }
        if entries.len() >= hops {
            let invented = HeaderValue::from_static("6.6.6.6, 7.7.7.7");
            assert_eq!(of(&[&[invented], values.as_slice()].concat()), client);
        }
    }
}

/// An address with a port or without.
fn parse_naively(entry: &str) -> Option<IpAddr> {
    entry
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
