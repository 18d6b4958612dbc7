//! Rows of known contacts.

use diesel::{Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    Timestamp,
    ports::{KnownContact, StoreError, parse},
};

use crate::{schema::contacts, types::Stored};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = contacts, check_for_backend(Pg, Sqlite))]
pub(crate) struct ContactRow {
    user_id: String,
    phone: String,
    seen_at: Stored<Timestamp>,
}

impl ContactRow {
    pub(crate) fn new(contact: &KnownContact) -> Self {
        Self {
            user_id: contact.user_id.to_string(),
            phone: contact.phone.to_string(),
            seen_at: Stored(contact.seen_at),
        }
    }
}

impl TryFrom<ContactRow> for KnownContact {
    type Error = StoreError;

    fn try_from(row: ContactRow) -> Result<Self, StoreError> {
        const TABLE: &str = "contacts";
        Ok(Self {
            user_id: parse(TABLE, "user_id", &row.user_id)?,
            phone: parse(TABLE, "phone", &row.phone)?,
            seen_at: row.seen_at.0,
        })
    }
}
