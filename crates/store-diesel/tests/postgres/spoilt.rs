//! A store on a database of its own whose rows can be spoilt.

use std::sync::Arc;

use store_diesel::{PostgresStore, postgres::testing::TestDatabase};
use ticket_domain::{Timestamp, ports::Store};

use crate::fixture::{connect, connection, count};

/// Drops what keeps a value out.
const PAST_EVERY_RULE: &str = "DO $$ DECLARE sql text; BEGIN
    FOR sql IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
        FROM pg_constraint WHERE contype = 'c' AND connamespace = current_schema()::regnamespace
    LOOP EXECUTE sql; END LOOP;
END $$";

pub(crate) struct Spoilt {
    store: PostgresStore,
    database: TestDatabase,
}

impl Spoilt {
    pub(crate) async fn open() -> Self {
        let database = TestDatabase::create().await;
        let store = connect(database.url(), 1).await.unwrap();
        database.execute(PAST_EVERY_RULE).await;
        Self { store, database }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    /// How many notifications are as a corrupt one has to be: dead, not due, not leased, settled then, with this error.
    pub(crate) async fn buried(&self, settled_at: Timestamp, last_error: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) AS count FROM notifications WHERE state = 'dead' AND due_at IS NULL AND lease IS NULL
                AND settled_at = to_timestamp({}::numeric / 1000000) AND last_error = '{last_error}'",
            settled_at.unix_micros()
        );
        count(&mut connection(self.database.url()).await, &sql)
    }
}
