//! `/inbox/ticket/{ref}`: a ticket, its messages, and the actions on it.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use maud::{Markup, html};
use ticket_domain::{
    AuditEntry, DeliveryState, Priority, Status, Thread, Ticket, TicketRef,
    ports::{Random, StoreError},
    use_cases::{Credentials, OperateError, ViewError, ViewTicket},
};

use super::{
    Rejection,
    age::age,
    attention::{Counts, counted},
    audit_log,
    auth::Operator,
    filter::{Filter, Query},
    frame::{Tab, framed},
    list::{List, priority_badge, status_badge},
};
use crate::pages::{
    excerpt::newest_within,
    form_token, labels,
    thread::{Side, some_messages},
};

/// Maximum number of entries of the audit log that are shown.
const AUDIT_LOG: u16 = 8;
/// Maximum size of the list, the audit log and the messages together, in bytes, so that the page stays below 50 KiB.
const BYTES: usize = 18 * 1024;
/// The number of addresses outside the list that contain its query.
const ADDRESSES: usize = 6;
/// The size of messages, in bytes, that is shown however long the list is.
const TALK: usize = 4 * 1024;

/// The query field that asks for all messages.
const ALL: &str = "all";

/// The content of the reply form.
pub(super) struct Draft<'a> {
    pub(super) text: &'a str,
    /// The form's token, which makes it harmless to send it twice.
    pub(super) token: String,
    /// Why the reply is invalid.
    pub(super) error: Option<String>,
}

/// Everything that the page shows.
struct View {
    counts: Counts,
    list: List,
    thread: Thread,
    audit_log: Vec<AuditEntry>,
}

/// `GET /inbox/ticket/{ref}`
pub(super) async fn page(
    operator: Operator,
    path: Path<String>,
    view_ticket: Data<ViewTicket>,
    random: Data<dyn Random>,
) -> Result<HttpResponse, Rejection> {
    let reference = operator.ticket_named(&path)?;
    let draft = Draft {
        text: "",
        token: form_token::new(&**random),
        error: None,
    };
    show(&operator, &view_ticket, reference, draft).await
}

/// The page, with a draft that was invalid.
pub(super) async fn show(
    operator: &Operator,
    view_ticket: &ViewTicket,
    reference: TicketRef,
    draft: Draft<'_>,
) -> Result<HttpResponse, Rejection> {
    let (counts, list, thread, audit_log) = tokio::try_join!(
        async { Counts::read(operator).await.map_err(ShowError::Store) },
        async { List::read(operator).await.map_err(ShowError::Store) },
        thread(view_ticket, reference),
        audit_log_of(operator, reference),
    )
    .map_err(|error| match error {
        ShowError::NoSuchTicket => operator.not_found("ticket"),
        ShowError::Store(error) => operator.store_down(&error),
    })?;
    let view = View {
        counts,
        list,
        thread,
        audit_log,
    };
    let status = match draft.error {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    Ok(framed(
        operator,
        status,
        Tab::Tickets,
        view.thread.ticket.details.subject.as_str(),
        &view.counts,
        &view.main(operator, &draft),
    ))
}

impl Operator {
    /// The reference in an address. A text that is not a reference is answered as a missing ticket.
    pub(super) fn ticket_named(&self, path: &str) -> Result<TicketRef, Rejection> {
        path.parse().map_err(|_| self.not_found("ticket"))
    }
}

/// Why there is nothing to show.
enum ShowError {
    NoSuchTicket,
    Store(StoreError),
}

async fn thread(view_ticket: &ViewTicket, reference: TicketRef) -> Result<Thread, ShowError> {
    let credentials = Credentials {
        is_operator: true,
        ..Credentials::default()
    };
    match view_ticket.view(reference, credentials).await {
        Ok(view) => Ok(view.thread),
        Err(ViewError::NotFound) => Err(ShowError::NoSuchTicket),
        Err(ViewError::Store(error)) => Err(ShowError::Store(error)),
    }
}

async fn audit_log_of(operator: &Operator, reference: TicketRef) -> Result<Vec<AuditEntry>, ShowError> {
    let operate = &operator.operate;
    match operate.audit_log(Some(reference), None, AUDIT_LOG).await {
        Ok(entries) => Ok(entries),
        Err(OperateError::Store(error)) => Err(ShowError::Store(error)),
        Err(OperateError::NoSuchTicket | OperateError::NoSuchMessage | OperateError::InAnotherThread(_)) => {
            Err(ShowError::NoSuchTicket)
        }
    }
}

impl View {
    fn main(&self, operator: &Operator, draft: &Draft<'_>) -> Markup {
        let ticket = &self.thread.ticket;
        let forms = Forms {
            operator,
            ticket,
            query: Filter::of(&operator.query).query(),
        };
        let list = self.list.pane(operator, Some(ticket.reference));
        let audit_log = self.audit_log(operator);
        let addresses = ADDRESSES * forms.query.after("").len();
        let left = BYTES
            .saturating_sub(list.0.len() + audit_log.0.len() + addresses)
            .max(TALK);
        html! {
            div.panes.opened {
                (list)
                article.case aria-labelledby="subject" {
                    div.about data-part="about" { (about(&forms)) }
                    div.scroll tabindex="-1" {
                        div.inner data-part="talk" {
                            (self.messages(&forms, left))
                            (self.delivery(operator))
                            (audit_log)
                        }
                    }
                    (forms.reply(draft))
                }
            }
        }
    }

    /// The newest messages that fit, and a link to all.
    fn messages(&self, forms: &Forms<'_>, bytes: usize) -> Markup {
        let thread = &self.thread;
        let (messages, earlier) = if forms.operator.query.find(ALL).is_some() {
            (thread.messages.as_slice(), 0)
        } else {
            // The markup around a message is half as long again as the customer's.
            newest_within(&thread.messages, bytes / 3 * 2)
        };
        let path = format!("/inbox/ticket/{}", thread.ticket.reference);
        let all = forms.query.clone().with(ALL, "").after(&path);
        html! {
            @if earlier > 0 {
                p.earlier {
                    a href=(forms.operator.at(&all)) {
                        "Show " (counted(count(earlier), "earlier message", "earlier messages"))
                    }
                }
            }
            (some_messages(thread, messages, Side::Team, |_| html! {}))
            form #remove method="post" action=(forms.action("remove")) {}
        }
    }

    /// The delivery state of the customer's newest message, until somebody answers.
    fn delivery(&self, operator: &Operator) -> Markup {
        let delivery = self.thread.delivery;
        let notifications = operator.at("/inbox/notifications");
        let has_receiver = operator.site.has_receiver;
        html! {
            @if self.thread.answered_at().is_none() {
                p.delivery.quiet {
                    "The customer’s message: "
                    @match delivery.state {
                        DeliveryState::Failed => a href=(notifications) { "its notification failed" },
                        DeliveryState::Waiting if !has_receiver => a href=(notifications) { "no webhook is set; it waits" },
                        DeliveryState::Waiting => "on its way to the manager",
                        DeliveryState::Sent => "sent to the manager",
                        DeliveryState::Delivered => "delivered to the manager",
                        DeliveryState::Read => "read by the manager",
                    }
                    " · " (age(delivery.at, operator.now))
                }
            }
        }
    }

    fn audit_log(&self, operator: &Operator) -> Markup {
        html! {
            details #audit_log {
                summary { "What was done here" }
                @if self.audit_log.is_empty() {
                    p.quiet { "Nothing yet. Answers, and changes of status and priority, are noted here." }
                } @else {
                    (audit_log::entries(operator, &self.audit_log, false))
                }
            }
        }
    }
}

