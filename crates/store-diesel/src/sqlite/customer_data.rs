//! Erasing, as the file and its search need it.

use diesel::{
    connection::SimpleConnection,
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Bool, Text},
    sqlite::Sqlite,
};
use ticket_domain::{MessageId, Redaction, TicketRef};

use super::statements::customer_data::SearchedBy;
use crate::{
    failure::Failure,
    schema::questions,
    types::{Id, Stored},
};

/// What is overwritten or deleted meanwhile leaves nothing behind in the file.
const SECURELY: &str = "PRAGMA secure_delete = ON";
const AS_ALWAYS: &str = "PRAGMA secure_delete = OFF";

/// What is put in here is not to be put in once more: FTS5 would keep both, and take out only the later one.
const NOT_LATER: &str = "
    DELETE FROM search_pending WHERE document IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = $1)";
/// Only whole documents can be taken out, while the rows still contain what they were made from.
const TAKE_OUT: &str = "
    DELETE FROM ticket_search WHERE rowid IN (
        SELECT t.number << 20 | m.seq FROM messages m JOIN tickets t ON t.id = m.ticket_id
        WHERE m.id = $1 AND m.seq < 1 << 20)";
const PUT_IN: &str = "
    INSERT INTO ticket_search (rowid, text) SELECT number, text FROM ticket_documents WHERE message_id = $1";
const PUT_IN_REFERENCE: &str = "
    INSERT INTO ticket_search (rowid, text) SELECT t.number << 20 | m.seq, t.reference || ' ' || $1
    FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = $2 AND m.seq < 1 << 20";

/// Erases with nothing left behind in the file.
pub(crate) fn securely<T>(
    connection: &mut SqliteConnection,
    erase: impl FnOnce(&mut SqliteConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.batch_execute(SECURELY)?;
    let erased = erase(connection);
    connection.batch_execute(AS_ALWAYS)?;
    erased
}

/// Overwrites messages, and has them found by what is left.
pub(crate) fn reindexed(
    connection: &mut SqliteConnection,
    ids: &[Stored<MessageId>],
    searched_by: SearchedBy,
    overwrite: impl FnOnce(&mut SqliteConnection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for id in ids {
        for statement in [NOT_LATER, TAKE_OUT] {
            sql_query(statement).bind::<Id, _>(id).execute(connection)?;
        }
    }
    overwrite(connection)?;
    for id in ids {
        match searched_by {
            SearchedBy::WhatIsLeft => sql_query(PUT_IN).bind::<Id, _>(id).execute(connection)?,
            SearchedBy::Reference => sql_query(PUT_IN_REFERENCE)
                .bind::<Text, _>(Redaction::TEXT)
                .bind::<Id, _>(id)
                .execute(connection)?,
        };
    }
    Ok(())
}

type QuestionCondition = Box<dyn BoxableExpression<questions::table, Sqlite, SqlType = Bool>>;

/// Whether a question offers a ticket.
pub(crate) fn is_about(reference: TicketRef) -> QuestionCondition {
    // Blanks around: a reference may be the beginning of another.
    let is_in = sql("instr(' ' || questions.choices || ' ', ").bind::<Text, _>(format!(" {reference} "));
    Box::new(is_in.sql(") > 0"))
}
