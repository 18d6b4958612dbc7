//! A web server in the place of Twilio: it accepts messages like Twilio's API, and calls webhooks with Twilio's
//! signature.

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

use crate::{Response, http_client};

/// The account whose messages are accepted.
pub const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";
/// Its token, also the key of the signatures.
pub const AUTH_TOKEN: &str = "twilio-token-0123456789abcdef01234567";
/// The sender of the messages.
pub const WHATSAPP_FROM: &str = "+14155238886";

/// The most characters of a body.
const BODY_MAX: usize = 1_600;

/// A message that was accepted.
#[derive(Debug, Clone)]
pub struct SentMessage {
    /// Its id.
    pub sid: String,
    /// The form's fields.
    pub form: BTreeMap<String, String>,
    /// When it came.
    pub at: Instant,
}

impl SentMessage {
    /// A field of the form; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The ticket it is about: the first reference in our layout or in the template's variables.
    pub fn ticket_ref(&self) -> String {
        let text = format!("{}{}", self.field("Body"), self.field("ContentVariables"));
        let start = text.find("T-2").expect("a reference");
        let is_of_it = |c: &char| c.is_ascii_digit() || *c == '-' || *c == 'T';
        text[start..].chars().take_while(is_of_it).collect()
    }
}

/// How Twilio rejects a message.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's own code.
    pub code: u32,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
}

#[derive(Default)]
struct State {
    rejections: VecDeque<Rejection>,
    sent: Vec<SentMessage>,
    /// How many were ever accepted; their ids count them.
    accepted: usize,
    asked: usize,
    /// Requests without a response yet.
    waiting: usize,
    /// The delay of each response.
    delay: Duration,
}

/// The server.
pub struct FakeTwilio {
    url: String,
    state: Arc<Mutex<State>>,
    count: Arc<watch::Sender<usize>>,
    server: ServerHandle,
    client: Client,
}

impl Drop for FakeTwilio {
    fn drop(&mut self) {
        // The command is sent at once; nobody waits for the end.
        drop(self.server.stop(false));
    }
}

impl FakeTwilio {
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
                        async move { accept(&state, &count, &request, &body).await }
                    }),
                )
            }
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("a listener").run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            url,
            state,
            count,
            server: handle,
            client: http_client(Duration::from_secs(16)),
        }
    }

    /// The base URL of its API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Rejects the next message that has no rejection yet.
    pub fn then(&self, status: u16, code: u32, retry_after: Option<u32>) {
        let rejection = Rejection {
            status,
            code,
            retry_after,
        };
        self.state.lock().unwrap().rejections.push_back(rejection);
    }

    /// Delays each response from now on.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// The accepted messages.
    pub fn sent(&self) -> Vec<SentMessage> {
        self.state.lock().unwrap().sent.clone()
    }

    /// Forgets the accepted messages: another server may draw the same references.
    pub fn forget(&self) {
        self.state.lock().unwrap().sent.clear();
        self.count.send_replace(0);
    }

    /// How many messages it was sent, accepted or not.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// How many requests have no response yet.
    pub fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }

    /// Waits until `count` messages were accepted in all.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> Vec<SentMessage> {
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(patience, counter.wait_for(|accepted| *accepted >= count)).await;
        let sent = self.sent();
        assert!(
            came.is_ok(),
            "{} of {count} messages came within {patience:?}",
            sent.len()
        );
        sent
    }

    /// Waits for a message about this ticket; returns the newest one.
    pub async fn wait_for_ticket(&self, reference: &str, patience: Duration) -> SentMessage {
        let newest = || self.sent().into_iter().rfind(|sent| sent.ticket_ref() == reference);
        let mut counter = self.count.subscribe();
        let came = tokio::time::timeout(patience, counter.wait_for(|_| newest().is_some())).await;
        assert!(came.is_ok(), "no message about {reference} within {patience:?}");
        newest().expect("a message")
    }

    /// Asserts that no message was sent twice.
    pub fn none_twice(&self) {
        let mut seen = HashSet::new();
        for sent in self.sent() {
            assert!(
                seen.insert((sent.ticket_ref(), sent.form.clone())),
                "sent twice: {sent:?}"
            );
        }
    }

    /// Calls a webhook like Twilio: signed, form-encoded.
    pub async fn call(&self, webhook: &str, params: &[(&str, &str)]) -> WebhookResponse {
        self.call_signed_by(AUTH_TOKEN, webhook, params).await
    }

    /// Calls a webhook, signed with this token.
    pub async fn call_signed_by(&self, token: &str, webhook: &str, params: &[(&str, &str)]) -> WebhookResponse {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let request = self.client.post(webhook);
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        let request = request.header("x-twilio-signature", signature(token, webhook, params));
        let asked = Instant::now();
        let response = Response::of(request.body(body)).await.expect("a response within 16 s");
        WebhookResponse {
            status: response.status,
            content_type: response.header("content-type").to_owned(),
            took: asked.elapsed(),
            text: response.text,
        }
    }
}

