//! `GET /api/unmatched`: unmatched messages, for operators.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{Address, Message, MessageId, use_cases::Operate};
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
    /// Who sent it: a phone number, a WhatsApp user id or whatever the other system calls them; null if it did not say.
    #[schema(required = true, example = "+919655716000")]
    from: Option<&'a str>,
}

impl<'a> From<&'a Message> for UnmatchedMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            message: message.into(),
            from: message.from.as_ref().map(Address::as_str),
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

    use crate::testing::{MANAGER, TestApp};

    fn list(api: &TestApp, query: &str) -> Value {
        let answer = api.get_as_operator(&format!("/api/unmatched{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    #[test]
    fn messages_that_name_no_ticket_are_listed_oldest_first() {
        let api = TestApp::start();
        assert_eq!(list(&api, ""), json!({ "ok": true, "messages": [], "next": null }));
        let message = json!({
            "from": "+1 555 000 1111", "message": "Hello?", "mediaUrl": "https://media.example/1", "externalId": "SM1"
        });
        api.receive(&message).assert_problem(400, "ticket_not_named");
        api.store_unmatched(MANAGER, "second");
        let mut both = list(&api, "");
        let first = &mut both["messages"][0];
        assert!(first["id"].take().is_string() && first["createdAt"].take().is_string());
        assert_eq!(
            *first,
            json!({
                "id": null, "sender": "agent", "channel": "whatsapp", "body": "Hello?",
                "mediaUrl": "https://media.example/1", "createdAt": null, "from": "+15550001111"
            })
        );
        let second = &both["messages"][1];
        assert_eq!([&second["body"], &second["sender"]], ["second", "manager"]);
        assert_eq!(both["next"], json!(null));
    }

    #[test]
    fn pages_follow_each_other() {
        let api = TestApp::start();
        let expected: Vec<String> = (0..5)
            .map(|number| format!("a message of many words, {number}"))
            .collect();
        for message in &expected {
            api.store_unmatched(MANAGER, message);
        }
        let messages = api.all_pages("/api/unmatched?limit=2&other=x", "after", "messages");
        let bodies: Vec<&Value> = messages.iter().map(|message| &message["body"]).collect();
        assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn invalid_parameters_are_listed_at_once() {
        let api = TestApp::start();
        for (query, errors) in [
            ("?limit=0&after=x", &["after invalid_cursor", "limit out_of_range"][..]),
            ("?limit=101", &["limit out_of_range"]),
            ("?limit=5&limit=6", &[]),
        ] {
            let answer = api.get_as_operator(&format!("/api/unmatched{query}"));
            assert_eq!(answer.field_errors(), errors, "{query}");
        }
        assert_eq!(list(&api, "?limit=&after=&%ff")["ok"], true);
    }
}
