//! `POST /api/ticket/inbound`: n8n hands over a message from WhatsApp.

use std::{borrow::Cow, convert::Infallible, str::FromStr};

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Value, value::RawValue};
use ticket_domain::{
    Channel, Content, ExternalId, MediaUrl, MessageBody, Phone, PhoneError, StrictText, ValidationError,
    use_cases::{ReceiveReply, Received, Reply, TicketName},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        body::{Body, Document, repair_json},
        keys::InboundCaller,
        patience::in_time,
        problem::Problem,
        schemas::ChannelWord,
    },
    validation::{Field, blank_is_missing, check, fault, optional, required},
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
    media_url: Field<StrictText<MediaUrl>>,
    /// The outside id of the message that is quoted. One that nobody knows tells nothing.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    replied_to_external_id: Field<ExternalId>,
    /// Whether the message was forwarded, as Twilio's `Forwarded` says: the text is then somebody else's, and a reference
    /// in it names nothing. `true` counts; anything else does not.
    #[serde(default, deserialize_with = "is_true")]
    #[garde(skip)]
    #[schema(value_type = Option<bool>, example = false)]
    forwarded: bool,
}

impl Document for InboundMessage {
    const MAX_BYTES: usize = 256 * 1024;

    /// A reply is never lost over how its text was encoded.
    fn preprocess(bytes: &[u8]) -> Cow<'_, [u8]> {
        repair_json(bytes)
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

/// A message of any words.
struct AnyWords(MessageBody);

impl FromStr for AnyWords {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(MessageBody::lenient(raw)))
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
        _ => Ok(Field::Good(AnyWords(MessageBody::lenient(raw.get())))),
    }
}

/// Reads `true`, or Twilio's text of it. No reply is lost over anything else.
fn is_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let is_true = |text: &str| text.trim().eq_ignore_ascii_case("true");
    Ok(value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(is_true)))
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
fn words_or(media: &Field<StrictText<MediaUrl>>) -> impl FnOnce(&Field<AnyWords>, &()) -> garde::Result + '_ {
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
        let SenderNumber(from) = self.from.checked()?;
        let lost_medium = matches!(self.media_url, Field::NotText | Field::Bad(_));
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
            lost_medium,
            is_forwarded: self.forwarded,
        })
    }
}

/// The words, and the medium if its address is usable. A reply is never lost over its medium.
fn content(words: MessageBody, media: Field<StrictText<MediaUrl>>) -> Result<Content, Problem> {
    let reason = match &media {
        Field::Missing | Field::Good(_) => None,
        Field::NotText => Some("not_text"),
        Field::Bad(error) => Some(error.code()),
    };
    let words = match reason {
        Some(_) if words.is_empty() => MessageBody::lenient(UNUSABLE_MEDIUM),
        _ => words,
    };
    if let Some(reason) = reason {
        tracing::warn!(reason, "a message's mediaUrl is unusable and was dropped");
    }
    Content::new(words, media.good().map(|StrictText(address)| address))
        .map_err(|error| Problem::field("message", "required", error))
}

/// Where the message went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceivedMessage {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// The ticket whose thread it is in, or that it picked. Null only where a manager answered `0`, so that what was
    /// asked about is left to an operator.
    #[schema(required = true, example = "T-20250115-1234")]
    ticket_ref: Option<String>,
    /// The message; of an answer to `ask`, the first message that was asked about.
    message_id: Uuid,
    /// Whether the message was there before. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
    /// What the manager is to be told: a short text, which stands here only if the message answered `ask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    notice: Option<String>,
}

impl From<Received> for ReceivedMessage {
    fn from(received: Received) -> Self {
        Self {
            ok: true,
            ticket_ref: received.reference.map(|reference| reference.to_string()),
            message_id: received.message.0,
            duplicate: received.duplicate,
            notice: received.notice,
        }
    }
}

/// Hand over a message
///
/// The message joins the ticket that it certainly belongs to: the one that `ticketRef` names, or the quoted message, or
/// a manager's text. Otherwise it is kept for an operator, and joins its ticket when it comes again with the same
/// `externalId` and a `ticketRef`.
///
/// A manager whose message is kept is asked back: the problem has `ask`, a text for the manager that lists open tickets
/// by number. The manager's next message within 15 minutes that is only one of those numbers, or only a reference,
/// attaches what was asked about to that ticket, and is itself no message; `0` leaves it to an operator. The answer to
/// it has a `notice` for the manager. A message that comes again gets the same answer again, only without `ask` if the
/// manager has been asked something else since.
#[utoipa::path(
    post,
    path = "/api/ticket/inbound",
    tag = "n8n",
    operation_id = "receiveInbound",
    request_body = InboundMessage,
    security(("inboundKey" = [])),
    responses(
        (
            status = 200,
            description = "The message is in its thread, or answered what its writer was asked.",
            body = ReceivedMessage,
            examples(
                ("message" = (
                    summary = "A message that joined its ticket",
                    value = json!({
                        "ok": true,
                        "ticketRef": "T-20250115-1234",
                        "messageId": "0194697a-2c40-7000-8000-000000000000",
                        "duplicate": false
                    })
                )),
                ("pick" = (
                    summary = "A manager's `1` in answer to `ask`",
                    value = json!({
                        "ok": true,
                        "ticketRef": "T-20250115-1234",
                        "messageId": "0194697a-2c40-7000-8000-000000000000",
                        "duplicate": false,
                        "notice": "Added to T-20250115-1234 – Product Quality Issue"
                    })
                )),
                ("leftAside" = (
                    summary = "A manager's `0` in answer to `ask`",
                    value = json!({
                        "ok": true,
                        "ticketRef": null,
                        "messageId": "0194697a-2c40-7000-8000-000000000000",
                        "duplicate": false,
                        "notice": "Kept aside. Your team will see to it."
                    })
                )),
            )
        ),
        (
            status = 400,
            description = "`ticket_not_named`: no ticket is certain; the message is kept, and a manager is asked by \
                `ask`. `validation_failed`: the body is no JSON object, or fields are at fault."
        ),
        (status = 401, description = "`unauthorized`: `x-api-key` is missing or wrong."),
        (
            status = 404,
            description = "`ticket_not_found`: the named ticket does not exist; the message is kept, and a manager is \
                asked by `ask`."
        ),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 256 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: too many wrong keys."),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored; repeated with the same `externalId`, it is one message."),
    )
)]
pub(crate) async fn receive_inbound(
    _: InboundCaller,
    body: Body<InboundMessage>,
    receive_reply: Data<ReceiveReply>,
) -> Result<HttpResponse, Problem> {
    let received = in_time(receive_reply.receive(body.0.checked()?)).await?;
    Ok(HttpResponse::Ok().json(ReceivedMessage::from(received)))
}

#[cfg(test)]
mod tests;
