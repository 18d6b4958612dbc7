//! `GET /api/openapi.json`: the description of the API.

mod operations;
mod patterns;

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{HttpResponse, http::header::CONTENT_TYPE};
use utoipa::{
    Modify, OpenApi,
    openapi::{AllOf, Object, ObjectBuilder, RefOr, Schema, schema::Type},
};

pub(crate) use operations::IdempotencyHeader;
use operations::{CompleteOperations, FormerPaths, operations};
use patterns::AddPatterns;

use crate::api::{
    add_message, attach, audit_log, change_ticket, create_ticket, docs, events, get_ticket, health, list_tickets,
    metrics, notifications, problem::ProblemBody, receive_inbound, remove_message, reply, report_status, unmatched,
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
        get_ticket::get_ticket_without_reference,
        get_ticket::get_ticket,
        events::follow_ticket,
        add_message::add_message,
        receive_inbound::receive_inbound,
        report_status::report_status,
        list_tickets::list_tickets,
        change_ticket::change_ticket,
        reply::reply,
        remove_message::remove_message,
        notifications::list_undelivered,
        notifications::redeliver_notification,
        notifications::redeliver_dead,
        unmatched::list_unmatched,
        attach::attach_message,
        audit_log::audit_log,
        health::live,
        health::ready,
        metrics::metrics,
        openapi,
        docs::docs,
        docs::docs_asset,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "Tickets", description = "For the website."),
        (name = "n8n", description = "For the workflows that connect WhatsApp."),
        (name = "Operators", description = "For the people who run the installation."),
        (name = "Operation", description = "For probes and monitoring."),
        (name = "Documentation", description = "For readers."),
    ),
    modifiers(&CompleteOperations, &FlattenAllOf, &AddOk, &AddPatterns, &FormerPaths)
)]
struct Document;

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

/// Adds `ok` to the schemas of successful responses, as [`Success`](crate::api::success::Success) adds it to the responses.
struct AddOk;

impl Modify for AddOk {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        let responses = document.paths.paths.values_mut().flat_map(operations);
        let responses = responses.flat_map(|operation| &operation.responses.responses);
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            if let RefOr::T(response) = response
                && let Some(RefOr::T(content)) = response.content.get("application/json")
                && let Some(RefOr::Ref(schema)) = &content.schema
                && let Some(name) = schema.ref_location.rsplit('/').next()
                && let Some(RefOr::T(Schema::Object(schema))) = schemas.get_mut(name)
            {
                let ok = ObjectBuilder::new()
                    .schema_type(Type::Boolean)
                    .description(Some("Always true."))
                    .examples([true]);
                if schema.properties.insert("ok".into(), ok.into()).is_none() {
                    schema.required.push("ok".into());
                }
            }
        }
    }
}

/// The `OpenAPI` 3.1 document of the API.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Read this document
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "Documentation",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = Object))
)]
pub(crate) async fn openapi() -> HttpResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{
        api::problem::MEDIA_TYPE,
        testing::{TestApp, mismatch},
    };

    fn document_as_json() -> Value {
        serde_json::to_value(document()).unwrap()
    }

    /// The members of an object; none of anything else.
    fn members(value: &Value) -> impl Iterator<Item = &Value> {
        value.as_object().into_iter().flat_map(|members| members.values())
    }

    fn all_operations(document: &Value) -> impl Iterator<Item = &Value> {
        members(&document["paths"]).flat_map(members)
    }

    #[test]
    fn it_is_openapi_3_1_and_names_every_operation_once() {
        let document = TestApp::start().get("/api/openapi.json").json();
        assert_eq!(document, document_as_json());
        assert_eq!(document["openapi"], "3.1.0");
        let names: Vec<&Value> = all_operations(&document)
            .map(|operation| &operation["operationId"])
            .collect();
        let distinct: BTreeSet<&str> = names.iter().filter_map(|name| name.as_str()).collect();
        assert_eq!((names.len(), distinct.len()), (24, 24));
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
        for operation in all_operations(&document) {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let example = &response["content"][MEDIA_TYPE]["example"];
                assert_eq!(example["status"].to_string(), *status, "{operation}");
                seen += 1;
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
                assert_eq!(mismatch(&document, schema, example), None);
                seen += 1;
            }
        };
        for operation in all_operations(&document) {
            for response in members(&operation["responses"]).chain([&operation["requestBody"]]) {
                for content in members(&response["content"]) {
                    check(&content["schema"], &content["example"]);
                    members(&content["examples"]).for_each(|example| check(&content["schema"], &example["value"]));
                }
            }
        }
        for schema in document["components"]["schemas"].as_object().unwrap().values() {
            check(schema, &schema["example"]);
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn the_check_finds_what_a_schema_does_not_allow() {
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
            let mismatch = mismatch(&document, &named, &serde_json::from_str(value).unwrap());
            assert_eq!(mismatch.is_none(), is_known, "{value} {mismatch:?}");
        }
    }

    #[test]
    fn required_fields_and_examples_are_documented() {
        let document = document_as_json();
        let schemas = &document["components"]["schemas"];
        for (name, expected) in [
            (
                "CreateTicket",
                &["customerName", "customerPhone", "customerEmail", "subject", "message"][..],
            ),
            ("MessageStatusReport", &["externalId", "status"]),
            // `ticketRef` may be null, and `notice` absent.
            ("ReceivedMessage", &["duplicate", "messageId", "ok", "ticketRef"]),
            ("Problem", &["type", "title", "status", "detail", "ok", "code"]),
        ] {
            let required = schemas[name]["required"].as_array().unwrap().iter();
            let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
            assert_eq!(required, expected.iter().copied().collect(), "{name}");
        }
        assert_eq!(schemas["CreateTicket"]["example"], crate::testing::seeds_ticket());
        assert_eq!(
            schemas["Message"]["properties"]["mediaUrl"]["type"],
            serde_json::json!(["string", "null"])
        );
    }
}
