//! Rows of notifications.

use diesel::{AsChangeset, Insertable, Queryable, QueryableByName, Selectable, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    Delivery, DeliveryRoute, EventKind, ExternalId, Fallback, LeaseToken, Notification, NotificationId,
    NotificationRecord, NotificationState, Payload, Progress, QuestionId, Receipt, Stage, TicketId, Timestamp,
    ports::{Claim, Claimed, CurrentMessage, SentNotification, StoreError, parse},
};

use super::{MustNotBeNull, number, parse_or_null};
use crate::{schema::notifications, types::Stored};

/// The words of `notifications.state`.
pub(crate) mod state {
    use ticket_domain::Stage;

    pub(crate) const WAITING: &str = Stage::Waiting.as_str();
    pub(crate) const DELIVERED: &str = Stage::Delivered.as_str();
    pub(crate) const DEAD: &str = Stage::Dead.as_str();
    pub(crate) const HELD: &str = Stage::Held.as_str();
}

/// A new notification.
#[derive(Insertable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
pub(crate) struct NewNotificationRow {
    id: Stored<NotificationId>,
    ticket_id: Option<Stored<TicketId>>,
    seq: Option<i64>,
    question_id: Option<Stored<QuestionId>>,
    recipient: &'static str,
    event: &'static str,
    payload: Vec<u8>,
    addressed: bool,
    state: &'static str,
    due_at: Stored<Timestamp>,
    scheduled_at: Stored<Timestamp>,
    failed_attempts: i64,
    created_at: Stored<Timestamp>,
}

impl NewNotificationRow {
    /// It reports the ticket's version `seq`.
    pub(crate) fn new(notification: &Notification, ticket: TicketId, seq: i64) -> Self {
        Self {
            ticket_id: Some(Stored(ticket)),
            seq: Some(seq),
            ..Self::of_nothing(notification)
        }
    }

    /// A customer asked for it. It reports no version.
    pub(crate) fn requested(notification: &Notification, ticket: TicketId) -> Self {
        Self {
            ticket_id: Some(Stored(ticket)),
            ..Self::of_nothing(notification)
        }
    }

    /// It asks a question.
    pub(crate) fn asking(notification: &Notification, question: QuestionId) -> Self {
        Self {
            question_id: Some(Stored(question)),
            ..Self::of_nothing(notification)
        }
    }

    fn of_nothing(notification: &Notification) -> Self {
        Self {
            id: Stored(notification.id),
            ticket_id: None,
            seq: None,
            question_id: None,
            recipient: notification.recipient.as_str(),
            event: notification.event.as_str(),
            payload: notification.payload.0.to_vec(),
            addressed: notification.addressed,
            state: state::WAITING,
            due_at: Stored(notification.due_at),
            scheduled_at: Stored(notification.due_at),
            failed_attempts: 0,
            created_at: Stored(notification.created_at),
        }
    }
}

/// Where a notification stands.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite))]
pub(crate) struct StateRow {
    state: String,
    due_at: Option<Timestamp>,
    external_id: Option<String>,
    settled_at: Option<Timestamp>,
    progress: String,
    created_at: Timestamp,
}

impl StateRow {
    fn parsed(self) -> Result<NotificationState, StoreError> {
        const TABLE: &str = "notifications";
        let at =
            |column, moment: Option<Timestamp>| moment.ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull));
        match parse(TABLE, "state", &self.state)? {
            Stage::Waiting => Ok(NotificationState::Waiting {
                due: at("due_at", self.due_at)?,
            }),
            Stage::Delivered => Ok(NotificationState::Delivered {
                at: at("settled_at", self.settled_at)?,
                external_id: self
                    .external_id
                    .map(|id| parse(TABLE, "external_id", &id))
                    .transpose()?,
                progress: parse(TABLE, "progress", &self.progress)?,
            }),
            Stage::Dead => Ok(NotificationState::Dead {
                at: at("settled_at", self.settled_at)?,
            }),
            Stage::Held => Ok(NotificationState::Held),
        }
    }
}

impl TryFrom<StateRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: StateRow) -> Result<Self, StoreError> {
        let created_at = row.created_at;
        Ok(Self::of(&row.parsed()?, created_at))
    }
}

/// A notification as an operator sees it, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite))]
pub(crate) struct RecordRow {
    pub(crate) id: NotificationId,
    recipient: String,
    event: String,
    failed_attempts: i64,
    last_error: Option<String>,
    #[diesel(embed)]
    state: StateRow,
}

