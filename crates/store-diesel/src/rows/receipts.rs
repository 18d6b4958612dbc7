//! Rows of receipts.

use diesel::{AsChangeset, Insertable, Queryable, Selectable, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    Receipt, Timestamp,
    ports::{StoreError, parse},
};

use super::number;
use crate::{schema::receipts, types::Stored};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = receipts, check_for_backend(Pg, Sqlite), treat_none_as_null = true, primary_key(external_id))]
pub(crate) struct ReceiptRow {
    external_id: String,
    status: String,
    error_code: Option<i64>,
    at: Stored<Timestamp>,
}

impl ReceiptRow {
    pub(crate) fn new(receipt: &Receipt) -> Self {
        Self {
            external_id: receipt.external_id.to_string(),
            status: receipt.status.to_string(),
            error_code: receipt.error_code.map(i64::from),
            at: Stored(receipt.at),
        }
    }
}

impl TryFrom<ReceiptRow> for Receipt {
    type Error = StoreError;

    fn try_from(row: ReceiptRow) -> Result<Self, StoreError> {
        const TABLE: &str = "receipts";
        Ok(Self {
            external_id: parse(TABLE, "external_id", &row.external_id)?,
            status: parse(TABLE, "status", &row.status)?,
            error_code: row
                .error_code
                .map(|code| number(TABLE, "error_code", code))
                .transpose()?,
            at: row.at.0,
        })
    }
}
