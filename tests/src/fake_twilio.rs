//! A web server in the place of Twilio: it accepts messages, Content resources and typing indicators like Twilio's API, and
//! calls webhooks with Twilio's signature.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use openssl::{base64, hash::MessageDigest, pkey::PKey, sign::Signer};
use reqwest::Client;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    Response,
    fake_server::{FakeServer, Journal},
    http_client,
};

/// The account whose messages are accepted.
pub const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";
/// Its token, also the key of the signatures.
pub const AUTH_TOKEN: &str = "twilio-token-0123456789abcdef01234567";
/// The sender of the messages.
pub const WHATSAPP_FROM: &str = "+14155238886";

/// The most UTF-16 units of a body: an emoji is two or more.
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

/// A message with buttons or rows, as a phone shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// The text.
    pub text: String,
    /// Of each button or row: the title, the description, and what a tap carries.
    pub choices: Vec<(String, String, String)>,
}

/// How Twilio rejects a message: HTTP status, its own code, and the `Retry-After` header in seconds.
type Rejection = (u16, u32, Option<u32>);

#[derive(Default)]
struct State {
    rejections: Mutex<VecDeque<Rejection>>,
    sent: Journal<SentMessage>,
    /// The messages that were marked as read.
    read: Journal<String>,
    /// The Content resources by their ids.
    contents: Mutex<BTreeMap<String, Value>>,
    counts: Mutex<Counts>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    /// Messages that were ever accepted; their ids count them.
    accepted: usize,
    asked: usize,
    /// Requests without a response yet.
    waiting: usize,
    /// The delay of each response.
    delay: Duration,
}

impl State {
    async fn handle(self: Arc<Self>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
        let delay = {
            let mut counts = self.counts.lock().unwrap();
            counts.waiting += 1;
            counts.delay
        };
        tokio::time::sleep(delay).await;
        if is_authorized(&request) {
            match request.path() {
                "/v1/Content" => return self.create_content(&body),
                "/v2/Indicators/Typing.json" => return self.mark_as_read(&body),
                _ => {}
            }
        }
        let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
        let mut counts = self.counts.lock().unwrap();
        counts.waiting -= 1;
        counts.asked += 1;
        let rejection = rejection_of(&request, &form).or_else(|| self.rejection_of_content(&form));
        let rejection = rejection.map(|(status, code)| (status, code, None));
        if let Some((status, code, retry_after)) = rejection.or_else(|| self.rejections.lock().unwrap().pop_front()) {
            let mut response = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
            if let Some(seconds) = retry_after {
                response.insert_header(("retry-after", seconds.to_string()));
            }
            return response.json(json!({ "code": code, "message": "refused", "status": status }));
        }
        counts.accepted += 1;
        let sid = format!("SM{:032x}", counts.accepted);
        let answer = json!({ "sid": sid, "status": "queued", "to": form["To"], "error_code": null });
        let at = Instant::now();
        self.sent.push(SentMessage { sid, form, at });
        HttpResponse::Created().json(answer)
    }
}

impl State {
    fn create_content(&self, body: &[u8]) -> HttpResponse {
        self.counts.lock().unwrap().waiting -= 1;
        let mut content: Value = serde_json::from_slice(body).expect("a Content resource");
        let mut contents = self.contents.lock().unwrap();
        let sid = format!("HX{:032x}", contents.len() + 1);
        content["sid"] = sid.as_str().into();
        contents.insert(sid, content.clone());
        HttpResponse::Created().json(content)
    }

    fn mark_as_read(&self, body: &[u8]) -> HttpResponse {
        self.counts.lock().unwrap().waiting -= 1;
        let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        assert_eq!(form["channel"], "whatsapp");
        self.read.push(form["messageId"].clone());
        HttpResponse::Ok().json(json!({ "success": true }))
    }

    /// Variables must be exactly those of the resource, none of them empty.
    fn rejection_of_content(&self, form: &BTreeMap<String, String>) -> Option<(u16, u32)> {
        let contents = self.contents.lock().unwrap();
        let wanted = contents.get(form.get("ContentSid")?)?["variables"].as_object()?;
        let given: BTreeMap<String, String> = serde_json::from_str(&form["ContentVariables"]).ok()?;
        let is_complete = given.len() == wanted.len()
            && wanted
                .keys()
                .all(|name| given.get(name).is_some_and(|value| !value.is_empty()));
        (!is_complete).then_some((400, 21_656))
    }

    /// A resource with the variables of a message.
    fn shown(&self, message: &SentMessage) -> Shown {
        let contents = self.contents.lock().unwrap();
        let types = &contents[message.field("ContentSid")]["types"];
        let variables: BTreeMap<String, String> = serde_json::from_str(message.field("ContentVariables")).unwrap();
        let filled = |text: &Value| {
            let text = text.as_str().unwrap_or_default().to_owned();
            variables.iter().fold(text, |text, (name, value)| {
                text.replace(&format!("{{{{{name}}}}}"), value)
            })
        };
        let (content, choices, title) = match types["twilio/quick-reply"].as_object() {
            Some(_) => (&types["twilio/quick-reply"], "actions", "title"),
            None => (&types["twilio/list-picker"], "items", "item"),
        };
        let choices = content[choices].as_array().unwrap().iter();
        Shown {
            text: filled(&content["body"]),
            choices: choices
                .map(|one| (filled(&one[title]), filled(&one["description"]), filled(&one["id"])))
                .collect(),
        }
    }
}

