//! What a dump and a load ask of Postgres.

use std::time::{Duration, Instant};

use diesel::{connection::SimpleConnection, prelude::*, result::Error as QueryError, sql_query, sql_types::Bool};

use super::{
    connect::Address,
    migrate::{migrate, pending},
    statements::dump as statements,
};
use crate::{
    dump::{
        Counts, Database, DumpError, EndpointError, Purpose, Table, Take,
        rows::{Batch, for_each_table},
    },
    prepared::typed,
    schema,
};

/// A server may have limits of its own.
const SETTINGS: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = '5s';
    SET LOCAL jit = off;
    SET LOCAL work_mem = '64MB';
    SET LOCAL maintenance_work_mem = '256MB';";

/// One state of the database throughout: the one at the first query.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;";

const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;";

/// Whether anybody else is connected. A server always is: it listens.
const OTHERS: &str = "
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND coalesce(backend_type, 'client backend') = 'client backend')";

/// Has the server look now and then whether we are still there (Postgres 14 and later), so that an interrupted load is
/// over at once. The triggers would do for each batch what is done for all at the end. So would foreign keys and indexes,
/// which take most of the time if each row is checked and sorted in by itself: those of our tables go until the rows are in,
/// but for primary keys and UNIQUE constraints. `$tables` stands for the tables' names.
const PREPARE: &str = "
    SELECT set_config(name, '1s', true) FROM pg_settings WHERE name = 'client_connection_check_interval';
    SET LOCAL lock_timeout = 0;
    ALTER TABLE messages DISABLE TRIGGER USER;
    CREATE TEMP TABLE made_later ON COMMIT DROP AS
        SELECT 2 AS step, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop,
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS make
        FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY ('{$tables}'::regclass[])
        UNION ALL
        SELECT 1, format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
        FROM pg_index WHERE indrelid = ANY ('{$tables}'::regclass[])
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
    DO $$ DECLARE sql text; BEGIN
        FOR sql IN SELECT drop FROM made_later ORDER BY step DESC LOOP EXECUTE sql; END LOOP;
    END $$;";

/// What triggers and the numbering of tickets would have made. Several processes cut texts into words if their result goes
/// into a new table, which they never do for an INSERT. `ALTER … RESTART` is undone with the transaction, unlike
/// `setval`.
const COMPLETE: &str = "
    CREATE TEMP TABLE searched ON COMMIT DROP AS
        SELECT t.number, m.seq, search_vector(t, m.body) FROM messages m JOIN tickets t ON t.id = m.ticket_id;
    INSERT INTO ticket_search (ticket_number, seq, words) SELECT * FROM searched;
    ALTER TABLE messages ENABLE TRIGGER USER;
    DO $$ DECLARE sql text; BEGIN
        FOR sql IN SELECT make FROM made_later ORDER BY step LOOP EXECUTE sql; END LOOP;
        EXECUTE (SELECT format('ALTER TABLE tickets ALTER number RESTART WITH %s', coalesce(max(number), 0) + 1)
            FROM tickets);
    END $$;";

/// How long a connection may take to go after its program is gone.
const CLOSING: Duration = Duration::from_secs(2);

/// The tables of a dump.
fn tables() -> String {
    let names: Vec<&str> = Table::ALL.iter().map(|table| table.as_str()).collect();
    names.join(", ")
}

/// See [`Source::postgres`](crate::dump::Source::postgres).
pub(crate) fn open_source(url: &str, purpose: Purpose) -> Result<PgConnection, EndpointError> {
    let mut connection = Address::new(url)?.connect()?;
    if pending(&mut connection)? > 0 {
        return Err(EndpointError::Outdated);
    }
    if purpose == Purpose::Copy {
        wait_until_alone(&mut connection)?;
    }
    connection.batch_execute(READ)?;
    connection.batch_execute(SETTINGS)?;
    if purpose == Purpose::Copy {
        // Nobody who connects from now on can write.
        let locked = connection.batch_execute(&format!("LOCK TABLE {} IN SHARE MODE", tables()));
        locked.map_err(|error| {
            if is_lock_timeout(&error) {
                EndpointError::SourceInUse
            } else {
                error.into()
            }
        })?;
    }
    Ok(connection)
}

/// Waits until nobody else is connected, for as long as connections take that were just closed.
fn wait_until_alone(connection: &mut PgConnection) -> Result<(), EndpointError> {
    let begun = Instant::now();
    loop {
        let others_exist: bool = typed::<Bool, _>(sql_query(OTHERS)).get_result(connection)?;
        if !others_exist {
            return Ok(());
        }
        if begun.elapsed() >= CLOSING {
            return Err(EndpointError::SourceInUse);
        }
        connection.batch_execute("SELECT pg_sleep(0.05)")?;
    }
}

/// See [`Target::postgres`](crate::dump::Target::postgres).
pub(crate) fn open_target(url: &str) -> Result<PgConnection, EndpointError> {
    let address = Address::new(url)?;
    migrate(&address)?;
    let mut connection = address.connect()?;
    connection.batch_execute(WRITE)?;
    connection.batch_execute(SETTINGS)?;
    let written = tables() + ", ticket_search";
    let locked = connection.batch_execute(&format!("LOCK TABLE {written} IN ACCESS EXCLUSIVE MODE"));
    locked.map_err(|error| {
        if is_lock_timeout(&error) {
            EndpointError::TargetInUse
        } else {
            error.into()
        }
    })?;
    connection.batch_execute(&PREPARE.replace("$tables", &written))?;
    Ok(connection)
}

fn is_lock_timeout(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(_, words) if words.message().contains("lock timeout"))
}

impl Database for PgConnection {
    fn schema(&mut self) -> Result<String, QueryError> {
        statements::last_migration(self)
    }

    fn count(&mut self) -> Result<Counts, QueryError> {
        statements::count(self)
    }

    fn read(&mut self, take: &mut Take<'_>) -> Result<(), DumpError> {
        statements::read(self, take)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), QueryError> {
        macro_rules! write {
            ($($table:ident $variant:ident $row:ident $order:literal,)+) => {$(
                if !batch.$table.is_empty() {
                    diesel::copy_from(schema::$table::table).from_insertable(&batch.$table).execute(self)?;
                }
            )+};
        }
        for_each_table!(write);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), QueryError> {
        self.batch_execute(COMPLETE)?;
        self.batch_execute(&format!("ANALYZE {}, ticket_search", tables()))
    }
}
