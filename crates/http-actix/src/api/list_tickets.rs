//! `GET /api/tickets`: tickets, for operators.

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use ticket_domain::{Awaiting, Cursor, Priority, SearchText, Status, TicketListItem, TicketQuery, use_cases::Operate};
use utoipa::{IntoParams, ToSchema};

use crate::api::{
    get_ticket::TicketFacts,
    keys::Operator,
    params::{PageSize, Params},
    problem::Problem,
    schemas::{AwaitingSchema, PrioritySchema, SenderSchema, StatusSchema},
    success::success,
};
use crate::validation::LenientField;

/// The tickets that are wanted. An empty parameter counts as absent.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TicketListParams {
    /// Only tickets with this status.
    #[garde(dive)]
    #[param(value_type = Option<StatusSchema>)]
    status: LenientField<Status>,
    /// Only tickets with this priority.
    #[garde(dive)]
    #[param(value_type = Option<PrioritySchema>)]
    priority: LenientField<Priority>,
    /// Only open tickets that await an answer from the team (`manager`) or the customer.
    #[garde(dive)]
    #[param(value_type = Option<AwaitingSchema>)]
    awaiting: LenientField<Awaiting>,
    /// Words to search for, at most 200 characters: in one message together with the reference, the subject and the
    /// customer's name, number and address. The last word may be a prefix.
    #[garde(dive)]
    #[param(value_type = Option<String>, max_length = 200)]
    q: LenientField<SearchText>,
    /// Maximum number of tickets, 1–100. Absent: 50.
    #[garde(dive)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100)]
    limit: LenientField<PageSize>,
    /// The `next` of the previous page.
    #[garde(dive)]
    #[param(value_type = Option<String>)]
    after: LenientField<Cursor>,
}

impl From<TicketListParams> for TicketQuery {
    fn from(params: TicketListParams) -> Self {
        Self {
            status: params.status.good(),
            priority: params.priority.good(),
            awaiting: params.awaiting.good(),
            text: params.q.good(),
            after: params.after.good(),
            limit: params.limit.good().unwrap_or_default().0,
        }
    }
}

/// A ticket in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedTicket)]
pub(crate) struct ListedTicket<'a> {
    #[serde(flatten)]
    facts: TicketFacts<'a>,
    /// Who has to answer next; null if the ticket is resolved or closed.
    #[schema(value_type = Option<AwaitingSchema>, required = true)]
    awaiting: Option<&'static str>,
    last: LastMessage<'a>,
}

/// The beginning of a ticket's newest message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LastMessage)]
pub(crate) struct LastMessage<'a> {
    #[schema(value_type = SenderSchema)]
    sender: &'static str,
    /// At most 160 characters on one line; empty for a medium without text.
    #[schema(max_length = 160, example = "I received damaged bottles in my last order.")]
    text: &'a str,
    #[schema(example = false)]
    has_medium: bool,
    #[schema(format = "date-time", example = "2025-01-15T10:30:00.000000Z")]
    at: String,
}

impl<'a> From<&'a TicketListItem> for ListedTicket<'a> {
    fn from(listed: &'a TicketListItem) -> Self {
        let last = &listed.last;
        Self {
            facts: TicketFacts::from(&listed.ticket),
            awaiting: listed.awaiting().map(Awaiting::as_str),
            last: LastMessage {
                sender: last.sender.as_str(),
                text: &last.text,
                has_medium: last.has_medium,
                at: last.at.to_string(),
            },
        }
    }
}

/// One page of tickets.
#[derive(Serialize, ToSchema)]
#[schema(as = TicketList)]
pub(crate) struct TicketList<'a> {
    tickets: Vec<ListedTicket<'a>>,
    /// The `after` of the next page; null on the last one. A page with a next one may have fewer tickets than `limit`, or
    /// none. Without `q`, a ticket that changes meanwhile moves to the front.
    #[schema(required = true, example = "62bbc6a7b0a40-1f")]
    next: Option<String>,
}

