//! Reads managers' answers to clarifying questions.

use super::{
    ReceiveError, ReceiveReply, Received, Reply,
    clarify::{Respondent, parse_row, previews},
    hints::{Hints, by_reference},
};
use crate::{
    Button, Choice, EventKind, Match, OPEN_FOR, Question, QuestionKind, Reason, Recipient, Selection, Sender, Ticket,
    Typed,
    ports::{AnswerQuestion, AnswerResult, StoreError},
    question, texts,
};

impl ReceiveReply {
    /// Treats a message as an answer if it can be one: it selects a ticket, or is told how to. `None` if it is a message of
    /// its own.
    pub(super) async fn answer_question(
        &self,
        reply: &Reply,
        asked: &Respondent,
        hints: &Hints,
    ) -> Result<Option<Received>, ReceiveError> {
        let text = reply.content.body().as_str();
        let tapped = reply.button_payload.as_deref().and_then(parse_row);
        let typed = match tapped {
            Some((_, number)) => Some(Typed::Number(number)),
            None => Typed::parse(text),
        };
        // Words with a reference among them name a ticket.
        let is_short = hints.reason == Reason::NoHint && question::is_short(text);
        let may_be_name = hints.reason == Reason::NoHint && text.chars().count() <= texts::EXCERPT;
        let may_answer = tapped.is_some() || hints.may_pick && (typed.is_some() || is_short || may_be_name);
        if !may_answer {
            return Ok(None);
        }
        if let Some(id) = &reply.external_id
            && let Some(existing) = self.questions.known(id.clone()).await?
        {
            return self.repeated(Some(asked), existing).map(Some);
        }
        let quoted = match (tapped, &reply.replied_to) {
            (Some((id, _)), _) => self.questions.question(id).await?,
            (None, Some(id)) => self.questions.quoted_question(id.clone()).await?,
            (None, None) => None,
        };
        let quoted = quoted.filter(|question| question.of == asked.of);
        let now = self.context.clock.now();
        if tapped.is_some() && quoted.is_none() {
            return self.tell(reply, asked, texts::nothing_asked(), now).await.map(Some);
        }
        let recent = if quoted.is_some() {
            Vec::new()
        } else {
            let since = now.minus(OPEN_FOR + OPEN_FOR);
            self.questions.questions_since(asked.of.clone(), since).await?
        };
        let is_quoted = quoted.is_some();
        let is_name = typed.is_none() && self.is_asked_for(text, quoted.iter().chain(&recent)).await?;
        let newest = recent.iter().find(|question| question.is_open(now)).cloned();
        let Some(question) = quoted.or(newest) else {
            return if typed.is_some() || is_name {
                self.answer_to_nothing(reply, asked, now).await.map(Some)
            } else {
                Ok(None)
            };
        };
        // Nobody has read it yet: a number is none of its list.
        if !is_quoted && now < question.sent_at && !matches!(typed, Some(Typed::Reference(_))) {
            return Ok(None);
        }
        let offered = self.tickets(&question).await?;
        let selected = match typed {
            Some(typed) => question.selection(typed),
            None => named(text, &question, &offered),
        };
        // Too long for an answer.
        if typed.is_none() && !is_short && !is_name {
            return Ok(None);
        }
        let ticket = match selected {
            Some(Selection::Ticket(reference)) => match by_reference(&*self.store, reference).await? {
                Match::Ticket(ticket) => Some(Some(ticket)),
                Match::None | Match::NoSuchTicket => None,
            },
            Some(Selection::NoneOfThem) => Some(None),
            None => None,
        };
        let Some(ticket) = ticket else {
            let choices: Vec<Choice> = offered.iter().map(Choice::of).collect();
            return self
                .tell(reply, asked, texts::no_selection(&question, typed, &choices), now)
                .await
                .map(Some);
        };
        if !is_quoted && question.is_ambiguous(&recent) {
            return self.ask_by_name(reply, asked, &recent, now).await.map(Some);
        }
        let answer = AnswerQuestion {
            question: question.id,
            is_quoted,
            by: reply.external_id.clone(),
            ticket: ticket.as_ref().map(|ticket| ticket.id),
            join_as: Some(Sender::Manager),
            // Its composer needs no text: the customer is told what the thread says by then.
            notifications: ticket.as_ref().map_or_else(Vec::new, |ticket| {
                self.context.notifications(EventKind::Answered, ticket, "", now)
            }),
            at: now,
        };
        match self.questions.answer(answer).await? {
            AnswerResult::Answered(picked) => {
                let waiting = previews(&self.waiting(asked, now).await?);
                let undo = ticket
                    .filter(|_| picked.attached > 0)
                    .map(|ticket| Button::Undo.payload(&ticket, Recipient::Manager).into());
                Ok(Some(Received {
                    undo,
                    ..self.answered(Some(asked), &picked, false, &waiting)
                }))
            }
            AnswerResult::AlreadyKnown(existing) => self.repeated(Some(asked), existing).map(Some),
            AnswerResult::Closed => self.tell(reply, asked, texts::answered_before(), now).await.map(Some),
        }
    }

    /// Whether a text is a name that one of these questions asks for, or asked for lately: then it is no message.
    async fn is_asked_for(&self, text: &str, questions: impl Iterator<Item = &Question>) -> Result<bool, StoreError> {
        for question in questions.filter(|question| question.kind == QuestionKind::Names) {
            let offered = self.tickets(question).await?;
            if offered
                .iter()
                .any(|ticket| question::is_name(text, &ticket.details.customer.name))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The ticket that a name selects, if names were asked for and it is the name of one customer's one ticket. Elsewhere a word
/// may be a customer's name by chance, or because somebody called themselves so.
fn named(text: &str, question: &Question, offered: &[Ticket]) -> Option<Selection> {
    if question.kind != QuestionKind::Names {
        return None;
    }
    let mut named = offered
        .iter()
        .filter(|ticket| question::is_name(text, &ticket.details.customer.name));
    match (named.next(), named.next()) {
        (Some(ticket), None) => Some(Selection::Ticket(ticket.reference)),
        _ => None,
    }
}
