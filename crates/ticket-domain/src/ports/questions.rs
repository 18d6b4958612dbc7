//! Clarifying questions, and messages that are not for customers.

use async_trait::async_trait;

use super::{Existing, StoreError};
use crate::{
    Address, Choice, ControlKind, ExternalId, Message, MessageId, Notification, Question, QuestionId, Sender, TicketId,
    TicketRef, Timestamp,
};

/// An answer to a question.
#[derive(Debug, Clone)]
pub struct AnswerQuestion {
    /// The question.
    pub question: QuestionId,
    /// Whether the answer quotes the question. Then it is taken also if the question was merged into another.
    pub is_quoted: bool,
    /// The external id of the answer, which identifies a repetition.
    pub by: Option<ExternalId>,
    /// The chosen ticket; `None` leaves the messages to an operator.
    pub ticket: Option<TicketId>,
    /// As whose messages those in question join the ticket in the same transaction; `None` leaves them unmatched.
    pub join_as: Option<Sender>,
    /// The notifications to send if messages join the ticket, at most one for each recipient.
    pub notifications: Vec<Notification>,
    /// When.
    pub at: Timestamp,
}

/// What an answer changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceResult {
    /// Who was asked.
    pub of: Address,
    /// The chosen ticket.
    pub to: Option<Choice>,
    /// How many messages joined the ticket.
    pub attached: u32,
    /// The first message that the question was about; `None` if each has joined a ticket otherwise.
    pub message: Option<MessageId>,
}

/// A ticket that a customer confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The ticket.
    pub ticket: TicketRef,
    /// The messages in question that have not joined it yet, oldest first.
    pub unmatched: Vec<Message>,
}

/// The result of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerResult {
    /// The unmatched messages that the question was about have joined the chosen ticket, if they should.
    Answered(ChoiceResult),
    /// Nothing was written: this external id is known already.
    AlreadyKnown(Existing),
    /// Nothing was written: the question was answered before, or was merged into another and is not quoted.
    Closed,
}

/// A message that steers the server, such as a text that answers no question. It is never published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlMessage {
    /// Its external id, which identifies a repetition. Without one, nothing is remembered.
    pub external_id: Option<ExternalId>,
    /// What it did.
    pub kind: ControlKind,
    /// The ticket that it was about.
    pub ticket: Option<TicketId>,
    /// What its sender was told.
    pub reply: Box<str>,
    /// When it arrived.
    pub at: Timestamp,
}

/// A control message that was recorded before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedControl {
    /// What it did.
    pub kind: ControlKind,
    /// The ticket that it was about.
    pub ticket: Option<TicketRef>,
    /// What its sender was told.
    pub reply: Box<str>,
}

/// A question in the place of earlier ones.
#[derive(Debug, Clone)]
pub struct MergeQuestions {
    /// The message because of which they are merged.
    pub because: ControlMessage,
    /// The new question. It covers the unmatched messages of the merged ones.
    pub question: Question,
    /// The notification that sends it, if it can be sent.
    pub notification: Option<Notification>,
    /// The questions to merge. Those that were answered meanwhile stay as they are.
    pub merged: Vec<QuestionId>,
}

/// Clarifying questions. A person may have several open ones, each about messages of its own. A question closes when it is
/// answered or merged into another. The store does not expire questions; callers check the time.
///
/// # Errors
///
/// Every call fails if the store is unavailable or a row is corrupt; nothing was written then.
#[async_trait]
pub trait Questions: Send + Sync {
    /// Returns up to `limit` open tickets, newest first.
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError>;

    /// Returns the questions that a person was asked at or after `since`, open or not, newest first.
    async fn questions_since(&self, of: Address, since: Timestamp) -> Result<Vec<Question>, StoreError>;

    /// Returns a question.
    async fn question(&self, id: QuestionId) -> Result<Option<Question>, StoreError>;

    /// Returns the question that a message with this external id asked.
    async fn quoted_question(&self, external_id: ExternalId) -> Result<Option<Question>, StoreError>;

    /// Returns the unmatched messages that unanswered questions to a person since `since` are about, oldest
    /// first.
    async fn waiting_messages(&self, of: Address, since: Timestamp) -> Result<Vec<Message>, StoreError>;

    /// Returns the ticket that a customer chose last, if they did so at or after `since`.
    async fn confirmed(&self, of: Address, since: Timestamp) -> Result<Option<Confirmed>, StoreError>;

    /// Returns what an external id belongs to.
    async fn known(&self, external_id: ExternalId) -> Result<Option<Existing>, StoreError>;

    /// Answers and closes a question. Its unmatched messages, and those of the questions merged into it, join the chosen
    /// ticket in the order of arrival if they should; each raises the ticket's version. Its notification is not sent any
    /// more.
    async fn answer(&self, answer: AnswerQuestion) -> Result<AnswerResult, StoreError>;

    /// Asks one question in the place of others, and records the message because of which that is done. Returns what the
    /// external id of that message belongs to if it is known already; nothing was written then.
    async fn merge_questions(&self, merge: MergeQuestions) -> Result<Option<Existing>, StoreError>;

    /// Returns the last answer that a manager published at or after `since`: its ticket, and its messages that are still
    /// public. `from` are the addresses that their messages come from, `of` the one under which they are asked.
    async fn last_published(
        &self,
        of: Address,
        from: Vec<Address>,
        since: Timestamp,
    ) -> Result<Option<(TicketRef, Vec<MessageId>)>, StoreError>;

    /// Records a control message. Returns what its external id belongs to if it is known already; nothing was written then.
    async fn record_control(&self, control: ControlMessage) -> Result<Option<Existing>, StoreError>;
}
