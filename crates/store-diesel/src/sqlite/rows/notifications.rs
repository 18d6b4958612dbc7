//! Rows of notifications.

use diesel::{AsChangeset, Insertable, Queryable, Selectable, sqlite::Sqlite};
use ticket_domain::{
    Delivery, DeliveryRoute, EventKind, ExternalId, Fallback, Notification, NotificationId, NotificationRecord,
    NotificationState, Payload, Progress, Receipt, TicketId, Timestamp, UnknownWord,
    ports::{Claim, Claimed, SentNotification, StoreError, parse},
};

use super::{MustNotBeNull, bytes, moment, uuid};
use crate::sqlite::schema::notifications;

/// The words of `notifications.state`.
pub(crate) mod state {
    pub(crate) const WAITING: &str = "waiting";
    pub(crate) const DELIVERED: &str = "delivered";
    pub(crate) const DEAD: &str = "dead";
    pub(crate) const HELD: &str = "held";
    pub(crate) const ALL: &[&str] = &[WAITING, DELIVERED, DEAD, HELD];
}

/// A notification that was never tried, due at once.
#[derive(Insertable)]
#[diesel(table_name = notifications, check_for_backend(Sqlite))]
pub(crate) struct NewNotificationRow {
    id: Vec<u8>,
    ticket_id: Vec<u8>,
    seq: i64,
    event: String,
    payload: Vec<u8>,
    addressed: bool,
    state: &'static str,
    due_at: i64,
    scheduled_at: i64,
    failures: i64,
    created_at: i64,
}

impl NewNotificationRow {
    /// It tells of the ticket's version `seq`.
    pub(crate) fn new(notification: &Notification, ticket: TicketId, seq: i64) -> Self {
        Self {
            id: bytes(notification.id.0),
            ticket_id: bytes(ticket.0),
            seq,
            event: notification.event.to_string(),
            payload: notification.payload.0.to_vec(),
            addressed: notification.addressed,
            state: state::WAITING,
            due_at: notification.created_at.unix_micros(),
            scheduled_at: notification.created_at.unix_micros(),
            failures: 0,
            created_at: notification.created_at.unix_micros(),
        }
    }
}

/// Where a notification stands.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Sqlite))]
pub(crate) struct StateRow {
    state: String,
    due_at: Option<i64>,
    external_id: Option<String>,
    settled_at: Option<i64>,
    progress: String,
    created_at: i64,
}

impl StateRow {
    fn parsed(self) -> Result<NotificationState, StoreError> {
        const TABLE: &str = "notifications";
        let at = |column, micros: Option<i64>| {
            let micros = micros.ok_or_else(|| StoreError::corrupt(TABLE, column, MustNotBeNull))?;
            moment(TABLE, column, micros)
        };
        match self.state.as_str() {
            state::WAITING => Ok(NotificationState::Waiting {
                due: at("due_at", self.due_at)?,
            }),
            state::DELIVERED => Ok(NotificationState::Delivered {
                at: at("settled_at", self.settled_at)?,
                external_id: self
                    .external_id
                    .map(|id| parse(TABLE, "external_id", &id))
                    .transpose()?,
                progress: parse(TABLE, "progress", &self.progress)?,
            }),
            state::DEAD => Ok(NotificationState::Dead {
                at: at("settled_at", self.settled_at)?,
            }),
            state::HELD => Ok(NotificationState::Held),
            _ => Err(StoreError::corrupt(TABLE, "state", UnknownWord { allowed: state::ALL })),
        }
    }
}

impl TryFrom<StateRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: StateRow) -> Result<Self, StoreError> {
        let created_at = moment("notifications", "created_at", row.created_at)?;
        Ok(Self::of(&row.parsed()?, created_at))
    }
}

/// A notification as an operator sees it, but for its ticket's reference.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Sqlite))]
pub(crate) struct RecordRow {
    pub(crate) id: Vec<u8>,
    event: String,
    failures: i64,
    last_error: Option<String>,
    #[diesel(embed)]
    state: StateRow,
}

impl RecordRow {
    pub(crate) fn parsed(self, reference: &str) -> Result<NotificationRecord, StoreError> {
        const TABLE: &str = "notifications";
        Ok(NotificationRecord {
            id: NotificationId(uuid(TABLE, "id", &self.id)?),
            reference: parse("tickets", "reference", reference)?,
            event: parse(TABLE, "event", &self.event)?,
            failures: self
                .failures
                .try_into()
                .map_err(|error| StoreError::corrupt(TABLE, "failures", error))?,
            last_error: self.last_error.map(String::into_boxed_str),
            created_at: moment(TABLE, "created_at", self.state.created_at)?,
            state: self.state.parsed()?,
        })
    }
}

/// What a worker gets.
#[derive(Queryable, Selectable)]
#[diesel(table_name = notifications, check_for_backend(Sqlite))]
pub(crate) struct ClaimedRow {
    pub(crate) id: Vec<u8>,
    ticket_id: Vec<u8>,
    event: String,
    payload: Vec<u8>,
    route: String,
    round: i64,
    failures: i64,
    scheduled_at: i64,
}

impl ClaimedRow {
    pub(crate) fn parsed(self, claim: Claim) -> Result<Claimed, StoreError> {
        const TABLE: &str = "notifications";
        let event: EventKind = parse(TABLE, "event", &self.event)?;
        Ok(Claimed {
            id: NotificationId(uuid(TABLE, "id", &self.id)?),
            lease: claim.lease,
            ticket: TicketId(uuid(TABLE, "ticket_id", &self.ticket_id)?),
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
            scheduled_at: moment(TABLE, "scheduled_at", self.scheduled_at)?,
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
    due_at: i64,
    scheduled_at: i64,
    lease: Option<Vec<u8>>,
    failures: i64,
    tried_at: Option<i64>,
    released: bool,
    last_error: String,
    external_id: Option<String>,
    settled_at: Option<i64>,
}

impl DetourRow {
    pub(crate) fn new(fallback: &Fallback, reason: &str, at: Timestamp) -> Self {
        Self {
            payload: fallback.payload.0.to_vec(),
            route: fallback.route.as_str(),
            // It was sent before, so it had an address.
            addressed: true,
            state: state::WAITING,
            due_at: at.unix_micros(),
            scheduled_at: at.unix_micros(),
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
#[diesel(table_name = notifications, check_for_backend(Sqlite))]
pub(crate) struct HandedRow {
    id: Vec<u8>,
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
            id: NotificationId(uuid(TABLE, "id", &self.id)?),
            event: parse(TABLE, "event", &self.event)?,
            route,
            payload: Payload(self.payload.into()),
            progress: (is_current && !is_earlier).then_some(progress),
            kept,
        })
    }
}
