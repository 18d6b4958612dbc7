//! `/inbox/trail`: the audit log. Operators whose token has a name are named.

use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use ticket_domain::{AuditAction, AuditEntry, AuditEntryId, MessageId, use_cases::OperateError};
use uuid::Uuid;

use super::{
    Rejection,
    attention::{Counts, counted},
    auth::Operator,
    filter::Query,
    frame::{Tab, framed},
};
use crate::pages::labels;

/// Maximum number of entries on a page.
const LISTED: u16 = 50;

/// `GET /inbox/trail`
pub(super) async fn page(operator: Operator) -> Result<HttpResponse, Rejection> {
    let before = Uuid::try_parse(operator.query.get("before")).ok().map(AuditEntryId);
    let read = async {
        let operate = &operator.operate;
        match operate.audit_log(None, before, LISTED).await {
            Ok(entries) => Ok(entries),
            Err(OperateError::Store(error)) => Err(error),
            // The query names no ticket and no message.
            Err(OperateError::NoSuchTicket | OperateError::NoSuchMessage | OperateError::InAnotherThread(_)) => {
                Ok(Vec::new())
            }
        }
    };
    let (counts, audit_log) =
        tokio::try_join!(Counts::read(&operator), read).map_err(|error| operator.store_down(&error))?;
    let is_full = audit_log.len() == usize::from(LISTED);
    let older = audit_log.last().filter(|_| is_full).map(|last| {
        let query = Query::default().with("before", last.stamp.id);
        operator.at(&query.after("/inbox/trail"))
    });
    let main = html! {
        div.sheet {
            h1 { "Trail" }
            p.lead { "What operators did, the newest first." }
            div data-part="items" {
                @if audit_log.is_empty() {
                    div.empty {
                        p { @if before.is_some() { "That was all." } @else { "Nothing yet." } }
                        p.quiet { "Every answer, every change of status or priority, every message that is attached and every notification that is sent again is noted here." }
                    }
                } @else { (entries(&operator, &audit_log, true)) }
                @if let Some(older) = older {
                    nav.pages aria-label="Pages" { a.button.plain.small rel="next" href=(older) { "Older" } }
                }
            }
        }
    };
    Ok(framed(
        &operator,
        StatusCode::OK,
        Tab::AuditLog,
        "Trail",
        &counts,
        &main,
    ))
}

/// Entries of the audit log, of one ticket or of all.
pub(super) fn entries(operator: &Operator, audit_log: &[AuditEntry], names_ticket: bool) -> Markup {
    html! {
        ol.audit_log {
            @for entry in audit_log {
                li {
                    span.when { (labels::moment(entry.stamp.at)) }
                    span {
                        (what(operator, entry))
                        @if let Some(name) = entry.stamp.by.name() { " · by " (name) }
                        @if let Some(reference) = entry.reference.filter(|_| names_ticket) {
                            " · "
                            a.ref href=(operator.at(&format!("/inbox/ticket/{reference}"))) { (reference) }
                        }
                    }
                }
            }
        }
    }
}

fn what(operator: &Operator, entry: &AuditEntry) -> Markup {
    let message = |name: &str, id: MessageId| {
        let address = |reference| operator.at(&format!("/inbox/ticket/{reference}#m-{id}"));
        html! {
            @if let Some(reference) = entry.reference { a href=(address(reference)) { (name) } } @else { (name) }
        }
    };
    html! {
        @match entry.act {
            AuditAction::Status { from, to } => { "Status: " (labels::status(from)) " → " b { (labels::status(to)) } },
            AuditAction::Priority { from, to } => { "Priority: " (labels::priority(from)) " → " b { (labels::priority(to)) } },
            AuditAction::Reply(id) => { "Wrote " (message("an answer", id)) },
            AuditAction::Note(id) => { "Wrote " (message("a note", id)) },
            AuditAction::Remove(id) => { "Removed " (message("a message", id)) },
            AuditAction::Attach(id) => { "Attached " (message("a message", id)) },
            AuditAction::Redeliver(_) => "Had a notification sent again",
            AuditAction::RedeliverDead(count) => {
                "Had " (counted(count, "notification", "notifications")) " sent again that had failed"
            },
            AuditAction::Erase(count) => { "Erased the customer’s data, " (counted(count, "message", "messages")) },
        }
    }
}