fn is_authorized(request: &HttpRequest) -> bool {
    let basic = base64::encode_block(format!("{ACCOUNT_SID}:{AUTH_TOKEN}").as_bytes());
    let authorization = request.headers().get("authorization");
    authorization.is_some_and(|value| value.as_bytes() == format!("Basic {basic}").as_bytes())
}

/// Why Twilio rejects a request by itself: status and code.
fn rejection_of(request: &HttpRequest, form: &BTreeMap<String, String>) -> Option<(u16, u32)> {
    let is_whatsapp = |name: &str| form.get(name).is_some_and(|number| number.starts_with("whatsapp:+"));
    let body = form.get("Body").map_or("", String::as_str);
    let rules = [
        (is_authorized(request), (401, 20003)),
        (
            request.path() == format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"),
            (404, 20404),
        ),
        (is_whatsapp("To"), (400, 21211)),
        (is_whatsapp("From"), (400, 21212)),
        (!body.is_empty() || form.contains_key("ContentSid"), (400, 21602)),
        (body.encode_utf16().count() <= BODY_MAX, (400, 21617)),
    ];
    rules
        .into_iter()
        .find(|(is_met, _)| !is_met)
        .map(|(_, rejection)| rejection)
}

/// The server.
pub struct FakeTwilio {
    url: String,
    state: Arc<State>,
    client: Client,
    _server: FakeServer,
}

impl FakeTwilio {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        let handled = state.clone();
        let server = FakeServer::start(0, move |request, body| handled.clone().handle(request, body));
        Self {
            url: format!("http://{}", server.address()),
            state,
            client: http_client(Duration::from_secs(16)),
            _server: server,
        }
    }

    /// The base URL of its API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Rejects the next message that has no rejection yet.
    pub fn then(&self, status: u16, code: u32, retry_after: Option<u32>) {
        let mut rejections = self.state.rejections.lock().unwrap();
        rejections.push_back((status, code, retry_after));
    }

    /// Delays each response from now on.
    pub fn delay(&self, delay: Duration) {
        self.state.counts.lock().unwrap().delay = delay;
    }

    /// The accepted messages.
    pub fn sent(&self) -> Vec<SentMessage> {
        self.state.sent.look(<[SentMessage]>::to_vec)
    }

    /// A message with buttons or rows, as the phone shows it.
    pub fn shown(&self, message: &SentMessage) -> Shown {
        self.state.shown(message)
    }

    /// The ids of the messages that were marked as read.
    pub fn read(&self) -> Vec<String> {
        self.state.read.look(<[String]>::to_vec)
    }

    /// Waits until `count` messages were marked as read in all.
    pub async fn wait_for_read(&self, count: usize) -> Vec<String> {
        let timeout = Duration::from_secs(10);
        self.state
            .read
            .wait_for(timeout, "a message marked as read", |read| read.len() >= count)
            .await
    }

    /// Forgets the accepted messages: another server may draw the same references.
    pub fn forget(&self) {
        self.state.sent.change(Vec::clear);
    }

    /// How many messages it was sent, accepted or not.
    pub fn asked(&self) -> usize {
        self.state.counts.lock().unwrap().asked
    }

    /// How many requests have no response yet.
    pub fn waiting(&self) -> usize {
        self.state.counts.lock().unwrap().waiting
    }

    /// Waits until `count` messages were accepted in all.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Vec<SentMessage> {
        let what = format!("{count} messages");
        let is_enough = |sent: &[SentMessage]| sent.len() >= count;
        self.state.sent.wait_for(timeout, &what, is_enough).await
    }

    /// Waits for a message about this ticket, with another id than `not`; returns the newest one.
    pub async fn wait_for_ticket(&self, reference: &str, not: &str, timeout: Duration) -> SentMessage {
        let is_it = |sent: &SentMessage| sent.ticket_ref() == reference && sent.sid != not;
        let what = format!("message about {reference}");
        let sent = self
            .state
            .sent
            .wait_for(timeout, &what, |sent| sent.iter().any(is_it))
            .await;
        sent.into_iter().rfind(is_it).expect("a message")
    }

    /// Asserts that no message was sent twice.
    pub fn none_twice(&self) {
        let mut seen = HashSet::new();
        for sent in self.sent() {
            let is_new = seen.insert((sent.ticket_ref(), sent.form.clone()));
            assert!(is_new, "sent twice: {sent:?}");
        }
    }

    /// Calls a webhook like Twilio: form-encoded, signed with this token.
    pub async fn call(&self, token: &str, webhook: &str, params: &[(&str, &str)]) -> Response {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let request = self.client.post(webhook);
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        let request = request.header("x-twilio-signature", signature(token, webhook, params));
        Response::of(request.body(body)).await.expect("a response within 16 s")
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
