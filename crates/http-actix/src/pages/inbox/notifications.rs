//! `/inbox/notifications`: undelivered notifications, and redelivery.

use std::collections::HashSet;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use maud::{Markup, html};
use ticket_domain::{
    EventKind, NotificationId, NotificationRecord, NotificationState, Recipient, TicketRef, ports::Outbox,
    use_cases::Redeliver,
};
use uuid::Uuid;

use super::{
    Rejection,
    age::{age, since, until},
    attention::{Counts, counted},
    auth::{Operator, OperatorForm},
    filter::Query,
    flash::FlashMessage,
    frame::{Tab, framed},
    list::cut,
};

/// Maximum number of notifications that are read, so that failed ones are found among many that only wait.
const READ: u16 = 200;
/// Maximum number of notifications that are shown.
const SHOWN: usize = 15;

/// `GET /inbox/notifications`
pub(super) async fn page(operator: Operator, outbox: Data<dyn Outbox>) -> Result<HttpResponse, Rejection> {
    let (counts, mut records) = tokio::try_join!(Counts::read(&operator), outbox.undelivered(READ))
        .map_err(|error| operator.store_down(&error))?;
    let behind = behind(&records);
    records.sort_by_key(|record| urgency(&record.state));
    let hidden = records.len().saturating_sub(SHOWN);
    records.truncate(SHOWN);
    let cards = records.iter().map(|record| Card {
        operator: &operator,
        record,
        is_behind: behind.contains(&record.id),
    });
    let main = html! {
        div.sheet {
            h1 { "Notifications" }
            p.lead { "What is still to reach the manager’s phone." }
            div data-part="items" {
                @if records.is_empty() {
                    div.empty {
                        p { "Everything has been delivered." }
                        p.quiet { "A notification that can’t be delivered is tried again for days. One that was given up, or is held for your word, is shown here until it is sent." }
                    }
                }
                @if counts.failed() > 0 { (send_all(&operator, counts.failed())) }
                ol.cards { @for card in cards { (card.show()) } }
                @if hidden > 0 { p.quiet { "And " (hidden) @if records.len() + hidden >= usize::from(READ) { " or more" } " others." } }
            }
        }
    };
    Ok(framed(
        &operator,
        StatusCode::OK,
        Tab::Notifications,
        "Notifications",
        &counts,
        &main,
    ))
}

/// `POST /inbox/notifications/{id}/redeliver`
pub(super) async fn redeliver(
    act: OperatorForm,
    path: Path<String>,
    redeliver: Data<Redeliver>,
) -> Result<HttpResponse, Rejection> {
    let Ok(id) = Uuid::try_parse(&path) else {
        return Err(act.operator.not_found("notification"));
    };
    match redeliver.redeliver(NotificationId(id), act.operator.actor()).await {
        Ok(became) => Ok(redirect(&act, FlashMessage::Redelivered(became))),
        Err(error) => {
            let path = format!("/inbox/notifications/{id}/redeliver");
            Err(act.store_down(&error, &path, &[]))
        }
    }
}

/// `POST /inbox/notifications/redeliver`
pub(super) async fn redeliver_all(act: OperatorForm, redeliver: Data<Redeliver>) -> Result<HttpResponse, Rejection> {
    match redeliver.redeliver_dead(act.operator.actor()).await {
        Ok(count) => Ok(redirect(&act, FlashMessage::RedeliveredAll(count))),
        Err(error) => Err(act.store_down(&error, "/inbox/notifications/redeliver", &[])),
    }
}

fn redirect(act: &OperatorForm, done: FlashMessage) -> HttpResponse {
    act.operator
        .redirect_with_flash(done, "/inbox/notifications", &Query::default())
}

/// The notifications that wait for an earlier one of their ticket to their recipient. `records` has the newest first.
fn behind(records: &[NotificationRecord]) -> HashSet<NotificationId> {
    let mut waiting: HashSet<(TicketRef, Recipient)> = HashSet::new();
    let is_behind = |record: &&NotificationRecord| match record.state {
        NotificationState::Waiting { .. } | NotificationState::Held => record
            .reference
            .is_some_and(|reference| !waiting.insert((reference, record.recipient))),
        NotificationState::Dead { .. } | NotificationState::Delivered { .. } => false,
    };
    records.iter().rev().filter(is_behind).map(|record| record.id).collect()
}

