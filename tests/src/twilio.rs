//! A web server that stands where Twilio would: it takes messages as Twilio's API does, and calls webhooks with
//! Twilio's signature.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::StatusCode, web};
use openssl::{base64, hash::MessageDigest, pkey::PKey, sign::Signer};
use reqwest::Client;
use serde_json::json;
use tokio::sync::watch;
use url::form_urlencoded;

/// The account whose messages are taken.
pub const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";
/// Its token, which is also the key of the signatures.
pub const AUTH_TOKEN: &str = "twilio-token-0123456789abcdef01234567";
/// The number that the messages come from.
pub const WHATSAPP_FROM: &str = "+14155238886";

/// The most characters of a body.
const BODY_MAX: usize = 1_600;

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The id that was given to it.
    pub sid: String,
    /// The form's fields.
    pub form: BTreeMap<String, String>,
    /// When it came.
    pub at: Instant,
}

impl Sent {
    /// A field of the form, or nothing.
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The ticket that it tells of, by the line of our layout or the first variable of the template.
    pub fn ticket_ref(&self) -> String {
        let text = format!("{}{}", self.field("Body"), self.field("ContentVariables"));
        let start = text.find("T-2").expect("a reference");
        let is_of_it = |c: &char| c.is_ascii_digit() || *c == '-' || *c == 'T';
        text[start..].chars().take_while(is_of_it).collect()
    }
}

/// How Twilio refuses.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The status of HTTP.
    pub status: u16,
    /// Twilio's own code.
    pub code: u32,
    /// Seconds after which it may be asked again.
    pub retry_after: Option<u32>,
}

#[derive(Default)]
struct State {
    refusals: VecDeque<Rejection>,
    sent: Vec<Sent>,
    /// How many were ever taken; their ids are made of it.
    taken: usize,
    asked: usize,
    /// Requests that have no answer yet.
    waiting: usize,
    /// How long each answer takes.
    pace: Duration,
}

/// The server.
pub struct Twilio {
    url: String,
    state: Arc<Mutex<State>>,
    count: Arc<watch::Sender<usize>>,
    server: ServerHandle,
    client: Client,
}

impl Drop for Twilio {
    fn drop(&mut self) {
        // The answer of a stop is not needed: the process ends, or the port is never asked again.
        drop(self.server.stop(false));
    }
}

impl Twilio {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (state, count) = (Arc::new(Mutex::new(State::default())), Arc::new(watch::Sender::new(0)));
        let app = {
            let (state, count) = (state.clone(), count.clone());
            move || {
                let (state, count) = (state.clone(), count.clone());
                App::new().route(
                    "/2010-04-01/Accounts/{sid}/Messages.json",
                    web::post().to(move |request: HttpRequest, body: web::Bytes| {
                        let (state, count) = (state.clone(), count.clone());
                        async move { take(&state, &count, &request, &body).await }
                    }),
                )
            }
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("a listener").run();
        let handle = server.handle();
        tokio::spawn(server);
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(16));
        Self {
            url,
            state,
            count,
            server: handle,
            client: client.build().expect("a client"),
        }
    }

    /// Where its API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Refuses the next message so, after those that were said before.
    pub fn then(&self, status: u16, code: u32, retry_after: Option<u32>) {
        let refusal = Rejection {
            status,
            code,
            retry_after,
        };
        self.state.lock().unwrap().refusals.push_back(refusal);
    }

    /// From now on each answer takes so long.
    pub fn pace(&self, pace: Duration) {
        self.state.lock().unwrap().pace = pace;
    }

    /// The messages that were taken.
    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().unwrap().sent.clone()
    }

    /// Forgets the messages that were taken: another server may give a reference anew that an earlier one gave.
    pub fn forget(&self) {
        self.state.lock().unwrap().sent.clear();
        self.count.send_replace(0);
    }

    /// How often it was asked to take one.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// How many requests have no answer yet.
    pub fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }

    /// Waits until so many were taken, in all.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Vec<Sent> {
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(patience, counter.wait_for(|taken| *taken >= count)).await;
        let sent = self.sent();
        assert!(
            came.is_ok(),
            "{} of {count} messages came within {patience:?}",
            sent.len()
        );
        sent
    }

    /// Waits until a ticket's message was taken; gives the newest one.
    pub async fn wait_for_ticket(&self, reference: &str, patience: Duration) -> Sent {
        let newest = || self.sent().into_iter().rfind(|sent| sent.ticket_ref() == reference);
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(patience, counter.wait_for(|_| newest().is_some())).await;
        assert!(came.is_ok(), "no message about {reference} within {patience:?}");
        newest().expect("a message")
    }

    /// Asserts that no two messages say the same to the same number.
    pub fn none_twice(&self) {
        let mut seen = HashSet::new();
        for sent in self.sent() {
            assert!(
                seen.insert((sent.ticket_ref(), sent.form.clone())),
                "sent twice: {sent:?}"
            );
        }
    }

    /// Calls a webhook as Twilio does: signed, form-encoded.
    pub async fn call(&self, webhook: &str, params: &[(&str, &str)]) -> Answer {
        self.call_signed_by(AUTH_TOKEN, webhook, params).await
    }

    /// Calls a webhook with a signature made with this token.
    pub async fn call_signed_by(&self, token: &str, webhook: &str, params: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let request = self.client.post(webhook);
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        let request = request.header("x-twilio-signature", signature(token, webhook, params));
        let asked = Instant::now();
        let response = request.body(body).send().await.expect("an answer within 16 s");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let content_type = headers
            .get("content-type")
            .map_or("", |value| value.to_str().expect("a text"));
        Answer {
            status,
            content_type: content_type.to_owned(),
            text: response.text().await.expect("a text"),
            took: asked.elapsed(),
        }
    }
}

