//! Rows of clarifying questions to managers.

use diesel::{ExpressionMethods as _, Insertable, Queryable, Selectable, dsl::Eq, pg::Pg, sqlite::Sqlite};
use ticket_domain::{
    Choice, MessageId, Question, QuestionId, Timestamp,
    ports::{ChoiceResult, RecordedControl, StoreError, parse},
};

use super::{MustNotBeNull, number, parse_or_null};
use crate::{
    schema::{questions, tickets},
    types::Stored,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = questions, check_for_backend(Pg, Sqlite), treat_none_as_default_value = false)]
pub(crate) struct QuestionRow {
    id: Stored<QuestionId>,
    asked: String,
    choices: String,
    text: String,
    kind: String,
    sent_at: Stored<Timestamp>,
    asked_at: Stored<Timestamp>,
    closed_at: Option<Stored<Timestamp>>,
}

impl QuestionRow {
    /// A new question's.
    pub(crate) fn new(question: &Question) -> Self {
        let choices: Vec<String> = question.choices.iter().map(ToString::to_string).collect();
        Self {
            id: Stored(question.id),
            asked: question.of.to_string(),
            choices: choices.join(" "),
            text: question.text.to_string(),
            kind: question.kind.to_string(),
            sent_at: Stored(question.sent_at),
            asked_at: Stored(question.asked_at),
            closed_at: question.closed_at.map(Stored),
        }
    }

    /// The columns that change when an open question says something else.
    pub(crate) fn restated(self) -> (Eq<questions::text, String>, Eq<questions::choices, String>) {
        (questions::text.eq(self.text), questions::choices.eq(self.choices))
    }
}

impl TryFrom<QuestionRow> for Question {
    type Error = StoreError;

    fn try_from(row: QuestionRow) -> Result<Self, StoreError> {
        const TABLE: &str = "questions";
        let choices = row.choices.split_whitespace();
        Ok(Self {
            id: row.id.0,
            of: parse(TABLE, "asked", &row.asked)?,
            choices: choices
                .map(|reference| parse(TABLE, "choices", reference))
                .collect::<Result<_, _>>()?,
            text: row.text.into_boxed_str(),
            kind: parse(TABLE, "kind", &row.kind)?,
            sent_at: row.sent_at.0,
            asked_at: row.asked_at.0,
            closed_at: row.closed_at.map(|closed| closed.0),
        })
    }
}

/// A ticket to choose from.
#[derive(Queryable, Selectable)]
#[diesel(table_name = tickets, check_for_backend(Pg, Sqlite))]
pub(crate) struct ChoiceRow {
    reference: String,
    customer_name: String,
    subject: String,
    created_at: Timestamp,
}

impl TryFrom<ChoiceRow> for Choice {
    type Error = StoreError;

    fn try_from(row: ChoiceRow) -> Result<Self, StoreError> {
        Ok(Self {
            reference: parse("tickets", "reference", &row.reference)?,
            name: parse("tickets", "customer_name", &row.customer_name)?,
            created_at: row.created_at,
            subject: parse("tickets", "subject", &row.subject)?,
        })
    }
}

/// The result of a choice, but for the message.
#[derive(Queryable)]
pub(crate) struct ChoiceResultRow {
    asked: String,
    attached: Option<i64>,
    to: Option<ChoiceRow>,
}

impl ChoiceResultRow {
    /// `message` is the first that was asked about.
    pub(crate) fn parsed(self, message: Option<MessageId>) -> Result<ChoiceResult, StoreError> {
        let attached = self
            .attached
            .ok_or_else(|| StoreError::corrupt("questions", "attached", MustNotBeNull))?;
        Ok(ChoiceResult {
            of: parse("questions", "asked", &self.asked)?,
            to: self.to.map(Choice::try_from).transpose()?,
            attached: number("questions", "attached", attached)?,
            message,
        })
    }
}

/// A control message, but for its external id.
#[derive(Queryable)]
pub(crate) struct ControlRow {
    kind: String,
    ticket: Option<String>,
    reply: String,
}

impl TryFrom<ControlRow> for RecordedControl {
    type Error = StoreError;

    fn try_from(row: ControlRow) -> Result<Self, StoreError> {
        Ok(Self {
            kind: parse("control_messages", "kind", &row.kind)?,
            ticket: parse_or_null("tickets", "reference", row.ticket)?,
            reply: row.reply.into_boxed_str(),
        })
    }
}