/// The order: those that wait for an operator come first.
fn urgency(state: &NotificationState) -> u8 {
    match state {
        NotificationState::Dead { .. } => 0,
        NotificationState::Held => 1,
        NotificationState::Waiting { .. } => 2,
        NotificationState::Delivered { .. } => 3,
    }
}

fn send_all(operator: &Operator, failed: u64) -> Markup {
    html! {
        form.notice.danger.all method="post" action=(operator.at("/inbox/notifications/redeliver")) {
            span { (counted(failed, "notification", "notifications")) " failed for good." }
            button.button.small { "Send all that failed again" }
        }
    }
}

/// A notification in the list.
struct Card<'a> {
    operator: &'a Operator,
    record: &'a NotificationRecord,
    /// Whether it waits for an earlier notification.
    is_behind: bool,
}

impl Card<'_> {
    fn show(&self) -> Markup {
        let Self { operator, record, .. } = self;
        let action = format!("/inbox/notifications/{}/redeliver", record.id);
        html! {
            li.card {
                p.facts {
                    (badge(&record.state))
                    span {
                        (event(record.event))
                        @if let Some(reference) = record.reference {
                            " " a.ref href=(operator.at(&format!("/inbox/ticket/{reference}"))) { (reference) }
                        }
                    }
                    span.quiet { (age(record.created_at, operator.now)) }
                }
                p { (self.state()) }
                @if let Some(reason) = &record.last_error { p.quiet { "Last try: " (cut(reason, 240)) } }
                @if self.can_go() {
                    form method="post" action=(operator.at(&action)) {
                        button.button.plain.small {
                            @if self.was_tried() { "Send again" } @else { "Send now" }
                            @if let Some(reference) = record.reference { span.sr { " the notification of " (reference) } }
                        }
                    }
                }
            }
        }
    }

    /// Whether redelivery has an effect. Without a receiver, waiting notifications go on waiting.
    fn can_go(&self) -> bool {
        let waits = matches!(self.record.state, NotificationState::Waiting { .. });
        !waits || self.operator.site.has_receiver
    }

    fn was_tried(&self) -> bool {
        let is_dead = matches!(self.record.state, NotificationState::Dead { .. });
        is_dead || self.record.failures > 0 || self.record.last_error.is_some()
    }

    fn state(&self) -> Markup {
        let record = self.record;
        let tries = counted(record.failures.into(), "try", "tries");
        let now = self.operator.now;
        let has_receiver = self.operator.site.has_receiver;
        html! {
            @match &record.state {
                NotificationState::Dead { at } => { "Given up " (since(*at, now)) " ago, after " (tries) "." },
                NotificationState::Delivered { at, .. } => { "Delivered " (age(*at, now)) "." },
                NotificationState::Waiting { .. } | NotificationState::Held if !has_receiver => "No webhook is set; it waits.",
                NotificationState::Held => "Made while there was nowhere to send it, and old by now. It goes out when you say so.",
                NotificationState::Waiting { .. } if self.is_behind => "It waits for the one before.",
                NotificationState::Waiting { due } if *due <= now => "It is due now.",
                NotificationState::Waiting { due } if record.failures == 0 => { "The first try is in " (until(*due, now)) "." },
                NotificationState::Waiting { due } => { (tries) " failed. The next one is in " (until(*due, now)) "." },
            }
        }
    }
}

fn event(event: EventKind) -> &'static str {
    match event {
        EventKind::Created => "New ticket",
        EventKind::Updated => "Message in",
        EventKind::Question => "Question to a manager",
        EventKind::Answered => "Answer in",
        EventKind::Resolved => "Resolution of",
        EventKind::Attachment => "File in",
        EventKind::Links => "Links to tickets of the customer of",
    }
}

fn badge(state: &NotificationState) -> Markup {
    html! {
        @match state {
            NotificationState::Dead { .. } => span.badge.danger { "Failed" },
            NotificationState::Held => span.badge.warn { "Held" },
            NotificationState::Waiting { .. } => span.badge.still { "Waiting" },
            NotificationState::Delivered { .. } => span.badge { "Delivered" },
        }
    }
}
