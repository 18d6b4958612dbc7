//! `GET /api/openapi.json`: the description of the API.

mod patterns;
mod responses;

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{HttpResponse, http::header::CONTENT_TYPE};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        AllOf, ContentBuilder, Deprecated, HeaderBuilder, Object, ObjectBuilder, Ref, RefOr, Response, Schema,
        path::{Operation, PathItem},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use patterns::AddPatterns;
pub(crate) use responses::{BodyProblems, InboundProblems, OperatorProblems};

use crate::api::{
    add_message, attach, audit_log, change_ticket, create_ticket, docs, events, get_ticket, health, list_tickets,
    metrics, notifications,
    problem::{Code, MEDIA_TYPE, Problem, ProblemBody},
    receive_inbound, reply, report_status, unmatched,
};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Customer Support Tickets",
        description = "Customers open tickets on a website, managers answer from WhatsApp, and both read the same \
            thread.\n\nRequests and responses are JSON in UTF-8. Times are UTC in RFC 3339 with six decimals. Unknown \
            fields are ignored. HEAD is answered wherever GET is, except for event streams. Every error is a problem \
            (RFC 9457) with a stable `code`; any other path answers 404 `not_found`, any other method 405 \
            `method_not_allowed`. A request that is not HTTP or arrives too slowly gets a bare status (400, 408, 431), \
            and so does an excess connection of one address (429); then the connection is closed.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        create_ticket::create_ticket,
        get_ticket::missing_reference,
        get_ticket::get_ticket,
        events::events,
        add_message::add_message,
        receive_inbound::receive_inbound,
        report_status::report_status,
        list_tickets::list_tickets,
        change_ticket::change_ticket,
        reply::reply,
        notifications::list_undelivered,
        notifications::redeliver,
        notifications::redeliver_dead,
        unmatched::list_unmatched,
        attach::attach,
        audit_log::audit_log,
        health::live,
        health::ready,
        metrics::metrics,
        document,
        docs::page,
        docs::asset,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "Tickets", description = "For the website."),
        (name = "n8n", description = "For the workflows that connect WhatsApp."),
        (name = "Operators", description = "For the people who run the installation."),
        (name = "Operation", description = "For probes and monitoring."),
        (name = "Documentation", description = "For readers."),
    ),
    modifiers(&SecuritySchemes, &CommonResponses, &FlattenAllOf, &AddPatterns, &FormerPaths)
)]
struct Document;

/// Adds the keys with which callers authenticate.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let inbound = ApiKeyValue::with_description("x-api-key", "The key of n8n, `RAILWAY_INBOUND_SECRET`.");
        components.add_security_scheme("inboundKey", SecurityScheme::ApiKey(ApiKey::Header(inbound)));
        let operator = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The operator token, `OPERATOR_TOKEN`."))
            .build();
        components.add_security_scheme("operator", SecurityScheme::Http(operator));
    }
}

/// Completes responses by what all of them have, or all problems.
struct CommonResponses;

impl Modify for CommonResponses {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in operations(item) {
                let wants_bearer = operation_wants_bearer(operation);
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response {
                        complete(response, status.parse().unwrap_or_default(), wants_bearer);
                    }
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch].into_iter().flatten()
}

fn operation_wants_bearer(operation: &Operation) -> bool {
    operation
        .tags
        .as_ref()
        .is_some_and(|tags| tags.iter().any(|tag| tag == "Operators"))
}

fn complete(response: &mut Response, status: u16, wants_bearer: bool) {
    let mut header = |name: &str, kind: Type, description: &str| {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind)))
            .description(Some(description))
            .build();
        response.headers.insert(name.to_owned(), RefOr::T(header));
    };
    header(
        "x-request-id",
        Type::String,
        "The caller's, if it sent 1–128 of `A-Z a-z 0-9 . _ -`; else a new one.",
    );
    if status == 429 {
        header("Retry-After", Type::Integer, "Whole seconds to wait.");
    }
    if status == 401 && wants_bearer {
        header("WWW-Authenticate", Type::String, "`Bearer`");
    }
    if status >= 400 {
        response.content.insert(
            MEDIA_TYPE.to_owned(),
            problem_content(status, &response.description).into(),
        );
    }
}

/// Replaces compositions by one object each, so that readers find all of its fields in one place. utoipa describes a field
/// with `serde(flatten)` by `allOf`.
struct FlattenAllOf;

impl Modify for FlattenAllOf {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        let known = schemas.clone();
        for schema in schemas.values_mut() {
            if let RefOr::T(Schema::AllOf(parts)) = schema {
                *schema = RefOr::T(Schema::Object(flatten(parts, &known)));
            }
        }
    }
}

fn flatten(parts: &AllOf, known: &BTreeMap<String, RefOr<Schema>>) -> Object {
    let mut object = Object::with_type(Type::Object);
    object.description.clone_from(&parts.description);
    for part in &parts.items {
        let part = match part {
            RefOr::Ref(part) => part.ref_location.rsplit('/').next().and_then(|name| known.get(name)),
            part @ RefOr::T(_) => Some(part),
        };
        if let Some(RefOr::T(Schema::Object(part))) = part {
            object.properties.extend(part.properties.clone());
            object.required.extend(part.required.clone());
        }
    }
    object
}

/// Adds `/api/audit_log`, the former path of the audit log, which answers for one more version.
struct FormerPaths;

impl Modify for FormerPaths {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let paths = &mut document.paths.paths;
        let Some(mut item) = paths.get("/api/audit-log").cloned() else {
            return;
        };
        for operation in operations(&mut item) {
            operation.operation_id = Some("trail".into());
            operation.deprecated = Some(Deprecated::True);
            operation.description =
                Some("The former path of `/api/audit-log`. The next version doesn't answer it.".into());
        }
        paths.insert("/api/trail".into(), item);
    }
}

