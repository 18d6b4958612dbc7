//! The routes of a message to a manager on WhatsApp, and which is next after a refusal.

use ticket_domain::DeliveryRoute;

/// Twilio's error for free text more than 24 hours after the manager's last message. Only a template may be sent then.
/// <https://www.twilio.com/docs/api/errors/63016>
const WINDOW_CLOSED: u32 = 63_016;

/// A route to a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Free text to the first number.
    Text,
    /// A template to the first number: all that WhatsApp takes a day after the manager's last message.
    Template,
    /// Free text to the second number.
    Backup,
    /// A template to the second number.
    BackupTemplate,
}

impl Route {
    /// Returns its word in the store.
    pub(crate) fn word(self) -> DeliveryRoute {
        match self {
            Self::Text => DeliveryRoute::FIRST,
            Self::Template => DeliveryRoute::new("template"),
            Self::Backup => DeliveryRoute::new("backup"),
            Self::BackupTemplate => DeliveryRoute::new("backup_template"),
        }
    }

    /// Returns the route of a word; `None` if it is another notifier's.
    pub(crate) fn named(word: &DeliveryRoute) -> Option<Self> {
        let all = [Self::Text, Self::Template, Self::Backup, Self::BackupTemplate];
        all.into_iter().find(|route| route.word() == *word)
    }

    /// Whether it leads to the second number.
    pub(crate) fn is_backup(self) -> bool {
        matches!(self, Self::Backup | Self::BackupTemplate)
    }

    /// Whether only a template is sent on it.
    pub(crate) fn is_template(self) -> bool {
        matches!(self, Self::Template | Self::BackupTemplate)
    }

    /// Returns the routes to try after a refusal with Twilio's `error_code`, best first. None leads back, so that every
    /// notification ends.
    pub(crate) fn alternatives(self, error_code: Option<u32>) -> &'static [Self] {
        match (self, error_code) {
            (Self::Text, Some(WINDOW_CLOSED)) => &[Self::Template, Self::Backup],
            (Self::Text | Self::Template, _) => &[Self::Backup],
            (Self::Backup, Some(WINDOW_CLOSED)) => &[Self::BackupTemplate],
            (Self::Backup | Self::BackupTemplate, _) => &[],
        }
    }
}
