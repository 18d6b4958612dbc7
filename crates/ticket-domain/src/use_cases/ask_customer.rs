//! Asks customers who write on WhatsApp without a reference which of their tickets they mean.
//!
//! A number alone names no ticket: anybody can type anybody's number into a form, and would then read what its owner writes.
//! So what they write stays unmatched until they confirm, and is never published if they don't.

use super::{
    Ask, ReceiveError, ReceiveReply, Received, Reply,
    clarify::Respondent,
    customers::tickets_of,
    hints::{Hints, by_reference},
};
use crate::{
    ASKED_DAILY, Actor, CHOICES, Channel, Choice, Contact, Match, OPEN_FOR, Person, Question, QuestionId, QuestionKind,
    Reason, Selection, Sender, Status, Ticket, TicketMatch, Timestamp, Typed,
    ports::{AnswerQuestion, AnswerResult, Existing, NewQuestion, StoreError},
    question::yes_or_no,
    texts,
};

impl ReceiveReply {
    /// The sender of a message from WhatsApp, if they are no manager.
    pub(super) fn customer(&self, reply: &Reply, from: &Person) -> Option<Respondent> {
        let is_asked = reply.channel == Channel::Whatsapp && !self.managers.include(from);
        let of = from.key().filter(|_| is_asked)?;
        Some(Respondent {
            of,
            is_manager: false,
            to: None,
            from: from.spellings(),
        })
    }

