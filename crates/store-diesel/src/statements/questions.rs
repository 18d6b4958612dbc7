//! Clarifying questions, their answers, and control messages.

use async_trait::async_trait;
use diesel::{
    delete,
    dsl::sql,
    insert_into,
    prelude::*,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::Bool,
    update,
};
use ticket_domain::{
    Address, Choice, ExternalId, Message, MessageId, Notification, NotificationId, Question, QuestionId, QuestionKind,
    Sender, TicketId, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, ChangeEvent, ChoiceResult, ControlMessage, Existing, MergeQuestions, Questions,
        StoreError,
    },
};

use super::{
    super::engine::{Connection, LockKey, Store, for_update, lock},
    messages,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{ChoiceResultRow, ChoiceRow, ControlRow, MessageRow, NewNotificationRow, QuestionRow, state},
    schema::{control_messages, messages as messages_table, notifications, previous_external_ids, questions, tickets},
    types::Stored,
};

#[async_trait]
impl Questions for Store {
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError> {
        self.db.read(move |connection| open_tickets(connection, limit)).await
    }

    async fn questions_since(&self, of: Address, since: Timestamp) -> Result<Vec<Question>, StoreError> {
        self.db
            .read(move |connection| questions_since(connection, &of, since))
            .await
    }

    async fn question(&self, id: QuestionId) -> Result<Option<Question>, StoreError> {
        self.db.read(move |connection| question(connection, id)).await
    }

    async fn quoted_question(&self, external_id: ExternalId) -> Result<Option<Question>, StoreError> {
        self.db
            .read(move |connection| quoted_question(connection, &external_id))
            .await
    }

    async fn waiting_messages(&self, of: Address, since: Timestamp) -> Result<Vec<(QuestionId, String)>, StoreError> {
        self.db
            .read(move |connection| waiting_messages(connection, &of, since))
            .await
    }

    async fn known(&self, external_id: ExternalId) -> Result<Option<Existing>, StoreError> {
        self.db
            .read(move |connection| messages::known(connection, Some(&external_id)))
            .await
    }

    async fn answer(&self, answer: AnswerQuestion) -> Result<AnswerResult, StoreError> {
        let ticket = answer.ticket.map(ChangeEvent::Ticket);
        self.db
            .write_and_publish(
                move |connection| self::answer(connection, &answer),
                move |answered| match (answered, ticket) {
                    (AnswerResult::Answered(result), Some(ticket)) if result.attached > 0 => {
                        vec![ticket, ChangeEvent::Unmatched]
                    }
                    _ => Vec::new(),
                },
            )
            .await
    }

    async fn merge_questions(&self, merge: MergeQuestions) -> Result<Option<Existing>, StoreError> {
        self.db.write(move |connection| self::merge(connection, &merge)).await
    }

