//! Erasing, as the search needs it.

use diesel::{
    dsl::sql,
    pg::Pg,
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Text},
};
use ticket_domain::{MessageId, Redaction, TicketRef};

use super::statements::customer_data::SearchedBy;
use crate::{
    failure::Failure,
    schema::questions,
    types::{Id, Stored},
};

/// Rebuilds the words by which messages are found from what their rows contain now.
const REINDEX: &str = "
    UPDATE ticket_search s SET words = search_vector(t, m.body)
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";
const REINDEX_REFERENCE: &str = "
    UPDATE ticket_search s SET words = array_to_tsvector(search_words(t.reference || ' ' || $2))
    FROM messages m JOIN tickets t ON t.id = m.ticket_id
    WHERE m.id = ANY ($1) AND s.ticket_number = t.number AND s.seq = m.seq";

/// Erases. Nothing more is needed: a row that is overwritten goes with the next vacuum.
pub(crate) fn securely<T>(
    connection: &mut PgConnection,
    erase: impl FnOnce(&mut PgConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    erase(connection)
}

/// Overwrites messages, and has them found by what is left.
pub(crate) fn reindexed(
    connection: &mut PgConnection,
    ids: &[Stored<MessageId>],
    searched_by: SearchedBy,
    overwrite: impl FnOnce(&mut PgConnection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    overwrite(connection)?;
    match searched_by {
        SearchedBy::WhatIsLeft => sql_query(REINDEX).bind::<Array<Id>, _>(ids).execute(connection)?,
        SearchedBy::Reference => sql_query(REINDEX_REFERENCE)
            .bind::<Array<Id>, _>(ids)
            .bind::<Text, _>(Redaction::TEXT)
            .execute(connection)?,
    };
    Ok(())
}

type QuestionCondition = Box<dyn BoxableExpression<questions::table, Pg, SqlType = Bool>>;

/// Whether a question offers a ticket.
pub(crate) fn is_about(reference: TicketRef) -> QuestionCondition {
    let choices = sql("string_to_array(questions.choices, ' ') && ");
    Box::new(choices.bind::<Array<Text>, _>(vec![reference.to_string()]))
}
