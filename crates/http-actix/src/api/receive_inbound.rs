//! `POST /api/ticket/inbound`: n8n passes on a message from WhatsApp.

use std::{convert::Infallible, str::FromStr};

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Value, value::RawValue};
use ticket_domain::{
    Address, Button, Channel, Content, Email, ExternalId, MediaUrl, MessageBody, StrictText, ValidationError,
    is_automatic_mail, mail_thread_in, new_words, texts,
    use_cases::{ReceiveReply, Reply, TicketName},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    body::{Body, Document},
    deadline::with_timeout,
    keys::InboundCaller,
    problem::Problem,
    schemas::ChannelSchema,
    success::success,
};
use crate::validation::{AnyReference, Field, LenientField};

/// The text of a message that has none, and whose medium has an unusable URL.
const UNUSABLE_MEDIUM: &str = "[attachment without a usable address]";

/// The text of a tap that comes without its title. It is never published.
const TAP: &str = "[tap]";

/// A message from WhatsApp. A blank field counts as absent.
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
    #[garde(dive)]
    #[schema(value_type = Option<String>, example = "T-20250115-1234")]
    ticket_ref: LenientField<AnyReference>,
    /// The first 16,000 characters are stored; a cut is marked. May be absent if there is a `mediaUrl` or a `buttonPayload`.
    /// A number or a boolean is stored as it is written. Control characters and halves of an emoji are removed.
    #[serde(default, deserialize_with = "text_as_written")]
    #[garde(custom(present_unless(!self.media_url.is_missing() || !self.button_payload.is_missing())), dive)]
    #[schema(
        value_type = Option<String>,
        example = "Thank you for reporting this. We'll investigate immediately."
    )]
    message: LenientField<AnyText>,
    /// Who sent it: a phone number with or without `whatsapp:` before it, a WhatsApp user id, an e-mail address, or whatever
    /// the other system calls them. A message is never refused because of its sender. Absent: nobody knows.
    #[serde(default, deserialize_with = "text_as_written")]
    #[garde(skip)]
    #[schema(value_type = Option<String>, example = "+919655716000")]
    from: LenientField<AnyAddress>,
    /// The sender's WhatsApp user id, Twilio's `ExternalUserId`. It and the number in `from` are the same person.
    #[serde(default, deserialize_with = "text_as_written")]
    #[garde(skip)]
    #[schema(value_type = Option<String>, example = "US.13491208655302741918")]
    from_user_id: LenientField<AnyAddress>,
    /// Absent: `whatsapp`.
    #[garde(dive)]
    #[schema(value_type = Option<ChannelSchema>)]
    channel: LenientField<Channel>,
    /// The message's external id, such as Twilio's `MessageSid`: at most 128 characters. The same id always means the
    /// same message.
    #[garde(dive)]
    #[schema(value_type = Option<String>, max_length = 128, example = "SM1234567890abcdef")]
    external_id: LenientField<ExternalId>,
    /// The URL of a picture, a voice message or a document: `https`, at most 2,048 characters. It is stored, never
    /// fetched. An unusable one is dropped; the text is stored nevertheless.
    #[garde(skip)]
    #[schema(value_type = Option<String>, max_length = 2_048)]
    media_url: LenientField<StrictText<MediaUrl>>,
    /// The external id of the quoted message; of an e-mail, its `In-Reply-To`. An unknown one is ignored.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    replied_to_external_id: LenientField<AnyText>,
    /// Of an e-mail: its `References`, by which a reply finds its ticket if its `In-Reply-To` is unknown.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    references: LenientField<AnyText>,
    /// Of an e-mail: its headers, by their names in any case. They tell an out-of-office reply, a bounce or a mailing list,
    /// which is not stored.
    #[serde(default, deserialize_with = "headers")]
    #[garde(skip)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>, example = json!({ "auto-submitted": "no" }))]
    headers: Vec<(String, String)>,
    /// What the button or list row that was tapped carries. `message` is then its title, which is never published.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    button_payload: LenientField<AnyText>,
    /// Whether the message was forwarded, as Twilio's `Forwarded` says. The text is then somebody else's, so a reference
    /// in it is ignored. Anything but `true` means no.
    #[serde(default, deserialize_with = "is_true")]
    #[garde(skip)]
    #[schema(value_type = Option<bool>, example = false)]
    forwarded: bool,
}

impl Document for InboundMessage {
    const MAX_BYTES: usize = 256 * 1024;

    type Parsed = Reply;

