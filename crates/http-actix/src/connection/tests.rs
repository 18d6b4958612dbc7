use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, web};

use crate::{
    Deadlines,
    testing::{Request, TestApp, seeds_ticket},
};

/// Long enough to never be waited for.
const NEVER: Duration = Duration::from_mins(1);
/// Short, and long enough for a machine that is busy.
const SHORT: Duration = Duration::from_millis(400);
/// Much longer than [`SHORT`], and shorter than [`NEVER`].
const SOON: Duration = Duration::from_secs(10);

const GET: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n";
const LIVE: &str = "{\"ok\":true}";

fn service(change: impl FnOnce(&mut Deadlines)) -> TestApp {
    TestApp::with(|setup| {
        setup.settings.deadlines = Deadlines {
            head: NEVER,
            idle: NEVER,
            write: NEVER,
        };
        change(&mut setup.settings.deadlines);
        setup.settings.heartbeat = Duration::from_millis(50);
        setup.routes = |config| {
            config.route(
                "/large",
                web::get().to(async || HttpResponse::Ok().body(vec![b'x'; LARGE])),
            );
        };
    })
}

/// More than the kernel holds for a connection.
const LARGE: usize = 32 * 1024 * 1024;

fn connect(api: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(api.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Reads one answer that ends like this.
fn read_answer(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        stream.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    text
}

/// What comes until the server closes, which it does before long.
fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is still open: {error}"),
    }
    String::from_utf8(text).unwrap()
}

/// Sends a byte now and then, until the server closes. The time that it took.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    stream.set_read_timeout(Some(SHORT / 10)).unwrap();
    for byte in bytes.iter().cycle() {
        assert!(begin.elapsed() < SOON, "the connection is still open");
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        match stream.read(&mut [0; 1_000]) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Ok(_) | Err(_) => {}
        }
    }
    begin.elapsed()
}