impl RecordRow {
    pub(crate) fn parsed(self, reference: Option<String>) -> Result<NotificationRecord, StoreError> {
        const TABLE: &str = "notifications";
        Ok(NotificationRecord {
            id: self.id,
            reference: parse_or_null("tickets", "reference", reference)?,
            recipient: parse(TABLE, "recipient", &self.recipient)?,
            event: parse(TABLE, "event", &self.event)?,
            failures: self
                .failed_attempts
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failed_attempts", error))?,
            last_error: self.last_error.map(String::into_boxed_str),
            created_at: self.state.created_at,
            state: self.state.parsed()?,
        })
    }
}

/// What a worker gets.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite))]
pub(crate) struct ClaimedRow {
    pub(crate) id: NotificationId,
    ticket_id: Option<TicketId>,
    event: String,
    payload: Vec<u8>,
    route: String,
    round: i64,
    failed_attempts: i64,
    scheduled_at: Timestamp,
}

impl ClaimedRow {
    pub(crate) fn parsed(self, claim: Claim) -> Result<Claimed, StoreError> {
        const TABLE: &str = "notifications";
        let event: EventKind = parse(TABLE, "event", &self.event)?;
        Ok(Claimed {
            id: self.id,
            lease: claim.lease,
            ticket: self.ticket_id,
            event,
            payload: Payload(self.payload.into()),
            route: parse(TABLE, "route", &self.route)?,
            round: self
                .round
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "round", error))?,
            failures: self
                .failed_attempts
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failed_attempts", error))?,
            scheduled_at: self.scheduled_at,
        })
    }
}

/// Another message goes out by a fallback route: due at once, as if never attempted. Raise the round beside it.
#[derive(AsChangeset)]
#[diesel(table_name = notifications, treat_none_as_null = true)]
pub(crate) struct FallbackRow {
    payload: Vec<u8>,
    route: String,
    addressed: bool,
    state: &'static str,
    due_at: Stored<Timestamp>,
    scheduled_at: Stored<Timestamp>,
    lease: Option<Stored<LeaseToken>>,
    failed_attempts: i64,
    attempted_at: Option<Stored<Timestamp>>,
    released: bool,
    last_error: String,
    external_id: Option<String>,
    settled_at: Option<Stored<Timestamp>>,
}

impl FallbackRow {
    pub(crate) fn new(fallback: &Fallback, reason: &str, at: Timestamp) -> Self {
        Self {
            payload: fallback.payload.0.to_vec(),
            route: fallback.route.to_string(),
            // It was sent before, so it had an address.
            addressed: true,
            state: state::WAITING,
            due_at: Stored(at),
            scheduled_at: Stored(at),
            lease: None,
            failed_attempts: 0,
            attempted_at: None,
            released: false,
            last_error: reason.to_owned(),
            external_id: None,
            settled_at: None,
        }
    }
}

/// What a notification sends.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite))]
pub(crate) struct CurrentMessageRow {
    recipient: String,
    route: String,
    payload: Vec<u8>,
}

impl TryFrom<CurrentMessageRow> for CurrentMessage {
    type Error = StoreError;

    fn try_from(row: CurrentMessageRow) -> Result<Self, StoreError> {
        Ok(Self {
            recipient: parse("notifications", "recipient", &row.recipient)?,
            route: parse("notifications", "route", &row.route)?,
            payload: Payload(row.payload.into()),
        })
    }
}

/// A notification whose message was sent.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg, Sqlite))]
pub(crate) struct SentRow {
    id: NotificationId,
    recipient: String,
    event: String,
    route: String,
    payload: Vec<u8>,
    external_id: Option<String>,
    progress: String,
    failed_attempts: i64,
}

impl SentRow {
    /// `by` is the external id that it was found by; `is_earlier` says whether that is a previous one; `kept` is the receipt
    /// that came before it was known.
    pub(crate) fn parsed(
        self,
        by: &ExternalId,
        is_earlier: bool,
        kept: Option<Receipt>,
    ) -> Result<SentNotification, StoreError> {
        const TABLE: &str = "notifications";
        let progress: Progress = parse(TABLE, "progress", &self.progress)?;
        let route: DeliveryRoute = parse(TABLE, "route", &self.route)?;
        let is_current = self.external_id.as_deref() == Some(by.as_str());
        Ok(SentNotification {
            id: self.id,
            recipient: parse(TABLE, "recipient", &self.recipient)?,
            event: parse(TABLE, "event", &self.event)?,
            route,
            payload: Payload(self.payload.into()),
            progress: (is_current && !is_earlier).then_some(progress),
            failures: number(TABLE, "failed_attempts", self.failed_attempts)?,
            kept,
        })
    }
}
