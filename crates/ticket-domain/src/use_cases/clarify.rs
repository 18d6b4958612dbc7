//! Asks managers which ticket a message is for.

use uuid::Uuid;

use super::{Ask, ReceiveError, ReceiveReply, Received, Reply, hints::by_reference};
use crate::{
    Address, BURST, CHOICES, Choice, ControlKind, EventKind, Match, Message, Notification, NotificationId, Person,
    Question, QuestionId, QuestionKind, Reason, Recipient, Ticket, Timestamp, WAITING_FOR,
    ports::{ControlMessage, ListRow, MergeQuestions, NewQuestion, QuestionMessage, StoreError},
    texts,
};

/// The most tickets that a question by name offers.
const NAMES: usize = 10;

/// The payload of a list's row begins with this, and goes on with the question's id and the number.
const ROW: &str = "choice";

/// Who is asked.
pub(super) struct Respondent {
    /// Under which address they are known.
    pub(super) of: Address,
    pub(super) is_manager: bool,
    /// Where questions to a manager go; `None` for one who is told nothing. Customers are asked in the response.
    pub(super) to: Option<Address>,
    /// The addresses that their messages come from.
    pub(super) from: Vec<Address>,
}

impl Respondent {
    /// Whether they may be told anything.
    pub(super) fn is_told(&self) -> bool {
        !self.is_manager || self.to.is_some()
    }
}

impl ReceiveReply {
    /// The sender of a message, if they are a manager.
    pub(super) fn manager(&self, from: &Person) -> Option<Respondent> {
        if !self.managers.include(from) {
            return None;
        }
        Some(Respondent {
            of: from.key()?,
            is_manager: true,
            to: self.managers.asked_at(from),
            from: from.spellings(),
        })
    }

