//! A client that controls every byte of a request.

use std::{
    borrow::Borrow,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use super::{TestApp, documented};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    /// Sent unless a header of the same name is set.
    defaults: Vec<(&'static str, String)>,
    body: Vec<u8>,
    framing: Framing,
}

/// How the end of the body is marked.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length,
    Chunked,
    /// The announced length is larger than the body.
    Short(usize),
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// What was asked, for the messages of assertions.
    pub(super) asked: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            defaults: vec![("host", "test".to_owned())],
            body: Vec::new(),
            framing: Framing::Length,
        }
    }

    /// A JSON body.
    pub(crate) fn json(method: &str, target: &str, body: &Value) -> Self {
        let request = Self::new(method, target).header("content-type", "application/json");
        request.body(body.to_string())
    }

    pub(crate) fn post(target: &str, body: &Value) -> Self {
        Self::json("POST", target, body)
    }

    pub(crate) fn patch(target: &str, body: &Value) -> Self {
        Self::json("PATCH", target, body)
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A form, as a program sends it.
    pub(crate) fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self::new("POST", target)
            .default_header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// A header that the request has unless it is set.
    pub(super) fn default_header(mut self, name: &'static str, value: &str) -> Self {
        self.defaults.push((name, value.to_owned()));
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    /// Sent from this address, according to our proxy. Other requests are from a program on this machine.
    pub(crate) fn sent_from(mut self, address: &str) -> Self {
        self.headers.retain(|(name, _)| name != "x-forwarded-for");
        self.header("x-forwarded-for", address)
    }

    /// Any bytes as JSON.
    pub(crate) fn post_bytes(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let request = Self::new("POST", target).header("content-type", "application/json");
        request.body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn chunked(self) -> Self {
        Self {
            framing: Framing::Chunked,
            ..self
        }
    }

    /// Announces this length, and sends only the body.
    pub(crate) fn announcing(self, length: usize) -> Self {
        Self {
            framing: Framing::Short(length),
            ..self
        }
    }

    pub(super) fn bytes(&self, connection: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: {connection}\r\n",
            self.method, self.target
        );
        let is_set = |name: &str| self.headers.iter().any(|(other, _)| other == name);
        for (name, value) in self.defaults.iter().filter(|(name, _)| !is_set(name)) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut body = self.body.clone();
        match self.framing {
            Framing::Length => head.extend(["content-length: ", &self.body.len().to_string(), "\r\n"]),
            Framing::Short(length) => head.extend(["content-length: ", &length.to_string(), "\r\n"]),
            Framing::Chunked => {
                head.push_str("transfer-encoding: chunked\r\n");
                body.clear();
                for chunk in self.body.chunks(4_000) {
                    body.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    body.extend(chunk);
                    body.extend(b"\r\n");
                }
                body.extend(b"0\r\n\r\n");
            }
        }
        [head.as_bytes(), b"\r\n", &body].concat()
    }
}

impl Response {
    pub(super) fn parse(request: &Request, bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            asked: format!("{} {}", request.method, request.target),
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem's code. Checks that the problem is complete.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["ok"], false);
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/docs#{code}"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        code.to_owned()
    }

    /// That it is a problem of this status and code, which tells nothing of the store.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{} {self:?}",
            self.asked
        );
        assert!(!self.text().contains("secret"), "{self:?}");
    }

    /// The field errors as `field code`, in their order.
    #[track_caller]
    pub(crate) fn field_errors(&self) -> Vec<String> {
        self.assert_problem(400, "validation_failed");
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let word = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
        let words = |error: &Value| word(error, "field") + " " + &word(error, "code");
        errors.iter().map(words).collect()
    }
}

impl Response {
    /// Checks a response of the application, which has a request id. What the connection itself refuses has none.
    fn check_security_headers(&self, target: &str) {
        if self.header("x-request-id").is_none() {
            return;
        }
        for name in [
            "referrer-policy",
            "cache-control",
            "permissions-policy",
            "cross-origin-resource-policy",
        ] {
            assert!(self.header(name).is_some(), "{target}: no {name}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(self.header(name), Some(value), "{target}: {name}");
        }
        let policy = self.header("content-security-policy").unwrap_or_default();
        // The page for the widget says itself who may frame it.
        let ancestors = if target.ends_with("&embed") {
            "frame-ancestors "
        } else {
            "frame-ancestors 'none'"
        };
        let is_strict = ["default-src 'none'", ancestors]
            .iter()
            .all(|rule| policy.contains(rule));
        assert!(is_strict, "{target}: {policy}");
    }
}

impl TestApp {
    /// Sends a request on a connection of its own. Checks that its response has the security headers and, if it is one of
    /// the API, that it is documented.
    pub(crate) fn send(&self, request: impl Borrow<Request>) -> Response {
        let request = request.borrow();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(&request.bytes("close"));
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        assert!(!bytes.is_empty(), "no answer: {read:?}");
        let response = Response::parse(request, &bytes);
        documented::check(request, &response);
        response.check_security_headers(&request.target);
        response
    }
}
