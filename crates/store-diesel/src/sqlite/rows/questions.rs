//! Rows of questions to managers.

use diesel::{Insertable, Queryable, Selectable, sqlite::Sqlite};
use ticket_domain::{
    Choice, Question, QuestionId,
    ports::{ChoiceResult, StoreError, parse},
};

use super::{MustNotBeNull, bytes, message_id, moment, uuid};
use crate::sqlite::schema::{questions, tickets};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = questions, check_for_backend(Sqlite), treat_none_as_default_value = false)]
pub(crate) struct QuestionRow {
    id: Vec<u8>,
    of_phone: String,
    choices: String,
    text: String,
    is_run: bool,
    begun_at: i64,
    asked_at: i64,
}

impl QuestionRow {
    /// A new question's.
    pub(crate) fn new(question: &Question) -> Self {
        let choices: Vec<String> = question.choices.iter().map(ToString::to_string).collect();
        Self {
            id: bytes(question.id.0),
            of_phone: question.of.to_string(),
            choices: choices.join(" "),
            text: question.text.to_string(),
            is_run: question.is_run,
            begun_at: question.begun_at.unix_micros(),
            asked_at: question.asked_at.unix_micros(),
        }
    }
}

impl TryFrom<QuestionRow> for Question {
    type Error = StoreError;

    fn try_from(row: QuestionRow) -> Result<Self, StoreError> {
        const TABLE: &str = "questions";
        let choices = row.choices.split_whitespace();
        Ok(Self {
            id: QuestionId(uuid(TABLE, "id", &row.id)?),
            of: parse(TABLE, "of_phone", &row.of_phone)?,
            choices: choices
                .map(|reference| parse(TABLE, "choices", reference))
                .collect::<Result<_, _>>()?,
            text: row.text.into_boxed_str(),
            is_run: row.is_run,
            begun_at: moment(TABLE, "begun_at", row.begun_at)?,
            asked_at: moment(TABLE, "asked_at", row.asked_at)?,
        })
    }
}

/// A ticket to choose from.
#[derive(Queryable, Selectable)]
#[diesel(table_name = tickets, check_for_backend(Sqlite))]
pub(crate) struct ChoiceRow {
    reference: String,
    subject: String,
}

impl TryFrom<ChoiceRow> for Choice {
    type Error = StoreError;

    fn try_from(row: ChoiceRow) -> Result<Self, StoreError> {
        Ok(Self {
            reference: parse("tickets", "reference", &row.reference)?,
            subject: parse("tickets", "subject", &row.subject)?,
        })
    }
}

/// What an answer did, but for the message.
#[derive(Queryable)]
pub(crate) struct PickedRow {
    of_phone: String,
    attached: Option<i64>,
    to: Option<ChoiceRow>,
}

impl PickedRow {
    /// `message` is the first that was asked about.
    pub(crate) fn parsed(self, message: &[u8]) -> Result<ChoiceResult, StoreError> {
        let attached = self
            .attached
            .ok_or_else(|| StoreError::corrupt("questions", "attached", MustNotBeNull))?;
        Ok(ChoiceResult {
            of: parse("questions", "of_phone", &self.of_phone)?,
            to: self.to.map(Choice::try_from).transpose()?,
            attached: attached
                .try_into()
                .map_err(|error| StoreError::corrupt("questions", "attached", error))?,
            message: message_id(message)?,
        })
    }
}
