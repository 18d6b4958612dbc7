//! Questions to managers.

use async_trait::async_trait;
use ticket_domain::{
    Choice, ExternalId, Message, MessageId, Phone, Question, Redaction, Sender, Status, TicketId, TicketRef, Timestamp,
    ports::{
        AnswerQuestion, AnswerResult, ChangeEvent, ChoiceResult, Precondition, QuestionUpdate, Questions, StoreError,
    },
};

use super::{MemoryStore, State};

/// A question, and what became of it.
pub(super) struct Asked {
    pub(super) question: Question,
    is_open: bool,
    /// The messages that it is about, in the order of their times.
    about: Vec<(Timestamp, MessageId)>,
    answer: Option<Answer>,
}

struct Answer {
    by: Option<ExternalId>,
    to: Option<TicketId>,
    attached: u32,
}

impl Asked {
    fn add(&mut self, message: &Message) {
        let place = self.about.partition_point(|(came, _)| *came <= message.created_at);
        self.about.insert(place, (message.created_at, message.id));
    }

    /// Shows nothing of a ticket any more, if it is one of those to choose from, and can't be answered then.
    pub(super) fn forget(&mut self, ticket: TicketRef) {
        if self.question.choices.contains(&ticket) {
            self.question.text = Redaction::TEXT.into();
            self.is_open = false;
        }
    }

    pub(super) fn is_about(&self, message: MessageId) -> bool {
        self.about.iter().any(|(_, id)| *id == message)
    }
}

impl State {
    fn open_question(&mut self, of: &Phone) -> Option<&mut Asked> {
        let mut questions = self.questions.iter_mut();
        questions.find(|asked| asked.is_open && asked.question.of == *of)
    }

    pub(super) fn close_question_of(&mut self, of: &Phone) {
        if let Some(asked) = self.open_question(of) {
            asked.is_open = false;
        }
    }

    /// Asks about a message, unless the open question is another one than expected.
    pub(super) fn ask(&mut self, asking: QuestionUpdate, about: &Message) -> bool {
        match asking {
            QuestionUpdate::None => true,
            QuestionUpdate::Extend(id) => {
                let mut questions = self.questions.iter_mut();
                let asked = questions.find(|asked| asked.is_open && asked.question.id == id);
                asked.is_some_and(|asked| {
                    asked.add(about);
                    asked.question.asked_at = asked.question.asked_at.max(about.created_at);
                    true
                })
            }
            QuestionUpdate::Ask { question, instead_of } => {
                let open = self.open_question(&question.of).map(|open| open.question.id);
                if let Precondition::Only(expected) = instead_of
                    && open != expected
                {
                    return false;
                }
                self.close_question_of(&question.of);
                self.questions.push(Asked {
                    question,
                    is_open: true,
                    about: vec![(about.created_at, about.id)],
                    answer: None,
                });
                true
            }
        }
    }

    fn choice(&self, ticket: TicketId) -> Option<Choice> {
        let file = self.files.iter().find(|file| file.ticket.id == ticket)?;
        Some(Choice {
            reference: file.ticket.reference,
            subject: file.ticket.details.subject.clone(),
        })
    }

    fn picked(&self, is_it: impl Fn(&Asked, &Answer) -> bool) -> Option<ChoiceResult> {
        self.questions.iter().find_map(|asked| {
            let answer = asked.answer.as_ref().filter(|answer| is_it(asked, answer))?;
            Some(ChoiceResult {
                of: asked.question.of.clone(),
                to: answer.to.and_then(|to| self.choice(to)),
                attached: answer.attached,
                message: asked.about.first()?.1,
            })
        })
    }

    pub(super) fn choice_in(&self, by: &ExternalId) -> Option<ChoiceResult> {
        self.picked(|_, answer| answer.by.as_ref() == Some(by))
    }

    fn answer(&mut self, picking: &AnswerQuestion) -> Option<ChoiceResult> {
        let question = |asked: &Asked| asked.question.id == picking.question;
        let position = self
            .questions
            .iter()
            .position(|asked| asked.is_open && question(asked))?;
        let about = self.questions[position].about.clone();
        let mut attached = 0;
        if let Some(to) = picking.ticket {
            for (_, message) in about {
                attached += u32::from(self.join(message, to, Sender::Manager, picking.at));
            }
        }
        let asked = &mut self.questions[position];
        asked.is_open = false;
        asked.answer = Some(Answer {
            by: picking.by.clone(),
            to: picking.ticket,
            attached,
        });
        self.picked(|asked, _| question(asked))
    }
}

#[async_trait]
impl Questions for MemoryStore {
    async fn open_tickets(&self, limit: u8) -> Result<Vec<Choice>, StoreError> {
        let state = self.state();
        let mut open: Vec<_> = state.files.iter().map(|file| &file.ticket).collect();
        open.retain(|ticket| ticket.status == Status::Open);
        // Of those of one moment the one that was written last comes first.
        open.reverse();
        open.sort_by_key(|ticket| std::cmp::Reverse(ticket.created_at));
        Ok(open
            .into_iter()
            .take(limit.into())
            .filter_map(|ticket| state.choice(ticket.id))
            .collect())
    }

    async fn question(&self, of: Phone) -> Result<Option<Question>, StoreError> {
        Ok(self.state().open_question(&of).map(|asked| asked.question.clone()))
    }

    async fn picked(&self, by: ExternalId) -> Result<Option<ChoiceResult>, StoreError> {
        Ok(self.state().choice_in(&by))
    }

    async fn answer(&self, picking: AnswerQuestion) -> Result<AnswerResult, StoreError> {
        Ok(self.write(|state| {
            if let Some(known) = state.known(picking.by.as_ref()) {
                return AnswerResult::AlreadyKnown(known);
            }
            let Some(picked) = state.answer(&picking) else {
                return AnswerResult::Closed;
            };
            if let (Some(ticket), 1..) = (picking.ticket, picked.attached) {
                state
                    .events
                    .extend([ChangeEvent::Ticket(ticket), ChangeEvent::Unmatched]);
            }
            AnswerResult::Answered(picked)
        }))
    }
}
