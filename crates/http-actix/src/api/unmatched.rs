//! `GET /api/unmatched`: unmatched messages, for operators.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{Message, MessageId, Phone, use_cases::Operate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::{
    get_ticket::MessageBody,
    keys::Operator,
    params::{LastId, PageSize, Params, next},
    problem::Problem,
    success::success,
};
use crate::validation::LenientField;

/// The page that is wanted. An empty parameter counts as absent.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UnmatchedParams {
    /// Maximum number of messages, 1–100. Absent: 50.
    #[garde(dive)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100)]
    limit: LenientField<PageSize>,
    /// The `next` of the previous page.
    #[garde(dive)]
    #[param(value_type = Option<Uuid>)]
    after: LenientField<LastId>,
}

/// An unmatched message.
#[derive(Serialize, ToSchema)]
#[schema(as = UnmatchedMessage)]
pub(crate) struct UnmatchedMessage<'a> {
    #[serde(flatten)]
    message: MessageBody<'a>,
    /// The sender's number.
    #[schema(required = true, example = "+919655716000")]
    from: Option<&'a str>,
}

impl<'a> From<&'a Message> for UnmatchedMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            message: message.into(),
            from: message.from.as_ref().map(Phone::as_str),
        }
    }
}

/// One page of unmatched messages.
#[derive(Serialize, ToSchema)]
#[schema(as = UnmatchedList)]
pub(crate) struct UnmatchedList<'a> {
    messages: Vec<UnmatchedMessage<'a>>,
    /// The `after` of the next page; null on the last one.
    #[schema(required = true)]
    next: Option<Uuid>,
}

/// List unmatched messages
///
/// Oldest first. Each waits until an operator attaches it to a ticket.
#[utoipa::path(
    get,
    path = "/api/unmatched",
    tag = "Operators",
    params(UnmatchedParams),
    responses((status = 200, description = "A page of messages.", body = UnmatchedList))
)]
pub(crate) async fn list_unmatched(
    _: Operator,
    Params(params): Params<UnmatchedParams>,
    operate: Data<Operate>,
) -> Result<HttpResponse, Problem> {
    let size = params.limit.good().unwrap_or_default();
    let after = params.after.good().map(|LastId(id)| MessageId(id));
    let messages = operate.unmatched(after, size.0).await?;
    Ok(success(UnmatchedList {
        messages: messages.iter().map(UnmatchedMessage::from).collect(),
        next: next(&messages, size, |message| message.id.0),
    }))
}

#[cfg(test)]
mod tests {

    use serde_json::{Value, json};

    use crate::testing::{INBOUND_KEY, MANAGER, Request, TestApp};

    fn list(api: &TestApp, query: &str) -> Value {
        let answer = api.get_as_operator(&format!("/api/unmatched{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn bodies(list: &Value) -> Vec<&str> {
        let messages = list["messages"].as_array().unwrap().iter();
        messages.map(|message| message["body"].as_str().unwrap()).collect()
    }

    #[test]
    fn what_names_no_ticket_is_listed_the_oldest_first() {
        let api = TestApp::start();
        assert_eq!(list(&api, ""), json!({ "ok": true, "messages": [], "next": null }));
        let kept = json!({
            "from": "+1 555 000 1111", "message": "Hello?", "mediaUrl": "https://media.example/1", "externalId": "SM1"
        });
        let request = Request::post("/api/ticket/inbound", &kept).header("x-api-key", INBOUND_KEY);
        assert_eq!(api.send(&request).code(), "ticket_not_named");
        api.store_unmatched(MANAGER, "second");
        let both = list(&api, "");
        let first = &both["messages"][0];
        assert_eq!(bodies(&both), ["Hello?", "second"]);
        assert_eq!(
            (&first["sender"], &first["channel"], &first["from"], &first["mediaUrl"]),
            (
                &json!("agent"),
                &json!("whatsapp"),
                &json!("+15550001111"),
                &json!("https://media.example/1")
            )
        );
        assert_eq!(first.as_object().unwrap().len(), 7);
        assert_eq!(both["messages"][1]["sender"], "manager");
        assert_eq!(both["next"], json!(null));
    }

    #[test]
    fn pages_follow_each_other() {
        let api = TestApp::start();
        for number in 0..5 {
            api.store_unmatched(MANAGER, &format!("message {number}"));
        }
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = list(&api, &format!("?limit=2&after={after}&other=x"));
            assert!(bodies(&page).len() <= 2);
            seen.extend(bodies(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        let expected: Vec<String> = (0..5).map(|number| format!("message {number}")).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn wrong_parameters_are_told_at_once() {
        let api = TestApp::start();
        for (query, faults) in [
            ("?limit=0&after=x", &["after invalid_cursor", "limit out_of_range"][..]),
            ("?limit=101", &["limit out_of_range"]),
            ("?limit=5&limit=6", &[]),
        ] {
            let answer = api.get_as_operator(&format!("/api/unmatched{query}"));
            assert_eq!(answer.faults(), faults, "{query}");
        }
        assert_eq!(list(&api, "?limit=&after=&%ff")["ok"], true);
    }

    #[test]
    fn a_store_that_is_down_is_an_error() {
        let api = TestApp::with(|setup| setup.is_down = true);
        let answer = api.get_as_operator("/api/unmatched");
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_unavailable"));
    }
}
