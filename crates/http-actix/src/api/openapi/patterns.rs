//! Patterns of texts, as regular expressions: exactly the texts that match are accepted.

use utoipa::{
    Modify,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        path::{Parameter, ParameterIn},
        schema::{AnyOfBuilder, SchemaType, Type},
    },
};

use super::operations::{has_tag, operations};

/// Whitespace that is trimmed.
const SPACE: &str = r"[^\S\u001C-\u001F]*";
/// Control characters.
const CONTROL: &str = r"\u0000-\u001F\u007F-\u009F";
/// Invisible characters, as the domain defines them. Beyond the first 65,536 characters the escapes of regular expressions
/// differ between languages, so these are written as themselves.
const INVISIBLE: &str = concat!(
    r"\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164",
    r"\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
);
/// An id: not empty when trimmed, and without control characters.
fn id() -> String {
    let visible = format!(r"[^\s{CONTROL}]");
    format!("^{SPACE}{visible}([^{CONTROL}]*{visible})?{SPACE}$")
}

/// A text that is not empty once control characters are removed.
fn text() -> String {
    format!(r"^[\s\S]*[^\s{CONTROL}][\s\S]*$")
}

/// A line with a visible character.
fn visible_line() -> String {
    format!(r"^[\s\S]*[^\s{CONTROL}{INVISIBLE}][\s\S]*$")
}

/// 7–15 digits, also after `00` or `+`, and perhaps an extension. Digits of other scripts are accepted too.
fn phone() -> String {
    // What may separate the digits.
    let between = format!(r"[\s./()\[\]\u2010-\u2015\u2212{CONTROL}{INVISIBLE}-]*");
    let digits = |count: &str| format!("([0-9]{between}){{{count}}}");
    let international = format!("(\\+|0{between}0){between}{}", digits("7,15"));
    let national = format!(
        "[1-9]{between}{}|0{between}[1-9]{between}{}",
        digits("6,14"),
        digits("5,13")
    );
    let extension = r"([;,]?([Xx]|[Ee][Xx][Tt])[\s.]*[0-9]+)?";
    format!(r"^(\s*[Tt][Ee][Ll]:)?{between}({international}|{national}){extension}$")
}

/// Printable ASCII, without the spaces that a header loses.
const KEY: &str = "^[!-~]([ -~]*[!-~])?$";
/// The `next` of a page of tickets.
const CURSOR: &str = "^[0-9A-Fa-f]{1,14}-[0-9A-Fa-f]{1,15}$";

/// The pattern of a field of a schema.
fn of_field(schema: &str, field: &str) -> Option<String> {
    match (schema, field) {
        ("CreateTicket", "customerName" | "subject") => Some(visible_line()),
        ("CreateTicket" | "NewMessage" | "NewReply", "message") => Some(text()),
        ("CreateTicket", "customerPhone") => Some(phone()),
        ("MessageStatusReport", "externalId") => Some(id()),
        _ => None,
    }
}

/// The pattern of a parameter.
fn of_parameter(operation: Option<&str>, parameter: &str) -> Option<String> {
    match (operation, parameter) {
        (_, "Idempotency-Key") => Some(KEY.into()),
        (Some("listTickets"), "q") => Some(text()),
        (Some("listTickets"), "after") => Some(CURSOR.into()),
        _ => None,
    }
}

/// Adds the patterns of fields and parameters.
pub(super) struct AddPatterns;

impl Modify for AddPatterns {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (name, schema) in &mut document.components.get_or_insert_default().schemas {
            if let RefOr::T(Schema::Object(schema)) = schema {
                for (field, schema) in &mut schema.properties {
                    set(schema, of_field(name, field));
                }
            }
        }
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            let id = operation.operation_id.clone();
            let is_operators = has_tag(operation, "Operators");
            for parameter in operation.parameters.iter_mut().flatten() {
                let RefOr::T(parameter) = parameter else { continue };
                let pattern = of_parameter(id.as_deref(), &parameter.name);
                parameter
                    .schema
                    .iter_mut()
                    .for_each(|schema| set(schema, pattern.clone()));
                match parameter.parameter_in {
                    ParameterIn::Header => never_null(parameter),
                    ParameterIn::Query if is_operators => may_be_empty(parameter),
                    _ => {}
                }
            }
        }
    }
}