fn count(messages: usize) -> u64 {
    messages.try_into().unwrap_or(u64::MAX)
}

/// The forms of a ticket.
struct Forms<'a> {
    operator: &'a Operator,
    ticket: &'a Ticket,
    /// The query of the list, which every action keeps.
    query: Query,
}

impl Forms<'_> {
    fn action(&self, act: &str) -> String {
        let path = format!("/inbox/ticket/{}/{act}", self.ticket.reference);
        self.operator.at(&self.query.after(&path))
    }

    fn status(&self) -> Markup {
        let buttons: &[(Status, &str)] = match self.ticket.status {
            Status::Open => &[(Status::Resolved, "Resolve"), (Status::Closed, "Close")],
            Status::Resolved => &[(Status::Open, "Open again"), (Status::Closed, "Close")],
            Status::Closed => &[(Status::Open, "Open again")],
        };
        html! {
            form.row method="post" action=(self.action("status")) {
                @for (status, does) in buttons {
                    button.button.plain.small name="status" value=(status) { (does) }
                }
            }
        }
    }

    fn priority(&self) -> Markup {
        html! {
            form method="post" action=(self.action("priority")) {
                div.choices role="group" aria-label="Priority" {
                    @for &priority in Priority::ALL {
                        @let is_now = priority == self.ticket.details.priority;
                        button name="priority" value=(priority) aria-pressed=(is_now) { (labels::priority(priority)) }
                    }
                }
            }
        }
    }

    fn reply(&self, draft: &Draft<'_>) -> Markup {
        let error = draft.error.as_deref();
        html! {
            form.answer #reply method="post" action=(self.action("reply")) {
                input type="hidden" name=(form_token::FIELD) value=(draft.token);
                label.sr for="message" { "Your answer" }
                textarea.input #message name="message" rows="2" required placeholder="Write an answer"
                    aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| "message-fault")]
                    autofocus[error.is_some()] { "\n" (draft.text) }
                @if let Some(error) = error { p.fault #message-fault role="alert" { (error) } }
                button.button { "Send" }
                button.button.plain name="internal" value="yes" { "Save as note" }
            }
        }
    }
}

fn about(forms: &Forms<'_>) -> Markup {
    let ticket = forms.ticket;
    let operator = forms.operator;
    let customer = &ticket.details.customer;
    let (phone, email) = (customer.phone.as_str(), customer.email.as_str());
    html! {
        p.back { a href=(operator.at(&forms.query.after("/inbox"))) { "Back to tickets" } }
        h1 #subject { (ticket.details.subject) }
        p.facts.quiet {
            span.ref { (ticket.reference) }
            (status_badge(ticket.status))
            @if ticket.details.priority.is_pressing() { (priority_badge(ticket.details.priority)) }
            span { "opened " (labels::moment(ticket.created_at)) }
        }
        p.facts {
            b { (customer.name) }
            a href=(format!("tel:{phone}")) { (phone) }
            a href=(mailto(email)) { (email) }
        }
        div.acts { (forms.status()) (forms.priority()) }
    }
}

/// A `mailto` link. `?` and `&` in the address are encoded: they would start other fields.
fn mailto(email: &str) -> String {
    let encoded = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    match email.rsplit_once('@') {
        Some((local, domain)) => format!("mailto:{}@{}", encoded(local), encoded(domain)),
        None => format!("mailto:{}", encoded(email)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_adds_no_fields_to_its_link() {
        for (email, expected) in [
            ("john@example.com", "mailto:john@example.com"),
            ("a?cc=b&x@example.com", "mailto:a%3Fcc%3Db%26x@example.com"),
            ("a+b%40c@example.com", "mailto:a%2Bb%2540c@example.com"),
        ] {
            assert_eq!(mailto(email), expected);
        }
    }
}
