//! Event streams.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::{Request, Response, TestApp, documented};

/// An open stream.
pub(crate) struct EventStream {
    reader: BufReader<TcpStream>,
    /// The head of the response, with the first chunk as its body.
    pub(crate) head: Response,
    /// The text that was received and not read yet.
    text: String,
}

/// A block of a stream, which ends with a blank line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Retry(u32),
    Heartbeat,
    Event(Event),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl TestApp {
    /// Opens a stream, and checks that its head is documented.
    pub(crate) fn follow(&self, request: &Request) -> EventStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&request.bytes("keep-alive")).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(reader.read_until(b'\n', &mut head).unwrap(), 0, "a whole head");
        }
        let mut stream = EventStream {
            reader,
            head: Response::parse(request, &head),
            text: String::new(),
        };
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        assert!(stream.read_chunk(), "something is told at once");
        stream.head.body = stream.text.clone().into_bytes();
        documented::check(request, &stream.head);
        stream
    }

    /// Opens a stream of a ticket.
    pub(crate) fn events(&self, reference: &str) -> EventStream {
        self.follow(&Request::new("GET", &format!("/api/ticket/{reference}/events")))
    }
}

impl EventStream {
    /// False at the end of the stream.
    fn read_chunk(&mut self) -> bool {
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).unwrap();
        chunk.truncate(size);
        self.text.push_str(&String::from_utf8(chunk).unwrap());
        size > 0
    }

    /// The next piece; none once the server ended the stream.
    pub(crate) fn piece(&mut self) -> Option<Piece> {
        let lines = self.lines()?;
        Some(Piece::parse(lines.trim_end()))
    }

    /// The lines of the next piece, to the blank one; none once the server ended the stream.
    pub(crate) fn lines(&mut self) -> Option<String> {
        let end = loop {
            if let Some(end) = self.text.find("\n\n") {
                break end;
            }
            if !self.read_chunk() {
                assert_eq!(self.text, "", "the stream ends after a whole piece");
                return None;
            }
        };
        let lines: String = self.text.drain(..end + 2).collect();
        Some(lines)
    }

    /// The next event, without other blocks.
    pub(crate) fn event(&mut self) -> Event {
        loop {
            match self.piece().expect("the stream goes on") {
                Piece::Event(event) => return event,
                Piece::Retry(_) | Piece::Heartbeat => {}
            }
        }
    }

    /// The names and ids of the next events.
    pub(crate) fn told(&mut self, events: usize) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..events {
            let event = self.event();
            told.push(format!("{} {}", event.name, event.id));
        }
        told
    }

    /// Reads to the end that the server makes.
    pub(crate) fn read_to_end(mut self) {
        while self.piece().is_some() {}
    }
}

impl Piece {
    fn parse(lines: &str) -> Self {
        if lines == ":" {
            return Self::Heartbeat;
        }
        if let Some(millis) = lines.strip_prefix("retry: ") {
            return Self::Retry(millis.parse().unwrap());
        }
        let mut fields = lines.split('\n');
        let mut field = |name: &str| {
            let line = fields.next().unwrap_or_else(|| panic!("no {name} in {lines}"));
            line.strip_prefix(name)
                .unwrap_or_else(|| panic!("no {name} in {lines}"))
        };
        let event = Event {
            name: field("event: ").to_owned(),
            id: field("id: ").to_owned(),
            data: serde_json::from_str(field("data: ")).unwrap(),
        };
        assert_eq!(fields.next(), None, "{lines}");
        documented::check_event(&event.name, &event.data);
        Self::Event(event)
    }
}