/// A webhook's response.
#[derive(Debug)]
pub struct WebhookResponse {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    /// Its body.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

impl WebhookResponse {
    /// The text in the `TwiML` for the sender.
    pub fn text(&self) -> String {
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
        let mut text = text.unwrap_or_default().to_owned();
        for escaped in ['<', '>', '"', '\'', '&'] {
            text = text.replace(&format!("&#{};", u32::from(escaped)), &escaped.to_string());
        }
        text
    }
}

/// Twilio's signature: the URL followed by every parameter, sorted by name; HMAC-SHA1; base64.
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

async fn accept(
    state: &Mutex<State>,
    count: &watch::Sender<usize>,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let delay = {
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        state.delay
    };
    tokio::time::sleep(delay).await;
    let rejection = |rejection: &Rejection| {
        let mut response = HttpResponse::build(StatusCode::from_u16(rejection.status).expect("a status"));
        if let Some(seconds) = rejection.retry_after {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        response.json(json!({ "code": rejection.code, "message": "refused", "status": rejection.status }))
    };
    let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let mut state = state.lock().unwrap();
    state.waiting = state.waiting.saturating_sub(1);
    state.asked += 1;
    if let Some(rejected) = rejection_of(request, &form).or_else(|| state.rejections.pop_front()) {
        return rejection(&rejected);
    }
    state.accepted += 1;
    let sid = format!("SM{:032x}", state.accepted);
    let answer = json!({ "sid": sid, "status": "queued", "to": form["To"], "error_code": null });
    state.sent.push(SentMessage {
        sid,
        form,
        at: Instant::now(),
    });
    count.send_modify(|count| *count += 1);
    HttpResponse::Created().json(answer)
}

/// Why Twilio rejects a request by itself.
fn rejection_of(request: &HttpRequest, form: &BTreeMap<String, String>) -> Option<Rejection> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let reject = |status, code| {
        Some(Rejection {
            status,
            code,
            retry_after: None,
        })
    };
    let basic = base64::encode_block(format!("{ACCOUNT_SID}:{AUTH_TOKEN}").as_bytes());
    if header("authorization") != Some(&format!("Basic {basic}")) {
        return reject(401, 20003);
    }
    if request.match_info().get("sid") != Some(ACCOUNT_SID) {
        return reject(404, 20404);
    }
    let is_whatsapp = |name: &str| form.get(name).is_some_and(|number| number.starts_with("whatsapp:+"));
    if !is_whatsapp("To") {
        return reject(400, 21211);
    }
    if !is_whatsapp("From") {
        return reject(400, 21212);
    }
    let body = form.get("Body").map_or("", String::as_str);
    if body.is_empty() && !form.contains_key("ContentSid") {
        return reject(400, 21602);
    }
    // WhatsApp counts UTF-16 units: an emoji is two or more.
    (body.encode_utf16().count() > BODY_MAX).then_some(Rejection {
        status: 400,
        code: 21617,
        retry_after: None,
    })
}
