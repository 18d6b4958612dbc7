//! Clarifying questions to managers, and their answers.

use async_trait::async_trait;
use diesel::{
    dsl::{case_when, sql},
    insert_into,
    prelude::*,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::Bool,
    update,
};
use ticket_domain::{
    Address, Choice, ExternalId, MessageId, Question, QuestionId, Sender, TicketId, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, ChangeEvent, ChoiceResult, Precondition, QuestionUpdate, Questions, StoreError,
    },
};

use super::{
    super::engine::{Connection, LockKey, Store, for_update, lock},
    messages,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{ChoiceResultRow, ChoiceRow, QuestionRow},
    schema::{messages as messages_table, questions, tickets},
    types::Stored,
};

#[async_trait]
impl Questions for Store {
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError> {
        self.db.read(move |connection| open_tickets(connection, limit)).await
    }

    async fn question(&self, of: Address) -> Result<Option<Question>, StoreError> {
        self.db.read(move |connection| question(connection, &of)).await
    }

    async fn choice_made_by(&self, by: ExternalId) -> Result<Option<ChoiceResult>, StoreError> {
        self.db.read(move |connection| choice_in(connection, &by)).await
    }

    async fn answer(&self, picking: AnswerQuestion) -> Result<AnswerResult, StoreError> {
        let ticket = picking.ticket.map(ChangeEvent::Ticket);
        self.db
            .write_and_publish(
                move |connection| answer(connection, &picking),
                move |answered| match (answered, ticket) {
                    (AnswerResult::Answered(result), Some(ticket)) if result.attached > 0 => {
                        vec![ticket, ChangeEvent::Unmatched]
                    }
                    _ => Vec::new(),
                },
            )
            .await
    }
}

/// The newest open tickets.
pub(crate) fn open_tickets(connection: &mut Connection, limit: u8) -> Result<Vec<Choice>, Failure> {
    let open = tickets::table
        // Literally as in the index: a plan for any value would not use it.
        .filter(sql::<Bool>("tickets.status = 'open'"))
        .order((tickets::created_at.desc(), tickets::number.desc()))
        .limit(i64::from(limit))
        .select(ChoiceRow::as_select());
    let rows: Vec<ChoiceRow> = prepared(open).load(connection)?;
    Ok(rows.into_iter().map(Choice::try_from).collect::<Result<_, _>>()?)
}

