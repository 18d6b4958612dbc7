//! Receives messages from WhatsApp and adds them to their threads.

use std::sync::Arc;

use super::{Context, clarify::Respondent, hints::Hints, news_of};
use crate::{
    Address, Channel, Content, ControlKind, ExternalId, Managers, Message, MessageId, Notification, Person, Question,
    QuestionKind, Recipient, Redaction, Sender, Ticket, TicketId, TicketMatch, TicketRef, Timestamp, Visibility,
    command::is_emoji,
    ports::{
        Append, Appended, ChoiceResult, Contacts, Existing, OperatorQueries, Questions, StoreError, StoreUnmatched,
        StoredUnmatched, TicketStore,
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
    /// The ticket whose mails it follows, by its `References`.
    pub thread: Option<TicketId>,
    /// Whether it had a medium that could not be stored, so that `content` is incomplete.
    pub lost_medium: bool,
    /// Whether a program wrote it, such as an out-of-office reply. Then it is nobody's word and is not stored.
    pub is_automatic: bool,
    /// Whether it is forwarded: then its text names no ticket and answers no question.
    pub is_forwarded: bool,
    /// What the button or list row that was tapped carries. The text is then only its title.
    pub button_payload: Option<Box<str>>,
}

/// Where a message was stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Its ticket, or the ticket that it chose as an answer; `None` if the answer left the messages to an operator.
    pub reference: Option<TicketRef>,
    /// The message; for an answer, the first message that the question was about, if any. None for a command.
    pub message: Option<MessageId>,
    /// Whether it was stored before.
    pub duplicate: bool,
    /// The confirmation for the sender.
    pub notice: Option<String>,
    /// What the button under the confirmation carries that takes the answer back. Only of an answer that sent a message, and
    /// not of a repeated one.
    pub undo: Option<Box<str>>,
}

partly_redacted_debug!(Received, shows reference, message, duplicate; hides notice, undo);

/// A question to the sender of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The question.
    pub text: Box<str>,
    /// Whether it is sent by the manager's notifier, so that the caller need not pass it on.
    pub is_sent: bool,
}

partly_redacted_debug!(Ask, shows is_sent; hides text);

