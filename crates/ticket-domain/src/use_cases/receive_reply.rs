//! Receives messages from WhatsApp and adds them to their threads.

use std::sync::Arc;

use super::{
    Context,
    hints::{Hints, by_reference},
};
use crate::{
    Address, CHOICES, Channel, Content, EventKind, ExternalId, Managers, Match, Message, MessageId, Notification,
    Person, Question, QuestionId, Reason, Selection, Sender, Ticket, TicketMatch, TicketRef, Timestamp, Visibility,
    looks_like_a_choice,
    ports::{
        AnswerQuestion, AnswerResult, Append, Appended, ChoiceResult, Contacts, Existing, Precondition, QuestionUpdate,
        Questions, StoreError, StoreUnmatched, StoredUnmatched, TicketStore,
    },
    texts,
    values::partly_redacted_debug,
};

/// How the caller names the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketName {
    /// Not at all.
    Absent,
    /// By a reference.
    Reference(TicketRef),
    /// By a text that is no reference, so that no ticket has it.
    Unreadable,
}

/// A message from outside.
#[derive(Debug, Clone)]
pub struct Reply {
    /// How the caller names the ticket.
    pub ticket: TicketName,
    /// Its content.
    pub content: Content,
    /// Who sent it, if the other system says so.
    pub from: Option<Address>,
    /// The WhatsApp user id of who sent it, if `from` is their number.
    pub from_user_id: Option<Address>,
    /// The channel it came through.
    pub channel: Channel,
    /// Its external id.
    pub external_id: Option<ExternalId>,
    /// The external id of the message that it quotes.
    pub replied_to: Option<ExternalId>,
    /// Whether it had a medium that could not be stored, so that `content` is incomplete.
    pub lost_medium: bool,
    /// Whether it is forwarded: then its text names no ticket and answers no question.
    pub is_forwarded: bool,
}

/// Where a message was stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Its ticket, or the ticket that it chose as an answer; `None` if the answer left the messages to an operator.
    pub reference: Option<TicketRef>,
    /// The message; for an answer, the first message that the question was about.
    pub message: MessageId,
    /// Whether it was stored before.
    pub duplicate: bool,
    /// The confirmation for the sender.
    pub notice: Option<String>,
}

partly_redacted_debug!(Received, shows reference, message, duplicate; hides notice);

/// Why a message joined no thread. It is stored as unmatched, unless the store failed.
#[derive(thiserror::Error)]
pub enum ReceiveError {
    /// The message does not name a ticket with certainty.
    #[error("the message names no ticket for certain; it is kept until its ticket is known")]
    NotNamed {
        /// The question to its sender.
        ask: Option<Box<str>>,
    },
    /// The message names a ticket that does not exist.
    #[error("there is no ticket of this reference; the message is kept until its ticket is known")]
    NotFound {
        /// The question to its sender.
        ask: Option<Box<str>>,
    },
    /// The store failed.
    #[error("the message could not be stored")]
    Store(#[from] StoreError),
}

impl std::fmt::Debug for ReceiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The question contains customers' subjects.
        match self {
            Self::NotNamed { .. } => f.write_str("NotNamed"),
            Self::NotFound { .. } => f.write_str("NotFound"),
            Self::Store(error) => f.debug_tuple("Store").field(error).finish(),
        }
    }
}

/// The sender's question had changed at every retry, which can't happen by chance.
#[derive(Debug, thiserror::Error)]
#[error("the writer's question was another one at each of {0} looks")]
struct RestlessQuestion(u8);

/// How often to retry when the sender's other messages change the question in between.
const LOOKS: u8 = 16;

/// After this many retries a new question replaces any open one.
const CONDITIONAL_LOOKS: u8 = 4;

/// Receives messages from outside.
pub struct ReceiveReply {
    store: Arc<dyn TicketStore>,
    questions: Arc<dyn Questions>,
    pub(super) contacts: Arc<dyn Contacts>,
    pub(super) context: Context,
    pub(super) managers: Managers,
}

impl ReceiveReply {
    /// Receives messages into `store`, and asks managers by `questions`, who are recognised by `contacts`.
    pub fn new(
        store: Arc<dyn TicketStore>,
        questions: Arc<dyn Questions>,
        contacts: Arc<dyn Contacts>,
        context: Context,
        managers: Managers,
    ) -> Self {
        Self {
            store,
            questions,
            contacts,
            context,
            managers,
        }
    }

