//! The JSON bodies for n8n, and the fallbacks of refused messages.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};
use ticket_domain::{
    Button, DeliveryRoute, EventKind, Fallback, Payload, Phone, Recipient,
    ports::{Composer, Event, NextStep, QuestionMessage, Rejection},
    sanitize, texts,
};

use crate::route::{Cause, Route};

/// The body of a clarifying question.
#[derive(Serialize)]
struct QuestionBody<'a> {
    event: &'static str,
    text: &'a str,
    /// Who is asked, with `+` and country code.
    to: &'a str,
    /// The rows of a list to tap.
    actions: Vec<Action<'a>>,
}

/// Writes events as the JSON bodies that the n8n workflows read.
#[derive(Debug, Clone, Default)]
pub struct N8nComposer {
    /// The first number. Without it, the workflow decides.
    pub to: Option<Phone>,
    /// The second number, for messages that do not reach the first.
    pub backup: Option<Phone>,
}

/// The body. The order of its fields is the order on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event: &'static str,
    ticket_ref: String,
    ticket_id: String,
    ticket_url: &'a str,
    customer_name: String,
    customer_phone: &'a str,
    customer_email: String,
    subject: String,
    message: String,
    priority: &'static str,
    /// When the ticket was opened.
    created_at: String,
    summary: String,
    /// The whole message as the phone shows it.
    text: String,
    actions: Vec<Action<'a>>,
    /// The recipient's number, with `+` and country code.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
}

/// A button on the message, or a row of its list.
#[derive(Serialize)]
struct Action<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    payload: Cow<'a, str>,
}

impl Composer for N8nComposer {
    fn compose(&self, event: Event<'_>) -> Option<Payload> {
        let ticket = event.ticket;
        // A manager may send any of these texts back by itself, so it must not name another ticket.
        let line = |text: &str| sanitize::line(text, Some(ticket.reference));
        let body = Body {
            event: event.kind.as_str(),
            ticket_ref: ticket.reference.to_string(),
            ticket_id: ticket.id.to_string(),
            ticket_url: event.ticket_url,
            customer_name: line(ticket.details.customer.name.as_str()),
            customer_phone: ticket.details.customer.phone.as_str(),
            customer_email: line(ticket.details.customer.email.as_str()),
            subject: line(ticket.details.subject.as_str()),
            message: sanitize::prose(event.message, Some(ticket.reference)),
            priority: ticket.details.priority.as_str(),
            created_at: ticket.created_at.to_string(),
            summary: texts::summary(&event),
            text: texts::notification(&event),
            actions: Button::OF_NOTIFICATIONS
                .into_iter()
                .map(|button| Action {
                    title: texts::button(button),
                    description: None,
                    payload: button.payload(ticket, Recipient::Manager).into(),
                })
                .collect(),
            to: self.to.as_ref().map(Phone::as_str),
        };
        // Never fails: the body consists of texts.
        Some(Payload(serde_json::to_vec(&body).ok()?.into()))
    }

    fn compose_question(&self, question: QuestionMessage<'_>) -> Option<Payload> {
        let body = QuestionBody {
            event: EventKind::Question.as_str(),
            text: question.text,
            to: question.to.as_str(),
            actions: question
                .rows
                .iter()
                .map(|row| Action {
                    title: &row.title,
                    description: Some(&row.description),
                    payload: (&row.payload).into(),
                })
                .collect(),
        };
        // Never fails: the body consists of texts.
        Some(Payload(serde_json::to_vec(&body).ok()?.into()))
    }

    fn after_refusal(&self, route: &DeliveryRoute, payload: &Payload, refusal: Rejection) -> NextStep {
        let is_window_closed = match Cause::of(refusal) {
            Cause::Temporary => return NextStep::Retry { to_repair: None },
            Cause::Account(to_repair) => {
                return NextStep::Retry {
                    to_repair: Some(to_repair),
                };
            }
            Cause::WindowClosed => true,
            Cause::Recipient => false,
        };
        let alternatives = Route::named(route).map_or(&[][..], |route| route.alternatives(is_window_closed));
        let fallback = alternatives.iter().find_map(|next| {
            Some(Fallback {
                route: next.word(),
                payload: self.on_route(*next, payload)?,
            })
        });
        fallback.map_or(NextStep::GiveUp, NextStep::Fallback)
    }

    fn on_first_route(&self, payload: &Payload) -> Option<Payload> {
        self.on_route(Route::Text, payload)
    }

    fn retarget(&self, route: &DeliveryRoute, payload: &Payload) -> Option<Payload> {
        let mut body: Map<String, Value> = serde_json::from_slice(&payload.0).ok()?;
        // A question goes to whoever it is about, also if that is not the first number.
        if is_question(&body) {
            return None;
        }
        // Without a number, the workflow decides.
        let named = body.get("to")?.as_str()?;
        // If the second number was removed, the message goes to the first.
        let to = self
            .number(Route::named(route)?)
            .unwrap_or(self.to.as_ref())
            .map(Phone::as_str);
        if to == Some(named) {
            return None;
        }
        match to {
            Some(to) => body.insert("to".into(), to.into()),
            None => body.remove("to"),
        };
        Some(Payload(serde_json::to_vec(&body).ok()?.into()))
    }
}

/// There is no second number.
struct NoBackup;

impl N8nComposer {
    /// Returns the number of a route; `Ok(None)` if the workflow decides.
    fn number(&self, route: Route) -> Result<Option<&Phone>, NoBackup> {
        if route.is_backup() {
            self.backup.as_ref().map(Some).ok_or(NoBackup)
        } else {
            Ok(self.to.as_ref())
        }
    }

    /// The same message on another route; `None` if there is no such number, or the bytes are another composer's.
    fn on_route(&self, route: Route, payload: &Payload) -> Option<Payload> {
        let to = self.number(route).ok()?;
        let mut body: Map<String, Value> = serde_json::from_slice(&payload.0).ok()?;
        // There is no template for a question, and nobody else could answer it.
        if is_question(&body) {
            return None;
        }
        if let Some(to) = to {
            body.insert("to".into(), to.as_str().into());
        }
        if route.is_template() {
            body.insert("template".into(), true.into());
        } else {
            body.remove("template");
        }
        Some(Payload(serde_json::to_vec(&body).ok()?.into()))
    }
}

fn is_question(body: &Map<String, Value>) -> bool {
    body.get("event").and_then(Value::as_str) == Some(EventKind::Question.as_str())
}

#[cfg(test)]
mod tests;
