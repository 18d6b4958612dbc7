//! Claiming notifications that are due.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};
use ticket_domain::{Timestamp, ports::Claim};

use crate::{
    failure::Failure,
    prepared::prepared,
    rows::ClaimedRow,
    types::{Id, Moment, Stored},
};

/// By hand, since diesel has no CTEs, and without one the locking sub-select may become the inner side of a nested loop
/// that runs again for each row and locks beyond its LIMIT. A notification is due if it waits, its time has come, and no
/// earlier one of its ticket to its recipient waits; an expired lease is simply due. Workers skip what others are just
/// claiming. What is due is an array to the UPDATE: planned for any limit, a join would read the whole table.
macro_rules! claim {
    ($which:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                SELECT n.id, n.due_at FROM notifications n
                WHERE n.recipient = $5 AND n.due_at <= $1 AND NOT EXISTS (
                    SELECT FROM notifications e
                    WHERE e.ticket_id = n.ticket_id AND e.recipient = n.recipient AND e.seq < n.seq AND e.state IN ('waiting', 'held'))",
            $which,
            " ORDER BY n.due_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED),
            claimed AS (
                UPDATE notifications n SET lease = $3, due_at = $4, attempted_at = $1
                WHERE n.id = ANY (ARRAY(SELECT id FROM due))
                RETURNING n.id, n.ticket_id, n.event, n.payload, n.route, n.round, n.failed_attempts, n.scheduled_at)
            SELECT c.id, ticket_id, event, payload, route, round, failed_attempts, scheduled_at
            FROM claimed c JOIN due ON due.id = c.id ORDER BY due.due_at, c.id"
        )
    };
}
const CLAIM: &str = claim!("");
const CLAIM_FIRST_ATTEMPTS: &str = claim!(" AND n.attempted_at IS NULL");

/// The same for one that is not due any more and that nobody has, the one probed longest ago first; none if one was probed
/// after `$2`.
const CLAIM_PROBE: &str = "
    WITH next AS MATERIALIZED (
        SELECT n.id FROM notifications n
        WHERE n.recipient = $5 AND n.due_at > $4 AND n.lease IS NULL
        AND (n.attempted_at IS NOT NULL OR n.scheduled_at <= $1 OR n.created_at > $1) AND NOT EXISTS (
            SELECT FROM notifications e
            WHERE e.ticket_id = n.ticket_id AND e.recipient = n.recipient AND e.seq < n.seq AND e.state IN ('waiting', 'held'))
        AND NOT EXISTS (SELECT FROM notifications p
            WHERE p.recipient = $5 AND p.due_at IS NOT NULL AND p.probed_at > $2)
        ORDER BY n.probed_at NULLS FIRST, n.due_at LIMIT 1 FOR UPDATE OF n SKIP LOCKED)
    UPDATE notifications n SET lease = $3, due_at = $4, attempted_at = $1, probed_at = $1
    FROM next WHERE n.id = next.id
    RETURNING n.id, n.ticket_id, n.event, n.payload, n.route, n.round, n.failed_attempts, n.scheduled_at";

/// Under this number and the next ones, one for each recipient, workers that probe take turns. Others than the one for
/// migrations.
const PROBE_LOCK: i64 = i64::from_be_bytes(*b"probings");

/// Leases what is due.
pub(crate) fn due(connection: &mut PgConnection, claim: Claim, limit: u16) -> Result<Vec<ClaimedRow>, Failure> {
    let statement = if claim.first_tries_only {
        CLAIM_FIRST_ATTEMPTS
    } else {
        CLAIM
    };
    let statement = sql_query(statement)
        .bind::<Moment, _>(Stored(claim.now))
        .bind::<BigInt, _>(i64::from(limit))
        .bind::<Id, _>(Stored(claim.lease))
        .bind::<Moment, _>(Stored(claim.until))
        .bind::<Text, _>(claim.recipient.as_str());
    Ok(prepared(statement).load(connection)?)
}

/// Leases one that is not due and that nobody has; none if one was probed after `unless_after`.
pub(crate) fn probe(
    connection: &mut PgConnection,
    claim: Claim,
    unless_after: Timestamp,
) -> Result<Option<ClaimedRow>, Failure> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    // A statement of its own: the next one must see what the last holder of the lock has written.
    let lock = sql_query("SELECT pg_try_advisory_xact_lock($1) AS taken")
        .bind::<BigInt, _>(PROBE_LOCK + claim.recipient as i64);
    let lock: Lock = prepared(lock).get_result(connection)?;
    if !lock.taken {
        return Ok(None);
    }
    let statement = sql_query(CLAIM_PROBE)
        .bind::<Moment, _>(Stored(claim.now))
        .bind::<Moment, _>(Stored(unless_after))
        .bind::<Id, _>(Stored(claim.lease))
        .bind::<Moment, _>(Stored(claim.until))
        .bind::<Text, _>(claim.recipient.as_str());
    Ok(prepared(statement).get_result(connection).optional()?)
}
