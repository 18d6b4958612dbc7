//! `/inbox/unmatched`: unmatched messages, for an operator to attach.

use actix_web::{HttpResponse, http::StatusCode, web::Path};
use maud::{Markup, html};
use ticket_domain::{
    Channel, Message, MessageId, Sender, TicketListItem, TicketQuery, TicketRef, ports::StoreError,
    use_cases::OperateError,
};
use uuid::Uuid;

use super::{
    Rejection,
    age::age,
    attention::Counts,
    auth::{Operator, OperatorForm},
    filter::{Filter, Query},
    flash::FlashMessage,
    frame::{Tab, framed},
    list::cut,
};
use crate::pages::{
    excerpt::{beginning, size},
    thread::attachment,
};

/// Maximum number of messages on a page.
const LISTED: u16 = 10;
/// Maximum size of the messages on a page, in bytes. Of a first message that is longer, this much is shown.
const TEXT: usize = 8_000;
/// Maximum number of tickets that are suggested.
const PROPOSED: u16 = 15;

/// The query field that asks for the whole of a long message.
const ALL: &str = "all";

/// Why a message was not attached, and the content of its form.
struct AttachError {
    message: MessageId,
    typed: String,
    sender: Option<Sender>,
    reason: Markup,
}

/// `GET /inbox/unmatched`
pub(super) async fn page(operator: Operator) -> Result<HttpResponse, Rejection> {
    show(&operator, None).await
}

/// `POST /inbox/unmatched/{id}/attach`
pub(super) async fn attach(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let OperatorForm { operator, form } = &act;
    let Ok(id) = Uuid::try_parse(&path) else {
        return Err(operator.not_found("message"));
    };
    let message = MessageId(id);
    let typed = form.get("ticketRef");
    // Absent: it follows from the number.
    let sender = form.get("sender").parse().ok();
    let error = |reason: Markup| AttachError {
        message,
        typed: cut(typed, 60),
        sender,
        reason,
    };
    let Ok(reference) = typed.trim().parse::<TicketRef>() else {
        let reason = html! { "A reference reads like T-20250115-1234." };
        return show(operator, Some(error(reason))).await;
    };
    let operate = &operator.operate;
    match operate.attach(message, reference, sender, operator.actor()).await {
        Ok(attached) => {
            let done = if attached.duplicate {
                FlashMessage::AlreadyAttached
            } else {
                FlashMessage::Attached
            };
            Ok(operator.redirect_with_flash(done(reference), "/inbox/unmatched", &place(after(operator))))
        }
        Err(OperateError::NoSuchTicket) => {
            let reason = html! { "There is no ticket " (reference) "." };
            show(operator, Some(error(reason))).await
        }
        Err(OperateError::InAnotherThread(other)) => {
            let ticket = operator.at(&format!("/inbox/ticket/{other}"));
            let reason = html! { "This message was attached to " a.ref href=(ticket) { (other) } " already." };
            show(operator, Some(error(reason))).await
        }
        Err(OperateError::NoSuchMessage) => Err(operator.not_found("message")),
        Err(OperateError::Store(error)) => {
            let path = place(after(operator)).after(&format!("/inbox/unmatched/{id}/attach"));
            Err(act.store_down(&error, &path, &["ticketRef", "sender"]))
        }
    }
}

/// The last message of the previous page.
fn after(operator: &Operator) -> Option<MessageId> {
    Uuid::try_parse(operator.query.get("after")).ok().map(MessageId)
}

fn place(after: Option<MessageId>) -> Query {
    match after {
        Some(after) => Query::default().with("after", after),
        None => Query::default(),
    }
}

async fn show(operator: &Operator, error: Option<AttachError>) -> Result<HttpResponse, Rejection> {
    let operate = &operator.operate;
    let newest = TicketQuery {
        limit: PROPOSED,
        ..Filter::open().ticket_query()
    };
    let read: Result<_, StoreError> = tokio::try_join!(
        Counts::read(operator),
        operate.unmatched(after(operator), LISTED),
        operate.list(newest),
    );
    let (counts, mut messages, tickets) = read.map_err(|error| operator.store_down(&error))?;
    let is_more = shorten(&mut messages) || messages.len() == usize::from(LISTED);
    let next = messages.last().filter(|_| is_more).map(|last| last.id);
    let status = match error {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let main = html! {
        div.sheet {
            h1 { "Unmatched" }
            p.lead { "Messages that came without saying for certain which ticket they belong to." }
            (elsewhere(error.as_ref(), &messages))
            div data-part="items" {
                @if messages.is_empty() { (nothing(operator)) }
                ol.cards { @for message in &messages { (card(operator, message, error.as_ref())) } }
                @if after(operator).is_some() || next.is_some() {
                    nav.pages aria-label="Pages" {
                        @if after(operator).is_some() { a.button.plain.small href=(operator.at("/inbox/unmatched")) { "Oldest" } }
                        @if next.is_some() {
                            a.button.plain.small rel="next" href=(operator.at(&place(next).after("/inbox/unmatched"))) { "Newer" }
                        }
                    }
                }
                (proposals(&tickets.tickets))
            }
        }
    };
    Ok(framed(operator, status, Tab::Unmatched, "Unmatched", &counts, &main))
}

/// Shortens a page to the maximum size, and returns whether it did.
fn shorten(messages: &mut Vec<Message>) -> bool {
    let lengths = messages.iter().map(size);
    let sums = lengths.scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    });
    let fitting = sums.take_while(|sum| *sum <= TEXT).count().max(1);
    let is_shorter = fitting < messages.len();
    messages.truncate(fitting);
    is_shorter
}