    async fn record_control(&self, control: ControlMessage) -> Result<Option<Existing>, StoreError> {
        self.db
            .write(move |connection| self::record_control(connection, &control))
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

/// What a person was asked lately, the newest first.
pub(crate) fn questions_since(
    connection: &mut Connection,
    of: &Address,
    since: Timestamp,
) -> Result<Vec<Question>, Failure> {
    let rows: Vec<QuestionRow> = questions::table
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::asked_at.ge(Stored(since)))
        .order((questions::asked_at.desc(), questions::id.desc()))
        .select(QuestionRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(Question::try_from).collect::<Result<_, _>>()?)
}

pub(crate) fn question(connection: &mut Connection, id: QuestionId) -> Result<Option<Question>, Failure> {
    let row = questions::table
        .find(Stored(id))
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// The question that a message asked.
pub(crate) fn quoted_question(
    connection: &mut Connection,
    external_id: &ExternalId,
) -> Result<Option<Question>, Failure> {
    let now = notifications::table
        .filter(notifications::external_id.eq(external_id.as_str()))
        .select(notifications::question_id);
    let earlier = previous_external_ids::table
        .inner_join(notifications::table)
        .filter(previous_external_ids::external_id.eq(external_id.as_str()))
        .select(notifications::question_id);
    let ids: Vec<Option<QuestionId>> = now.union(earlier).load(connection)?;
    match ids.as_slice() {
        [Some(id)] => question(connection, *id),
        // Nobody's, a ticket's, or of two, and then not certain.
        _ => Ok(None),
    }
}

/// What waits for a person's answer, oldest first.
pub(crate) fn waiting_messages(
    connection: &mut Connection,
    of: &Address,
    since: Timestamp,
) -> Result<Vec<(QuestionId, String)>, Failure> {
    let rows: Vec<(QuestionId, MessageRow)> = questions::table
        .inner_join(messages_table::table)
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::asked_at.ge(Stored(since)))
        // Left to an operator, who may attach it.
        .filter(questions::attached.is_null())
        .filter(messages_table::ticket_id.is_null())
        .order((messages_table::created_at, messages_table::id))
        .select((questions::id, MessageRow::as_select()))
        .load(connection)?;
    let texts = rows.into_iter().map(|(question, row)| {
        let message = Message::try_from(row)?;
        Ok((question, message.content.as_text()))
    });
    Ok(texts.collect::<Result<_, StoreError>>()?)
}

/// What was asked about a message: the question, or the one into which it was merged.
pub(crate) fn asked_about(connection: &mut Connection, message: MessageId) -> Result<Option<Question>, Failure> {
    let row = messages_table::table
        .inner_join(questions::table)
        .filter(messages_table::id.eq(Stored(message)))
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// The open question that a message joins instead of this new one. Whoever asks the same person waits until the
/// transaction ends.
pub(crate) fn join(connection: &mut Connection, new: &Question) -> Result<Option<Question>, Failure> {
    // There may be no row yet at which they could meet.
    lock(connection, LockKey::QuestionUpdate, new.of.as_str())?;
    let Some(since) = new.joins_since() else {
        return Ok(None);
    };
    let open = questions::table
        .filter(questions::asked.eq(new.of.as_str()))
        .filter(questions::asked_at.ge(Stored(since)))
        .filter(questions::kind.eq(QuestionKind::Batch.as_str()))
        .filter(questions::closed_at.is_null())
        .order((questions::asked_at.desc(), questions::id.desc()))
        .limit(1)
        .select(QuestionRow::as_select());
    // Whoever answers it at this moment takes this message along, or has closed it.
    let row: Option<QuestionRow> = for_update!(open).first(connection).optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// Asks a new question.
pub(crate) fn ask(
    connection: &mut Connection,
    question: &Question,
    notification: Option<&Notification>,
) -> Result<(), Failure> {
    insert_into(questions::table)
        .values(QuestionRow::new(question))
        .execute(connection)?;
    if let Some(notification) = notification {
        let asking = insert_into(notifications::table)
            .values(NewNotificationRow::asking(notification, question.id))
            .returning(notifications::id);
        prepared(asking).get_result::<NotificationId>(connection)?;
    }
    Ok(())
}

/// Asks one question in the place of others.
pub(crate) fn merge(connection: &mut Connection, merge: &MergeQuestions) -> Result<Option<Existing>, Failure> {
    let MergeQuestions {
        because,
        question,
        notification,
        merged,
    } = merge;
    if let Some(known) = record_control(connection, because)? {
        return Ok(Some(known));
    }
    lock(connection, LockKey::QuestionUpdate, question.of.as_str())?;
    ask(connection, question, notification.as_ref())?;
    for id in merged {
        let unanswered = questions::table
            .find(Stored(*id))
            .filter(questions::attached.is_null())
            .filter(questions::merged_into.is_null());
        let is_merged = update(unanswered)
            .set((
                questions::closed_at.eq(Stored(question.asked_at)),
                questions::merged_into.eq(Stored(question.id)),
            ))
            .returning(questions::id);
        let is_merged: Vec<QuestionId> = prepared(is_merged).load(connection)?;
        cancel(connection, &is_merged)?;
    }
    Ok(None)
}

/// Records a control message. Returns what its external id is already.
pub(crate) fn record_control(
    connection: &mut Connection,
    control: &ControlMessage,
) -> Result<Option<Existing>, Failure> {
    messages::lock_id(connection, control.external_id.as_ref())?;
    if let Some(known) = messages::known(connection, control.external_id.as_ref())? {
        return Ok(Some(known));
    }
    let Some(external_id) = &control.external_id else {
        return Ok(None);
    };
    insert_into(control_messages::table)
        .values((
            control_messages::external_id.eq(external_id.as_str()),
            control_messages::kind.eq(control.kind.as_str()),
            control_messages::ticket_id.eq(control.ticket.map(Stored)),
            control_messages::reply.eq(&*control.reply),
            control_messages::at.eq(Stored(control.at)),
        ))
        .execute(connection)?;
    Ok(None)
}

/// What an external id is, if it is no message: an answer or a control message.
pub(crate) fn no_message(connection: &mut Connection, id: &ExternalId) -> Result<Option<Existing>, Failure> {
    let answered = questions::table
        .filter(questions::answered_by.eq(id.as_str()))
        .select(questions::id);
    if let Some(question) = prepared(answered).get_result::<QuestionId>(connection).optional()? {
        return Ok(Some(Existing::Answer(picked(connection, question)?)));
    }
    let control = control_messages::table
        .left_join(tickets::table)
        .filter(control_messages::external_id.eq(id.as_str()))
        .select((
            control_messages::kind,
            tickets::reference.nullable(),
            control_messages::reply,
        ));
    let control: Option<ControlRow> = prepared(control).get_result(connection).optional()?;
    Ok(control.map(|row| row.try_into().map(Existing::Control)).transpose()?)
}

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message.
pub(crate) fn answer(connection: &mut Connection, answer: &AnswerQuestion) -> Result<AnswerResult, Failure> {
    messages::lock_id(connection, answer.by.as_ref())?;
    let this = questions::table.find(Stored(answer.question));
    // First of all: what others commit meanwhile is seen, and concurrent duplicates come one after the other.
    let found = this.select((questions::closed_at.is_null(), questions::attached.is_null()));
    let found: Option<(bool, bool)> = for_update!(found).first(connection).optional()?;
    if let Some(known) = messages::known(connection, answer.by.as_ref())? {
        return Ok(AnswerResult::AlreadyKnown(known));
    }
    let is_open = match found {
        Some((is_open, is_unanswered)) if is_unanswered && (is_open || answer.is_quoted) => is_open,
        _ => return Ok(AnswerResult::Closed),
    };
    let covered = covered(connection, answer.question)?;
    let attached = match answer.ticket {
        Some(ticket) => attach(connection, &covered, ticket, answer.at)?,
        None => 0,
    };
    cancel(connection, &covered)?;
    // With one answer all of them are answered.
    for merged in covered.into_iter().filter(|covered| *covered != answer.question) {
        let answered = update(questions::table.find(Stored(merged)))
            .set(questions::attached.eq(0))
            .returning(questions::id);
        prepared(answered).get_result::<QuestionId>(connection)?;
    }
    let answered = (
        // One that was merged into another is closed since then. An update leaves out what is `None`.
        is_open.then(|| questions::closed_at.eq(Stored(answer.at))),
        questions::answered_by.eq(answer.by.as_ref().map(ExternalId::as_str)),
        questions::answered_with.eq(answer.ticket.map(Stored)),
        questions::attached.eq(attached),
    );
    update(this)
        .set(answered)
        .execute(connection)
        .map_err(|error| match error {
            // A concurrent duplicate answered another question.
            QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Failure::Conflict,
            error => error.into(),
        })?;
    Ok(AnswerResult::Answered(picked(connection, answer.question)?))
}

/// A question and those that were merged into it, also by way of others. They are few, and each is asked for alone, so that
/// statements stay prepared.
fn covered(connection: &mut Connection, question: QuestionId) -> Result<Vec<QuestionId>, Failure> {
    let mut covered = vec![question];
    let mut looked_at = 0;
    while let Some(into) = covered.get(looked_at).copied() {
        let merged: Vec<QuestionId> = questions::table
            .filter(questions::merged_into.eq(Stored(into)))
            .filter(questions::attached.is_null())
            .select(questions::id)
            .load(connection)?;
        covered.extend(merged);
        looked_at += 1;
    }
    Ok(covered)
}

/// Deletes the notifications of questions that need no answer any more, unless one is just being sent.
fn cancel(connection: &mut Connection, of: &[QuestionId]) -> Result<(), Failure> {
    for question in of {
        let unsent = notifications::table
            .filter(notifications::question_id.eq(Stored(*question)))
            .filter(notifications::state.ne(state::DELIVERED))
            .filter(notifications::attempted_at.is_null());
        delete(unsent).execute(connection)?;
    }
    Ok(())
}

/// Attaches every unmatched message of questions to a ticket, as a manager's. Returns how many.
fn attach(connection: &mut Connection, of: &[QuestionId], to: TicketId, at: Timestamp) -> Result<i64, Failure> {
    // So that none joins another ticket between the look and the writing.
    for_update!(tickets::table.find(Stored(to)).select(tickets::id)).first::<TicketId>(connection)?;
    let mut unmatched: Vec<(Timestamp, MessageId)> = Vec::new();
    for question in of {
        let theirs = messages_table::table
            .filter(messages_table::question_id.eq(Stored(*question)))
            .filter(messages_table::ticket_id.is_null())
            .order((messages_table::created_at, messages_table::id))
            .select((messages_table::created_at, messages_table::id));
        unmatched.extend(for_update!(theirs).load::<(Timestamp, MessageId)>(connection)?);
    }
    unmatched.sort_by_key(|(created_at, message)| (*created_at, message.0));
    let mut attached = 0;
    for (_, message) in unmatched {
        let version = messages::raise_version(connection, to, at, false, None)?;
        messages::join(connection, message, Sender::Manager, to, version)?;
        attached += 1;
    }
    Ok(attached)
}

/// What the answer to a question did.
fn picked(connection: &mut Connection, question: QuestionId) -> Result<ChoiceResult, Failure> {
    let mut first: Option<(Timestamp, MessageId)> = None;
    for question in covered(connection, question)? {
        let theirs = messages_table::table
            .filter(messages_table::question_id.eq(Stored(question)))
            .order((messages_table::created_at, messages_table::id))
            .select((messages_table::created_at, messages_table::id))
            .first::<(Timestamp, MessageId)>(connection)
            .optional()?;
        first = [first, theirs]
            .into_iter()
            .flatten()
            .min_by_key(|(at, message)| (*at, message.0));
    }
    let row: ChoiceResultRow = questions::table
        .left_join(tickets::table)
        .filter(questions::id.eq(Stored(question)))
        .select((questions::asked, questions::attached, Option::<ChoiceRow>::as_select()))
        .first(connection)?;
    Ok(row.parsed(first.map(|(_, message)| message))?)
}