/// A manager's open question.
pub(crate) fn question(connection: &mut Connection, of: &Address) -> Result<Option<Question>, Failure> {
    let row = questions::table
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::closed_at.is_null())
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// What was asked about a message.
pub(crate) fn asked_about(connection: &mut Connection, message: MessageId) -> Result<Option<Question>, Failure> {
    let row = messages_table::table
        .inner_join(questions::table)
        .filter(messages_table::id.eq(Stored(message)))
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// What came of asking about a message.
pub(crate) enum Asked {
    /// It belongs to this question, if to any.
    About(Option<QuestionId>),
    /// Nothing written: the open question is another one than the caller knew.
    Moved,
}

/// Asks about a message that came `at`.
pub(crate) fn ask(connection: &mut Connection, asking: &QuestionUpdate, at: Timestamp) -> Result<Asked, Failure> {
    match asking {
        QuestionUpdate::None => Ok(Asked::About(None)),
        QuestionUpdate::Extend(id) => extend(connection, *id, at),
        QuestionUpdate::Ask { question, instead_of } => ask_new(connection, question, *instead_of, at),
    }
}

fn extend(connection: &mut Connection, id: QuestionId, at: Timestamp) -> Result<Asked, Failure> {
    let at = Stored(at);
    let later = case_when(questions::asked_at.gt(at), questions::asked_at).otherwise(at);
    let asked = update(questions::table.find(Stored(id)).filter(questions::closed_at.is_null()))
        .set(questions::asked_at.eq(later))
        .execute(connection)?;
    Ok(if asked > 0 {
        Asked::About(Some(id))
    } else {
        Asked::Moved
    })
}

fn ask_new(
    connection: &mut Connection,
    new: &Question,
    instead_of: Precondition,
    at: Timestamp,
) -> Result<Asked, Failure> {
    lock_asking(connection, &new.of)?;
    match instead_of {
        Precondition::AnyQuestion => close(connection, &new.of, at)?,
        Precondition::Only(None) => {}
        Precondition::Only(Some(id)) => {
            let known = questions::table
                .find(Stored(id))
                .filter(questions::asked.eq(new.of.as_str()))
                .filter(questions::closed_at.is_null());
            let closed = update(known)
                .set(questions::closed_at.eq(Stored(at)))
                .execute(connection)?;
            if closed == 0 {
                return Ok(Asked::Moved);
            }
        }
    }
    // None is written where the caller knew of no question and there is one.
    let written = insert_into(questions::table)
        .values(QuestionRow::new(new))
        .on_conflict_do_nothing()
        .execute(connection)?;
    Ok(if written > 0 {
        Asked::About(Some(new.id))
    } else {
        Asked::Moved
    })
}

/// Serialises those who ask one manager: there may be no row yet at which they could meet.
fn lock_asking(connection: &mut Connection, of: &Address) -> Result<(), Failure> {
    lock(connection, LockKey::QuestionUpdate, of.as_str())
}

/// Closes a manager's open question.
pub(crate) fn close(connection: &mut Connection, of: &Address, at: Timestamp) -> Result<(), Failure> {
    let open = questions::table
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::closed_at.is_null());
    let closed = update(open)
        .set(questions::closed_at.eq(Stored(at)))
        .returning(questions::id);
    prepared(closed).load::<QuestionId>(connection)?;
    Ok(())
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message.
pub(crate) fn answer(connection: &mut Connection, picking: &AnswerQuestion) -> Result<AnswerResult, Failure> {
    messages::lock_id(connection, picking.by.as_ref())?;
    let this = questions::table.find(Stored(picking.question));
    // First of all: what others commit meanwhile is seen, and concurrent duplicates come one after the other.
    let open: Option<QuestionId> = for_update!(this.filter(questions::closed_at.is_null()).select(questions::id))
        .first(connection)
        .optional()?;
    if let Some(known) = messages::known(connection, picking.by.as_ref())? {
        return Ok(AnswerResult::AlreadyKnown(known));
    }
    if open.is_none() {
        return Ok(AnswerResult::Closed);
    }
    let attached = match picking.ticket {
        Some(ticket) => attach(connection, picking.question, ticket, picking.at)?,
        None => 0,
    };
    let answer = (
        questions::closed_at.eq(Stored(picking.at)),
        questions::answered_by.eq(picking.by.as_ref().map(ExternalId::as_str)),
        questions::answered_with.eq(picking.ticket.map(Stored)),
        questions::attached.eq(attached),
    );
    update(this)
        .set(answer)
        .execute(connection)
        .map_err(|error| match error {
            // A concurrent duplicate answered another question.
            QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Failure::Conflict,
            error => error.into(),
        })?;
    Ok(AnswerResult::Answered(picked(connection, picking.question)?))
}

/// Attaches every unmatched message of a question to a ticket, as a manager's. Returns how many.
fn attach(connection: &mut Connection, question: QuestionId, to: TicketId, at: Timestamp) -> Result<i64, Failure> {
    // So that none joins another ticket between the look and the writing.
    for_update!(tickets::table.find(Stored(to)).select(tickets::id)).first::<TicketId>(connection)?;
    let unmatched = messages_table::table
        .filter(messages_table::question_id.eq(Stored(question)))
        .filter(messages_table::ticket_id.is_null())
        .order((messages_table::created_at, messages_table::id))
        .select(messages_table::id);
    let unmatched: Vec<MessageId> = for_update!(unmatched).load(connection)?;
    let mut attached = 0;
    for message in unmatched {
        let version = messages::raise_version(connection, to, at, false, None)?;
        messages::join(connection, message, Sender::Manager, to, version)?;
        attached += 1;
    }
    Ok(attached)
}

/// Finds what the answer with an external id did.
pub(crate) fn choice_in(connection: &mut Connection, by: &ExternalId) -> Result<Option<ChoiceResult>, Failure> {
    let question = questions::table
        .filter(questions::answered_by.eq(by.as_str()))
        .select(questions::id)
        .first(connection)
        .optional()?;
    question.map(|question| picked(connection, question)).transpose()
}

/// What the answer to a question did.
fn picked(connection: &mut Connection, question: QuestionId) -> Result<ChoiceResult, Failure> {
    let first: MessageId = messages_table::table
        .filter(messages_table::question_id.eq(Stored(question)))
        .order((messages_table::created_at, messages_table::id))
        .select(messages_table::id)
        .first(connection)?;
    let row: ChoiceResultRow = questions::table
        .left_join(tickets::table)
        .filter(questions::id.eq(Stored(question)))
        .select((questions::asked, questions::attached, Option::<ChoiceRow>::as_select()))
        .first(connection)?;
    Ok(row.parsed(first)?)
}