/// List tickets
///
/// Last changed first; with `q`, newest first.
#[utoipa::path(
    get,
    path = "/api/tickets",
    tag = "Operators",
    params(TicketListParams),
    responses((status = 200, description = "A page of tickets.", body = TicketList))
)]
pub(crate) async fn list_tickets(
    _: Operator,
    Params(params): Params<TicketListParams>,
    operate: Data<Operate>,
) -> Result<HttpResponse, Problem> {
    let page = operate.list(params.into()).await?;
    Ok(success(TicketList {
        tickets: page.tickets.iter().map(ListedTicket::from).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

#[cfg(test)]
mod tests {

    use serde_json::{Value, json};

    use crate::testing::{MANAGER, Request, TestApp, changed, seeds_ticket, unused_key};

    fn list(api: &TestApp, query: &str) -> Value {
        let answer = api.get_as_operator(&format!("/api/tickets{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn references(list: &Value) -> Vec<&Value> {
        let tickets = list["tickets"].as_array().unwrap().iter();
        tickets.map(|ticket| &ticket["ticketRef"]).collect()
    }

    fn open(api: &TestApp, field: &str, value: &str) -> String {
        let body = changed(seeds_ticket(), field, Some(json!(value)));
        let request = Request::post("/api/ticket", &body).header("idempotency-key", &unused_key());
        let answer = api.send(request);
        answer.json()["ticketRef"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_ticket_is_listed_with_its_last_message() {
        let api = TestApp::start();
        assert_eq!(list(&api, ""), json!({ "ok": true, "tickets": [], "next": null }));
        let opened = api.open_ticket();
        let listed = list(&api, "")["tickets"][0].take();
        let mut expected = api.shown(&opened.reference)["ticket"].take();
        expected.as_object_mut().unwrap().remove("delivery");
        expected["awaiting"] = json!("manager");
        expected["last"] = json!({
            "sender": "customer", "text": "I received damaged bottles in my last order.", "hasMedium": false,
            "at": expected["createdAt"]
        });
        assert_eq!(listed, expected);

        let reply = json!({
            "ticketRef": opened.reference, "from": MANAGER, "message": "Two\nlines", "mediaUrl": "https://media.example/1"
        });
        assert_eq!(api.receive(&reply).status, 200);
        let listed = list(&api, "")["tickets"][0].take();
        assert_eq!(
            (
                &listed["awaiting"],
                &listed["last"]["sender"],
                &listed["last"]["text"],
                &listed["last"]["hasMedium"]
            ),
            (&json!("customer"), &json!("manager"), &json!("Two lines"), &json!(true))
        );
        api.set_status(&opened.reference, "resolved");
        assert_eq!(list(&api, "")["tickets"][0]["awaiting"], json!(null));
    }

    #[test]
    fn every_condition_holds() {
        let api = TestApp::start();
        let urgent = open(&api, "priority", "urgent");
        let low = open(&api, "priority", "low");
        let answered = open(&api, "subject", "Zebra crossing");
        let reply = json!({ "ticketRef": answered, "from": MANAGER, "message": "We see." });
        assert_eq!(api.receive(&reply).status, 200);
        let closed = open(&api, "customerName", "Quentin Müller");
        api.set_status(&closed, "closed");
        for (query, expected) in [
            ("", vec![&closed, &answered, &low, &urgent]),
            (
                "?status=&priority=&awaiting=&q=&limit=&after=&other=x",
                vec![&closed, &answered, &low, &urgent],
            ),
            ("?status=open", vec![&answered, &low, &urgent]),
            ("?status=closed", vec![&closed]),
            ("?status=resolved", vec![]),
            ("?priority=urgent", vec![&urgent]),
            ("?awaiting=manager", vec![&low, &urgent]),
            ("?awaiting=customer", vec![&answered]),
            ("?awaiting=customer&priority=low", vec![]),
            ("?q=zebra", vec![&answered]),
            ("?q=muller", vec![&closed]),
            ("?q=damaged%20bott", vec![&closed, &answered, &low, &urgent]),
            ("?q=damaged+bottles&status=open&priority=low", vec![&low]),
            ("?q=nowhere", vec![]),
        ] {
            let list = list(&api, query);
            assert_eq!(references(&list), expected, "{query}");
        }
        let by_reference = list(&api, &format!("?q={low}"));
        assert_eq!(references(&by_reference), [&low]);
    }

    #[test]
    fn pages_follow_each_other() {
        let api = TestApp::start();
        let mut opened: Vec<String> = (0..7).map(|_| api.open_ticket().reference).collect();
        opened.reverse();
        for query in ["?limit=3", "?limit=3&q=bottles", "?limit=1&awaiting=manager"] {
            let all = api.all_pages(&format!("/api/tickets{query}"), "after", "tickets");
            let seen: Vec<&Value> = all.iter().map(|ticket| &ticket["ticketRef"]).collect();
            assert_eq!(seen, opened.iter().collect::<Vec<_>>(), "{query}");
        }
    }

    #[test]
    fn invalid_parameters_are_listed_at_once() {
        let api = TestApp::start();
        let long = format!("?q={}", "x".repeat(201));
        for (query, errors) in [
            (
                "?status=done&priority=HIGH&awaiting=agent&q=%00%0B&limit=101&after=x",
                &[
                    "after invalid_cursor",
                    "awaiting not_allowed",
                    "limit out_of_range",
                    "priority not_allowed",
                    "q required",
                    "status not_allowed",
                ][..],
            ),
            (&long, &["q too_long"]),
            ("?limit=0", &["limit out_of_range"]),
            ("?limit=1e1", &["limit out_of_range"]),
            ("?status=open&status=closed", &[]),
        ] {
            let answer = api.get_as_operator(&format!("/api/tickets{query}"));
            assert_eq!(answer.field_errors(), errors, "{query}");
        }
    }
}
