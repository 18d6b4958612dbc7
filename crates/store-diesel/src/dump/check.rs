//! Whether a row holds what the domain accepts. A row that it refuses could not be read later, so it is refused before it
//! goes into a backup or a store.

use std::{
    fmt::{self, Display, Write as _},
    str::FromStr,
};

use ticket_domain::{
    AccessKey, AuditKind, Channel, Content, CustomerName, DeliveryRoute, Email, EventKind, ExternalId, IdempotencyKey,
    MediaUrl, MessageBody, MessageStatus, Phone, Priority, Progress, Recipient, Sender, Stage, Status, Subject,
    TicketRef,
    ports::{StoreError, parse},
};

use super::rows::{
    AuditEntryRow, IdempotencyKeyRow, MessageRow, NotificationRow, PreviousExternalIdRow, QuestionRow, ReceiptRow,
    TicketRow,
};

/// A stored text that its type would write differently, such as one with a blank at its end.
#[derive(Debug, thiserror::Error)]
#[error("would be written differently")]
struct WrittenDifferently;

/// A character that not every store can keep.
#[derive(Debug, thiserror::Error)]
#[error("must not contain a NUL character")]
struct ContainsNul;

/// A digest that is no SHA-256.
#[derive(Debug, thiserror::Error)]
#[error("must be 32 bytes long")]
struct NotADigest;

/// Columns of the audit log that this action does not fill, or some that it lacks.
#[derive(Debug, thiserror::Error)]
#[error("has other columns than this action fills")]
struct OtherColumns;

type Checked = Result<(), StoreError>;

