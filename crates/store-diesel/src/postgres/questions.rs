//! Asking managers back, and taking their answers.

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
    Choice, ExternalId, MessageId, Phone, Question, QuestionId, Sender, TicketId, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, ChangeEvent, ChoiceResult, Precondition, QuestionUpdate, Questions, StoreError,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::{
    PostgresStore,
    db::Failure,
    holds::{Held, hold},
    messages,
    prepared::prepared,
    rows::{ChoiceRow, PickedRow, QuestionRow},
    schema::{messages as messages_table, questions, tickets},
};

#[async_trait]
impl Questions for PostgresStore {
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError> {
        self.db.read(move |connection| open_tickets(connection, limit)).await
    }

    async fn question(&self, of: Phone) -> Result<Option<Question>, StoreError> {
        self.db.read(move |connection| question(connection, &of)).await
    }

    async fn picked(&self, by: ExternalId) -> Result<Option<ChoiceResult>, StoreError> {
        self.db.read(move |connection| choice_in(connection, &by)).await
    }

    async fn answer(&self, picking: AnswerQuestion) -> Result<AnswerResult, StoreError> {
        let ticket = picking.ticket.map(ChangeEvent::Ticket);
        self.db
            .write_and_publish(
                move |connection| answer(connection, &picking),
                move |answered| match (answered, ticket) {
                    (AnswerResult::Answered(_), Some(ticket)) => vec![ticket, ChangeEvent::Unmatched],
                    _ => Vec::new(),
                },
            )
            .await
    }
}

/// The newest open tickets.
fn open_tickets(connection: &mut PgConnection, limit: u8) -> Result<Vec<Choice>, Failure> {
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
fn question(connection: &mut PgConnection, of: &Phone) -> Result<Option<Question>, Failure> {
    let row = questions::table
        .filter(questions::of_phone.eq(of.as_str()))
        .filter(questions::closed_at.is_null())
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// What was asked about a message.
pub(crate) fn asked_about(connection: &mut PgConnection, message: MessageId) -> Result<Option<Question>, Failure> {
    let row = messages_table::table
        .inner_join(questions::table)
        .filter(messages_table::id.eq(message.0))
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
pub(crate) fn ask(connection: &mut PgConnection, asking: &QuestionUpdate, at: Timestamp) -> Result<Asked, Failure> {
    match asking {
        QuestionUpdate::None => Ok(Asked::About(None)),
        QuestionUpdate::Extend(id) => ask_again(connection, *id, at),
        QuestionUpdate::Ask { question, instead_of } => ask_anew(connection, question, *instead_of, at),
    }
}

fn ask_again(connection: &mut PgConnection, id: QuestionId, at: Timestamp) -> Result<Asked, Failure> {
    let at = OffsetDateTime::from(at);
    let later = case_when(questions::asked_at.gt(at), questions::asked_at).otherwise(at);
    let asked = update(questions::table.find(id.0).filter(questions::closed_at.is_null()))
        .set(questions::asked_at.eq(later))
        .execute(connection)?;
    Ok(if asked > 0 {
        Asked::About(Some(id))
    } else {
        Asked::Moved
    })
}

fn ask_anew(
    connection: &mut PgConnection,
    new: &Question,
    instead_of: Precondition,
    at: Timestamp,
) -> Result<Asked, Failure> {
    hold_asking(connection, &new.of)?;
    match instead_of {
        Precondition::AnyQuestion => close(connection, &new.of, at)?,
        Precondition::Only(None) => {}
        Precondition::Only(Some(id)) => {
            let known = questions::table
                .find(id.0)
                .filter(questions::of_phone.eq(new.of.as_str()))
                .filter(questions::closed_at.is_null());
            let closed = update(known)
                .set(questions::closed_at.eq(OffsetDateTime::from(at)))
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

/// Has those who ask a manager come one after the other: there may be no row yet that they could meet at.
fn hold_asking(connection: &mut PgConnection, of: &Phone) -> Result<(), Failure> {
    hold(connection, Held::QuestionUpdate, of.as_str())
}

/// Closes a manager's open question.
pub(crate) fn close(connection: &mut PgConnection, of: &Phone, at: Timestamp) -> Result<(), Failure> {
    let open = questions::table
        .filter(questions::of_phone.eq(of.as_str()))
        .filter(questions::closed_at.is_null());
    let closed = update(open)
        .set(questions::closed_at.eq(OffsetDateTime::from(at)))
        .returning(questions::id);
    prepared(closed).load::<Uuid>(connection)?;
    Ok(())
}

/// Every writer takes its locks in this order: key, outside id, who is asked, question, ticket, message.
fn answer(connection: &mut PgConnection, picking: &AnswerQuestion) -> Result<AnswerResult, Failure> {
    messages::hold_id(connection, picking.by.as_ref())?;
    let id = picking.question.0;
    let this = questions::table.find(id);
    // Before anything is looked at: what its holders do is seen, and twins come one after the other.
    let open: Option<Uuid> = this
        .filter(questions::closed_at.is_null())
        .select(questions::id)
        .for_update()
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
        questions::closed_at.eq(OffsetDateTime::from(picking.at)),
        questions::answered_by.eq(picking.by.as_ref().map(ExternalId::as_str)),
        questions::answered_with.eq(picking.ticket.map(|ticket| ticket.0)),
        questions::attached.eq(attached),
    );
    update(this)
        .set(answer)
        .execute(connection)
        .map_err(|error| match error {
            // Its twin answered another question.
            QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Failure::Conflict,
            error => error.into(),
        })?;
    Ok(AnswerResult::Answered(picked(connection, id)?))
}

/// Has everything that was asked about and has no ticket yet join `to`, as a manager's. Says how many messages.
fn attach(connection: &mut PgConnection, question: QuestionId, to: TicketId, at: Timestamp) -> Result<i64, Failure> {
    // So that none joins another ticket between the look and the writing.
    let ticket = tickets::table.find(to.0).select(tickets::id).for_update();
    ticket.first::<Uuid>(connection)?;
    let kept: Vec<Uuid> = messages_table::table
        .filter(messages_table::question_id.eq(question.0))
        .filter(messages_table::ticket_id.is_null())
        .order((messages_table::created_at, messages_table::id))
        .select(messages_table::id)
        .for_update()
        .load(connection)?;
    let mut attached = 0;
    for message in kept {
        let version = messages::raise_version(connection, to, at.into(), false, None)?;
        messages::join(connection, message, Sender::Manager, to, version)?;
        attached += 1;
    }
    Ok(attached)
}

/// What the answer of an outside id did.
pub(crate) fn choice_in(connection: &mut PgConnection, by: &ExternalId) -> Result<Option<ChoiceResult>, Failure> {
    let question = questions::table
        .filter(questions::answered_by.eq(by.as_str()))
        .select(questions::id)
        .first(connection)
        .optional()?;
    question.map(|question| picked(connection, question)).transpose()
}

/// What the answer to a question did.
fn picked(connection: &mut PgConnection, question: Uuid) -> Result<ChoiceResult, Failure> {
    let first: Uuid = messages_table::table
        .filter(messages_table::question_id.eq(question))
        .order((messages_table::created_at, messages_table::id))
        .select(messages_table::id)
        .first(connection)?;
    let row: PickedRow = questions::table
        .left_join(tickets::table)
        .filter(questions::id.eq(question))
        .select((
            questions::of_phone,
            questions::attached,
            Option::<ChoiceRow>::as_select(),
        ))
        .first(connection)?;
    Ok(row.parsed(first)?)
}
