//! `GET /docs`: the `OpenAPI` document for people, as a page without scripts or anything from elsewhere.

use std::{fmt::Write, sync::LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
};
use serde_json::{Map, Value};

use crate::api::{openapi::openapi, problem::Code};

/// Nothing but our own style.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The tag of what serves this page and the document, which the page need not tell of.
const OF_THIS_PAGE: &str = "Documentation";

const STYLE: &str = include_str!("docs.css");

/// The API for people
#[utoipa::path(
    get,
    path = "/docs",
    tag = "Documentation",
    operation_id = "docs",
    responses((status = 200, description = "A page.", content_type = "text/html", body = String))
)]
pub(crate) async fn page() -> HttpResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let document = serde_json::to_value(openapi()).unwrap_or_default();
        write_page(&document).unwrap_or_default()
    });
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(PAGE.as_str())
}

/// The page's style
#[utoipa::path(
    get,
    path = "/docs.css",
    tag = "Documentation",
    operation_id = "docsStyle",
    responses((status = 200, description = "A style sheet.", content_type = "text/css", body = String))
)]
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(STYLE)
}

/// A text of the document as HTML: escaped, with `code` in back ticks.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_code = false;
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '`' => {
                out.push_str(if is_code { "</code>" } else { "<code>" });
                is_code = !is_code;
            }
            c => out.push(c),
        }
    }
    if is_code {
        out.push_str("</code>");
    }
    out
}

fn paragraphs(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(html).collect();
    format!("<p>{}</p>\n", paragraphs.join("</p>\n<p>"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn members<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value[name].as_object().into_iter().flat_map(Map::iter)
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

type Written = Result<(), std::fmt::Error>;

fn write_page(document: &Value) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let info = &document["info"];
    let title = html(text(info, "title"));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/docs.css\">\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n{}<p>The same for programs: <a href=\"/api/openapi.json\">OpenAPI 3.1</a>.</p>\n",
        paragraphs(text(info, "description")),
    )?;
    write_contents(&mut page, document)?;
    write_keys(&mut page, document)?;
    for tag in items(document, "tags").filter(|tag| tag["name"] != OF_THIS_PAGE) {
        let name = text(tag, "name");
        writeln!(
            page,
            "<h2>{}</h2>\n<p>{}</p>",
            html(name),
            html(text(tag, "description"))
        )?;
        for (path, method, operation) in operations(document)
            .into_iter()
            .filter(|(.., op)| op["tags"][0] == name)
        {
            write_operation(&mut page, document, path, method, operation)?;
        }
    }
    write_schemas(&mut page, document)?;
    write_codes(&mut page)?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

/// What a reader may call, with path and method; last, what only explains why it fails.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let all = members(document, "paths").flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flat_map(Map::iter);
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    let mut operations: Vec<_> = all.filter(|(.., op)| op["tags"][0] != OF_THIS_PAGE).collect();
    operations.sort_by_key(|(.., op)| !members(op, "responses").any(|(status, _)| status.starts_with('2')));
    operations
}

/// The header that a key is sent in.
fn header_of(scheme: &Value) -> String {
    match text(scheme, "scheme") {
        "" => format!("`{}`", text(scheme, "name")),
        "bearer" => "`Authorization: Bearer`".into(),
        other => format!("`Authorization: {other}`"),
    }
}

fn write_keys(page: &mut String, document: &Value) -> Written {
    page.push_str("<h2 id=\"keys\">Keys</h2>\n<table><tr><th>Header<th>Meaning</tr>\n");
    for (name, scheme) in members(&document["components"], "securitySchemes") {
        writeln!(
            page,
            "<tr id=\"key-{}\"><td>{}<td>{}</tr>",
            html(name),
            html(&header_of(scheme)),
            html(text(scheme, "description")),
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

/// The key that one of an operation's ways asks for, with a link to what it is.
fn key_of(document: &Value, way: &Value) -> String {
    match way.as_object().and_then(|way| way.keys().next()) {
        None => "none".into(),
        Some(name) => {
            let scheme = &document["components"]["securitySchemes"][name];
            format!("<a href=\"#key-{}\">{}</a>", html(name), html(&header_of(scheme)))
        }
    }
}

fn write_contents(page: &mut String, document: &Value) -> Written {
    page.push_str("<nav><ul>\n");
    // Whom they are for, as the sections below.
    let tags: Vec<&Value> = items(document, "tags").map(|tag| &tag["name"]).collect();
    let mut contents = operations(document);
    contents.sort_by_key(|(_, _, operation)| tags.iter().position(|tag| **tag == operation["tags"][0]));
    for (path, method, operation) in contents {
        writeln!(
            page,
            "<li><a href=\"#{}\"><code>{} {}</code> {}</a></li>",
            html(text(operation, "operationId")),
            method.to_uppercase(),
            html(path),
            html(text(operation, "summary")),
        )?;
    }
    page.push_str("<li><a href=\"#keys\">Keys</a></li>\n<li><a href=\"#problems\">Problems</a></li>\n</ul></nav>\n");
    Ok(())
}

fn write_operation(page: &mut String, document: &Value, path: &str, method: &str, operation: &Value) -> Written {
    writeln!(
        page,
        "<section id=\"{}\">\n<h3><code>{} {}</code></h3>\n<p><strong>{}</strong></p>\n{}",
        html(text(operation, "operationId")),
        method.to_uppercase(),
        html(path),
        html(text(operation, "summary")),
        paragraphs(text(operation, "description")),
    )?;
    let keys: Vec<String> = items(operation, "security").map(|way| key_of(document, way)).collect();
    if !keys.is_empty() {
        writeln!(page, "<p>Key: {}</p>", keys.join(" or "))?;
    }
    write_parameters(page, operation)?;
    for (media_type, content) in members(&operation["requestBody"], "content") {
        writeln!(
            page,
            "<p>Body, <code>{}</code>: {}</p>",
            html(media_type),
            type_of(&content["schema"])
        )?;
        write_example(page, document, &content["schema"])?;
    }
    write_responses(page, document, operation)?;
    page.push_str("</section>\n");
    Ok(())
}

fn write_parameters(page: &mut String, operation: &Value) -> Written {
    if items(operation, "parameters").next().is_none() {
        return Ok(());
    }
    page.push_str("<table><tr><th>Parameter<th>In<th>Meaning</tr>\n");
    for parameter in items(operation, "parameters") {
        writeln!(
            page,
            "<tr><td><code>{}</code><td>{}<td>{}</tr>",
            html(text(parameter, "name")),
            html(text(parameter, "in")),
            html(text(parameter, "description")),
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn write_responses(page: &mut String, document: &Value, operation: &Value) -> Written {
    page.push_str("<table><tr><th>Status<th>Meaning<th>Headers</tr>\n");
    for (status, response) in members(operation, "responses") {
        let headers: Vec<String> = members(response, "headers").map(|(name, _)| html(name)).collect();
        writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}</tr>",
            html(status),
            html(text(response, "description")),
            headers.join(", "),
        )?;
    }
    page.push_str("</table>\n");
    let success = members(operation, "responses").find(|(status, _)| status.starts_with('2'));
    for (media_type, content) in success
        .into_iter()
        .flat_map(|(_, response)| members(response, "content"))
    {
        if media_type == "text/event-stream" {
            writeln!(page, "<pre>{}</pre>", html(text(content, "example").trim_end()))?;
        }
        if media_type == "application/json" {
            writeln!(page, "<p>Answer: {}</p>", type_of(&content["schema"]))?;
            if content["examples"].is_null() {
                write_example(page, document, &content["schema"])?;
            }
            for (_, example) in members(content, "examples") {
                writeln!(page, "<p>{}:</p>", html(text(example, "summary")))?;
                write_json(page, &example["value"])?;
            }
        }
    }
    Ok(())
}

/// What a schema is called, with a link where it has a name.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema_name(schema) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", html(name));
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        return ways.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) => html(kind),
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .map(html)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "anything".into(),
    }
}

fn schema_name(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
}

/// An example put together from those of the fields.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema_name(schema) {
        return example(document, &document["components"]["schemas"][name]);
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let fields = properties
            .iter()
            .map(|(name, field)| (name.clone(), example(document, field)));
        return Value::Object(fields.collect());
    }
    if !schema["items"].is_null() {
        return Value::Array(vec![example(document, &schema["items"])]);
    }
    if let Some(first) = items(schema, "enum").next() {
        return first.clone();
    }
    match schema["format"].as_str() {
        Some("uuid") => "0194697a-2c40-7000-8000-000000000000".into(),
        _ => Value::Null,
    }
}