    fn parsed(self) -> Option<Reply> {
        let mut text = self.message.good().map(|AnyText(text)| text).unwrap_or_default();
        // Whatever it carries, it is a tap.
        let button_payload = match self.button_payload {
            Field::Missing => None,
            Field::Good(AnyText(payload)) => Some(payload.to_string()),
            Field::NotText | Field::Bad(_) => Some(String::new()),
        };
        if text.is_empty() && button_payload.is_some() {
            text = MessageBody::lenient(TAP);
        }
        let channel = self.channel.good().unwrap_or(Channel::Whatsapp);
        let is_mail = channel == Channel::Email;
        if is_mail {
            text = MessageBody::lenient(new_words(text.as_str()));
        }
        let any_text = |field: LenientField<AnyText>| field.good().map(|AnyText(text)| text);
        let references = any_text(self.references);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let replied_to = any_text(self.replied_to_external_id);
        // Anybody can write a manager's number into the `From` of a mail.
        let is_sender = |from: &Address| !is_mail || from.as_str().parse::<Email>().is_ok();
        let lost_medium = matches!(self.media_url, Field::NotText | Field::Bad(_));
        Some(Reply {
            ticket: match self.ticket_ref.good() {
                None => TicketName::Absent,
                Some(AnyReference(None)) => TicketName::Unreadable,
                Some(AnyReference(Some(reference))) => TicketName::Reference(reference),
            },
            content: content(text, self.media_url)?,
            from: self.from.good().and_then(|AnyAddress(from)| from).filter(is_sender),
            from_user_id: self.from_user_id.good().and_then(|AnyAddress(id)| id),
            is_automatic: is_mail && is_automatic_mail(headers),
            channel,
            external_id: self.external_id.good(),
            // A `Message-ID` stands in angle brackets.
            replied_to: replied_to.and_then(|id| id.as_str().trim_matches(['<', '>', ' ']).parse().ok()),
            thread: references.and_then(|references| mail_thread_in(references.as_str())),
            lost_medium,
            is_forwarded: self.forwarded,
            button_payload: button_payload.map(Into::into),
        })
    }
}

/// Any text.
struct AnyText(MessageBody);

impl FromStr for AnyText {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(MessageBody::lenient(raw)))
    }
}

/// Any sender; `None` if nothing of them can be seen.
struct AnyAddress(Option<Address>);

impl FromStr for AnyAddress {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(Address::lenient(raw)))
    }
}

/// Reads a text, and a number or a boolean as they are written: an n8n expression without quotes turns a text like `1234`
/// into one.
fn text_as_written<'de, D, T>(deserializer: D) -> Result<LenientField<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = Infallible>,
{
    // Not as a `Value`, which would round a long number.
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match raw.get().as_bytes() {
        [b'[' | b'{', ..] => Ok(Field::NotText),
        [b'"' | b'n', ..] => serde_json::from_str(raw.get()).map_err(Error::custom),
        _ => Ok(Field::parsed(raw.get())),
    }
}

/// Reads `true`, as a boolean or as a text. Anything else is `false`: no reply is lost because of it.
fn is_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let is_true = |text: &str| text.trim().eq_ignore_ascii_case("true");
    Ok(value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(is_true)))
}

/// Reads headers with texts as values. Anything else is left out: no mail is lost because of it.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let Value::Object(headers) = Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    let texts = headers.into_iter().filter_map(|(name, value)| match value {
        Value::String(value) => Some((name, value)),
        _ => None,
    });
    Ok(texts.collect())
}

/// A garde rule: there is a text, or else a medium, usable or not, or a tap.
fn present_unless(is_other: bool) -> impl FnOnce(&LenientField<AnyText>, &()) -> garde::Result {
    move |field, ()| {
        let is_empty = match field {
            Field::Missing => true,
            Field::Good(AnyText(text)) => text.is_empty(),
            Field::NotText | Field::Bad(_) => false,
        };
        if is_empty && !is_other {
            return Err(garde::Error::new(
                "must be given unless there is a mediaUrl or a buttonPayload",
            ));
        }
        Ok(())
    }
}

/// The text, and the medium if its URL is usable: a reply is never lost because of its medium. None if there is neither.
fn content(text: MessageBody, media: LenientField<StrictText<MediaUrl>>) -> Option<Content> {
    let reason = match &media {
        Field::Missing | Field::Good(_) => None,
        Field::NotText => Some("not_text"),
        Field::Bad(error) => Some(error.code()),
    };
    let text = match reason {
        Some(_) if text.is_empty() => MessageBody::lenient(UNUSABLE_MEDIUM),
        _ => text,
    };
    if let Some(reason) = reason {
        tracing::warn!(reason, "a message's mediaUrl is unusable and was dropped");
    }
    Content::new(text, media.good().map(|StrictText(url)| url)).ok()
}