    /// Adds a message to its thread if the ticket is certain, treats it as the answer to the sender's open question, or
    /// stores it as unmatched and asks the sender.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::NotNamed`] or [`ReceiveError::NotFound`] if the message was stored as unmatched;
    /// [`ReceiveError::Store`] if the store failed.
    pub async fn receive(&self, reply: Reply) -> Result<Received, ReceiveError> {
        let from = self.sender(&reply).await?;
        for look in 0..LOOKS {
            let hints = Hints::of(&reply, &from, &*self.store, &self.managers).await?;
            let question = if let Some(of) = self.asked_as(&from) {
                let question = self.questions.question(of).await?;
                match self.pick(&reply, &from, &hints, question.as_ref()).await? {
                    Picks::No => question,
                    Picks::Moved => continue,
                    Picks::Yes(received) => return Ok(received),
                    Picks::StoredUnmatched(question) => return Err(refusal(&hints.which, question)),
                }
            } else {
                None
            };
            let placed = match hints.which {
                TicketMatch::Certain(ticket, sender) => self.append(&reply, &from, *ticket, sender).await.map(Some),
                TicketMatch::Uncertain | TicketMatch::NotFound => {
                    self.keep(&reply, &from, &hints, question, look).await
                }
            };
            if let Some(received) = placed? {
                return Ok(received);
            }
        }
        Err(StoreError::Unavailable(Arc::new(RestlessQuestion(LOOKS))).into())
    }

    /// Treats a message as the answer to its sender's question, if it is one.
    async fn pick(
        &self,
        reply: &Reply,
        from: &Person,
        hints: &Hints,
        question: Option<&Question>,
    ) -> Result<Picks, StoreError> {
        let text = reply.content.body().as_str();
        if !hints.may_pick || !looks_like_a_choice(text) {
            return Ok(Picks::No);
        }
        // After the look at the question: what closed it before that look is seen here.
        if let Some(id) = &reply.external_id
            && let Some(picked) = self.questions.choice_made_by(id.clone()).await?
        {
            return Ok(Picks::Yes(self.answered(from, &picked, true)));
        }
        let now = self.context.clock.now();
        let Some((question, pick)) = question.and_then(|question| Some((question, question.choice_in(text, now)?)))
        else {
            return Ok(Picks::No);
        };
        let ticket = match pick {
            Selection::NoneOfThem => None,
            Selection::Ticket(reference) => match by_reference(&*self.store, reference).await? {
                Match::Ticket(ticket) => Some(ticket.id),
                Match::None | Match::NoSuchTicket => return Ok(Picks::No),
            },
        };
        let picking = AnswerQuestion {
            question: question.id,
            by: reply.external_id.clone(),
            ticket,
            at: now,
        };
        Ok(match self.questions.answer(picking).await? {
            AnswerResult::Answered(picked) => Picks::Yes(self.answered(from, &picked, false)),
            AnswerResult::AlreadyKnown(Existing::Answer(picked)) => Picks::Yes(self.answered(from, &picked, true)),
            // A message of this id came before it could be an answer.
            AnswerResult::AlreadyKnown(Existing::InThread { id, of }) => Picks::Yes(duplicate(id, of)),
            AnswerResult::AlreadyKnown(Existing::Unmatched(before)) => {
                Picks::StoredUnmatched(self.still_asked(from, before).await?)
            }
            AnswerResult::Closed => Picks::Moved,
        })
    }

    async fn append(
        &self,
        reply: &Reply,
        from: &Person,
        ticket: Ticket,
        sender: Sender,
    ) -> Result<Received, ReceiveError> {
        let reference = ticket.reference;
        let message = self.message(reply, sender);
        let id = message.id;
        let notifications = match sender {
            Sender::Customer => self.notifications(&message, &ticket).await?,
            Sender::Manager | Sender::Agent => Vec::new(),
        };
        let is_told = !notifications.is_empty();
        let append = Append {
            to: ticket.id,
            message,
            notifications,
            reopen: sender == Sender::Customer,
            ends_question_of: if sender == Sender::Manager { from.key() } else { None },
            idempotency: None,
            note: None,
        };
        let message = match self.store.append(append).await? {
            // It came without a key of that kind.
            Appended::Added | Appended::Repeated { .. } => id,
            Appended::Joined(message) => message,
            Appended::AlreadyStored { id, of } => return Ok(duplicate(id, of.unwrap_or(reference))),
            Appended::Answer(picked) => return Ok(self.answered(from, &picked, true)),
        };
        if is_told {
            self.context.wake.wake();
        }
        Ok(Received {
            reference: Some(reference),
            message,
            duplicate: false,
            notice: None,
        })
    }

    /// Returns the notifications of a customer's message. If the message was unmatched before, its stored text joins the
    /// thread, and so is the one to send.
    async fn notifications(&self, message: &Message, ticket: &Ticket) -> Result<Vec<Notification>, StoreError> {
        let kept = match &message.external_id {
            Some(id) => self.store.unmatched_message(id.clone()).await?,
            None => None,
        };
        let text = kept.as_ref().unwrap_or(message).content.as_text();
        Ok(self
            .context
            .notifications(EventKind::Updated, ticket, &text, message.created_at))
    }