/// A problem, with an example of the first code in the response's description.
fn problem_content(status: u16, description: &str) -> utoipa::openapi::Content {
    let code = Code::ALL.iter().filter_map(|code| {
        let at = description.find(&format!("`{}`", code.as_str()))?;
        Some((at, *code))
    });
    let example = code
        .min_by_key(|(at, _)| *at)
        .map(|(_, code)| Problem::example(code, status));
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(example)
        .build()
}

/// The `OpenAPI` 3.1 document of the API.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Read this document
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "Documentation",
    operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object))
)]
pub(crate) async fn document() -> HttpResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| openapi().to_json().unwrap_or_default());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::testing::{TestApp, fault};

    fn document_as_json() -> Value {
        serde_json::to_value(openapi()).unwrap()
    }

    #[test]
    fn it_is_openapi_3_1_and_names_every_operation_once() {
        let document = TestApp::start().get("/api/openapi.json").json();
        assert_eq!(document, document_as_json());
        assert_eq!(document["openapi"], "3.1.0");
        let items: Vec<&Value> = document["paths"].as_object().unwrap().values().collect();
        let operations: Vec<&Value> = items
            .iter()
            .flat_map(|item| item.as_object().unwrap().values())
            .collect();
        let names: BTreeSet<&str> = operations
            .iter()
            .map(|op| op["operationId"].as_str().unwrap())
            .collect();
        assert_eq!((names.len(), operations.len()), (23, 23));
    }

    #[test]
    fn every_reference_in_it_leads_somewhere() {
        fn walk(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| walk(document, member));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
                _ => (),
            }
        }
        let document = document_as_json();
        walk(&document, &document);
    }

    #[test]
    fn every_problem_has_an_example_of_its_status() {
        let document = document_as_json();
        let mut seen = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let example = &response["content"][MEDIA_TYPE]["example"];
                    if status.as_str() >= "400" {
                        assert_eq!(example["status"].to_string(), *status, "{operation}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn every_example_is_what_its_schema_says() {
        let document = document_as_json();
        let mut seen = 0;
        let mut check = |schema: &Value, example: &Value| {
            if !example.is_null() {
                assert_eq!(fault(&document, schema, example), None);
                seen += 1;
            }
        };
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let responses = operation["responses"].as_object().unwrap().values();
                for response in responses.chain([&operation["requestBody"]]) {
                    for content in response["content"].as_object().into_iter().flat_map(|all| all.values()) {
                        check(&content["schema"], &content["example"]);
                        let named = content["examples"].as_object().into_iter().flat_map(|all| all.values());
                        named.for_each(|example| check(&content["schema"], &example["value"]));
                    }
                }
            }
        }
        for schema in document["components"]["schemas"].as_object().unwrap().values() {
            check(schema, &schema["example"]);
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn what_a_schema_does_not_know_is_found() {
        let document = serde_json::json!({ "components": { "schemas": { "Named": {
            "type": "object",
            "required": ["a"],
            "properties": { "a": { "type": ["integer", "null"] }, "b": { "type": "string", "enum": ["x"] } }
        } } } });
        let named = serde_json::json!({ "oneOf": [
            { "type": "null" },
            { "type": "array", "items": { "$ref": "#/components/schemas/Named" } }
        ] });
        for (value, is_known) in [
            ("null", true),
            (r#"[{ "a": 1 }, { "a": null, "b": "x" }]"#, true),
            (r#"{ "a": 1 }"#, false),
            (r#"[{ "b": "x" }]"#, false),
            (r#"[{ "a": "1" }]"#, false),
            (r#"[{ "a": 1, "b": "y" }]"#, false),
            (r#"[{ "a": 1, "c": 1 }]"#, false),
        ] {
            let fault = fault(&document, &named, &serde_json::from_str(value).unwrap());
            assert_eq!(fault.is_none(), is_known, "{value} {fault:?}");
        }
    }

    #[test]
    fn required_fields_and_examples_are_the_seeds() {
        let document = document_as_json();
        let schemas = &document["components"]["schemas"];
        let required = |name: &str| -> BTreeSet<String> {
            let names = schemas[name]["required"].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let expected = ["customerName", "customerPhone", "customerEmail", "subject", "message"];
        assert_eq!(required("CreateTicket"), expected.map(str::to_owned).into());
        assert_eq!(required("InboundMessage"), ["from".to_owned()].into());
        let expected = ["externalId", "status"];
        assert_eq!(required("MessageStatusReport"), expected.map(str::to_owned).into());
        // Always there, though it may be null; and not always there.
        let expected = ["duplicate", "messageId", "ok", "ticketRef"];
        assert_eq!(required("ReceivedMessage"), expected.map(str::to_owned).into());
        let expected = ["type", "title", "status", "detail", "ok", "code"];
        assert_eq!(required("Problem"), expected.map(str::to_owned).into());
        assert_eq!(schemas["CreateTicket"]["example"], crate::testing::seeds_ticket());
        // What is shown of a ticket has exactly the fields that a ticket has.
        let api = TestApp::start();
        let shown = api.get(&format!("/api/ticket/{}", api.open_ticket().reference)).json();
        let names = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
        for (schema, part) in [
            ("TicketThread", ""),
            ("Ticket", "/ticket"),
            ("Delivery", "/ticket/delivery"),
            ("Message", "/messages/0"),
        ] {
            assert_eq!(
                names(&schemas[schema]["properties"]),
                names(shown.pointer(part).unwrap()),
                "{schema}"
            );
        }
        assert_eq!(
            schemas["Message"]["properties"]["mediaUrl"]["type"],
            serde_json::json!(["string", "null"])
        );
    }
}