    /// The question about a message that names no ticket for certain, and its notification. Where the question about the
    /// messages just before is not sent yet, that one will be about this message too.
    pub(super) async fn ask(
        &self,
        reply: &Reply,
        asked: &Respondent,
        reason: Reason,
        now: Timestamp,
    ) -> Result<NewQuestion, StoreError> {
        let choices = self.questions.open_tickets(CHOICES).await?;
        let waiting = self.waiting(asked, now).await?;
        let kind = match reason {
            Reason::NoHint => QuestionKind::Batch,
            Reason::Contradicting | Reason::NoSuchTicket => QuestionKind::Single,
        };
        let recent = self
            .questions
            .questions_since(asked.of.clone(), now.minus(BURST))
            .await?;
        let unsent = recent.into_iter().find(|question| {
            question.kind == kind
                && kind == QuestionKind::Batch
                && question.closed_at.is_none()
                && now < question.sent_at
        });
        let begun = unsent.as_ref().map_or(now, |unsent| unsent.asked_at);
        let (about, earlier): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|message| message.created_at >= begun);
        let about = [previews(&about), vec![texts::preview(&reply.content)]].concat();
        let text = texts::by_number(reason, &about, &choices, &previews(&earlier), now);
        let mut asking = self.asking(asked, kind, text, &choices, now);
        asking.restated = unsent.map(|unsent| {
            let question = Question {
                choices: asking.question.choices.clone(),
                text: asking.question.text.clone(),
                ..unsent
            };
            let notification = self.notification(asked, &question, &choices, now);
            (question, notification.map(|notification| notification.payload))
        });
        Ok(asking)
    }

    fn asking(
        &self,
        asked: &Respondent,
        kind: QuestionKind,
        text: String,
        choices: &[Choice],
        now: Timestamp,
    ) -> NewQuestion {
        let mut question = Question {
            id: QuestionId(self.context.new_id(now)),
            of: asked.of.clone(),
            kind,
            choices: choices.iter().map(|choice| choice.reference).collect(),
            text: text.into(),
            sent_at: match kind {
                QuestionKind::Batch => now.plus(BURST),
                QuestionKind::Single | QuestionKind::Names | QuestionKind::Customer => now,
            },
            asked_at: now,
            closed_at: None,
        };
        let notification = self.notification(asked, &question, choices, now);
        if notification.is_none() {
            // The response asks it.
            question.sent_at = now;
        }
        NewQuestion {
            question,
            notification,
            restated: None,
        }
    }

    /// The notification that sends a question, if there is a notifier to send it.
    fn notification(
        &self,
        asked: &Respondent,
        question: &Question,
        choices: &[Choice],
        now: Timestamp,
    ) -> Option<Notification> {
        let recipient = Recipient::Manager;
        let to = asked.to.as_ref()?;
        let composer = self.context.composers.get(recipient)?;
        if !self.context.composers.has_notifier(recipient) {
            return None;
        }
        let rows: Vec<ListRow> = match question.kind {
            QuestionKind::Names | QuestionKind::Customer => Vec::new(),
            QuestionKind::Batch | QuestionKind::Single => (1..)
                .zip(choices)
                .map(|(number, choice)| ListRow {
                    title: texts::name(&choice.name),
                    description: texts::detail(choice, now),
                    payload: format!("{ROW}.{}.{number}", question.id.0.as_simple()),
                })
                .collect(),
        };
        let payload = composer.compose_question(QuestionMessage {
            to,
            text: &question.text,
            rows: &rows,
        })?;
        Some(Notification {
            id: NotificationId(self.context.new_id(now)),
            recipient,
            event: EventKind::Question,
            payload,
            addressed: true,
            created_at: now,
            due_at: question.sent_at,
        })
    }

    /// Asks one question in the place of several, since a number could be meant for each of them.
    pub(super) async fn ask_by_name(
        &self,
        reply: &Reply,
        asked: &Respondent,
        recent: &[Question],
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let mut choices: Vec<Choice> = Vec::new();
        for open in recent.iter().filter(|question| question.closed_at.is_none()) {
            for ticket in self.tickets(open).await? {
                if choices.iter().all(|choice| choice.reference != ticket.reference) {
                    choices.push(Choice::of(&ticket));
                }
            }
        }
        choices.truncate(NAMES);
        let about = previews(&self.waiting(asked, now).await?);
        let text = texts::by_name(&about, &choices);
        let asking = self.asking(asked, QuestionKind::Names, text, &choices, now);
        self.merge(reply, asked, asking, now).await
    }

    /// A number or a reference where no question is open: what waits for an answer is asked about again.
    pub(super) async fn answer_to_nothing(
        &self,
        reply: &Reply,
        asked: &Respondent,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let waiting = self.waiting(asked, now).await?;
        if waiting.is_empty() {
            return self.tell(reply, asked, texts::nothing_asked(), now).await;
        }
        let choices = self.questions.open_tickets(CHOICES).await?;
        let text = texts::by_number(Reason::NoHint, &previews(&waiting), &choices, &[], now);
        let asking = self.asking(asked, QuestionKind::Single, text, &choices, now);
        self.merge(reply, asked, asking, now).await
    }

    /// Asks a question in the place of all that messages wait for.
    async fn merge(
        &self,
        reply: &Reply,
        asked: &Respondent,
        asking: NewQuestion,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let since = now.minus(WAITING_FOR);
        let earlier = self.questions.questions_since(asked.of.clone(), since).await?;
        let ask = Ask {
            text: asking.question.text.clone(),
            is_sent: asking.notification.is_some(),
        };
        let merge = MergeQuestions {
            because: control(reply, ask.text.clone(), now),
            question: asking.question,
            notification: asking.notification,
            merged: earlier.iter().map(|question| question.id).collect(),
        };
        if let Some(existing) = self.questions.merge_questions(merge).await? {
            return self.repeated(Some(asked), existing);
        }
        self.context.wake.wake();
        Err(ReceiveError::NotNamed { ask: Some(ask) })
    }

    /// Answers a message that is none for customers, and remembers it.
    pub(super) async fn tell(
        &self,
        reply: &Reply,
        asked: &Respondent,
        text: String,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let text: Box<str> = text.into();
        let control = control(reply, text.clone(), now);
        match self.questions.record_control(control).await? {
            Some(existing) => self.repeated(Some(asked), existing),
            None => Err(ReceiveError::NotNamed {
                ask: Some(Ask { text, is_sent: false }),
            }),
        }
    }

    /// The sender's messages that wait for an answer, oldest first.
    pub(super) async fn waiting(&self, asked: &Respondent, now: Timestamp) -> Result<Vec<Message>, StoreError> {
        let since = now.minus(WAITING_FOR);
        self.questions.waiting_messages(asked.of.clone(), since).await
    }

    /// The tickets that a question offers.
    pub(super) async fn tickets(&self, question: &Question) -> Result<Vec<Ticket>, StoreError> {
        let mut tickets = Vec::new();
        for reference in &question.choices {
            if let Match::Ticket(ticket) = by_reference(&*self.store, *reference).await? {
                tickets.push(*ticket);
            }
        }
        Ok(tickets)
    }
}

pub(super) fn previews(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| texts::preview(&message.content))
        .collect()
}

fn control(reply: &Reply, text: Box<str>, now: Timestamp) -> ControlMessage {
    ControlMessage {
        external_id: reply.external_id.clone(),
        kind: ControlKind::Unclear,
        ticket: None,
        reply: text,
        at: now,
    }
}

/// Whether a payload is that of a list's row.
pub(super) fn is_row(payload: &str) -> bool {
    parse_row(payload).is_some()
}

pub(super) fn parse_row(payload: &str) -> Option<(QuestionId, u64)> {
    let mut parts = payload.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(ROW), Some(id), Some(number), None) => {
            Some((QuestionId(Uuid::try_parse(id).ok()?), number.parse().ok()?))
        }
        _ => None,
    }
}