#[test]
fn a_head_must_arrive_in_time_on_every_request() {
    let api = service(|deadlines| deadlines.head = SHORT);
    for requests_before in [0, 1, 3] {
        let mut stream = connect(&api);
        for _ in 0..requests_before {
            stream.write_all(GET).unwrap();
            read_answer(&mut stream, LIVE);
        }
        stream.write_all(b"G").unwrap();
        let answer = rest(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{requests_before}: {answer}");
    }
}

#[test]
fn a_slow_head_times_out() {
    let api = service(|deadlines| deadlines.head = SHORT);
    for requests_before in [0, 1] {
        let mut stream = connect(&api);
        for _ in 0..requests_before {
            stream.write_all(GET).unwrap();
            read_answer(&mut stream, LIVE);
        }
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
        let took = trickle(&mut stream, b"x");
        assert!(took >= SHORT / 2, "{took:?}");
    }
}

#[test]
fn the_rest_of_a_rejected_body_times_out() {
    let api = service(|deadlines| deadlines.head = SHORT);
    let mut stream = connect(&api);
    // Refused by its head; actix reads on, so that the connection could be used again.
    stream
        .write_all(b"POST /api/ticket HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let answer = read_answer(&mut stream, "\"}");
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    trickle(&mut stream, b"1\r\nx\r\n");
}

#[test]
fn an_idle_connection_is_closed() {
    let api = service(|deadlines| deadlines.idle = SHORT);
    let mut stream = connect(&api);
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        read_answer(&mut stream, LIVE);
    }
    let begin = Instant::now();
    assert_eq!(rest(&mut stream), "");
    assert!(begin.elapsed() >= SHORT / 2, "{:?}", begin.elapsed());
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let api = service(|deadlines| deadlines.head = SHORT);
    let mut stream = connect(&api);
    assert!(rest(&mut stream).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_response_must_be_read() {
    let api = service(|deadlines| deadlines.write = SHORT);
    for connection in ["close", "keep-alive"] {
        let mut stream = connect(&api);
        let head = format!("GET /large HTTP/1.1\r\nhost: test\r\nconnection: {connection}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // Half of them have nothing more to send.
        if connection == "close" {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        // The server's end is gone: nothing is left of it but what the kernel held.
        wait_until_closed(&api, &stream);
        let mut taken = Vec::new();
        let _ = stream.read_to_end(&mut taken);
        assert!(taken.len() < LARGE, "{connection}: {}", taken.len());
    }
}

/// Waits until the server has closed its end, without taking anything of what it wrote.
fn wait_until_closed(api: &TestApp, stream: &TcpStream) {
    let begin = Instant::now();
    while is_open(api.address.port(), stream.local_addr().unwrap().port()) {
        assert!(begin.elapsed() < SOON, "the connection is still open");
        std::thread::park_timeout(SHORT / 20);
    }
}

/// Whether the kernel has an established connection from the one port to the other.
fn is_open(from: u16, to: u16) -> bool {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let (from, to) = (format!(":{from:04X}"), format!(":{to:04X}"));
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Established, or half closed by the client.
        fields[1].ends_with(&from) && fields[2].ends_with(&to) && matches!(fields[3], "01" | "08")
    })
}

#[test]
fn a_response_may_be_read_slowly() {
    let api = service(|deadlines| deadlines.write = SHORT);
    let mut stream = connect(&api);
    stream
        .write_all(b"GET /large HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .unwrap();
    let begin = Instant::now();
    let (mut taken, mut piece) = (0, vec![0; 2 * 1024 * 1024]);
    // For longer than a write may stand still.
    loop {
        let read = stream.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        taken += read;
        if begin.elapsed() < 2 * SHORT {
            std::thread::park_timeout(SHORT / 20);
        }
    }
    assert!(taken > LARGE, "{taken}");
}

#[test]
fn an_event_stream_has_no_deadline() {
    let api = service(|deadlines| {
        *deadlines = Deadlines {
            head: SHORT,
            idle: SHORT,
            write: SHORT,
        };
    });
    let opened = api.open_ticket();
    let mut events = api.events(&opened.reference);
    let begin = Instant::now();
    while begin.elapsed() < 4 * SHORT {
        assert!(events.piece().is_some(), "{:?}", begin.elapsed());
    }
}

#[test]
fn a_client_of_an_event_stream_may_not_send_much() {
    let api = service(|_| {});
    let opened = api.open_ticket();
    let mut stream = connect(&api);
    let follow = format!(
        "GET /api/ticket/{}/events HTTP/1.1\r\nhost: test\r\n\r\n",
        opened.reference
    );
    stream.write_all(follow.as_bytes()).unwrap();
    read_answer(&mut stream, "\r\n\r\n");
    // One more request may be on its way already.
    stream.write_all(GET).unwrap();
    std::thread::park_timeout(SHORT / 4);
    assert!(is_open(api.address.port(), stream.local_addr().unwrap().port()));
    stream.set_write_timeout(Some(SHORT)).unwrap();
    for _ in 0..10 {
        drop(stream.write_all(&GET.repeat(100)));
    }
    wait_until_closed(&api, &stream);
}

#[test]
fn pipelined_requests_are_answered() {
    let api = service(|deadlines| deadlines.head = SHORT);
    let mut stream = connect(&api);
    let body = seeds_ticket().to_string();
    let post = format!(
        "POST /api/ticket HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..3 {
        let requests = [post.as_bytes(), GET].concat().repeat(8);
        stream.write_all(&requests).unwrap();
        for _ in 0..8 {
            assert!(read_answer(&mut stream, "\"}").starts_with("HTTP/1.1 201 "));
            assert!(read_answer(&mut stream, LIVE).starts_with("HTTP/1.1 200 "));
        }
    }
}

#[test]
fn a_body_has_a_deadline_on_every_request() {
    let api = TestApp::with(|setup| setup.settings.body_deadline = SHORT);
    let mut stream = connect(&api);
    stream.write_all(GET).unwrap();
    read_answer(&mut stream, LIVE);
    stream
        .write_all(
            b"POST /api/ticket HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        )
        .unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    // The service is none the worse for it.
    assert_eq!(api.send(Request::new("GET", "/health/live")).status, 200);
}

#[test]
fn connections_over_the_maximum_wait() {
    let api = TestApp::with(|setup| setup.settings.max_connections = 2);
    let mut open = [connect(&api), connect(&api)];
    for stream in &mut open {
        stream.write_all(GET).unwrap();
        read_answer(stream, LIVE);
    }
    let mut waiting = connect(&api);
    waiting.write_all(GET).unwrap();
    waiting.set_read_timeout(Some(SHORT)).unwrap();
    assert!(waiting.read(&mut [0]).is_err());
    drop(open);
    waiting.set_read_timeout(Some(SOON)).unwrap();
    assert!(read_answer(&mut waiting, LIVE).starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_measured_only_while_it_is_waited_for() {
    use tokio::time::{Instant, advance};

    const DEADLINE: Duration = Duration::from_secs(30);
    // Bytes taken each second of waiting, the pause after each, and whether the client is let go within five minutes.
    for (bytes, pause, expected) in [
        (0, 0, true),
        (1_000, 0, true),
        (9_000, 0, true),
        (11_000, 0, false),
        (1_000_000, 0, false),
        // One that takes all there is, and then nothing is written for a while.
        (11_000, 10, false),
        (9_000, 10, true),
    ] {
        let mut reading = super::ClientReading::default();
        let is_let_go = 'seconds: {
            for _ in 0..300 {
                reading.wait();
                advance(Duration::from_secs(1)).await;
                if reading.is_too_slow(Instant::now(), DEADLINE) {
                    break 'seconds true;
                }
                if bytes > 0 {
                    reading.took(bytes);
                }
                advance(Duration::from_secs(pause)).await;
            }
            false
        };
        assert_eq!(is_let_go, expected, "{bytes} {pause}");
    }
}

#[test]
fn responses_that_nobody_reads_are_bounded_in_all() {
    let api = service(|_| {});
    let get = |path: &str| {
        let mut stream = connect(&api);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        let status = read_answer(&mut stream, "\r\n\r\n")[9..12].to_owned();
        (stream, status)
    };
    let (unread, status) = get("/large");
    assert_eq!(status, "200");
    let (_, status) = get("/large");
    assert_eq!(status, "429");
    assert_eq!(get("/health/live").1, "200");
    drop(unread);
    let begin = Instant::now();
    while get("/large").1 != "200" {
        assert!(begin.elapsed() < SOON);
    }
}
