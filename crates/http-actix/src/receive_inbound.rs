//! `POST /api/ticket/inbound`: n8n hands over a message from WhatsApp.

use std::{borrow::Cow, convert::Infallible, str::FromStr};

use actix_web::{HttpRequest, HttpResponse};
use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::value::RawValue;
use ticket_domain::{
    Body as Words, Channel, Content, ExternalId, MediaUrl, Phone, PhoneError, Rule,
    use_cases::{Reply, TicketName},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::Api,
    body::{Body, Document, mended},
    field::{Field, blank_is_missing, check, fault, optional, required},
    keys::InboundCaller,
    problem::Problem,
    words::ChannelWord,
};

/// What stands for a message that had no words, and a medium at an address that can't be used.
const UNUSABLE_MEDIUM: &str = "[attachment without a usable address]";

/// A message from outside. A blank field counts as absent.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InboundMessage, example = json!({
    "ticketRef": "T-20250115-1234",
    "message": "Thank you for reporting this. We'll investigate immediately.",
    "from": "+919655716000",
    "channel": "whatsapp",
    "externalId": "SM1234567890abcdef",
    "mediaUrl": null
}))]
pub(crate) struct InboundMessage {
    /// The ticket. May be absent if a quote or the text names it.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(a_text))]
    #[schema(value_type = Option<String>, example = "T-20250115-1234")]
    ticket_ref: Field<NamedTicket>,
    /// Up to 16,000 characters are kept; what is cut is marked. May be absent if there is a `mediaUrl`. A number or a
    /// boolean is taken as it is written. What is no text, such as half of an emoji, becomes U+FFFD.
    #[serde(default, deserialize_with = "words_as_written")]
    #[garde(custom(words_or(&self.media_url)))]
    #[schema(
        value_type = Option<String>,
        example = "Thank you for reporting this. We'll investigate immediately."
    )]
    message: Field<AnyWords>,
    /// The sender's number, with or without `whatsapp:` before it.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, example = "+919655716000")]
    from: Field<SenderNumber>,
    /// `whatsapp` unless it says otherwise.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(optional))]
    #[schema(value_type = Option<ChannelWord>, example = "whatsapp")]
    channel: Field<Channel>,
    /// The message's id outside, such as Twilio's `MessageSid`: at most 128 characters. The same id is the same message
    /// for ever.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(optional))]
    #[schema(value_type = Option<String>, max_length = 128, example = "SM1234567890abcdef")]
    external_id: Field<ExternalId>,
    /// Where a picture, a voice message or a document lies: `https`, at most 2,048 characters. It is stored, never
    /// fetched; an unusable one is dropped and the text kept.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(skip)]
    #[schema(value_type = Option<String>, max_length = 2_048)]
    media_url: Field<MediaUrl>,
    /// The outside id of the message that is quoted. One that nobody knows tells nothing.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    replied_to_external_id: Field<ExternalId>,
}

impl Document for InboundMessage {
    const MAX_BYTES: usize = 256 * 1024;

    /// A reply is never lost over how its text was encoded.
    fn readable(bytes: &[u8]) -> Cow<'_, [u8]> {
        mended(bytes)
    }
}

/// A reference, or a text that is none.
struct NamedTicket(TicketName);

impl FromStr for NamedTicket {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(raw.parse().map_or(TicketName::Unreadable, TicketName::Reference)))
    }
}

/// Words, whatever they are.
struct AnyWords(Words);

impl FromStr for AnyWords {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(Words::lenient(raw)))
    }
}

/// Reads words, and a number or a boolean as they are written: an expression of n8n without quotes around it makes such
/// of a text like `1234`.
fn words_as_written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field<AnyWords>, D::Error> {
    // Not as a `Value`, which would round a long number.
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match raw.get().as_bytes() {
        [b'[' | b'{', ..] => Ok(Field::NotText),
        [b'"' | b'n', ..] => {
            blank_is_missing(&mut serde_json::Deserializer::from_str(raw.get())).map_err(Error::custom)
        }
        _ => Ok(Field::Good(AnyWords(Words::lenient(raw.get())))),
    }
}