    /// Takes a message for the answer to what its sender was asked, or adds it to the ticket that they confirmed. `None` if
    /// it is neither.
    pub(super) async fn hear_customer(
        &self,
        reply: &Reply,
        customer: &Respondent,
        from: &Person,
        hints: &Hints,
    ) -> Result<Option<Received>, ReceiveError> {
        let now = self.context.clock.now();
        if let Some(received) = self.confirm(reply, customer, from, hints, now).await? {
            return Ok(Some(received));
        }
        // Nothing but a confirmation says which ticket it is for.
        if hints.which != TicketMatch::Uncertain || hints.reason != Reason::NoHint {
            return Ok(None);
        }
        match self.settle(customer, from, now).await? {
            Some(ticket) => self
                .append(reply, Some(customer), ticket, Sender::Customer)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// The question about a customer's message, which joins today's if they were asked already. Whoever was told to open a
    /// ticket, and has one now, is asked about that. `None` for a message that names something else than what they were
    /// asked about.
    pub(super) async fn ask_customer(
        &self,
        customer: &Respondent,
        from: &Person,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Option<NewQuestion>, StoreError> {
        let today = self.todays_question(customer, now).await?;
        if today.is_some() && reason != Reason::NoHint {
            return Ok(None);
        }
        let choices = self.open_tickets_of(from).await?;
        let question = Question {
            id: QuestionId(self.context.new_id(now)),
            of: customer.of.clone(),
            kind: QuestionKind::Customer,
            choices: choices.iter().map(|choice| choice.reference).collect(),
            text: texts::which_of_yours(&choices, self.context.links.form()).into(),
            sent_at: now,
            asked_at: now,
            closed_at: None,
        };
        let had_no_list = today.filter(|today| today.choices.is_empty() && !choices.is_empty());
        let restated = had_no_list.map(|today| Question {
            choices: question.choices.clone(),
            text: question.text.clone(),
            ..today
        });
        Ok(Some(NewQuestion {
            question,
            notification: None,
            restated: restated.map(|question| (question, None)),
        }))
    }

    /// A message that joined today's question: it is in the ticket that was confirmed meanwhile, or waits. The customer is
    /// asked once more only if the question has changed.
    pub(super) async fn join_customers(
        &self,
        customer: Option<&Respondent>,
        from: &Person,
        question: &Question,
        is_restated: bool,
        hints: &Hints,
    ) -> Result<Received, ReceiveError> {
        let now = self.context.clock.now();
        if let Some(customer) = customer
            && question.closed_at.is_some()
            && let Some(ticket) = self.settle(customer, from, now).await?
        {
            return Ok(Received {
                reference: Some(ticket.reference),
                message: None,
                duplicate: false,
                notice: None,
                undo: None,
            });
        }
        let ask = is_restated.then(|| Ask {
            text: question.text.clone(),
            is_sent: false,
        });
        Err(hints.refusal(ask))
    }

    async fn confirm(
        &self,
        reply: &Reply,
        customer: &Respondent,
        from: &Person,
        hints: &Hints,
        now: Timestamp,
    ) -> Result<Option<Received>, ReceiveError> {
        let text = reply.content.body().as_str();
        let word = yes_or_no(text).map(Typed::Number);
        let Some(typed) = Typed::parse(text).or(word).filter(|_| hints.may_pick) else {
            return Ok(None);
        };
        if let Some(id) = &reply.external_id {
            match self.questions.known(id.clone()).await? {
                Some(Existing::Answer(picked)) => {
                    // The first try may not have come to its end.
                    self.settle(customer, from, now).await?;
                    return Ok(Some(self.answered(Some(customer), &picked, true, &[])));
                }
                Some(control @ Existing::Control(_)) => return self.repeated(Some(customer), control).map(Some),
                Some(Existing::InThread { .. } | Existing::Unmatched(_)) | None => {}
            }
        }
        let today = self.todays_question(customer, now).await?;
        // Yes to one ticket; later it may answer something else.
        let is_answer = |question: &Question| {
            let is_meant = question.choices.len() == 1 && now.since(question.asked_at) <= OPEN_FOR;
            question.is_open(now) && (word.is_none() || is_meant)
        };
        let Some(question) = today.filter(is_answer) else {
            return Ok(None);
        };
        let ticket = match (question.selection(typed), question.choices.is_empty()) {
            (Some(Selection::Ticket(reference)), _) => match by_reference(&*self.store, reference).await? {
                Match::Ticket(ticket) if from.is(&ticket.details.customer) => Some(ticket),
                _ => return Ok(None),
            },
            (Some(Selection::NoneOfThem), false) => None,
            // There is no list.
            (_, true) => return Ok(None),
            (None, false) => {
                let Typed::Number(number) = typed else { return Ok(None) };
                let text = texts::none_of_yours(number, question.choices.len());
                return self.tell(reply, customer, text, now).await.map(Some);
            }
        };
        let answer = AnswerQuestion {
            question: question.id,
            is_quoted: false,
            by: reply.external_id.clone(),
            ticket: ticket.map(|ticket| ticket.id),
            // Each joins with its notification.
            join_as: None,
            notifications: Vec::new(),
            at: now,
        };
        match self.questions.answer(answer).await? {
            AnswerResult::Answered(picked) => {
                self.settle(customer, from, now).await?;
                Ok(Some(self.answered(Some(customer), &picked, false, &[])))
            }
            AnswerResult::AlreadyKnown(existing) => self.repeated(Some(customer), existing).map(Some),
            AnswerResult::Closed => Ok(None),
        }
    }

    /// The ticket that a customer confirmed within a day. What they wrote before joins it here, if it has not yet.
    async fn settle(
        &self,
        customer: &Respondent,
        from: &Person,
        now: Timestamp,
    ) -> Result<Option<Ticket>, ReceiveError> {
        let since = now.minus(ASKED_DAILY);
        let Some(confirmed) = self.questions.confirmed(customer.of.clone(), since).await? else {
            return Ok(None);
        };
        let ticket = match by_reference(&*self.store, confirmed.ticket).await? {
            // It may have been erased since.
            Match::Ticket(ticket) if from.is(&ticket.details.customer) => *ticket,
            _ => return Ok(None),
        };
        let is_late = !confirmed.unmatched.is_empty();
        for message in &confirmed.unmatched {
            let attach = self
                .context
                .attach(message, &ticket, Sender::Customer, Actor::Customer, now);
            self.desk.attach(attach).await?;
        }
        if is_late {
            self.context.wake.wake();
        }
        Ok(Some(ticket))
    }

    async fn todays_question(&self, customer: &Respondent, now: Timestamp) -> Result<Option<Question>, StoreError> {
        let since = now.minus(ASKED_DAILY);
        let asked = self.questions.questions_since(customer.of.clone(), since).await?;
        Ok(asked
            .into_iter()
            .find(|question| question.kind == QuestionKind::Customer))
    }

    /// The newest open tickets with a person's number.
    async fn open_tickets_of(&self, person: &Person) -> Result<Vec<Choice>, StoreError> {
        let mut choices = Vec::new();
        for phone in person.numbers() {
            let theirs = tickets_of(&*self.desk, &Contact::Phone(phone), Some(Status::Open)).await?;
            // Without its country code a number is many people's.
            let theirs = theirs.iter().filter(|ticket| person.is(&ticket.details.customer));
            for choice in theirs.map(Choice::of) {
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
        }
        choices.truncate(CHOICES.into());
        Ok(choices)
    }
}