fn set(schema: &mut RefOr<Schema>, pattern: Option<String>) {
    if let (RefOr::T(Schema::Object(schema)), Some(pattern)) = (schema, pattern) {
        schema.pattern = Some(pattern);
    }
}

/// An optional header is absent or a text, never null.
fn never_null(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        schema.schema_type = SchemaType::Type(Type::String);
    }
}

/// An empty parameter counts as absent: a form sends one where nothing was chosen.
fn may_be_empty(parameter: &mut Parameter) {
    if let Some(schema) = parameter.schema.take() {
        let empty = ObjectBuilder::new().schema_type(Type::String).max_length(Some(0));
        parameter.schema = Some(AnyOfBuilder::new().item(schema).item(empty).into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Request, TestApp, changed, seeds_ticket};

    /// Texts that keep to a pattern. It is anchored by itself.
    fn keeping_to(pattern: &str) -> impl Strategy<Value = String> {
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        // What repeats for ever may exceed a length, which is another rule.
        string_regex(inner)
            .unwrap()
            .prop_filter("short", |text| text.chars().count() <= 200)
    }

    proptest! {
        #[test]
        fn texts_that_match_the_patterns_are_accepted(
            visible in keeping_to(&visible_line()),
            prose in keeping_to(&text()),
            phone in keeping_to(&phone()),
            id in keeping_to(&id()),
            key in keeping_to(KEY),
            cursor in keeping_to(CURSOR),
        ) {
            use ticket_domain::{CustomerName, ExternalId, IdempotencyKey, MessageText, StrictText, Phone, Cursor, SearchText};
            prop_assert!(visible.parse::<StrictText<CustomerName>>().is_ok(), "{visible:?}");
            prop_assert!(prose.parse::<SearchText>().is_ok(), "{prose:?}");
            prop_assert!(prose.parse::<MessageText>().is_ok(), "{prose:?}");
            prop_assert!(phone.parse::<Phone>().is_ok(), "{phone:?}");
            prop_assert!(id.parse::<ExternalId>().is_ok() || id.chars().count() > 128, "{id:?}");
            prop_assert!(key.parse::<IdempotencyKey>().is_ok(), "{key:?}");
            prop_assert!(cursor.parse::<Cursor>().is_ok(), "{cursor:?}");
        }
    }

    #[test]
    fn an_empty_parameter_counts_as_absent_and_the_document_says_so() {
        let api = TestApp::start();
        let document = api.get("/api/openapi.json").json();
        let mut seen = 0;
        for path in ["/api/tickets", "/api/audit-log", "/api/unmatched"] {
            for parameter in document["paths"][path]["get"]["parameters"].as_array().unwrap() {
                let ways = parameter["schema"]["anyOf"].as_array().unwrap();
                assert_eq!(ways[1], json!({ "type": "string", "maxLength": 0 }));
                let target = format!("{path}?{}=", parameter["name"].as_str().unwrap());
                assert_eq!(api.get_as_operator(&target).status, 200, "{target}");
                seen += 1;
            }
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn a_header_is_a_text_wherever_it_is() {
        let document = serde_json::to_value(crate::api::openapi::document()).unwrap();
        let mut seen = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                for header in parameters.filter(|parameter| parameter["in"] == "header") {
                    assert_eq!(header["schema"]["type"], "string");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 5);
    }

    #[test]
    fn a_message_has_the_same_pattern_wherever_it_is() {
        let document = serde_json::to_value(crate::api::openapi::document()).unwrap();
        for schema in ["CreateTicket", "NewMessage", "NewReply"] {
            let pattern = &document["components"]["schemas"][schema]["properties"]["message"]["pattern"];
            assert_eq!(*pattern, text(), "{schema}");
        }
    }

    #[test]
    fn texts_that_match_no_pattern_are_rejected() {
        let api = TestApp::start();
        let document = api.get("/api/openapi.json").json();
        for (field, text) in [
            ("subject", "\u{2}"),
            ("message", "\u{1f}"),
            ("customerPhone", "call me"),
            ("customerName", " "),
            ("subject", "\r \u{ad}"),
        ] {
            let pattern = document["components"]["schemas"]["CreateTicket"]["properties"][field]["pattern"].as_str();
            assert!(pattern.is_some(), "{field}");
            let body: Value = changed(seeds_ticket(), field, Some(json!(text)));
            assert_eq!(api.send(Request::post("/api/ticket", &body)).status, 400, "{field}");
        }
    }
}
