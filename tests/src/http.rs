//! HTTP as the tests speak it: one client, one response.

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};

/// A client for servers on this machine: no proxy, no redirects followed, and no request longer than `timeout`.
pub fn http_client(timeout: Duration) -> Client {
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(timeout);
    client.build().expect("a client")
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
    /// The time from the request to the end of the body.
    pub took: Duration,
}

impl Response {
    /// Sends a request and reads the whole response.
    pub async fn of(request: RequestBuilder) -> reqwest::Result<Self> {
        let begun = Instant::now();
        let response = request.send().await?;
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
            took: begun.elapsed(),
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A text field at the top of the JSON body.
    pub fn field(&self, name: &str) -> String {
        let body = self.json();
        let field = body[name].as_str();
        field.unwrap_or_else(|| panic!("no text {name} in {body}")).to_owned()
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a text"))
    }

    /// The `code` of a problem, after checking that the body is a complete one.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(
            (&body["ok"], &body["status"]),
            (&json!(false), &json!(self.status)),
            "{body}"
        );
        for member in ["type", "title", "detail", "code"] {
            assert!(body[member].is_string(), "{member} in {body}");
        }
        self.field("code")
    }

    /// The text for the sender in a webhook's `TwiML`; empty if there is none.
    pub fn twiml(&self) -> String {
        let is_xml = self.header("content-type").starts_with("text/xml");
        assert_eq!((self.status, is_xml), (200, true), "{self:?}");
        let text = self.text.split("<Message>").nth(1);
        let text = text.and_then(|rest| rest.split("</Message>").next());
        let mut text = text.unwrap_or_default().to_owned();
        for escaped in ['<', '>', '"', '\'', '&'] {
            text = text.replace(&format!("&#{};", u32::from(escaped)), &escaped.to_string());
        }
        text
    }
}

/// The sum of the samples in a Prometheus text whose lines start with one of `names`; `None` if there is no such line.
pub fn sum_of_metrics(text: &str, names: &[&str]) -> Option<f64> {
    let lines = text
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)));
    let samples: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!samples.is_empty()).then(|| samples.iter().sum())
}