/// A number as Twilio writes it.
struct SenderNumber(Phone);

impl FromStr for SenderNumber {
    type Err = PhoneError;

    fn from_str(raw: &str) -> Result<Self, PhoneError> {
        const SCHEME: &str = "whatsapp:";
        let raw = raw.trim();
        let number = match raw.split_at_checked(SCHEME.len()) {
            Some((scheme, number)) if scheme.eq_ignore_ascii_case(SCHEME) => number,
            _ => raw,
        };
        number.parse().map(Self)
    }
}

/// A garde rule for a field that any text will do for.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes its context so")]
fn a_text<T: FromStr<Err = Infallible>>(field: &Field<T>, (): &()) -> garde::Result {
    match field {
        Field::NotText => Err(fault("not_text", "must be a text")),
        Field::Missing | Field::Good(_) => Ok(()),
        Field::Bad(never) => match *never {},
    }
}

/// A garde rule: words may be missing only if a medium came, usable or not.
fn words_or(media: &Field<MediaUrl>) -> impl FnOnce(&Field<AnyWords>, &()) -> garde::Result + '_ {
    move |field, context| {
        let has_words = matches!(field, Field::Good(AnyWords(words)) if !words.is_empty());
        let is_text = !matches!(field, Field::NotText);
        if is_text && !has_words && matches!(media, Field::Missing) {
            return Err(fault("required", "must be given unless there is a mediaUrl"));
        }
        a_text(field, context)
    }
}

impl InboundMessage {
    /// The message with every fault of it told at once.
    fn checked(self) -> Result<Reply, Problem> {
        check(&self, None)?;
        let words = self.message.good().map(|AnyWords(words)| words).unwrap_or_default();
        let Field::Good(SenderNumber(from)) = self.from else {
            return Err(Problem::fields(Vec::new()));
        };
        Ok(Reply {
            ticket: self
                .ticket_ref
                .good()
                .map_or(TicketName::Absent, |NamedTicket(name)| name),
            content: content(words, self.media_url)?,
            from,
            channel: self.channel.good().unwrap_or(Channel::Whatsapp),
            external_id: self.external_id.good(),
            replied_to: self.replied_to_external_id.good(),
        })
    }
}

/// The words, and the medium if its address is usable. A reply is never lost over its medium.
fn content(words: Words, media: Field<MediaUrl>) -> Result<Content, Problem> {
    let why = match &media {
        Field::Missing | Field::Good(_) => None,
        Field::NotText => Some("not_text"),
        Field::Bad(error) => Some(error.code()),
    };
    let words = match why {
        Some(_) if words.is_empty() => Words::lenient(UNUSABLE_MEDIUM),
        _ => words,
    };
    if let Some(why) = why {
        tracing::warn!(why, "a message's mediaUrl is unusable and was dropped");
    }
    Content::new(words, media.good()).map_err(|error| Problem::field("message", "required", error))
}

/// Where the message went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceivedMessage {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// The ticket whose thread it is in.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    /// Whether the message was there before. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
}