/// The error of a message that is not on this page.
fn elsewhere(error: Option<&AttachError>, messages: &[Message]) -> Markup {
    let gone = error.filter(|error| messages.iter().all(|message| message.id != error.message));
    html! {
        @if let Some(error) = gone { p.notice.danger role="alert" { (error.reason) } }
    }
}

fn card(operator: &Operator, message: &Message, error: Option<&AttachError>) -> Markup {
    let id = message.id;
    let error = error.filter(|error| error.message == id);
    let action = place(after(operator)).after(&format!("/inbox/unmatched/{id}/attach"));
    let (field, help) = (format!("t-{id}"), format!("f-{id}"));
    let body = message.content.body().as_str();
    let shown = match operator.query.find(ALL) {
        Some(_) => body,
        None => beginning(body, body.len(), TEXT),
    };
    let is_cut = shown.len() < body.len();
    let whole = place(after(operator)).with(ALL, "").after("/inbox/unmatched");
    html! {
        li.card {
            p.quiet {
                (from(message)) " · " (way(message.channel)) " · " (age(message.created_at, operator.now))
            }
            @if !shown.is_empty() { p.text { (shown) @if is_cut { "…" } } }
            @if is_cut { p { a href=(operator.at(&whole)) { "Show all of it" } } }
            @if let Some(media) = message.content.media() {
                p { (attachment(media)) }
            }
            form method="post" action=(operator.at(&action)) {
                label for=(field) { "Attach to" }
                div.line {
                    input.input id=(field) name="ticketRef" list="tickets" placeholder="T-…" autocomplete="off" required
                        autocapitalize="characters" spellcheck="false" value=(error.map_or("", |error| &error.typed))
                        aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| &help)]
                        autofocus[error.is_some()];
                    button.button.small { "Attach" }
                }
                (whose(message, error))
                @if let Some(error) = error { p.fault id=(help) role="alert" { (error.reason) } }
            }
        }
    }
}

/// The choice of the sender. The default follows from the number.
fn whose(message: &Message, error: Option<&AttachError>) -> Markup {
    let (team, usual) = match message.sender {
        Sender::Manager => (Sender::Manager, Sender::Manager),
        Sender::Customer | Sender::Agent => (Sender::Agent, Sender::Customer),
    };
    let chosen = error.and_then(|error| error.sender).unwrap_or(usual);
    html! {
        div.whose role="group" aria-label="Who wrote it" {
            @for (sender, name) in [(Sender::Customer, "From the customer"), (team, "From the team")] {
                label { input type="radio" name="sender" value=(sender) checked[sender == chosen]; " " (name) }
            }
        }
        p.quiet.hint { "A customer’s message opens the ticket again, and the manager is told." }
    }
}

fn from(message: &Message) -> Markup {
    html! {
        @match &message.from {
            Some(from) => @match from.phone() {
                Some(phone) => a href=(format!("tel:{phone}")) { (phone) },
                None => (cut(from.as_str(), 40)),
            },
            None => "Unknown sender",
        }
    }
}

fn way(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "WhatsApp",
        Channel::Web => "Web",
        Channel::Email => "E-mail",
    }
}

/// The tickets that a browser suggests.
fn proposals(tickets: &[TicketListItem]) -> Markup {
    html! {
        datalist #tickets {
            @for TicketListItem { ticket, .. } in tickets {
                option value=(ticket.reference) {
                    (cut(ticket.details.customer.name.as_str(), 40)) ": " (cut(ticket.details.subject.as_str(), 60))
                }
            }
        }
    }
}

fn nothing(operator: &Operator) -> Markup {
    html! {
        div.empty {
            @if after(operator).is_some() {
                p { "There are no more." }
            } @else {
                p { "Every message has found its ticket." }
                p.quiet { "When a reply names no ticket for certain, it is kept here instead of being guessed." }
            }
        }
    }
}