/// Checks the columns of one table.
#[derive(Clone, Copy)]
struct Columns(&'static str);

impl Columns {
    /// A text that is exactly what its type writes.
    fn text<T>(self, column: &'static str, raw: &str) -> Checked
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Display,
    {
        let value: T = parse(self.0, column, raw)?;
        let mut rest = Rest(raw);
        if write!(rest, "{value}").is_ok() && rest.0.is_empty() {
            Ok(())
        } else {
            Err(StoreError::corrupt(self.0, column, WrittenDifferently))
        }
    }

    fn text_or_null<T>(self, column: &'static str, raw: Option<&String>) -> Checked
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Display,
    {
        raw.map_or(Ok(()), |raw| self.text::<T>(column, raw))
    }

    /// A text that no type owns.
    fn any_text(self, column: &'static str, raw: &str) -> Checked {
        if raw.contains('\0') {
            return Err(StoreError::corrupt(self.0, column, ContainsNul));
        }
        Ok(())
    }

    fn number<T>(self, column: &'static str, raw: impl Into<Option<i64>>) -> Checked
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        raw.into().map_or(Ok(()), |raw| match T::try_from(raw) {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::corrupt(self.0, column, error)),
        })
    }
}

/// What of a text has not been written yet.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl TicketRow {
    pub(crate) fn key(&self) -> String {
        format!("number {}", self.number)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("tickets");
        of.text::<TicketRef>("reference", &self.reference)?;
        of.text::<CustomerName>("customer_name", &self.customer_name)?;
        of.text::<Phone>("customer_phone", &self.customer_phone)?;
        of.text::<Email>("customer_email", &self.customer_email)?;
        of.text::<Subject>("subject", &self.subject)?;
        of.text::<Priority>("priority", &self.priority)?;
        of.text::<Status>("status", &self.status)?;
        of.text::<AccessKey>("customer_key", &self.customer_key)?;
        of.text::<AccessKey>("reader_key", &self.reader_key)?;
        of.number::<u32>("version", self.version)?;
        of.text::<Sender>("last_sender", &self.last_sender)
    }
}

impl QuestionRow {
    pub(crate) fn key(&self) -> String {
        format!("id {}", self.id.0)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("questions");
        of.text::<Phone>("of_phone", &self.of_phone)?;
        for reference in self.choices.split_whitespace() {
            of.text::<TicketRef>("choices", reference)?;
        }
        let choices: Vec<&str> = self.choices.split_whitespace().collect();
        if choices.join(" ") != self.choices {
            return Err(StoreError::corrupt(of.0, "choices", WrittenDifferently));
        }
        of.any_text("text", &self.text)?;
        of.text_or_null::<ExternalId>("answered_by", self.answered_by.as_ref())?;
        of.number::<u64>("attached", self.attached)
    }
}

impl MessageRow {
    pub(crate) fn key(&self) -> String {
        format!("id {}", self.id.0)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("messages");
        of.number::<u32>("seq", self.seq)?;
        of.text::<Sender>("sender", &self.sender)?;
        of.text::<Channel>("channel", &self.channel)?;
        of.text_or_null::<Phone>("from_phone", self.from_phone.as_ref())?;
        of.text::<MessageBody>("body", &self.body)?;
        of.text_or_null::<MediaUrl>("media_url", self.media_url.as_ref())?;
        of.text_or_null::<ExternalId>("external_id", self.external_id.as_ref())?;
        let body = parse(of.0, "body", &self.body)?;
        let media = self.media_url.as_ref().map(|url| parse(of.0, "media_url", url));
        let content = Content::new(body, media.transpose()?);
        content.map_or_else(|error| Err(StoreError::corrupt(of.0, "body", error)), |_| Ok(()))
    }
}

impl NotificationRow {
    pub(crate) fn key(&self) -> String {
        format!("id {}", self.id.0)
    }

    /// Takes the lease away: the worker that holds it is not where the dump goes. The notification is due again since it
    /// was claimed, and so at once.
    pub(crate) fn hand_back(&mut self) {
        let was_leased = self.lease.take().is_some();
        if let (true, Some(lease_end), Some(claimed)) = (was_leased, self.due_at, self.attempted_at) {
            self.due_at = Some(lease_end.min(claimed));
        }
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("notifications");
        of.number::<u32>("seq", self.seq)?;
        of.text::<EventKind>("event", &self.event)?;
        of.text::<Stage>("state", &self.state)?;
        of.number::<u16>("failed_attempts", self.failed_attempts)?;
        self.last_error
            .as_ref()
            .map_or(Ok(()), |reason| of.any_text("last_error", reason))?;
        of.text_or_null::<ExternalId>("external_id", self.external_id.as_ref())?;
        of.text::<Progress>("progress", &self.progress)?;
        of.text::<DeliveryRoute>("route", &self.route)?;
        of.number::<u32>("round", self.round)?;
        of.text::<Recipient>("recipient", &self.recipient)
    }
}

impl PreviousExternalIdRow {
    pub(crate) fn key(&self) -> String {
        format!("notification_id {}", self.notification_id.0)
    }

    pub(crate) fn check(&self) -> Checked {
        Columns("previous_external_ids").text::<ExternalId>("external_id", &self.external_id)
    }
}

impl IdempotencyKeyRow {
    pub(crate) fn key(&self) -> String {
        format!("ticket_id {}", self.ticket_id.0)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("idempotency_keys");
        of.text::<IdempotencyKey>("key", &self.key)?;
        if self.digest.len() != 32 {
            return Err(StoreError::corrupt(of.0, "digest", NotADigest));
        }
        Ok(())
    }
}

impl ReceiptRow {
    pub(crate) fn key(&self) -> String {
        format!("external_id {}", self.external_id)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("receipts");
        of.text::<ExternalId>("external_id", &self.external_id)?;
        of.text::<MessageStatus>("status", &self.status)?;
        of.number::<u32>("error_code", self.error_code)
    }
}

impl AuditEntryRow {
    pub(crate) fn key(&self) -> String {
        format!("id {}", self.id.0)
    }

    pub(crate) fn check(&self) -> Checked {
        let of = Columns("audit_log");
        of.number::<u64>("count", self.count)?;
        of.any_text("actor", &self.actor)?;
        let kind = parse(of.0, "action", &self.action)?;
        let filled = (
            self.old_value.is_some(),
            self.new_value.is_some(),
            self.target_id.is_some(),
            self.count.is_some(),
        );
        match (kind, filled) {
            (AuditKind::Status, (true, true, false, false)) => {
                of.text_or_null::<Status>("old_value", self.old_value.as_ref())?;
                of.text_or_null::<Status>("new_value", self.new_value.as_ref())
            }
            (AuditKind::Priority, (true, true, false, false)) => {
                of.text_or_null::<Priority>("old_value", self.old_value.as_ref())?;
                of.text_or_null::<Priority>("new_value", self.new_value.as_ref())
            }
            (AuditKind::Reply | AuditKind::Attach | AuditKind::Redeliver, (false, false, true, false))
            | (AuditKind::RedeliverDead | AuditKind::Erase, (false, false, false, true)) => Ok(()),
            _ => Err(StoreError::corrupt(of.0, "action", OtherColumns)),
        }
    }
}
