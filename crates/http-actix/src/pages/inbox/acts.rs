//! What an operator does with a ticket: answer it, move it, say how pressing it is.

use actix_web::{HttpResponse, web::Path};
use ticket_domain::{
    MessageText, TextError, TicketPatch, TicketRef,
    use_cases::{AddError, OperateError},
};

use super::{
    done::Done,
    filter::Filter,
    gate::OperatorForm,
    refusal::Rejection,
    ticket::{Draft, show},
};
use crate::pages::again;

/// `POST /inbox/ticket/{ref}/reply`
pub(super) async fn reply(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let OperatorForm { operator, form } = &act;
    let reference = operator.ticket_named(&path)?;
    let typed = form.get("message");
    let mark = form.get(again::FIELD);
    let draft = |fault: &str, mark: Option<&str>| Draft {
        text: typed.to_owned(),
        mark: mark.map(str::to_owned),
        fault: Some(fault.to_owned()),
    };
    let text = match typed.parse::<MessageText>() {
        Ok(text) => text,
        Err(fault) => return show(operator, reference, draft(&in_words(fault, typed), Some(mark))).await,
    };
    // A form of ours always has a mark; without one the answer is taken too, only twice if it is sent twice.
    let content = [reference.to_string(), text.to_string()];
    let key = Some(mark).filter(|mark| !mark.is_empty());
    let key = key.and_then(|mark| again::key(mark, &content.each_ref().map(String::as_bytes)));
    let add_message = &operator.pages.parts.add_message;
    match add_message.as_operator(reference, text, key).await {
        Ok(_) => Ok(operator.did(Done::Replied, &page(reference, "#message"), &filter(&act))),
        Err(AddError::NotFound | AddError::NotAllowed) => Err(operator.not_found_for("ticket", typed)),
        Err(AddError::KeyReused) => {
            let fault = "This could not be told from another answer. Send it once more.";
            show(operator, reference, draft(fault, None)).await
        }
        Err(AddError::Store(error)) => Err(down(&act, &error, reference, "reply", &["message", again::FIELD])),
    }
}

/// `POST /inbox/ticket/{ref}/status`
pub(super) async fn status(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let reference = act.operator.ticket_named(&path)?;
    let Ok(status) = act.form.get("status").parse() else {
        return Err(act.operator.not_found("status"));
    };
    let changes = TicketPatch {
        status: Some(status),
        ..TicketPatch::default()
    };
    change(&act, reference, changes, Done::Stands(status), "status").await
}

/// `POST /inbox/ticket/{ref}/priority`
pub(super) async fn priority(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let reference = act.operator.ticket_named(&path)?;
    let Ok(priority) = act.form.get("priority").parse() else {
        return Err(act.operator.not_found("priority"));
    };
    let changes = TicketPatch {
        priority: Some(priority),
        ..TicketPatch::default()
    };
    change(&act, reference, changes, Done::Priority, "priority").await
}

async fn change(
    act: &OperatorForm,
    reference: TicketRef,
    patch: TicketPatch,
    done: Done,
    field: &str,
) -> Result<HttpResponse, Rejection> {
    let operator = &act.operator;
    match operator.pages.parts.operate.change(reference, patch).await {
        Ok(_) => Ok(operator.did(done, &page(reference, ""), &filter(act))),
        Err(OperateError::Store(error)) => Err(down(act, &error, reference, field, &[field])),
        Err(OperateError::NoSuchTicket | OperateError::NoSuchMessage | OperateError::InAnotherThread(_)) => {
            Err(operator.not_found("ticket"))
        }
    }
}

fn page(reference: TicketRef, fragment: &str) -> String {
    format!("/inbox/ticket/{reference}{fragment}")
}

fn filter(act: &OperatorForm) -> super::filter::Query {
    Filter::of(&act.operator.query).query()
}

fn down(
    act: &OperatorForm,
    error: &ticket_domain::ports::StoreError,
    reference: TicketRef,
    what: &str,
    fields: &[&str],
) -> Rejection {
    let path = filter(act).after(&page(reference, &format!("/{what}")));
    act.store_down(error, &path, fields)
}

/// Why an answer was not taken.
fn in_words(fault: TextError, typed: &str) -> String {
    match fault {
        TextError::Empty => "Write something first.".to_owned(),
        TextError::TooLong { max } => {
            let length = typed.trim().replace("\r\n", "\n").replace('\r', "\n").chars().count();
            format!("An answer has at most {max} characters, and this one has {length}. Send it in two parts.")
        }
        TextError::NotOneLine | TextError::ControlCharacter => format!("An answer {fault}."),
    }
}
