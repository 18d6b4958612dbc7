//! What managers steer the server with: words after a slash, and buttons. None of it is published.

use std::time::Duration;

use super::{
    ReceiveError, ReceiveReply, Received, Reply,
    clarify::{Respondent, is_row},
    hints::{Hints, by_reference},
};
use crate::{
    Actor, Button, CHOICES, Choice, Command, Content, ControlKind, Match, MessageBody, MessageText, Recipient, Sender,
    Status, Tap, Ticket, TicketMatch, TicketPatch, TicketRef, Timestamp, Visibility,
    command::is_emoji,
    ports::{Append, Appended, ControlMessage, Remove, RemoveResult, TicketLookup},
    texts,
};

/// How long an answer can be taken back.
const UNDO_WITHIN: Duration = Duration::from_mins(1);

impl ReceiveReply {
    /// Carries out a command, or answers why not. `None` if the message is none.
    pub(super) async fn obey(
        &self,
        reply: &Reply,
        asked: &Respondent,
        hints: &Hints,
    ) -> Result<Option<Received>, ReceiveError> {
        let text = reply.content.body().as_str();
        let payload = reply.button_payload.as_deref();
        if payload.is_some_and(is_row) {
            return Ok(None);
        }
        let tap = payload.map(str::parse::<Tap>);
        let command = Command::parse(text).filter(|_| !reply.is_forwarded);
        let has_medium = reply.content.media().is_some() || reply.lost_medium;
        let is_reaction = !has_medium && is_emoji(text);
        if tap.is_none() && command.is_none() && !is_reaction {
            return Ok(None);
        }
        if let Some(id) = &reply.external_id
            && let Some(existing) = self.questions.known(id.clone()).await?
        {
            return self.repeated(Some(asked), existing).map(Some);
        }
        let ticket = match &hints.which {
            TicketMatch::Certain(ticket, _) => Some(&**ticket),
            TicketMatch::Uncertain | TicketMatch::NotFound => None,
        };
        let now = self.context.clock.now();
        match (tap, command) {
            (Some(tap), _) => self.tapped(reply, asked, tap.ok(), now).await,
            (None, Some((command, reference))) => {
                let ticket = match self.meant(reference, ticket).await? {
                    Ok(ticket) => ticket,
                    Err(answer) => return self.answer_command(reply, None, answer, now).await.map(Some),
                };
                let command = match command {
                    Command::Note(_) | Command::Unknown => command,
                    _ if has_medium => Command::WithWords,
                    command => command,
                };
                self.carry_out(command, reply, asked, ticket.as_ref(), now).await
            }
            (None, None) => {
                self.answer_command(reply, ticket, texts::reaction(text, ticket), now)
                    .await
            }
        }
        .map(Some)
    }

    /// The ticket that a command is about: the one of its reference, or the one that is named otherwise. If these differ, or
    /// there is no such ticket, what to answer.
    async fn meant(
        &self,
        reference: Option<TicketRef>,
        named: Option<&Ticket>,
    ) -> Result<Result<Option<Ticket>, String>, ReceiveError> {
        let Some(reference) = reference else {
            return Ok(Ok(named.cloned()));
        };
        Ok(match by_reference(&*self.store, reference).await? {
            Match::Ticket(ticket) if named.is_none_or(|named| named.id == ticket.id) => Ok(Some(*ticket)),
            Match::Ticket(_) => Err(texts::command_needs_ticket()),
            Match::None | Match::NoSuchTicket => Err(texts::no_such_ticket(reference)),
        })
    }

    async fn carry_out(
        &self,
        command: Command,
        reply: &Reply,
        asked: &Respondent,
        ticket: Option<&Ticket>,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let has_medium = reply.content.media().is_some();
        let answer = match (command, ticket) {
            (Command::Note(text), Some(ticket)) if text.is_some() || has_medium => {
                return self.note(reply, asked, ticket, text, now).await;
            }
            (Command::Undo, ticket) => {
                let only = ticket.map(|ticket| ticket.reference);
                return self.undo(reply, asked, only, now).await;
            }
            (Command::Help, _) => texts::help(),
            (Command::Unknown, _) => texts::unknown_command(),
            (Command::WithWords, _) => texts::command_takes_no_words(),
            (Command::List, _) => texts::open_tickets(&self.questions.open_tickets(CHOICES + 1).await?, now),
            (Command::Resolve, Some(ticket)) => self.set_status(ticket, Status::Resolved).await?,
            (Command::Reopen, Some(ticket)) => self.set_status(ticket, Status::Open).await?,
            (Command::Note(_), Some(_)) => texts::note_needs_text(),
            (Command::Resolve | Command::Reopen | Command::Note(_), None) => texts::command_needs_ticket(),
        };
        self.answer_command(reply, ticket, answer, now).await
    }

