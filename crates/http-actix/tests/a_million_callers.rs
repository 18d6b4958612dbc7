//! What a million addresses cost, with the limits that ship. A program of its own, so that its memory is its own.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::{HttpRequest, test::TestRequest};
use http_actix::{AccessControl, Kind, Settings};

const CALLERS: u32 = 1_000_000;

fn of(address: IpAddr) -> HttpRequest {
    TestRequest::default()
        .peer_addr(SocketAddr::new(address, 5_000))
        .to_http_request()
}

/// What the process holds, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn a_million_callers_take_little_memory_and_no_room_from_those_who_are_known() {
    let access_control = AccessControl::new(&Settings::default());
    let honest = of("198.51.100.7".parse().unwrap());
    for kind in [Kind::Creation, Kind::Read, Kind::Miss, Kind::WrongKey] {
        assert_eq!(access_control.limit(kind, &honest), Ok(()));
    }
    let before = resident();
    for number in 0..CALLERS {
        // From all over the place.
        let address = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761));
        let request = of(address.into());
        for kind in [Kind::Creation, Kind::Read, Kind::Miss, Kind::WrongKey] {
            let _ = access_control.limit(kind, &request);
        }
        if number % 10_000 == 0 {
            // One who comes all the while, below their limit.
            assert_eq!(access_control.limit(Kind::Read, &honest), Ok(()), "{number}");
        }
    }
    let grown = (resident() - before) / 1024;
    println!("{CALLERS} callers, each of four kinds: {grown} MiB");
    assert!(grown < 64, "{grown} MiB");
}
