//! Messages.

use crate::{
    Address, Attachment, Channel, ExternalId, MediaUrl, MessageBody, MessageId, MessageText, Sender, Timestamp,
    Visibility,
};

/// The content of a message: text, a medium, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    body: MessageBody,
    media: Option<MediaUrl>,
}

/// The message has neither text nor a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must not be empty unless there is a medium")]
pub struct EmptyMessage;

impl Content {
    /// Joins text and medium.
    ///
    /// # Errors
    ///
    /// [`EmptyMessage`] if both are missing.
    pub fn new(body: MessageBody, media: Option<MediaUrl>) -> Result<Self, EmptyMessage> {
        if body.is_empty() && media.is_none() {
            Err(EmptyMessage)
        } else {
            Ok(Self { body, media })
        }
    }

    /// The text; empty if there is only a medium.
    pub fn body(&self) -> &MessageBody {
        &self.body
    }

    /// The URL of the medium.
    pub fn media(&self) -> Option<&MediaUrl> {
        self.media.as_ref()
    }

    /// What is shown in place of a removed message: nothing.
    fn removed() -> Self {
        Self {
            body: MessageBody::lenient(""),
            media: None,
        }
    }

    /// Text and URL of the medium as one text, for readers that show no media.
    pub fn as_text(&self) -> String {
        match &self.media {
            None => self.body.to_string(),
            Some(media) if self.body.is_empty() => media.to_string(),
            Some(media) => format!("{}\n{media}", self.body),
        }
    }
}

impl From<MessageText> for Content {
    fn from(text: MessageText) -> Self {
        Self {
            body: text.into(),
            media: None,
        }
    }
}

/// A message of a thread, or an unmatched one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who sent it.
    pub sender: Sender,
    /// The channel it came through.
    pub channel: Channel,
    /// Where it came from; `None` if it was written on the web, or if the other system named no sender.
    pub from: Option<Address>,
    /// Its content.
    pub content: Content,
    /// Its files, in order. They join it by [`NewAttachment`](crate::ports::NewAttachment).
    pub attachments: Vec<Attachment>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Its id in another system, such as Twilio's `MessageSid`.
    pub external_id: Option<ExternalId>,
    /// When it was received.
    pub created_at: Timestamp,
}

impl Message {
    /// The message as everyone but operators sees it: a removed one without its content. `None` for an internal note.
    pub(crate) fn public(&self) -> Option<Self> {
        match self.visibility {
            Visibility::Public => Some(self.clone()),
            Visibility::Internal => None,
            Visibility::Removed => Some(Self {
                content: Content::removed(),
                attachments: Vec::new(),
                ..self.clone()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_something() {
        let media = || "https://media.example/1".parse::<MediaUrl>().unwrap();
        let text = |body: &str, media: Option<MediaUrl>| {
            Content::new(MessageBody::lenient(body), media).map(|content| content.as_text())
        };
        assert_eq!(text("", None), Err(EmptyMessage));
        assert_eq!(text("hello", None), Ok("hello".into()));
        assert_eq!(text("", Some(media())), Ok("https://media.example/1".into()));
        assert_eq!(text("look", Some(media())), Ok("look\nhttps://media.example/1".into()));
    }
}
