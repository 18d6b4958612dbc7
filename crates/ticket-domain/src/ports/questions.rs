//! Where the questions to managers are kept.

use async_trait::async_trait;

use super::{Existing, StoreError};
use crate::{Choice, ExternalId, MessageId, Phone, Question, QuestionId, TicketId, Timestamp};

/// A manager's answer to a question.
#[derive(Debug, Clone)]
pub struct AnswerQuestion {
    /// The question.
    pub question: QuestionId,
    /// The outside id of the answer, by which a repetition is known.
    pub by: Option<ExternalId>,
    /// The ticket that was picked; none if an operator will see to it.
    pub ticket: Option<TicketId>,
    /// When.
    pub at: Timestamp,
}

/// What an answer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceResult {
    /// Who was asked, and picked.
    pub of: Phone,
    /// The ticket that was picked.
    pub to: Option<Choice>,
    /// How many messages joined it.
    pub attached: u32,
    /// The first of the messages that were asked about.
    pub message: MessageId,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerResult {
    /// Everything that was asked about and had no ticket yet has joined the picked one, as a manager's.
    Answered(ChoiceResult),
    /// Nothing written: this outside id is known already.
    AlreadyKnown(Existing),
    /// Nothing written: the question is no longer open.
    Closed,
}

/// Questions to managers. At most one of each manager is open. It closes when it is answered, when another takes its
/// place, and when the manager says anything else ([`Append::ends_question_of`](super::Append)). Its time does not
/// close it: that is for the caller to reckon.
#[async_trait]
pub trait Questions: Send + Sync {
    /// The newest open tickets, the newest first, at most `limit`.
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError>;

    /// A manager's open question.
    async fn question(&self, of: Phone) -> Result<Option<Question>, StoreError>;

    /// What the answer of this outside id did, if it is one.
    async fn picked(&self, by: ExternalId) -> Result<Option<ChoiceResult>, StoreError>;

    /// Closes a question by an answer. The messages that it was about and that have no ticket yet join the picked one,
    /// in the order in which they came; each raises its version.
    async fn answer(&self, picking: AnswerQuestion) -> Result<AnswerResult, StoreError>;
}
