//! A store in a file whose rows can be spoilt, and what the schema keeps from being written at all.

use std::{path::PathBuf, sync::Arc};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query, sql_types,
};
use store_contract::Fixture;
use store_diesel::SqliteStore;
use tempfile::TempDir;
use ticket_domain::{Timestamp, ports::Store};

use crate::corrupt::everything;

pub(crate) struct Spoilt {
    store: Arc<SqliteStore>,
    folder: TempDir,
}

impl Spoilt {
    #[allow(clippy::unused_async, reason = "as on Postgres")]
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("tickets.db")).unwrap());
        Self { store, folder }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn connect(&self) -> SqliteConnection {
        let path: PathBuf = self.folder.path().join("tickets.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 2500").unwrap();
        connection
    }

    /// Runs SQL past every rule of the schema.
    #[allow(clippy::unused_async, reason = "as on Postgres")]
    pub(crate) async fn execute(&self, sql: &str) {
        let past = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;";
        self.connect().batch_execute(&format!("{past} {sql}")).unwrap();
    }

    /// How many notifications are as a corrupt one has to be: dead, not due, not leased, settled then, with this error.
    #[allow(clippy::unused_async, reason = "as on Postgres")]
    pub(crate) async fn buried(&self, settled_at: Timestamp, last_error: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = sql_types::BigInt)]
            count: i64,
        }
        let count = sql_query(
            "SELECT count(*) AS count FROM notifications WHERE state = 'dead' AND due_at IS NULL AND lease IS NULL
                AND settled_at = ? AND last_error = ?",
        )
        .bind::<sql_types::BigInt, _>(settled_at.unix_micros())
        .bind::<sql_types::Text, _>(last_error);
        count.get_result::<Count>(&mut self.connect()).unwrap().count
    }
}

/// What reading a whole query would fail at can't be written: an id of another length than 16 bytes, or a moment beyond
/// the calendar.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_row_could_be_read_with_is_refused() {
    const NOTIFIED: [&str; 6] = [
        "due_at",
        "scheduled_at",
        "attempted_at",
        "probed_at",
        "settled_at",
        "created_at",
    ];
    let spoilt = Spoilt::open().await;
    everything(&Fixture::new(spoilt.store())).await;
    let mut connection = spoilt.connect();
    for (table, ids, moments) in [
        ("tickets", &["id"][..], &["created_at", "updated_at"][..]),
        ("messages", &["id", "ticket_id", "question_id"], &["created_at"]),
        ("notifications", &["id", "ticket_id", "lease", "question_id"], &NOTIFIED),
        ("idempotency_keys", &["ticket_id", "message_id"], &["expires_at"]),
        (
            "questions",
            &["id", "answered_with", "merged_into"],
            &["sent_at", "asked_at", "closed_at", "answered_at"],
        ),
        ("receipts", &[], &["at"]),
        ("contacts", &[], &["seen_at"]),
    ] {
        let values = ids.iter().map(|id| (id, "randomblob(5)"));
        let moments = moments.iter().flat_map(|at| {
            ["9223372036854775807", "-9223372036854775808", "-62167219200000001"].map(|micros| (at, micros))
        });
        for (column, value) in values.chain(moments) {
            let refused = connection.batch_execute(&format!("UPDATE {table} SET {column} = {value}"));
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("CHECK constraint failed"), "{table}.{column}: {error}");
        }
    }
}
