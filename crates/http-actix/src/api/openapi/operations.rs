//! What operations have in common. An endpoint describes only what is its own; the rest follows from its path, its tag and
//! its parameters.

use utoipa::{
    IntoParams, Modify,
    openapi::{
        ContentBuilder, Deprecated, HeaderBuilder, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    api::{
        idempotency,
        problem::{Code, MEDIA_TYPE, Problem},
    },
    validation::camel_case,
};

/// A status and its description.
type Described = (u16, &'static str);

/// By tag: the scheme of the key, and the responses to a missing or wrong one.
const KEYS: [(&str, &str, [Described; 2]); 2] = [
    (
        "n8n",
        "inboundKey",
        [
            (401, "`unauthorized`: `x-api-key` is missing or wrong."),
            (429, "`rate_limited`: too many wrong keys."),
        ],
    ),
    (
        "Operators",
        "operator",
        [
            (401, "`unauthorized`: the operator token is missing or wrong."),
            (429, "`rate_limited`: too many wrong tokens."),
        ],
    ),
];

/// The responses of operations that read a JSON body of at most 64 KiB.
const BODY: [Described; 4] = [
    (
        400,
        "`validation_failed`: the body is not a JSON object, or fields are invalid.",
    ),
    (408, "`request_timeout`"),
    (413, "`payload_too_large`: more than 64 KiB."),
    (415, "`unsupported_media_type`"),
];

/// The responses of operations that read an `Idempotency-Key`.
const IDEMPOTENT: [Described; 2] = [
    (422, "`idempotency_key_reused`: the key came with another request."),
    (
        500,
        "`storage_unavailable` or `internal`: most likely nothing was stored. Repeat the request with the same \
         `Idempotency-Key`: it is stored only once.",
    ),
];

/// The header `Idempotency-Key`, for the parameters of an operation.
pub(crate) struct IdempotencyHeader;

impl IntoParams for IdempotencyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255));
        let parameter = ParameterBuilder::new()
            .name(idempotency::HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Printable ASCII. For 24 hours the same key with the same request gives the same result.",
            ))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

/// The operations of a path.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete]
        .into_iter()
        .flatten()
}

/// Whether an operation has this tag.
pub(super) fn has_tag(operation: &Operation, wanted: &str) -> bool {
    let mut tags = operation.tags.iter().flatten();
    tags.any(|tag| tag == wanted)
}

/// Completes the operations, and adds the keys with which callers authenticate.
pub(super) struct CompleteOperations;

impl Modify for CompleteOperations {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let inbound = ApiKeyValue::with_description("x-api-key", "The key of n8n, `RAILWAY_INBOUND_SECRET`.");
        components.add_security_scheme("inboundKey", SecurityScheme::ApiKey(ApiKey::Header(inbound)));
        let operator = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The operator token, `OPERATOR_TOKEN`."));
        components.add_security_scheme("operator", SecurityScheme::Http(operator.build()));
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                complete(operation, path);
            }
        }
    }
}

fn complete(operation: &mut Operation, path: &str) {
    // utoipa takes the name of the handler.
    operation.operation_id = operation.operation_id.as_deref().map(camel_case);
    for (tag, scheme, problems) in KEYS {
        if has_tag(operation, tag) {
            operation.security = Some(vec![SecurityRequirement::new(scheme, [""; 0])]);
            add_problems(operation, &problems);
        }
    }
    let has_query = has_parameter(operation, &ParameterIn::Query);
    let is_idempotent = has_parameter(operation, &ParameterIn::Header);
    let names_ticket = path.contains("{ticketRef}");
    let has_body = operation.request_body.is_some();
    if names_ticket {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.insert(0, ticket_reference().into());
        add_problems(operation, &[(404, "`ticket_not_found`")]);
    }
    if has_body && is_idempotent {
        add_problems(operation, &IDEMPOTENT);
        let description = "`true` if this answers a repeated request.";
        if let Some(RefOr::T(created)) = operation.responses.responses.get_mut("201") {
            add_header(created, "Idempotent-Replayed", Type::String, description);
        }
    }
    if has_body {
        add_problems(operation, &BODY);
    } else if has_query && has_tag(operation, "Operators") {
        add_problems(operation, &[(400, "`validation_failed`: parameters are invalid.")]);
    }
    if has_body || names_ticket || has_tag(operation, "Operators") {
        let common = [(429, "`rate_limited`"), (500, "`storage_unavailable` or `internal`")];
        add_problems(operation, &common);
    }
    let wants_bearer = has_tag(operation, "Operators");
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_response(response, status.parse().unwrap_or_default(), wants_bearer);
        }
    }
}

fn has_parameter(operation: &Operation, kind: &ParameterIn) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *kind))
}

fn ticket_reference() -> Parameter {
    ParameterBuilder::new()
        .name("ticketRef")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The reference, in upper or lower case."))
        .example(Some("T-20250115-1234".into()))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}

/// Adds those responses that the operation does not describe itself.
fn add_problems(operation: &mut Operation, problems: &[Described]) {
    for (status, description) in problems {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_string())
            .or_insert_with(|| Response::new(*description).into());
    }
}

fn add_header(response: &mut Response, name: &str, kind: Type, description: &str) {
    let header = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
        .description(Some(description));
    response.headers.insert(name.to_owned(), RefOr::T(header.build()));
}

fn complete_response(response: &mut Response, status: u16, wants_bearer: bool) {
    let id = "The caller's, if it sent 1–128 of `A-Z a-z 0-9 . _ -`; else a new one.";
    add_header(response, "x-request-id", Type::String, id);
    if status == 429 {
        add_header(response, "Retry-After", Type::Integer, "Whole seconds to wait.");
    }
    if status == 401 && wants_bearer {
        add_header(response, "WWW-Authenticate", Type::String, "`Bearer`");
    }
    if status >= 400 {
        let content = problem_content(status, &response.description);
        response.content.insert(MEDIA_TYPE.to_owned(), content.into());
    }
}

/// A problem, with an example of the first code in the response's description.
fn problem_content(status: u16, description: &str) -> utoipa::openapi::Content {
    let position = |code: &Code| Some((description.find(&format!("`{}`", code.as_str()))?, *code));
    let first = Code::ALL.iter().filter_map(position).min_by_key(|(at, _)| *at);
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(first.map(|(_, code)| Problem::example(code, status)))
        .build()
}

/// Adds `/api/trail`, the former path of the audit log, which answers for one more version.
pub(super) struct FormerPaths;

impl Modify for FormerPaths {
    fn modify(&self, document: &mut OpenApi) {
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