/// The stored message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceivedMessage {
    /// The ticket whose thread it is in, or that it chose. Null if the answer was `0`, which leaves the messages in
    /// question to an operator, for a command about no ticket, and for an automatic mail.
    #[schema(required = true, example = "T-20250115-1234")]
    ticket_ref: Option<String>,
    /// The message. For an answer to `ask`: the first message in question; null if there is none. Null for a command or an automatic mail.
    #[schema(required = true)]
    message_id: Option<Uuid>,
    /// Whether the message was stored before. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
    /// A short text for the sender, present only if the message answered `ask` or was a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    notice: Option<String>,
    /// A button under `notice` that takes the answer back within a minute. Present only if a manager's answer to `ask` sent a
    /// message, and not when it is repeated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    actions: Vec<ReplyButton>,
}

/// A button.
#[derive(Serialize, ToSchema)]
struct ReplyButton {
    #[schema(example = "Undo")]
    title: &'static str,
    /// What a tap carries, to be handed on as `buttonPayload`.
    payload: Box<str>,
}

/// Pass on a message
///
/// The message joins the ticket that `ticketRef`, the quoted message or a manager's text names. Otherwise it is stored
/// as unmatched, for an operator; it joins its ticket when it is sent again with the same `externalId` and a
/// `ticketRef`.
///
/// A manager whose message is unmatched gets a clarifying question: the problem has `ask`, a text for the manager that
/// lists open tickets by number. The manager's next message within 15 minutes that is only one of those numbers, or only
/// a reference, attaches the messages in question to that ticket and is not stored itself; `0` leaves them to an
/// operator. The response to it has a `notice` for the manager; if messages were sent, also `actions`, a button that takes
/// them back. With `questionSent`, `ask` also goes to the webhook as the event `question`, so that a quote of it
/// (`repliedToExternalId`) or a tap on its list (`buttonPayload`) answers it. Where several questions are open, a number
/// alone could be meant for each of them, and they are asked again by name. A short text that selects nothing is never
/// published; `ask` says how to answer.
///
/// A manager's `/resolve`, `/reopen`, `/note …`, `/list`, `/undo` or `/help`, a tap on a button and a text of nothing but
/// emoji are commands: the response has a `notice`, and nothing is published.
///
/// With `channel` `email`, the message is a reply to a mail of ours: it joins the ticket whose mail it answers
/// (`repliedToExternalId`, `references`) if it comes from the customer's own address. What it quotes and its signature are cut.
/// An automatic mail (`headers`) is not stored: the response has neither ticket nor message.
///
/// Anybody else who writes on WhatsApp without naming a ticket is asked once a day: `ask` offers the open tickets with their
/// number, or says how to open one. After they confirm one, their messages join it for a day. All texts are for the sender of
/// the message. A repeated message gets the same response, but without `actions`, and without `ask` if its sender has been
/// asked another question since.
#[utoipa::path(
    post,
    path = "/api/ticket/inbound",
    tag = "n8n",
    request_body = InboundMessage,
    responses(
        (
            status = 200,
            description = "The message is in its thread, or answered a clarifying question.",
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
                        "notice": "Sent to Asha – Product Quality Issue (T-20250115-1234). /undo takes it back.",
                        "actions": [{
                            "title": "Undo",
                            "payload": "undo.T-20250115-1234.0000000000000000000000000000000000000000000000000000000000000000"
                        }]
                    })
                )),
                ("leftAside" = (
                    summary = "A manager's `0` in answer to `ask`",
                    value = json!({
                        "ok": true,
                        "ticketRef": null,
                        "messageId": "0194697a-2c40-7000-8000-000000000000",
                        "duplicate": false,
                        "notice": "OK, nothing was sent. Your team can see what you wrote in the inbox."
                    })
                )),
            )
        ),
        (
            status = 400,
            description = "`ticket_not_named`: the message names no ticket for certain. It is stored as unmatched, and `ask` \
                is the question for its sender. `validation_failed`: the body is not a JSON object, or fields are invalid."
        ),
        (
            status = 404,
            description = "`ticket_not_found`: the named ticket does not exist. The message is stored as unmatched, and \
                `ask` is the question for its sender."
        ),
        (status = 413, description = "`payload_too_large`: more than 256 KiB."),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored. Repeat the request with the same `externalId`: it is stored only once."),
    )
)]
pub(crate) async fn receive_inbound(
    _: InboundCaller,
    Body(reply): Body<InboundMessage>,
    receive_reply: Data<ReceiveReply>,
) -> Result<HttpResponse, Problem> {
    let received = with_timeout(receive_reply.receive(reply)).await?;
    Ok(success(ReceivedMessage {
        ticket_ref: received.reference.map(|reference| reference.to_string()),
        message_id: received.message.map(|message| message.0),
        duplicate: received.duplicate,
        notice: received.notice,
        actions: received.undo.into_iter().map(undo_button).collect(),
    }))
}

fn undo_button(payload: Box<str>) -> ReplyButton {
    ReplyButton {
        title: texts::button(Button::Undo),
        payload,
    }
}

#[cfg(test)]
mod tests;