fn write_example(page: &mut String, document: &Value, schema: &Value) -> Written {
    let example = example(document, schema);
    if example.is_object() {
        write_json(page, &example)?;
    }
    Ok(())
}

fn write_json(page: &mut String, value: &Value) -> Written {
    writeln!(page, "<pre><code>{}</code></pre>", html(&format!("{value:#}")))
}

fn write_schemas(page: &mut String, document: &Value) -> Written {
    page.push_str("<h2>Types</h2>\n");
    for (name, schema) in members(&document["components"], "schemas") {
        writeln!(
            page,
            "<section id=\"schema-{0}\">\n<h3>{0}</h3>\n{1}",
            html(name),
            paragraphs(text(schema, "description"))
        )?;
        let words: Vec<String> = items(schema, "enum")
            .filter_map(Value::as_str)
            .map(|word| html(&format!("`{word}`")))
            .collect();
        if !words.is_empty() {
            writeln!(page, "<p>{}</p>", words.join(", "))?;
        }
        if schema["properties"].is_object() {
            page.push_str("<table><tr><th>Field<th>Type<th>Meaning</tr>\n");
            for (field, rule) in members(schema, "properties") {
                let is_required = items(schema, "required").any(|required| required == field);
                writeln!(
                    page,
                    "<tr><td><code>{}</code><td>{}{}<td>{}</tr>",
                    html(field),
                    type_of(rule),
                    if is_required { "" } else { ", optional" },
                    html(text(rule, "description")),
                )?;
            }
            page.push_str("</table>\n");
        }
        page.push_str("</section>\n");
    }
    Ok(())
}

/// One section a code, so that a problem's `type` leads to what it means.
fn write_codes(page: &mut String) -> Written {
    page.push_str("<h2 id=\"problems\">Problems</h2>\n");
    for code in Code::ALL {
        writeln!(
            page,
            "<section id=\"{0}\">\n<h3><code>{0}</code> {1}</h3>\n<p>{2}</p>\n<p>{3}</p>\n</section>",
            code.as_str(),
            code.status().as_u16(),
            html(code.title()),
            html(code.meaning()),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
