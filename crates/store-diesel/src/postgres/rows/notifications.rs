//! Rows of notifications.

use diesel::{AsChangeset, Insertable, Queryable, Selectable, pg::Pg};
use ticket_domain::{
    Delivery, DeliveryRoute, EventKind, ExternalId, Fallback, Notification, NotificationId, NotificationRecord,
    NotificationState, Payload, Progress, Receipt, Stage, TicketId, Timestamp,
    ports::{Claim, Claimed, SentNotification, StoreError, parse},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::MustNotBeNull;
use crate::postgres::schema::notifications;

/// The words of `notifications.state`.
pub(crate) mod state {
    use ticket_domain::Stage;

    pub(crate) const WAITING: &str = Stage::Waiting.as_str();
    pub(crate) const DELIVERED: &str = Stage::Delivered.as_str();
    pub(crate) const DEAD: &str = Stage::Dead.as_str();
    pub(crate) const HELD: &str = Stage::Held.as_str();
}

/// A notification that was never tried, due at once.
#[derive(Insertable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct NewNotificationRow {
    id: Uuid,
    ticket_id: Uuid,
    seq: i32,
    event: String,
    payload: Vec<u8>,
    addressed: bool,
    state: &'static str,
    due_at: OffsetDateTime,
    scheduled_at: OffsetDateTime,
    failures: i32,
    created_at: OffsetDateTime,
}

impl NewNotificationRow {
    /// It tells of the ticket's version `seq`.
    pub(crate) fn new(notification: &Notification, ticket: TicketId, seq: i32) -> Self {
        Self {
            id: notification.id.0,
            ticket_id: ticket.0,
            seq,
            event: notification.event.to_string(),
            payload: notification.payload.0.to_vec(),
            addressed: notification.addressed,
            state: state::WAITING,
            due_at: notification.created_at.into(),
            scheduled_at: notification.created_at.into(),
            failures: 0,
            created_at: notification.created_at.into(),
        }
    }
}

/// Where a notification stands.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct StateRow {
    state: String,
    due_at: Option<OffsetDateTime>,
    external_id: Option<String>,
    settled_at: Option<OffsetDateTime>,
    progress: String,
    created_at: OffsetDateTime,
}

impl StateRow {
    fn parsed(self) -> Result<NotificationState, StoreError> {
        const TABLE: &str = "notifications";
        let at = |column, moment: Option<OffsetDateTime>| {
            moment
                .map(Timestamp::from)
                .ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))
        };
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
        let created_at = row.created_at.into();
        Ok(Self::of(&row.parsed()?, created_at))
    }
}

/// A notification as an operator sees it, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct RecordRow {
    pub(crate) id: Uuid,
    event: String,
    failures: i32,
    last_error: Option<String>,
    #[diesel(embed)]
    state: StateRow,
}

impl RecordRow {
    pub(crate) fn parsed(self, reference: &str) -> Result<NotificationRecord, StoreError> {
        const TABLE: &str = "notifications";
        Ok(NotificationRecord {
            id: NotificationId(self.id),
            reference: parse("tickets", "reference", reference)?,
            event: parse(TABLE, "event", &self.event)?,
            failures: self
                .failures
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failures", error))?,
            last_error: self.last_error.map(String::into_boxed_str),
            created_at: self.state.created_at.into(),
            state: self.state.parsed()?,
        })
    }
}

/// What a worker gets.
#[derive(diesel::QueryableByName)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct ClaimedRow {
    pub(crate) id: Uuid,
    ticket_id: Uuid,
    event: String,
    payload: Vec<u8>,
    route: String,
    round: i32,
    failures: i32,
    scheduled_at: OffsetDateTime,
}

impl ClaimedRow {
    pub(crate) fn parsed(self, claim: Claim) -> Result<Claimed, StoreError> {
        const TABLE: &str = "notifications";
        let event: EventKind = parse(TABLE, "event", &self.event)?;
        Ok(Claimed {
            id: NotificationId(self.id),
            lease: claim.lease,
            ticket: TicketId(self.ticket_id),
            event,
            payload: Payload(self.payload.into()),
            route: parse(TABLE, "route", &self.route)?,
            round: self
                .round
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "round", error))?,
            failures: self
                .failures
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failures", error))?,
            scheduled_at: self.scheduled_at.into(),
        })
    }
}

/// Another message goes out, another way: due at once, as if never tried. The round is to be raised beside it.
#[derive(AsChangeset)]
#[diesel(table_name = notifications, treat_none_as_null = true)]
pub(crate) struct DetourRow {
    payload: Vec<u8>,
    route: &'static str,
    addressed: bool,
    state: &'static str,
    due_at: OffsetDateTime,
    scheduled_at: OffsetDateTime,
    lease: Option<Uuid>,
    failures: i32,
    tried_at: Option<OffsetDateTime>,
    released: bool,
    last_error: String,
    external_id: Option<String>,
    settled_at: Option<OffsetDateTime>,
}

impl DetourRow {
    pub(crate) fn new(fallback: &Fallback, reason: &str, at: Timestamp) -> Self {
        Self {
            payload: fallback.payload.0.to_vec(),
            route: fallback.route.as_str(),
            // It was sent before, so it had an address.
            addressed: true,
            state: state::WAITING,
            due_at: at.into(),
            scheduled_at: at.into(),
            lease: None,
            failures: 0,
            tried_at: None,
            released: false,
            last_error: reason.to_owned(),
            external_id: None,
            settled_at: None,
        }
    }
}

/// A notification whose message was handed over, now or earlier.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Pg))]
pub(crate) struct HandedRow {
    id: Uuid,
    event: String,
    route: String,
    payload: Vec<u8>,
    external_id: Option<String>,
    progress: String,
}

impl HandedRow {
    /// `by` is the outside id that it was found by; `is_earlier`, whether an earlier message of it was called so;
    /// `kept`, what was heard of it before.
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
            id: NotificationId(self.id),
            event: parse(TABLE, "event", &self.event)?,
            route,
            payload: Payload(self.payload.into()),
            progress: (is_current && !is_earlier).then_some(progress),
            kept,
        })
    }
}
