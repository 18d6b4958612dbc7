//! What Twilio's error codes mean, the routes of a message to a manager on WhatsApp, and which is next after a refusal.

use ticket_domain::{DeliveryRoute, ports::Rejection};

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A limit or a fault that passes. Twilio advises against relying on codes alone, so unknown ones count as temporary.
    Temporary,
    /// Free text more than 24 hours after the manager's last message: only a template may be sent.
    WindowClosed,
    /// This number can't or won't be reached.
    Recipient,
    /// The account, its credentials or the workflow. It passes once its owner has done what the text says.
    Account(&'static str),
}

impl Cause {
    /// Returns the cause of a refusal. The codes: <https://www.twilio.com/docs/api/errors>
    pub(crate) fn of(refusal: Rejection) -> Self {
        match refusal {
            Rejection::Final => Self::Recipient,
            Rejection::Reported(Some(63_016)) => Self::WindowClosed,
            Rejection::Reported(Some(21_211 | 21_610 | 21_614 | 63_003 | 63_013 | 63_014 | 63_024 | 63_032)) => {
                Self::Recipient
            }
            Rejection::Reported(Some(20_003)) => {
                Self::Account("correct account SID and auth token in n8n's Twilio credential")
            }
            Rejection::Reported(Some(21_617)) => {
                Self::Account("import the current n8n workflows: the message is longer than Twilio's 1,600 characters")
            }
            Rejection::Reported(Some(63_007)) => Self::Account(
                "register the WhatsApp sender at Twilio, or correct `whatsappFrom` in the workflow's Config",
            ),
            Rejection::Reported(Some(63_051)) => {
                Self::Account("unlock the WhatsApp business account at Meta, which has locked or restricted it")
            }
            Rejection::Reported(_) => Self::Temporary,
        }
    }
}

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

    /// Returns the routes to try after a refusal that no retry can mend, best first. None leads back, so that every
    /// notification ends.
    pub(crate) fn alternatives(self, is_window_closed: bool) -> &'static [Self] {
        match (self, is_window_closed) {
            (Self::Text, true) => &[Self::Template, Self::Backup],
            (Self::Text | Self::Template, _) => &[Self::Backup],
            (Self::Backup, true) => &[Self::BackupTemplate],
            (Self::Backup | Self::BackupTemplate, _) => &[],
        }
    }
}