/// Hand over a message
///
/// The message joins the ticket that it certainly belongs to: the one that `ticketRef` names, or the quoted message, or
/// a manager's text. Otherwise it is kept for an operator, and joins its ticket when it comes again with the same
/// `externalId` and a `ticketRef`.
#[utoipa::path(
    post,
    path = "/api/ticket/inbound",
    tag = "n8n",
    operation_id = "receiveInbound",
    request_body = InboundMessage,
    security(("inboundKey" = [])),
    responses(
        (status = 200, description = "The message is in its thread.", body = ReceivedMessage),
        (
            status = 400,
            description = "`validation_failed`: the body is no JSON object, or fields are at fault. \
                `ticket_not_named`: no ticket is certain; the message is kept."
        ),
        (status = 401, description = "`unauthorized`: `x-api-key` is missing or wrong."),
        (status = 404, description = "`ticket_not_found`: the named ticket does not exist; the message is kept."),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 256 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: too many wrong keys."),
        (status = 500, description = "`storage_unavailable` or `internal`: nothing was stored."),
    )
)]
pub(crate) async fn receive_inbound(
    _: InboundCaller,
    body: Body<InboundMessage>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let received = Api::of(&request)?.receive_reply.receive(body.0.checked()?).await?;
    Ok(HttpResponse::Ok().json(ReceivedMessage {
        ok: true,
        ticket_ref: received.reference.to_string(),
        message_id: received.message.0,
        duplicate: received.duplicate,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::{
        body::any_json::any_json,
        testing::{Answer, DownStore, INBOUND_KEY, MANAGER, Request, Service, changed},
    };

    fn seeds_message(reference: &str) -> Value {
        json!({
            "ticketRef": reference,
            "message": "Thank you for reporting this. We'll investigate immediately.",
            "from": MANAGER,
            "channel": "whatsapp",
            "externalId": "SM1234567890abcdef"
        })
    }

    fn receive_bytes(api: &Service, body: impl Into<Vec<u8>>) -> Answer {
        api.send(&Request::post_bytes("/api/ticket/inbound", body).header("x-api-key", INBOUND_KEY))
    }

    fn last_message(api: &Service, reference: &str) -> Value {
        let thread = api.get(&format!("/api/ticket/{reference}")).json();
        thread["messages"].as_array().unwrap().last().unwrap().clone()
    }

    #[test]
    fn the_seeds_message_joins_its_ticket_once() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        let (first, again) = (
            api.receive(&seeds_message(&reference)),
            api.receive(&seeds_message(&reference)),
        );
        assert_eq!((first.status, again.status), (200, 200));
        let (first, again) = (first.json(), again.json());
        assert_eq!(
            (&first["ok"], &first["ticketRef"], &first["duplicate"]),
            (&json!(true), &json!(reference), &json!(false))
        );
        assert_eq!(again["duplicate"], true);
        assert_eq!(first["messageId"], again["messageId"]);
        assert_eq!(last_message(&api, &reference)["id"], first["messageId"]);
    }

    #[test]
    fn the_key_is_asked_before_anything_of_the_body() {
        let api = Service::start();
        // A megabyte is announced and never comes: an answer means that nobody waited for it.
        let post = || Request::new("POST", "/api/ticket/inbound").announcing(1_000_000);
        for request in [
            post(),
            post().header("x-api-key", ""),
            post().header("x-api-key", "wrong"),
            post().header("x-api-key", &INBOUND_KEY[1..]),
            post().header("x-api-key", &INBOUND_KEY.to_uppercase()),
            post().header("x-api-key", INBOUND_KEY).header("x-api-key", INBOUND_KEY),
            post().bearer(INBOUND_KEY),
        ] {
            let answer = api.send(&request);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthorized"),
                "{request:?}"
            );
        }
        // With the right key the same request is judged by its head.
        assert_eq!(api.send(&post().header("x-api-key", INBOUND_KEY)).status, 415);
    }

    #[test]
    fn both_keys_open_while_they_are_exchanged_and_none_where_none_is_set() {
        let api = Service::start();
        let send = |api: &Service, key: &str| {
            let body = seeds_message("T-20250115-1234");
            api.send(&Request::post("/api/ticket/inbound", &body).header("x-api-key", key))
                .status
        };
        assert_eq!((send(&api, INBOUND_KEY), send(&api, "the-key-before")), (404, 404));
        let closed = Service::with(|setup| setup.settings.inbound_keys.clear());
        assert_eq!((send(&closed, INBOUND_KEY), send(&closed, "")), (401, 401));
    }

    #[test]
    fn wrong_keys_are_limited() {
        let api = Service::with(|setup| setup.settings.trusted_proxy_hops = 1);
        let post = |key: &str| {
            let request = Request::post("/api/ticket/inbound", &json!({})).header("x-api-key", key);
            api.send(&request.header("x-forwarded-for", "2001:db8::1")).status
        };
        assert!((0..1_000).map(|_| post("wrong")).any(|status| status == 429));
        assert!((0..140).all(|_| post(INBOUND_KEY) == 400));
    }

    #[test]
    fn each_rule_has_two_sides() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        for (field, value, expected) in [
            ("from", Some(json!("whatsapp:+919655716000")), None),
            ("from", Some(json!(" WhatsApp:+1 234 567-8901")), None),
            ("from", Some(json!("whatsapp:")), Some("required")),
            ("from", Some(json!("sms:+919655716000")), Some("invalid_phone")),
            ("from", Some(json!(919_655_716_000_u64)), Some("not_text")),
            ("from", Some(json!("  ")), Some("required")),
            ("from", None, Some("required")),
            ("channel", Some(json!("web")), None),
            ("channel", Some(json!(" ")), None),
            ("channel", None, None),
            ("channel", Some(json!("sms")), Some("not_allowed")),
            ("channel", Some(json!(1)), Some("not_text")),
            ("externalId", Some(json!("x".repeat(128))), None),
            ("externalId", Some(json!("x".repeat(129))), Some("too_long")),
            ("externalId", Some(json!("a\nb")), Some("control_character")),
            ("externalId", Some(json!("")), None),
            ("externalId", Some(json!(12)), Some("not_text")),
            ("ticketRef", Some(json!(12)), Some("not_text")),
            ("message", None, Some("required")),
            ("message", Some(json!(" \u{0} ")), Some("required")),
            ("message", Some(json!(["Hello"])), Some("not_text")),
            ("message", Some(json!({ "text": "Hello" })), Some("not_text")),
            ("mediaUrl", Some(json!("http://plain.example")), None),
            ("mediaUrl", Some(json!(12)), None),
            ("mediaUrl", Some(Value::Null), None),
            ("repliedToExternalId", Some(json!(12)), None),
            ("repliedToExternalId", Some(json!("x".repeat(500))), None),
            ("repliedToExternalId", Some(json!("nobody knows it")), None),
        ] {
            let message = changed(
                changed(seeds_message(&reference), "externalId", None),
                field,
                value.clone(),
            );
            let answer = api.receive(&message);
            match expected {
                None => assert_eq!(answer.status, 200, "{field} {value:?} {answer:?}"),
                Some(code) => assert_eq!(answer.faults(), [format!("{field} {code}")], "{field} {value:?}"),
            }
        }
        let faults = ["from required", "message required", "ticketRef not_text"];
        assert_eq!(api.receive(&json!({ "ticketRef": 1 })).faults(), faults);
    }

    #[test]
    fn no_reply_is_lost_over_its_text_or_its_medium() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        let good = "https://media.example/1";
        for (text, media, body, shown_media) in [
            (json!("a\u{0}b\r\nc"), Value::Null, "ab\nc".to_owned(), Value::Null),
            (
                json!("x".repeat(16_001)),
                Value::Null,
                "x".repeat(16_000) + "… [cut]",
                Value::Null,
            ),
            (json!("x".repeat(16_000)), Value::Null, "x".repeat(16_000), Value::Null),
            (Value::Null, json!(good), String::new(), json!(good)),
            (json!("look"), json!(good), "look".into(), json!(good)),
            (json!("look"), json!("ftp://x"), "look".into(), Value::Null),
            (json!("look"), json!({}), "look".into(), Value::Null),
            (
                json!(" "),
                json!("ftp://x"),
                "[attachment without a usable address]".into(),
                Value::Null,
            ),
            (
                Value::Null,
                json!(["https://x.example"]),
                "[attachment without a usable address]".into(),
                Value::Null,
            ),
        ] {
            let message = json!({ "ticketRef": reference, "from": MANAGER, "message": text, "mediaUrl": media });
            assert_eq!(api.receive(&message).status, 200, "{message}");
            let shown = last_message(&api, &reference);
            assert_eq!((&shown["body"], &shown["mediaUrl"]), (&json!(body), &shown_media));
        }
    }

    #[test]
    fn no_reply_is_lost_over_how_its_text_is_written() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        for (message, shown) in [
            (&br#""cut \ud83d""#[..], "cut \u{fffd}"),
            (br#""\uDE00 \uD83D\uDE00 \\ud83d""#, "\u{fffd} \u{1f600} \\ud83d"),
            (b"\"a\xff\xfeb\"", "a\u{fffd}\u{fffd}b"),
            (b"1234", "1234"),
            (b"-1.50", "-1.50"),
            (b"1e999", "1e999"),
            (b"123456789012345678901234567890", "123456789012345678901234567890"),
            (b"true", "true"),
            (b" false ", "false"),
        ] {
            let head = format!("{{\"ticketRef\":\"{reference}\",\"from\":\"{MANAGER}\",\"message\":");
            let answer = receive_bytes(&api, [head.as_bytes(), message, b"}"].concat());
            assert_eq!(answer.status, 200, "{shown} {answer:?}");
            assert_eq!(last_message(&api, &reference)["body"], shown);
        }
    }

    #[test]
    fn a_message_without_a_certain_ticket_is_kept_and_joins_later() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        let unnamed = changed(seeds_message(&reference), "ticketRef", Some(json!(" ")));
        for _ in 0..2 {
            let answer = api.receive(&unnamed);
            assert_eq!((answer.status, answer.code().as_str()), (400, "ticket_not_named"));
        }
        for unknown in ["T-20250115-12345", "no reference at all"] {
            let answer = api.receive(&changed(seeds_message(unknown), "externalId", Some(json!(unknown))));
            assert_eq!((answer.status, answer.code().as_str()), (404, "ticket_not_found"));
        }
        let joined = api.receive(&seeds_message(&reference));
        assert_eq!((joined.status, &joined.json()["duplicate"]), (200, &json!(false)));
        // Named by the manager's own text.
        let named = json!({ "from": MANAGER, "message": format!("done: {reference}") });
        assert_eq!(api.receive(&named).json()["ticketRef"], reference);
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = Service::with(|setup| setup.store = Some(Arc::new(DownStore)));
        let answer = api.receive(&seeds_message("T-20250115-1234"));
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }

    #[test]
    fn no_body_makes_the_server_fail() {
        let api = Service::start();
        let reference = api.open_ticket().reference;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let fields = [
            "ticketRef",
            "message",
            "from",
            "channel",
            "externalId",
            "mediaUrl",
            "repliedToExternalId",
        ];
        let bodies = prop::collection::vec(prop::option::of(any_json()), fields.len());
        runner
            .run(&bodies, |values| {
                let body =
                    fields
                        .iter()
                        .zip(values)
                        .fold(seeds_message(&reference), |body, (field, value)| match value {
                            Some(value) => changed(body, field, Some(value)),
                            None => body,
                        });
                prop_assert!(api.receive(&body).status < 500);
                Ok(())
            })
            .unwrap();
        runner
            .run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
                for prefix in [&b""[..], b"{", b"{\"message\":"] {
                    prop_assert_eq!(receive_bytes(&api, [prefix, &bytes].concat()).status, 400);
                }
                // In the middle of a text the same bytes may do.
                for quoted in ["message", "ticketRef", "externalId"] {
                    let head = format!("{{\"from\":\"{MANAGER}\",\"{quoted}\":\"");
                    let status = receive_bytes(&api, [head.as_bytes(), &bytes, b"\"}"].concat()).status;
                    prop_assert!(matches!(status, 200 | 400 | 404), "{}", status);
                }
                Ok(())
            })
            .unwrap();
    }
}
