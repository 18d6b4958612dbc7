//! `/inbox/notifications`: what did not reach the manager's phone, and sending it again.

use actix_web::{HttpResponse, http::StatusCode, web::Path};
use maud::{Markup, html};
use ticket_domain::{EventKind, NotificationId, NotificationRecord, NotificationState};
use uuid::Uuid;

use super::{
    age::{age, span, until},
    attention::{Counts, counted},
    done::Done,
    filter::Query,
    frame::{Framed, Room, csrf},
    gate::{Act, Operator},
    list::cut,
    refusal::Refusal,
};

/// So many are read, so that those that failed are found among many that only wait.
const READ: u16 = 200;
/// So many are shown.
const SHOWN: usize = 20;

/// `GET /inbox/notifications`
pub(super) async fn page(operator: Operator) -> Result<HttpResponse, Refusal> {
    let outbox = &operator.pages.parts.outbox;
    let (counts, mut records) = tokio::try_join!(Counts::read(&operator), outbox.undelivered(READ))
        .map_err(|error| operator.store_down(&error))?;
    records.sort_by_key(|record| urgency(&record.state));
    let hidden = records.len().saturating_sub(SHOWN);
    records.truncate(SHOWN);
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
                ol.cards { @for record in &records { (card(&operator, record)) } }
                @if hidden > 0 { p.quiet { "And " (hidden) @if records.len() + hidden >= usize::from(READ) { " or more" } " others." } }
            }
        }
    };
    let framed = Framed {
        room: Room::Notifications,
        title: "Notifications",
        counts: &counts,
        main,
    };
    Ok(framed.respond(&operator, StatusCode::OK))
}

/// `POST /inbox/notifications/{id}/redeliver`
pub(super) async fn redeliver(act: Act, path: Path<String>) -> Result<HttpResponse, Refusal> {
    let Ok(id) = Uuid::try_parse(&path) else {
        return Err(act.operator.not_found("notification"));
    };
    match act.operator.pages.parts.redeliver.redeliver(NotificationId(id)).await {
        Ok(became) => Ok(did(&act, Done::Redelivered(became))),
        Err(error) => {
            let path = format!("/inbox/notifications/{id}/redeliver");
            Err(act.store_down(&error, &path, &[]))
        }
    }
}

/// `POST /inbox/notifications/redeliver`
pub(super) async fn redeliver_all(act: Act) -> Result<HttpResponse, Refusal> {
    match act.operator.pages.parts.redeliver.redeliver_dead().await {
        Ok(count) => Ok(did(&act, Done::RedeliveredAll(count))),
        Err(error) => Err(act.store_down(&error, "/inbox/notifications/redeliver", &[])),
    }
}

fn did(act: &Act, done: Done) -> HttpResponse {
    act.operator.did(done, "/inbox/notifications", &Query::default())
}

/// What needs a word comes first.
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
            (csrf(operator))
            span { (counted(failed, "notification", "notifications")) " failed for good." }
            button.button.small { "Send all that failed again" }
        }
    }
}

fn card(operator: &Operator, record: &NotificationRecord) -> Markup {
    let action = format!("/inbox/notifications/{}/redeliver", record.id);
    let ticket = operator.at(&format!("/inbox/ticket/{}", record.reference));
    html! {
        li.card {
            p.facts {
                (badge(&record.state))
                span { (event(record.event)) " " a.ref href=(ticket) { (record.reference) } }
                span.quiet { (age(record.created_at, operator.now)) }
            }
            p { (state(record, operator)) }
            @if let Some(why) = &record.last_error { p.quiet { "Last try: " (cut(why, 240)) } }
            form method="post" action=(operator.at(&action)) {
                (csrf(operator))
                button.button.plain.small { "Send again" span.sr { " the notification of " (record.reference) } }
            }
        }
    }
}

fn event(event: EventKind) -> &'static str {
    match event {
        EventKind::Created => "New ticket",
        EventKind::Updated => "News in",
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

fn state(record: &NotificationRecord, operator: &Operator) -> Markup {
    let tries = counted(record.failures.into(), "try", "tries");
    let now = operator.now;
    html! {
        @match &record.state {
            NotificationState::Dead { at } => { "Given up " (span(now.since(*at))) " ago, after " (tries) "." },
            NotificationState::Held => "Made while there was nowhere to send it, and old by now. It goes out when you say so.",
            NotificationState::Waiting { due } if *due <= now => "It is due now.",
            NotificationState::Waiting { due } if record.failures == 0 => { "The first try is in " (until(*due, now)) "." },
            NotificationState::Waiting { due } => { (tries) " failed. The next one is in " (until(*due, now)) "." },
            NotificationState::Delivered { at, .. } => { "Delivered " (age(*at, now)) "." },
        }
    }
}
