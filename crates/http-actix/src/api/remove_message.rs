//! `DELETE /api/ticket/{ticketRef}/messages/{id}`: an operator removes a message from the customer's view.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use ticket_domain::{MessageId, use_cases::Operate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::{
    deadline::with_timeout,
    get_ticket::PathReference,
    keys::Operator,
    problem::{Code, Problem},
    success::success,
};

/// The removed message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RemovedMessage {
    /// Its ticket.
    #[schema(example = "T-20250115-1234")]
    ticket_ref: String,
    message_id: Uuid,
    /// Whether the customer did not see it before either: it was removed, or is an internal note. Then nothing was written.
    #[schema(example = false)]
    duplicate: bool,
}

/// Remove a message
///
/// The customer sees that a message was removed, and nothing of what it said. Operators still read it. The audit log
/// records who removed it.
#[utoipa::path(
    delete,
    path = "/api/ticket/{ticketRef}/messages/{id}",
    tag = "Operators",
    params(("id" = Uuid, Path, description = "The message's id.")),
    responses(
        (status = 200, description = "The customer doesn't see the message.", body = RemovedMessage),
        (
            status = 404,
            description = "`ticket_not_found`: there is no such ticket. `not_found`: it has no such message."
        ),
    )
)]
pub(crate) async fn remove_message(
    Operator(by): Operator,
    PathReference(reference): PathReference,
    operate: Data<Operate>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = Uuid::try_parse(request.match_info().query("id"))
        .map_err(|_| Problem::with_detail(Code::NotFound, "There is no such message."))?;
    let is_new = with_timeout(operate.remove(reference, MessageId(id), by)).await?;
    Ok(success(RemovedMessage {
        ticket_ref: reference.to_string(),
        message_id: id,
        duplicate: !is_new,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{MANAGER, Opened, Request, Response, TestApp};

    const SECRET: &str = "My own number is 555.";

    fn answer(api: &TestApp, opened: &Opened, text: &str) -> String {
        let media = "https://media.example/secret";
        let reply = json!({ "ticketRef": opened.reference, "message": text, "from": MANAGER, "mediaUrl": media });
        api.receive(&reply).json()["messageId"].as_str().unwrap().to_owned()
    }

    fn remove(api: &TestApp, reference: &str, id: &str) -> Response {
        api.as_operator(Request::new(
            "DELETE",
            &format!("/api/ticket/{reference}/messages/{id}"),
        ))
    }

    fn read(api: &TestApp, opened: &Opened) -> Response {
        api.get(&format!("/api/ticket/{}?key={}", opened.reference, opened.key))
    }

    #[test]
    fn the_customer_sees_that_it_was_removed_and_operators_what_it_said() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let id = answer(&api, &opened, SECRET);
        let mut stream = api.events(&opened.reference);
        stream.told(3);
        let before = read(&api, &opened);
        api.clock.pass(1);
        for duplicate in [false, true] {
            assert_eq!(
                remove(&api, &opened.reference.to_lowercase(), &id).json(),
                json!({ "ok": true, "ticketRef": opened.reference, "messageId": id, "duplicate": duplicate })
            );
        }
        let after = read(&api, &opened);
        assert_ne!(before.header("etag"), after.header("etag"));
        let shown = &after.json()["messages"][1];
        assert_eq!(
            [&shown["id"], &shown["removed"], &shown["body"], &shown["mediaUrl"]],
            [&json!(id), &json!(true), &json!(""), &Value::Null]
        );
        let page = api.get(&format!("/ticket/{}?key={}", opened.reference, opened.key));
        assert!(page.text().contains("This message was removed."));
        for seen in [&after, &page] {
            assert!(
                !seen.text().contains(SECRET) && !seen.text().contains("media.example"),
                "{seen:?}"
            );
        }
        let events = [stream.event(), stream.event()];
        assert_eq!(
            events.each_ref().map(|event| event.name.as_str()),
            ["ticket", "message"]
        );
        assert_eq!(&events[1].data, shown);

        let path = format!("/api/ticket/{}", opened.reference);
        let original = &api.get_as_operator(&path).json()["messages"][1];
        assert_eq!(
            [&original["removed"], &original["body"]],
            [&json!(true), &json!(SECRET)]
        );
        let log = api.audit_log();
        assert_eq!(log.len(), 1);
        assert_eq!([&log[0]["act"], &log[0]["messageId"]], [&json!("remove"), &json!(id)]);
        // The customer waits for an answer again.
        let list = api.get_as_operator("/api/tickets?awaiting=manager").json();
        assert_eq!(list["tickets"][0]["ticketRef"], opened.reference);
    }

    #[test]
    fn only_an_operator_removes_and_only_what_is_in_the_thread() {
        let api = TestApp::start();
        let (opened, other) = (api.open_ticket(), api.open_ticket());
        let id = answer(&api, &opened, SECRET);
        let path = format!("/api/ticket/{}/messages/{id}?key={}", opened.reference, opened.key);
        api.send(Request::new("DELETE", &path))
            .assert_problem(401, "unauthorized");
        for (reference, id, code) in [
            (&*other.reference, &*id, "not_found"),
            (&opened.reference, "00000000-0000-4000-8000-000000000000", "not_found"),
            (&opened.reference, "x", "not_found"),
            (&opened.reference, &api.store_unmatched(MANAGER, "Hello?"), "not_found"),
            ("T-20250115-1234", &id, "ticket_not_found"),
        ] {
            remove(&api, reference, id).assert_problem(404, code);
        }
        assert_eq!(api.shown(&opened.reference)["messages"][1]["body"], SECRET);
    }

    #[test]
    fn an_internal_note_never_shows() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let mut stream = api.events(&opened.reference);
        stream.told(2);
        let before = read(&api, &opened);
        api.clock.pass(1);
        let note = json!({ "message": SECRET, "internal": true });
        let reply = |body: &Value| {
            let request = Request::post(&format!("/api/ticket/{}/replies", opened.reference), body);
            api.as_operator(request.header("idempotency-key", "key-1"))
        };
        let added = reply(&note);
        assert_eq!((added.status, reply(&note).body), (201, added.body.clone()));
        reply(&json!({ "message": SECRET })).assert_problem(422, "idempotency_key_reused");
        let id = added.json()["messageId"].clone();

        let after = read(&api, &opened);
        assert_eq!(
            (before.header("etag"), &before.body),
            (after.header("etag"), &after.body)
        );
        let path = format!("/api/ticket/{}?key={}", opened.reference, opened.key);
        let known = Request::get(&path).header("if-none-match", before.header("etag").unwrap());
        assert_eq!(api.send(known).status, 304);
        let page = api.get(&format!("/ticket/{}?key={}", opened.reference, opened.key));
        assert!(
            !page.text().contains(SECRET) && !page.text().contains("removed"),
            "{page:?}"
        );
        // The stream tells of the next answer, and of nothing before it.
        answer(&api, &opened, "On its way.");
        let events = [stream.event(), stream.event()];
        let told = events
            .each_ref()
            .map(|event| (event.name.as_str(), event.id.split('.').next().unwrap()));
        assert_eq!(told, [("ticket", "1"), ("message", "2")]);
        assert_eq!(events[1].data["body"], "On its way.");

        let shown = api.get_as_operator(&format!("/api/ticket/{}", opened.reference)).json();
        let marks = [1, 2].map(|at| shown["messages"][at]["internal"].clone());
        assert_eq!(marks, [json!(true), Value::Null]);
        assert_eq!(
            [&shown["messages"][1]["id"], &shown["messages"][1]["body"]],
            [&id, &json!(SECRET)]
        );
        let log = api.audit_log();
        assert_eq!([&log[0]["act"], &log[0]["messageId"]], [&json!("note"), &id]);
        // It is hidden already.
        assert_eq!(
            remove(&api, &opened.reference, id.as_str().unwrap()).json()["duplicate"],
            true
        );
        assert_eq!(read(&api, &opened).json()["messages"].as_array().unwrap().len(), 2);
    }
}
