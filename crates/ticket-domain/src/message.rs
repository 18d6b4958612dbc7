//! Messages: what was said, by whom, and which way it came.

use crate::{Channel, ExternalId, MediaUrl, MessageBody, MessageId, MessageText, Phone, Sender, Timestamp};

/// What a message says: words, a medium, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    body: MessageBody,
    media: Option<MediaUrl>,
}

/// Neither words nor a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must not be empty unless there is a medium")]
pub struct EmptyMessage;

impl Content {
    /// Words, a medium, or both.
    pub fn new(body: MessageBody, media: Option<MediaUrl>) -> Result<Self, EmptyMessage> {
        if body.is_empty() && media.is_none() {
            Err(EmptyMessage)
        } else {
            Ok(Self { body, media })
        }
    }

    /// The words; empty if only a medium came.
    pub fn body(&self) -> &MessageBody {
        &self.body
    }

    /// Where the medium lies.
    pub fn media(&self) -> Option<&MediaUrl> {
        self.media.as_ref()
    }

    /// All of it as one text, for readers that show no media.
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

/// One message of a thread, or one that is kept until its thread is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name among programs.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: Sender,
    /// The way it came.
    pub channel: Channel,
    /// The number that it came from, if it came from a telephone.
    pub from: Option<Phone>,
    /// What it says.
    pub content: Content,
    /// The id that the outside world gave it.
    pub external_id: Option<ExternalId>,
    /// When it was received.
    pub created_at: Timestamp,
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
