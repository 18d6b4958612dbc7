//! Answers to clarifying questions, and what they published.

use diesel::{
    delete,
    dsl::{exists, not, sql},
    prelude::*,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::Bool,
    update,
};
use ticket_domain::{
    Address, ExternalId, MessageId, NotificationId, QuestionId, Sender, TicketId, TicketRef, Timestamp, Visibility,
    ports::{AnswerQuestion, AnswerResult, ChoiceResult, parse},
};

use super::{
    super::engine::{Connection, LockKey, for_update, lock},
    customer_mail, messages, outbox,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{ChoiceResultRow, ChoiceRow, state},
    schema::{messages as messages_table, notifications, previous_external_ids, questions, tickets},
    types::Stored,
};

/// Every writer takes its locks in this order: key, external id, who is asked, question, ticket, message.
pub(crate) fn answer(connection: &mut Connection, answer: &AnswerQuestion) -> Result<AnswerResult, Failure> {
    messages::lock_id(connection, answer.by.as_ref())?;
    let this = questions::table.find(Stored(answer.question));
    // An answer may be one to several questions of the person, so those are answered one after the other.
    let asked: Option<String> = this.select(questions::asked).first(connection).optional()?;
    if let Some(asked) = asked {
        lock(connection, LockKey::QuestionUpdate, &asked)?;
    }
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
    let covered = covered(connection, answer.question, false)?;
    let attached = match answer.ticket.zip(answer.join_as) {
        Some((ticket, sender)) => attach(connection, &covered, ticket, sender, answer)?,
        None => 0,
    };
    cancel(connection, &covered, answer.at)?;
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
        questions::answered_at.eq(Stored(answer.at)),
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
pub(super) fn covered(
    connection: &mut Connection,
    question: QuestionId,
    is_answered: bool,
) -> Result<Vec<QuestionId>, Failure> {
    let mut covered = vec![question];
    let mut looked_at = 0;
    while let Some(into) = covered.get(looked_at).copied() {
        let merged = questions::table
            .filter(questions::merged_into.eq(Stored(into)))
            .select(questions::id);
        // With the answer they were answered, with nothing of their own.
        let merged: Vec<QuestionId> = if is_answered {
            merged.filter(questions::attached.eq(0)).load(connection)?
        } else {
            merged.filter(questions::attached.is_null()).load(connection)?
        };
        covered.extend(merged);
        looked_at += 1;
    }
    Ok(covered)
}

/// Withdraws the notifications of questions that need no answer any more, unless one is just being sent.
pub(crate) fn cancel(connection: &mut Connection, of: &[QuestionId], at: Timestamp) -> Result<(), Failure> {
    for question in of {
        let unsent = || {
            notifications::table
                .filter(notifications::question_id.eq(Stored(*question)))
                .filter(notifications::state.ne(state::DELIVERED))
                .filter(notifications::lease.is_null())
        };
        let previous = previous_external_ids::table
            .filter(previous_external_ids::notification_id.eq(notifications::id))
            .select(previous_external_ids::external_id);
        delete(unsent().filter(not(exists(previous)))).execute(connection)?;
        // What was sent before, and failed, may still be quoted.
        let sent: Vec<Stored<NotificationId>> = unsent().select(notifications::id).load(connection)?;
        outbox::empty(connection, &sent, at)?;
    }
    Ok(())
}

/// Attaches every unmatched message of questions to a ticket. Returns how many.
fn attach(
    connection: &mut Connection,
    of: &[QuestionId],
    to: TicketId,
    sender: Sender,
    answer: &AnswerQuestion,
) -> Result<i64, Failure> {
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
        let version = messages::raise_version(connection, to, answer.at, false, None)?;
        messages::join(connection, message, sender, to, version)?;
        if attached == 0 {
            customer_mail::notify(connection, &answer.notifications, to, version)?;
        }
        attached += 1;
    }
    Ok(attached)
}

/// What the answer to a question did.
pub(super) fn picked(connection: &mut Connection, question: QuestionId) -> Result<ChoiceResult, Failure> {
    let mut first: Option<(Timestamp, MessageId)> = None;
    for question in covered(connection, question, true)? {
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

/// The last answer of a manager: a message that named its ticket, or what an answer to a question attached.
pub(crate) fn last_published(
    connection: &mut Connection,
    of: &Address,
    from: &[Address],
    since: Timestamp,
) -> Result<Option<(TicketRef, Vec<MessageId>)>, Failure> {
    let is_public = messages_table::visibility.eq(Visibility::Public.as_str());
    let mut written: Option<(Timestamp, MessageId, String)> = None;
    for from in from {
        let theirs = messages_table::table
            .inner_join(tickets::table)
            // Literally as in the index.
            .filter(sql::<Bool>("messages.sender = 'manager'"))
            .filter(messages_table::from_address.eq(from.as_str()))
            .filter(messages_table::created_at.ge(Stored(since)))
            .filter(messages_table::question_id.is_null())
            .filter(is_public)
            .order((messages_table::created_at.desc(), messages_table::id.desc()))
            .limit(1)
            .select((messages_table::created_at, messages_table::id, tickets::reference));
        let theirs = prepared(theirs).get_result(connection).optional()?;
        written = written
            .into_iter()
            .chain(theirs)
            .max_by_key(|(at, message, _)| (*at, message.0));
    }
    let answered: Option<(Option<Timestamp>, QuestionId, String)> = questions::table
        .inner_join(tickets::table)
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::answered_at.ge(Stored(since)))
        .filter(questions::attached.gt(0))
        .order(questions::answered_at.desc())
        .select((questions::answered_at, questions::id, tickets::reference))
        .first(connection)
        .optional()?;
    let (reference, messages) = match (written, answered) {
        (Some((at, message, reference)), answered)
            if answered
                .as_ref()
                .is_none_or(|(answered, ..)| answered.is_none_or(|answered| answered <= at)) =>
        {
            (reference, vec![message])
        }
        (_, Some((_, question, reference))) => {
            let mut messages: Vec<MessageId> = Vec::new();
            for question in covered(connection, question, true)? {
                let theirs = messages_table::table
                    .inner_join(tickets::table)
                    .filter(messages_table::question_id.eq(Stored(question)))
                    .filter(tickets::reference.eq(&reference))
                    .filter(is_public)
                    .select(messages_table::id);
                messages.extend(theirs.load::<MessageId>(connection)?);
            }
            (reference, messages)
        }
        (_, None) => return Ok(None),
    };
    let reference = parse("tickets", "reference", &reference)?;
    Ok((!messages.is_empty()).then_some((reference, messages)))
}
