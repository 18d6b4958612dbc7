//! Clarifying questions, and the port by which they are asked and answered.

use async_trait::async_trait;
use diesel::{dsl::sql, insert_into, prelude::*, sql_types::Bool, update};
use ticket_domain::{
    Address, Choice, ExternalId, Message, MessageId, Notification, NotificationId, Payload, Question, QuestionId,
    QuestionKind, TicketRef, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, ChangeEvent, Confirmed, ControlMessage, Existing, MergeQuestions, Questions,
        StoreError, parse,
    },
};

use super::{
    super::engine::{Connection, LockKey, Store, for_update, lock},
    answers, control_messages, messages,
};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::{ChoiceRow, MessageRow, NewNotificationRow, QuestionRow},
    schema::{messages as messages_table, notifications, previous_external_ids, questions, tickets},
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

    async fn waiting_messages(&self, of: Address, since: Timestamp) -> Result<Vec<Message>, StoreError> {
        self.db
            .read(move |connection| waiting_messages(connection, &of, since))
            .await
    }

    async fn confirmed(&self, of: Address, since: Timestamp) -> Result<Option<Confirmed>, StoreError> {
        self.db.read(move |connection| confirmed(connection, &of, since)).await
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
                move |connection| answers::answer(connection, &answer),
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

    async fn last_published(
        &self,
        of: Address,
        from: Vec<Address>,
        since: Timestamp,
    ) -> Result<Option<(TicketRef, Vec<MessageId>)>, StoreError> {
        self.db
            .read(move |connection| answers::last_published(connection, &of, &from, since))
            .await
    }

    async fn record_control(&self, control: ControlMessage) -> Result<Option<Existing>, StoreError> {
        self.db
            .write(move |connection| control_messages::record(connection, &control))
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
) -> Result<Vec<Message>, Failure> {
    let rows: Vec<MessageRow> = questions::table
        .inner_join(messages_table::table)
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::asked_at.ge(Stored(since)))
        // Left to an operator, who may attach it.
        .filter(questions::attached.is_null())
        .filter(messages_table::ticket_id.is_null())
        .order((messages_table::created_at, messages_table::id))
        .select(MessageRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(Message::try_from).collect::<Result<_, _>>()?)
}

/// What a customer confirmed last.
pub(crate) fn confirmed(
    connection: &mut Connection,
    of: &Address,
    since: Timestamp,
) -> Result<Option<Confirmed>, Failure> {
    let chosen: Option<(QuestionId, String)> = questions::table
        .inner_join(tickets::table)
        .filter(questions::asked.eq(of.as_str()))
        .filter(questions::kind.eq(QuestionKind::Customer.as_str()))
        .filter(questions::closed_at.ge(Stored(since)))
        .order((questions::asked_at.desc(), questions::id.desc()))
        .select((questions::id, tickets::reference))
        .first(connection)
        .optional()?;
    let Some((question, reference)) = chosen else {
        return Ok(None);
    };
    let unmatched: Vec<MessageRow> = messages_table::table
        .filter(messages_table::question_id.eq(Stored(question)))
        .filter(messages_table::ticket_id.is_null())
        .order((messages_table::created_at, messages_table::id))
        .select(MessageRow::as_select())
        .load(connection)?;
    let unmatched = unmatched.into_iter().map(Message::try_from);
    Ok(Some(Confirmed {
        ticket: parse("tickets", "reference", &reference)?,
        unmatched: unmatched.collect::<Result<_, _>>()?,
    }))
}

/// What was asked about a message at first. A customer is asked because of one message alone.
pub(crate) fn asked_about(connection: &mut Connection, message: MessageId) -> Result<Option<Question>, Failure> {
    let row = messages_table::table
        .inner_join(questions::table)
        .filter(messages_table::id.eq(Stored(message)))
        .filter(
            questions::kind
                .ne(QuestionKind::Customer.as_str())
                .or(messages_table::created_at.eq(questions::asked_at)),
        )
        .select(QuestionRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// The question that a message joins instead of this new one: an open one, or a customer's of today. Whoever asks the same
/// person waits until the transaction ends.
pub(crate) fn join(connection: &mut Connection, new: &Question) -> Result<Option<Question>, Failure> {
    // There may be no row yet at which they could meet.
    lock(connection, LockKey::QuestionUpdate, new.of.as_str())?;
    let Some(since) = new.joins_since() else {
        return Ok(None);
    };
    let open = questions::table
        .filter(questions::asked.eq(new.of.as_str()))
        .filter(questions::asked_at.ge(Stored(since)))
        .filter(questions::kind.eq(new.kind.as_str()))
        // A customer who has answered today is not asked again.
        .filter(
            questions::closed_at
                .is_null()
                .or(questions::kind.eq(QuestionKind::Customer.as_str())),
        )
        .order((questions::asked_at.desc(), questions::id.desc()))
        .limit(1)
        .select(QuestionRow::as_select());
    // Whoever answers it at this moment takes this message along, or has closed it.
    let row: Option<QuestionRow> = for_update!(open).first(connection).optional()?;
    Ok(row.map(Question::try_from).transpose()?)
}

/// Has an open question say something else, unless it was sent or is just being sent. Returns it as it is now.
pub(crate) fn restate(
    connection: &mut Connection,
    open: Question,
    restated: Option<&(Question, Option<Payload>)>,
) -> Result<Question, Failure> {
    let is_expected = |question: &Question| question.id == open.id && open.closed_at.is_none();
    let Some((question, payload)) = restated.filter(|(question, _)| is_expected(question)) else {
        return Ok(open);
    };
    if let Some(payload) = payload {
        let unsent = notifications::table
            .filter(notifications::question_id.eq(Stored(open.id)))
            .filter(notifications::attempted_at.is_null())
            .filter(notifications::lease.is_null());
        let unsent = update(unsent)
            .set(notifications::payload.eq(&payload.0[..]))
            .returning(notifications::id);
        if prepared(unsent).load::<NotificationId>(connection)?.is_empty() {
            return Ok(open);
        }
    }
    update(questions::table.find(Stored(open.id)))
        .set(QuestionRow::new(question).restated())
        .execute(connection)?;
    Ok(question.clone())
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
    if let Some(known) = control_messages::record(connection, because)? {
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
        answers::cancel(connection, &is_merged, question.asked_at)?;
    }
    Ok(None)
}