    /// A button; nothing happens if the server didn't make it.
    async fn tapped(
        &self,
        reply: &Reply,
        asked: &Respondent,
        tap: Option<Tap>,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let ticket = match &tap {
            Some(tap) => self.store.find(TicketLookup::Reference(tap.reference)).await?,
            None => None,
        };
        let genuine = tap
            .zip(ticket)
            .filter(|(tap, ticket)| tap.is_genuine(Recipient::Manager, &ticket.keys));
        let answer = match &genuine {
            Some((tap, ticket)) => match tap.button {
                Button::Resolve => self.set_status(ticket, Status::Resolved).await?,
                Button::Note => texts::note_needs_text(),
                Button::Undo => return self.undo(reply, asked, Some(tap.reference), now).await,
            },
            None => texts::unknown_button(),
        };
        let ticket = genuine.as_ref().map(|(_, ticket)| ticket);
        self.answer_command(reply, ticket, answer, now).await
    }

    async fn set_status(&self, ticket: &Ticket, status: Status) -> Result<String, ReceiveError> {
        let patch = TicketPatch {
            status: Some(status),
            priority: None,
        };
        let update = self.context.update(ticket, patch, Actor::Manager);
        self.desk.change(update).await?;
        Ok(texts::status_set(&Choice::of(ticket), status))
    }

    async fn note(
        &self,
        reply: &Reply,
        asked: &Respondent,
        ticket: &Ticket,
        text: Option<MessageText>,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let mut message = self.message(reply, Sender::Manager);
        let text = text.map_or_else(|| MessageBody::lenient(""), MessageBody::from);
        // One of the two is there.
        if let Ok(content) = Content::new(text, reply.content.media().cloned()) {
            message.content = content;
        }
        message.visibility = Visibility::Internal;
        let id = message.id;
        let append = Append {
            to: ticket.id,
            message,
            attachments: Vec::new(),
            notifications: Vec::new(),
            reopen: false,
            idempotency: None,
            note: Some(self.context.stamp_at(now, Actor::Manager)),
            max_of_sender: None,
        };
        match self.store.append(append).await? {
            Appended::Added
            | Appended::Joined(_)
            | Appended::Repeated { .. }
            | Appended::Full
            | Appended::UploadGone => Ok(Received {
                reference: Some(ticket.reference),
                message: Some(id),
                duplicate: false,
                notice: Some(texts::noted(&Choice::of(ticket))),
                undo: None,
            }),
            Appended::AlreadyStored { id, .. } => Ok(Received {
                reference: Some(ticket.reference),
                message: Some(id),
                duplicate: true,
                notice: None,
                undo: None,
            }),
            Appended::NoMessage(existing) => self.repeated(Some(asked), existing),
        }
    }

    /// Takes the last answer back that the manager published, with all its messages; nothing if it went to another
    /// ticket than `only`. A repeated command takes back no other.
    async fn undo(
        &self,
        reply: &Reply,
        asked: &Respondent,
        only: Option<TicketRef>,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let since = now.minus(UNDO_WITHIN);
        let last = self
            .questions
            .last_published(asked.of.clone(), asked.from.clone(), since);
        let last = last.await?;
        let last = last.filter(|(reference, _)| only.is_none_or(|only| only == *reference));
        let Some((reference, messages)) = last else {
            return self.answer_command(reply, None, texts::nothing_to_undo(), now).await;
        };
        let Some(ticket) = self.store.find(TicketLookup::Reference(reference)).await? else {
            return self.answer_command(reply, None, texts::nothing_to_undo(), now).await;
        };
        let answer = texts::undone(&Choice::of(&ticket));
        let stamp = || self.context.stamp_at(now, Actor::Manager);
        let remove = Remove {
            ticket: ticket.id,
            messages: messages.into_iter().map(|message| (message, stamp())).collect(),
            because: Some(command(reply, Some(&ticket), &answer, now)),
        };
        match self.desk.remove(remove).await? {
            RemoveResult::Removed(_) | RemoveResult::NoSuchMessage => Ok(Received {
                reference: Some(reference),
                message: None,
                duplicate: false,
                notice: Some(answer),
                undo: None,
            }),
            RemoveResult::AlreadyKnown(existing) => self.repeated(Some(asked), existing),
        }
    }

    /// A tap by somebody who has no buttons of ours: its title is nothing that they wrote.
    pub(super) async fn ignore_tap(&self, reply: &Reply) -> Result<Received, ReceiveError> {
        let now = self.context.clock.now();
        let received = self.answer_command(reply, None, String::new(), now).await?;
        Ok(Received {
            notice: None,
            ..received
        })
    }

    /// Answers a command, and remembers the answer.
    async fn answer_command(
        &self,
        reply: &Reply,
        ticket: Option<&Ticket>,
        answer: String,
        now: Timestamp,
    ) -> Result<Received, ReceiveError> {
        let known = self
            .questions
            .record_control(command(reply, ticket, &answer, now))
            .await?;
        Ok(Received {
            reference: ticket.map(|ticket| ticket.reference),
            message: None,
            duplicate: known.is_some(),
            notice: Some(answer),
            undo: None,
        })
    }
}

fn command(reply: &Reply, ticket: Option<&Ticket>, answer: &str, now: Timestamp) -> ControlMessage {
    ControlMessage {
        external_id: reply.external_id.clone(),
        kind: ControlKind::Command,
        ticket: ticket.map(|ticket| ticket.id),
        reply: answer.into(),
        at: now,
    }
}
