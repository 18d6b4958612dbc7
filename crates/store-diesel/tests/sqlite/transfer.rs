//! A file from which everything is read: held for that alone, and every row of it told as it is.

use std::{ops::ControlFlow, path::Path};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use store_diesel::{
    SqliteStore,
    sqlite::{SourceError, SqliteSource},
};
use ticket_domain::{
    Stage, Timestamp,
    ports::transfer::{Rows, StoredNotification, Table, TransferError, TransferSource},
};

fn execute(path: &Path, sql: &str) {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(sql).unwrap();
}

const TICKETS: &str = "
    INSERT INTO tickets (id, reference, customer_name, customer_phone, customer_email, subject, priority, status,
        customer_key, reader_key, version, created_at, updated_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
    SELECT randomblob(16), printf('T-20250115-%04d', i), 'Zoe', '+15550001111', 'zoe@customer.example', 'Order', 'high',
        'open', lower(hex(randomblob(16))), lower(hex(randomblob(16))), 1, i, i FROM n;
    INSERT INTO notifications (id, ticket_id, seq, event, payload, addressed, state, due_at, scheduled_at, lease, failures,
        tried_at, created_at)
    SELECT randomblob(16), id, 1, 'ticket.created', x'00ff', 1, 'waiting', 90, 60, randomblob(16), 0, 60, 50
    FROM tickets WHERE number = 1;";

fn filled() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    drop(SqliteStore::open(&path).unwrap());
    execute(&path, TICKETS);
    (folder, path)
}

fn read(source: &mut SqliteSource) -> Result<Vec<Rows>, TransferError> {
    let mut all = Vec::new();
    source.read(&mut |rows| {
        all.push(rows);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

#[test]
fn rows_come_table_by_table_until_nobody_wants_more() {
    let (_folder, path) = filled();
    let mut source = SqliteSource::open(&path).unwrap();
    assert_eq!(source.count(Table::TicketPage).unwrap(), 2_500);
    let batches: Vec<(Table, u64)> = read(&mut source)
        .unwrap()
        .iter()
        .map(|rows| (rows.table(), rows.count()))
        .collect();
    assert_eq!(
        batches,
        [
            (Table::TicketPage, 1_000),
            (Table::TicketPage, 1_000),
            (Table::TicketPage, 500),
            (Table::Notifications, 1)
        ]
    );
    let mut taken = 0;
    source
        .read(&mut |_| {
            taken += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(taken, 1);
}

#[test]
fn a_lease_stays_behind() {
    let (_folder, path) = filled();
    let all = read(&mut SqliteSource::open(&path).unwrap()).unwrap();
    let Some(Rows::Notifications(notifications)) = all.last() else {
        panic!("the notification comes last");
    };
    let at = |micros| Timestamp::from_unix_micros(micros).unwrap();
    let StoredNotification {
        state,
        due_at,
        tried_at,
        scheduled_at,
        payload,
        ..
    } = &notifications[0];
    assert_eq!(
        (*state, *due_at, *tried_at),
        (Stage::Waiting, Some(at(60)), Some(at(60)))
    );
    assert_eq!((*scheduled_at, &*payload.0), (at(60), &b"\0\xff"[..]));
}

#[test]
fn a_file_in_use_is_refused_and_one_that_is_held_lets_nobody_in() {
    let (_folder, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    assert!(matches!(SqliteSource::open(&path), Err(SourceError::InUse(_))));
    drop(store);

    let source = SqliteSource::open(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(format!("{refused:?}").contains("locked"), "{refused:?}");
    drop(source);
    SqliteStore::open(&path).unwrap();

    // One without a write-ahead log, as SQLite's own copies are.
    let plain = path.with_file_name("plain.db");
    execute(&path, &format!("VACUUM INTO '{}'", plain.display()));
    let source = SqliteSource::open(&plain).unwrap();
    assert!(SqliteStore::open(&plain).is_err());
    drop(source);
}

#[test]
fn a_file_that_is_missing_old_new_or_none_is_refused() {
    let (folder, path) = filled();
    let missing = folder.path().join("none.db");
    assert!(matches!(SqliteSource::open(&missing), Err(SourceError::Missing(_))));
    assert!(!missing.exists());
    execute(
        &path,
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    assert!(matches!(SqliteSource::open(&path), Err(SourceError::Outdated(_))));
    execute(
        &path,
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')",
    );
    assert!(matches!(SqliteSource::open(&path), Err(SourceError::Unusable(_))));
    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(SqliteSource::open(&empty), Err(SourceError::Outdated(_))));
}

#[test]
fn a_corrupt_row_is_named() {
    let (_folder, path) = filled();
    for (spoil, table, column, row) in [
        (
            "UPDATE tickets SET customer_email = 'nobody' WHERE number = 7",
            "tickets",
            "customer_email",
            "rowid 7",
        ),
        (
            "UPDATE tickets SET customer_email = 'a@b.example ' WHERE number = 6",
            "tickets",
            "customer_email",
            "rowid 6",
        ),
        (
            "UPDATE tickets SET reference = lower(reference) WHERE number = 5",
            "tickets",
            "reference",
            "rowid 5",
        ),
        (
            "UPDATE tickets SET id = x'00' WHERE number = 4",
            "tickets",
            "id",
            "rowid 4",
        ),
        (
            "UPDATE tickets SET version = -1 WHERE number = 3",
            "tickets",
            "version",
            "rowid 3",
        ),
        (
            "UPDATE tickets SET created_at = 9223372036854775807 WHERE number = 2",
            "tickets",
            "created_at",
            "rowid 2",
        ),
        (
            "UPDATE tickets SET subject = CAST(x'ff' AS text) WHERE number = 1",
            "tickets",
            "*",
            "the first rowid after 0",
        ),
    ] {
        execute(&path, spoil);
        let error = read(&mut SqliteSource::open(&path).unwrap()).unwrap_err();
        let TransferError::Corrupt {
            table: t,
            column: c,
            row: r,
            ..
        } = &error
        else {
            panic!("{spoil}: {error:?}");
        };
        assert_eq!((*t, *c, &**r), (table, column, row), "{spoil}");
        assert!(!format!("{error}").contains("nobody"), "{error}");
    }
    execute(&path, "DELETE FROM notifications; DELETE FROM tickets");
    for (spoil, column) in [
        (
            "INSERT INTO trail (id, at, act, amount) VALUES (randomblob(16), 1, 'reply', 2)",
            "act",
        ),
        (
            "INSERT INTO trail (id, at, act, amount) VALUES (randomblob(16), 1, 'redeliver_dead', -2)",
            "amount",
        ),
    ] {
        execute(&path, spoil);
        let error = read(&mut SqliteSource::open(&path).unwrap()).unwrap_err();
        assert!(
            matches!(error, TransferError::Corrupt { table: "trail", column: c, .. } if c == column),
            "{error:?}"
        );
        execute(&path, "DELETE FROM trail");
    }
}
