//! Actions on a ticket: reply, change its status, change its priority.

use std::str::FromStr;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use ticket_domain::{
    MessageId, MessageText, TextError, TicketPatch, TicketRef, Visibility,
    ports::Random,
    use_cases::{AddError, AddMessage, OperateError, ViewTicket},
};

use uuid::Uuid;

use super::{
    Rejection,
    auth::OperatorForm,
    filter::Filter,
    flash::FlashMessage,
    ticket::{Draft, show},
};
use crate::pages::form_token;

/// `POST /inbox/ticket/{ref}/reply`
pub(super) async fn reply(
    act: OperatorForm,
    path: Path<String>,
    add_message: Data<AddMessage>,
    view_ticket: Data<ViewTicket>,
    random: Data<dyn Random>,
) -> Result<HttpResponse, Rejection> {
    let OperatorForm { operator, form } = &act;
    let reference = operator.ticket_named(&path)?;
    let typed = form.get("message");
    let token = form.get(form_token::FIELD);
    let draft = |error: String, token: &str| Draft {
        text: typed,
        token: token.to_owned(),
        error: Some(error),
    };
    let text = match typed.parse::<MessageText>() {
        Ok(text) => text,
        Err(error) => return show(operator, &view_ticket, reference, draft(explain(error, typed), token)).await,
    };
    // Our form always has a token. A reply without one is stored again when it is sent again.
    let (visibility, done) = match form.get("internal") {
        "" => (Visibility::Public, FlashMessage::Replied),
        _ => (Visibility::Internal, FlashMessage::Noted),
    };
    let content = [reference.to_string(), text.to_string(), visibility.to_string()];
    let key = Some(token).filter(|token| !token.is_empty());
    let key = key.and_then(|token| form_token::idempotency_key(token, &content.each_ref().map(String::as_bytes)));
    match add_message
        .as_operator(reference, (text, Vec::new(), visibility), key, act.operator.actor())
        .await
    {
        Ok(_) => Ok(operator.redirect_with_flash(done, &page(reference, "#message"), &filter(&act))),
        Err(AddError::NotFound | AddError::NotAllowed) => Err(operator.not_found_for("ticket", typed)),
        Err(AddError::KeyReused | AddError::Full | AddError::UploadGone) => {
            let error = "This could not be told from another answer. Send it once more.".to_owned();
            show(
                operator,
                &view_ticket,
                reference,
                draft(error, &form_token::new(&**random)),
            )
            .await
        }
        Err(AddError::Store(error)) => Err(down(
            &act,
            &error,
            reference,
            "reply",
            &["message", "internal", form_token::FIELD],
        )),
    }
}

/// `POST /inbox/ticket/{ref}/remove`
pub(super) async fn remove(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let operator = &act.operator;
    let reference = operator.ticket_named(&path)?;
    let message = Uuid::try_parse(act.form.get("message")).map_err(|_| operator.not_found("message"))?;
    match operator
        .operate
        .remove(reference, MessageId(message), operator.actor())
        .await
    {
        Ok(_) => Ok(operator.redirect_with_flash(FlashMessage::Removed, &page(reference, ""), &filter(&act))),
        Err(OperateError::Store(error)) => Err(down(&act, &error, reference, "remove", &["message"])),
        Err(OperateError::NoSuchMessage) => Err(operator.not_found("message")),
        Err(OperateError::NoSuchTicket | OperateError::InAnotherThread(_)) => Err(operator.not_found("ticket")),
    }
}

/// `POST /inbox/ticket/{ref}/status`
pub(super) async fn status(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let status = chosen(&act, "status")?;
    let changes = TicketPatch {
        status: Some(status),
        ..TicketPatch::default()
    };
    change(&act, &path, changes, FlashMessage::StatusChanged(status), "status").await
}

/// `POST /inbox/ticket/{ref}/priority`
pub(super) async fn priority(act: OperatorForm, path: Path<String>) -> Result<HttpResponse, Rejection> {
    let changes = TicketPatch {
        priority: Some(chosen(&act, "priority")?),
        ..TicketPatch::default()
    };
    change(&act, &path, changes, FlashMessage::PriorityChanged, "priority").await
}

/// The value of a field, which the buttons of our form always have.
fn chosen<T: FromStr>(act: &OperatorForm, field: &str) -> Result<T, Rejection> {
    let value = act.form.get(field).parse();
    value.map_err(|_| act.operator.not_found(field))
}

async fn change(
    act: &OperatorForm,
    path: &str,
    changes: TicketPatch,
    done: FlashMessage,
    field: &str,
) -> Result<HttpResponse, Rejection> {
    let operator = &act.operator;
    let reference = operator.ticket_named(path)?;
    match operator.operate.change(reference, changes, operator.actor()).await {
        Ok(_) => Ok(operator.redirect_with_flash(done, &page(reference, ""), &filter(act))),
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

/// Why a reply is invalid, for the operator.
fn explain(error: TextError, typed: &str) -> String {
    match error {
        TextError::Empty => "Write something first.".to_owned(),
        TextError::TooLong { max } => {
            let length = typed.trim().replace("\r\n", "\n").replace('\r', "\n").chars().count();
            format!("An answer has at most {max} characters, and this one has {length}. Send it in two parts.")
        }
        TextError::ControlCharacter => format!("An answer {error}."),
    }
}