    /// Stores a message as unmatched and asks its sender. Returns `None` if the sender's question changed meanwhile.
    async fn keep(
        &self,
        reply: &Reply,
        from: &Person,
        hints: &Hints,
        open: Option<Question>,
        look: u8,
    ) -> Result<Option<Received>, ReceiveError> {
        let sender = if self.managers.include(from) {
            Sender::Manager
        } else {
            Sender::Agent
        };
        let message = self.message(reply, sender);
        let asked = match self.asked_as(from) {
            Some(of) => Some(self.asked(of, hints.reason, open.as_ref(), message.created_at).await?),
            None => None,
        };
        let asking = match &asked {
            None => QuestionUpdate::None,
            Some(question) if open.as_ref().is_some_and(|open| open.id == question.id) => {
                QuestionUpdate::Extend(question.id)
            }
            // About one message alone, or in too great a bustle, it does not matter what was open.
            Some(question) if !question.is_batch || look >= CONDITIONAL_LOOKS => QuestionUpdate::Ask {
                question: question.clone(),
                instead_of: Precondition::AnyQuestion,
            },
            Some(question) => QuestionUpdate::Ask {
                question: question.clone(),
                instead_of: Precondition::Only(open.as_ref().map(|open| open.id)),
            },
        };
        match self.store.store_unmatched(StoreUnmatched { message, asking }).await? {
            StoredUnmatched::Stored => Err(refusal(&hints.which, asked)),
            StoredUnmatched::AlreadyKnown(Existing::Unmatched(before)) => {
                Err(refusal(&hints.which, self.still_asked(from, before).await?))
            }
            // It joined a thread before, so it is a repetition, whatever it names now.
            StoredUnmatched::AlreadyKnown(Existing::InThread { id, of }) => Ok(Some(duplicate(id, of))),
            StoredUnmatched::AlreadyKnown(Existing::Answer(picked)) => Ok(Some(self.answered(from, &picked, true))),
            StoredUnmatched::QuestionChanged => Ok(None),
        }
    }

    /// Returns the question about a message that was repeated, as long as it can be answered: an answer to a closed question
    /// would be taken for a message.
    async fn still_asked(&self, from: &Person, before: Option<Question>) -> Result<Option<Question>, StoreError> {
        let is_theirs = |before: &Question| self.asked_as(from).as_ref() == Some(&before.of);
        let Some(before) = before.filter(is_theirs) else {
            return Ok(None);
        };
        let open = self.questions.question(before.of.clone()).await?;
        let now = self.context.clock.now();
        Ok(open.filter(|open| open.id == before.id && open.is_in_time(now)))
    }

    /// The result of an answer. Only the sender of the answer gets the confirmation.
    fn answered(&self, from: &Person, picked: &ChoiceResult, duplicate: bool) -> Received {
        let is_told = self.asked_as(from).as_ref() == Some(&picked.of);
        Received {
            reference: picked.to.as_ref().map(|to| to.reference),
            message: picked.message,
            duplicate,
            notice: is_told.then(|| texts::notice(picked.to.as_ref(), picked.attached)),
        }
    }

    /// The question to a message's sender: the open one for another message of a batch, else a new one.
    async fn asked(
        &self,
        of: Address,
        reason: Reason,
        open: Option<&Question>,
        now: Timestamp,
    ) -> Result<Question, StoreError> {
        if let Some(open) = open.filter(|open| reason == Reason::NoHint && open.accepts_more(now)) {
            return Ok(open.clone());
        }
        let choices = self.questions.open_tickets(CHOICES).await?;
        let id = QuestionId(self.context.new_id(now));
        Ok(Question::new(id, of, reason, &choices, now))
    }

    /// Under which address a sender is asked; `None` if they are not.
    fn asked_as(&self, from: &Person) -> Option<Address> {
        from.key().filter(|_| self.managers.may_be_asked(from))
    }

    fn message(&self, reply: &Reply, sender: Sender) -> Message {
        let now = self.context.clock.now();
        Message {
            id: MessageId(self.context.new_id(now)),
            sender,
            channel: reply.channel,
            from: reply.from.clone().or_else(|| reply.from_user_id.clone()),
            content: reply.content.clone(),
            visibility: Visibility::Public,
            external_id: reply.external_id.clone(),
            created_at: now,
        }
    }
}

/// What a message does to its sender's question.
enum Picks {
    /// It does not answer the question.
    No,
    /// It answered the question, with this result.
    Yes(Received),
    /// It was stored as unmatched before, and this was asked about it.
    StoredUnmatched(Option<Question>),
    /// It may answer the question, but the question changed: retry.
    Moved,
}

fn duplicate(message: MessageId, of: TicketRef) -> Received {
    Received {
        reference: Some(of),
        message,
        duplicate: true,
        notice: None,
    }
}

/// The error for a message that is unmatched.
fn refusal(which: &TicketMatch, asked: Option<Question>) -> ReceiveError {
    let ask = asked.map(|question| question.text);
    match which {
        TicketMatch::NotFound => ReceiveError::NotFound { ask },
        TicketMatch::Uncertain | TicketMatch::Certain(..) => ReceiveError::NotNamed { ask },
    }
}