/// What a webhook answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its kind.
    pub content_type: String,
    /// Its body.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// What the sender reads, from the `TwiML`.
    pub fn words(&self) -> String {
        assert_eq!(
            (self.status, self.content_type.starts_with("text/xml")),
            (200, true),
            "{self:?}"
        );
        let text = self
            .text
            .split("<Message>")
            .nth(1)
            .and_then(|rest| rest.split("</Message>").next());
        let mut words = text.unwrap_or_default().to_owned();
        for escaped in ['<', '>', '"', '\'', '&'] {
            words = words.replace(&format!("&#{};", u32::from(escaped)), &escaped.to_string());
        }
        words
    }
}

/// Twilio's signature: the address followed by every parameter, sorted by name; HMAC-SHA1; base64.
fn signature(token: &str, url: &str, params: &[(&str, &str)]) -> String {
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    let text: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let key = PKey::hmac(token.as_bytes()).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha1(), &key).expect("a signer");
    signer.update(url.as_bytes()).expect("bytes");
    signer.update(text.as_bytes()).expect("bytes");
    base64::encode_block(&signer.sign_to_vec().expect("a signature"))
}

async fn take(state: &Mutex<State>, count: &watch::Sender<usize>, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let pace = {
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        state.pace
    };
    tokio::time::sleep(pace).await;
    let refusal = |refusal: &Rejection| {
        let mut response = HttpResponse::build(StatusCode::from_u16(refusal.status).expect("a status"));
        if let Some(seconds) = refusal.retry_after {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        response.json(json!({ "code": refusal.code, "message": "refused", "status": refusal.status }))
    };
    let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let mut state = state.lock().unwrap();
    state.waiting = state.waiting.saturating_sub(1);
    state.asked += 1;
    if let Some(fault) = fault(request, &form).or_else(|| state.refusals.pop_front()) {
        return refusal(&fault);
    }
    state.taken += 1;
    let sid = format!("SM{:032x}", state.taken);
    let answer = json!({ "sid": sid, "status": "queued", "to": form["To"], "error_code": null });
    state.sent.push(Sent {
        sid,
        form,
        at: Instant::now(),
    });
    count.send_modify(|count| *count += 1);
    HttpResponse::Created().json(answer)
}

/// What Twilio refuses by itself.
fn fault(request: &HttpRequest, form: &BTreeMap<String, String>) -> Option<Rejection> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let refuse = |status, code| {
        Some(Rejection {
            status,
            code,
            retry_after: None,
        })
    };
    let basic = base64::encode_block(format!("{ACCOUNT_SID}:{AUTH_TOKEN}").as_bytes());
    if header("authorization") != Some(&format!("Basic {basic}")) {
        return refuse(401, 20003);
    }
    if request.match_info().get("sid") != Some(ACCOUNT_SID) {
        return refuse(404, 20404);
    }
    let is_whatsapp = |name: &str| form.get(name).is_some_and(|number| number.starts_with("whatsapp:+"));
    if !is_whatsapp("To") {
        return refuse(400, 21211);
    }
    if !is_whatsapp("From") {
        return refuse(400, 21212);
    }
    let body = form.get("Body").map_or("", String::as_str);
    if body.is_empty() && !form.contains_key("ContentSid") {
        return refuse(400, 21602);
    }
    // JavaScript's and WhatsApp's characters: an emoji counts as two or more.
    (body.encode_utf16().count() > BODY_MAX).then_some(Rejection {
        status: 400,
        code: 21617,
        retry_after: None,
    })
}
