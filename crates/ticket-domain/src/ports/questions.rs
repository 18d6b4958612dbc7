//! Clarifying questions to managers.

use async_trait::async_trait;

use super::{Existing, StoreError};
use crate::{Address, Choice, ExternalId, MessageId, Question, QuestionId, TicketId, Timestamp};

/// A manager's answer to a question.
#[derive(Debug, Clone)]
pub struct AnswerQuestion {
    /// The question.
    pub question: QuestionId,
    /// The external id of the answer, which identifies a repetition.
    pub by: Option<ExternalId>,
    /// The chosen ticket; `None` leaves the messages to an operator.
    pub ticket: Option<TicketId>,
    /// When.
    pub at: Timestamp,
}

/// What an answer changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceResult {
    /// The manager who was asked.
    pub of: Address,
    /// The chosen ticket.
    pub to: Option<Choice>,
    /// How many messages joined the ticket.
    pub attached: u32,
    /// The first message that the question was about.
    pub message: MessageId,
}

/// The result of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerResult {
    /// The unmatched messages that the question was about have joined the chosen ticket, as a manager's.
    Answered(ChoiceResult),
    /// Nothing was written: this external id is known already.
    AlreadyKnown(Existing),
    /// Nothing was written: the question is no longer open.
    Closed,
}

/// Clarifying questions to managers. Each manager has at most one open question. It closes when it is answered, when
/// another replaces it, and when the manager sends any other message ([`Append::ends_question_of`](super::Append)). The
/// store does not expire questions; callers check the time.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait Questions: Send + Sync {
    /// Returns up to `limit` open tickets, newest first.
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError>;

    /// Returns a manager's open question.
    async fn question(&self, of: Address) -> Result<Option<Question>, StoreError>;

    /// Returns what the answer of this external id changed, if the id belongs to an answer.
    async fn choice_made_by(&self, by: ExternalId) -> Result<Option<ChoiceResult>, StoreError>;

    /// Answers and closes a question. Its unmatched messages join the chosen ticket in the order of arrival; each raises
    /// the ticket's version.
    async fn answer(&self, picking: AnswerQuestion) -> Result<AnswerResult, StoreError>;
}
