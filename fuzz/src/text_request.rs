//! Requests as text, so that a corpus can be read and mutated: a line `METHOD target`, lines `name: value`, an empty line,
//! the body.

use actix_web::{
    http::{
        Method, Uri,
        header::{HeaderName, HeaderValue},
    },
    test::TestRequest,
};

/// A request that can be sent.
pub struct TextRequest {
    pub method: Method,
    pub uri: Uri,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl TextRequest {
    /// A POST of a JSON body.
    pub fn post(target: &str, body: &[u8]) -> Self {
        let head = format!("POST {target}\ncontent-type: application/json\n\n");
        Self::read(&[head.as_bytes(), body].concat()).expect("a sound request")
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::read(format!("GET {target}").as_bytes()).expect("a sound request")
    }

    /// The same request with a header more.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a sound value");
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    /// None for what the HTTP parser in front would not let through.
    pub fn read(data: &[u8]) -> Option<Self> {
        let end = data.windows(2).position(|bytes| bytes == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&data[..end], &data[end + 2..]),
            None => (data, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = lines.next()?;
        let space = first.iter().position(|byte| *byte == b' ')?;
        let method = Method::from_bytes(&first[..space]).ok()?;
        let uri = Uri::try_from(&first[space + 1..]).ok()?;
        // What a proxy or a browser sends: a path.
        if !uri.path().starts_with('/') || uri.authority().is_some() {
            return None;
        }
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
            Some((name, value))
        });
        Some(Self {
            method,
            uri,
            headers: headers.collect(),
            body: body.to_vec(),
        })
    }

    /// As the server gets it.
    pub fn to_request(&self) -> actix_http::Request {
        let mut request = TestRequest::default()
            .method(self.method.clone())
            .uri(&self.uri.to_string());
        for header in &self.headers {
            request = request.append_header(header.clone());
        }
        request.set_payload(self.body.clone()).to_request()
    }
}