/// Why a message joined no thread. It is stored as unmatched, unless it answered a question in no way that is understood,
/// or the store failed.
#[derive(thiserror::Error)]
pub enum ReceiveError {
    /// The message does not name a ticket with certainty.
    #[error("the message names no ticket for certain; it is kept until its ticket is known")]
    NotNamed {
        /// The question to its sender.
        ask: Option<Ask>,
    },
    /// The message names a ticket that does not exist.
    #[error("there is no ticket of this reference; the message is kept until its ticket is known")]
    NotFound {
        /// The question to its sender.
        ask: Option<Ask>,
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

/// Receives messages from outside.
pub struct ReceiveReply {
    pub(super) store: Arc<dyn TicketStore>,
    pub(super) questions: Arc<dyn Questions>,
    pub(super) desk: Arc<dyn OperatorQueries>,
    pub(super) contacts: Arc<dyn Contacts>,
    pub(super) context: Context,
    pub(super) managers: Managers,
}

impl ReceiveReply {
    /// Receives messages into `store`, asks managers by `questions`, and does by `desk` what they command. `contacts` tells
    /// who the senders are.
    pub fn new(
        store: Arc<dyn TicketStore>,
        questions: Arc<dyn Questions>,
        desk: Arc<dyn OperatorQueries>,
        contacts: Arc<dyn Contacts>,
        context: Context,
        managers: Managers,
    ) -> Self {
        Self {
            store,
            questions,
            desk,
            contacts,
            context,
            managers,
        }
    }

    /// Carries out a manager's command, treats a message as the answer to its sender's open question, adds it to its thread
    /// if the ticket is certain, or stores it as unmatched and asks the sender.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::NotNamed`] or [`ReceiveError::NotFound`] if the message was stored as unmatched;
    /// [`ReceiveError::Store`] if the store failed.
    pub async fn receive(&self, reply: Reply) -> Result<Received, ReceiveError> {
        if reply.is_automatic {
            return Ok(Received::default());
        }
        let from = self.sender(&reply).await?;
        let hints = Hints::of(&reply, &from, &*self.store, &self.managers).await?;
        let manager = self.manager(&from);
        if let Some(manager) = &manager
            && let Some(received) = self.obey(&reply, manager, &hints).await?
        {
            let notice = received.notice.filter(|_| manager.is_told());
            return Ok(Received { notice, ..received });
        }
        let manager = manager.filter(Respondent::is_told);
        if let Some(manager) = &manager
            && let Some(received) = self.answer_question(&reply, manager, &hints).await?
        {
            return Ok(received);
        }
        if reply.button_payload.is_some() {
            return self.ignore_tap(&reply).await;
        }
        let customer = self.customer(&reply, &from);
        if let Some(customer) = &customer
            && let Some(received) = self.hear_customer(&reply, customer, &from, &hints).await?
        {
            return Ok(received);
        }
        let asked = manager.or(customer);
        match hints.which {
            TicketMatch::Certain(ticket, sender) => self.append(&reply, asked.as_ref(), *ticket, sender).await,
            TicketMatch::Uncertain | TicketMatch::NotFound => {
                self.store_unmatched(&reply, &from, asked.as_ref(), &hints).await
            }
        }
    }

    pub(super) async fn append(
        &self,
        reply: &Reply,
        asked: Option<&Respondent>,
        ticket: Ticket,
        sender: Sender,
    ) -> Result<Received, ReceiveError> {
        let reference = ticket.reference;
        let message = self.message(reply, sender);
        let id = message.id;
        // A customer's reaction to what they read asks for nothing.
        let is_reaction = sender == Sender::Customer && is_emoji(&message.content.as_text());
        let notifications = if is_reaction {
            Vec::new()
        } else {
            self.notifications(&message, &ticket).await?
        };
        let is_told = !notifications.is_empty();
        let append = Append {
            to: ticket.id,
            message,
            attachments: Vec::new(),
            notifications,
            reopen: sender == Sender::Customer && !is_reaction,
            idempotency: None,
            note: None,
            // Whatever came through n8n was acknowledged to its sender, or would be sent again forever.
            max_of_sender: None,
        };
        let message = match self.store.append(append).await? {
            // It came without a key of that kind and without files, and has no limit.
            Appended::Added | Appended::Repeated { .. } | Appended::Full | Appended::UploadGone => id,
            Appended::Joined(message) => message,
            Appended::AlreadyStored { id, of } => return Ok(duplicate(id, of.unwrap_or(reference))),
            Appended::NoMessage(existing) => return self.repeated(asked, existing),
        };
        if is_told {
            self.context.wake.wake();
        }
        Ok(Received {
            reference: Some(reference),
            message: Some(message),
            ..Received::default()
        })
    }

    /// Returns the notifications of a message. If the message was unmatched before, its stored text joins the
    /// thread, and so is the one to send.
    async fn notifications(&self, message: &Message, ticket: &Ticket) -> Result<Vec<Notification>, StoreError> {
        let kept = match &message.external_id {
            Some(id) => self.store.unmatched_message(id.clone()).await?,
            None => None,
        };
        let text = kept.as_ref().unwrap_or(message).content.as_text();
        Ok(self
            .context
            .notifications(news_of(message.sender), ticket, &text, message.created_at))
    }

    /// Stores a message as unmatched and asks its sender.
    async fn store_unmatched(
        &self,
        reply: &Reply,
        from: &Person,
        asked: Option<&Respondent>,
        hints: &Hints,
    ) -> Result<Received, ReceiveError> {
        let sender = if self.managers.include(from) {
            Sender::Manager
        } else {
            Sender::Agent
        };
        let message = self.message(reply, sender);
        let (id, now) = (message.id, message.created_at);
        let asking = match asked {
            Some(asked) if asked.is_manager => Some(self.ask(reply, asked, hints.reason, now).await?),
            // A reaction is no question.
            Some(_) if is_emoji(&reply.content.as_text()) => None,
            Some(asked) => self.ask_customer(asked, from, hints.reason, now).await?,
            None => None,
        };
        let ask = asking.as_ref().map(|asking| Ask {
            text: asking.question.text.clone(),
            is_sent: asking.notification.is_some(),
        });
        let restated = asking.as_ref().and_then(|asking| asking.restated.clone());
        match self.store.store_unmatched(StoreUnmatched { message, asking }).await? {
            StoredUnmatched::Stored => {
                if ask.as_ref().is_some_and(|ask| ask.is_sent) {
                    self.context.wake.wake();
                }
                Err(hints.refusal(ask))
            }
            StoredUnmatched::Joined(question) if question.kind == QuestionKind::Customer => {
                let is_restated = restated.is_some_and(|(restated, _)| restated == question);
                self.join_customers(asked, from, &question, is_restated, hints)
                    .await
                    .map(|received| Received {
                        message: Some(id),
                        ..received
                    })
            }
            StoredUnmatched::Joined(question) => Err(hints.refusal(joined(&question, now))),
            StoredUnmatched::AlreadyKnown(existing) => match self.repeated(asked, existing) {
                Err(ReceiveError::NotNamed { ask }) => Err(hints.refusal(ask)),
                received => received,
            },
        }
    }

    /// The result of a message whose external id is known already.
    pub(super) fn repeated(&self, asked: Option<&Respondent>, existing: Existing) -> Result<Received, ReceiveError> {
        match existing {
            // Whatever it names now.
            Existing::InThread { id, of } => Ok(duplicate(id, of)),
            Existing::Answer(picked) => Ok(self.answered(asked, &picked, true, &[])),
            Existing::Unmatched(question) => Err(ReceiveError::NotNamed {
                ask: self.still_asked(asked, question),
            }),
            Existing::Control(recorded) => match recorded.kind {
                ControlKind::Unclear => Err(ReceiveError::NotNamed {
                    ask: told(asked, recorded.reply).map(|text| Ask { text, is_sent: false }),
                }),
                ControlKind::Command => Ok(Received {
                    reference: recorded.ticket,
                    message: None,
                    duplicate: true,
                    notice: told(asked, recorded.reply).map(Into::into),
                    undo: None,
                }),
            },
        }
    }

    /// The question about a message that was repeated, as long as it can be answered.
    fn still_asked(&self, asked: Option<&Respondent>, question: Option<Question>) -> Option<Ask> {
        let now = self.context.clock.now();
        let (asked, question) = asked
            .zip(question)
            .filter(|(asked, question)| asked.of == question.of)?;
        question.is_open(now).then(|| Ask {
            is_sent: asked.is_manager && self.context.composers.has_notifier(Recipient::Manager),
            text: question.text,
        })
    }

    /// The result of an answer. Only the sender of the answer gets the confirmation.
    pub(super) fn answered(
        &self,
        asked: Option<&Respondent>,
        picked: &ChoiceResult,
        duplicate: bool,
        waiting: &[String],
    ) -> Received {
        let to = picked.to.as_ref();
        let told = asked.filter(|asked| asked.of == picked.of);
        Received {
            reference: to.map(|to| to.reference),
            message: picked.message,
            duplicate,
            notice: told.map(|told| {
                if told.is_manager {
                    texts::notice(to, picked.attached, waiting)
                } else {
                    texts::confirmed(to, self.context.links.form())
                }
            }),
            undo: None,
        }
    }

    pub(super) fn message(&self, reply: &Reply, sender: Sender) -> Message {
        let now = self.context.clock.now();
        Message {
            id: MessageId(self.context.new_id(now)),
            sender,
            channel: reply.channel,
            from: reply.from.clone().or_else(|| reply.from_user_id.clone()),
            content: reply.content.clone(),
            attachments: Vec::new(),
            visibility: Visibility::Public,
            external_id: reply.external_id.clone(),
            created_at: now,
        }
    }
}

/// What was answered to a control message, unless it is erased or its sender may not be told.
fn told(asked: Option<&Respondent>, reply: Box<str>) -> Option<Box<str>> {
    let is_left = !reply.is_empty() && *reply != *Redaction::TEXT;
    asked.filter(|asked| asked.is_told() && is_left).map(|_| reply)
}

/// What the sender of a further message is told: nothing before the question is sent.
fn joined(question: &Question, now: Timestamp) -> Option<Ask> {
    (now >= question.sent_at).then(|| Ask {
        text: texts::joins_batch().into(),
        is_sent: false,
    })
}

fn duplicate(message: MessageId, of: TicketRef) -> Received {
    Received {
        reference: Some(of),
        message: Some(message),
        duplicate: true,
        notice: None,
        undo: None,
    }
}
