//! Opening tickets, each with a form of its own: the server takes equal forms within a minute as one ticket, so a load
//! generator that repeats its bodies would measure repetitions.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{oha::Load, rounds::form};

/// How long a connection waits for a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// The number of the next form, which no earlier one of this process had.
static NEXT_FORM: AtomicU32 = AtomicU32::new(0);

/// What came back.
#[derive(Default)]
pub(super) struct Tally {
    /// How long each 201 took, in milliseconds, sorted.
    pub(super) times: Vec<f64>,
    /// Other responses, and requests without one.
    pub(super) failed: u32,
    /// From the first request to the last response.
    pub(super) took: Duration,
}

/// Sends as `load` says, a thread for each connection. Blocks.
pub(super) fn create(address: SocketAddr, load: Load) -> Tally {
    let begun = Instant::now();
    let turns = AtomicU32::new(0);
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let turns = &turns;
        let connections: Vec<_> = (0..load.connections)
            .map(|_| scope.spawn(move || connection(address, load, begun, turns)))
            .collect();
        for connection in connections {
            let one = connection.join().unwrap();
            tally.times.extend(one.times);
            tally.failed += one.failed;
        }
    });
    tally.took = begun.elapsed();
    tally.times.sort_unstable_by(f64::total_cmp);
    tally
}

/// Takes turns until the time is over. With a rate, a turn has its time, and waiting for it in vain counts.
#[allow(
    clippy::disallowed_methods,
    reason = "a thread of its own, which has nothing else to do"
)]
fn connection(address: SocketAddr, load: Load, begun: Instant, turns: &AtomicU32) -> Tally {
    let mut tally = Tally::default();
    let mut stream = None;
    loop {
        let turn = f64::from(turns.fetch_add(1, Ordering::Relaxed));
        let due = load.rate.map(|rate| begun + Duration::from_secs_f64(turn / rate));
        let asked = due.unwrap_or_else(Instant::now);
        if asked >= begun + load.time {
            return tally;
        }
        thread::sleep(asked.saturating_duration_since(Instant::now()));
        match open_ticket(&mut stream, address) {
            Ok(201) => tally.times.push(asked.elapsed().as_secs_f64() * 1_000.0),
            Ok(_) => tally.failed += 1,
            Err(_) => {
                stream = None;
                tally.failed += 1;
            }
        }
    }
}

/// Posts the next form, and returns the status of the response.
fn open_ticket(stream: &mut Option<BufReader<TcpStream>>, address: SocketAddr) -> io::Result<u16> {
    let stream = match stream {
        Some(stream) => stream,
        none => {
            let fresh = TcpStream::connect(address)?;
            fresh.set_nodelay(true)?;
            fresh.set_read_timeout(Some(PATIENCE))?;
            none.insert(BufReader::new(fresh))
        }
    };
    let body = form(NEXT_FORM.fetch_add(1, Ordering::Relaxed)).to_string();
    let request = format!(
        "POST /api/ticket HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut length, mut line) = (0, 0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().map_err(io::Error::other)?;
        } else if let Some(rest) = line.strip_prefix("content-length:") {
            length = rest.trim().parse().map_err(io::Error::other)?;
        } else if line.is_empty() {
            break;
        }
    }
    io::copy(&mut stream.take(length), &mut io::sink())?;
    Ok(status)
}
