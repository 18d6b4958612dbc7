//! `GET /docs`: the `OpenAPI` document for people, as Swagger UI. Its assets are compiled in.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use maud::{DOCTYPE, Markup, html};
use utoipa_swagger_ui::Config;

use crate::api::problem::{Code, Problem};

/// Swagger UI runs its own scripts, shows icons from `data:` URLs and calls this API. It may reach no other server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CACHE: &str = "public, max-age=300";

/// The style sheet of Swagger UI.
const STYLE: &str = "swagger-ui.css";

/// The scripts that the page loads, out of those in Swagger UI's distribution.
const SCRIPTS: [&str; 3] = [
    "swagger-ui-bundle.js",
    // The initializer names its presets, although the page uses the base layout.
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
];

/// Read the API's documentation
///
/// Every operation can be tried out from the page.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "Documentation",
    responses((status = 200, description = "A page.", content_type = "text/html", body = String))
)]
pub(crate) async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, CACHE))
        .body(markup().into_string())
}

fn markup() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Customer Support Tickets: API" }
                link rel="stylesheet" href={ "/docs/" (STYLE) };
            }
            body {
                noscript { p { "Without JavaScript, read " a href="/api/openapi.json" { "the OpenAPI document" } "." } }
                (problem_codes())
                div id="swagger-ui" {}
                @for script in SCRIPTS {
                    script src={ "/docs/" (script) } {}
                }
            }
        }
    }
}

/// One section per code: a problem's `type` links to its section, and browsers then open the closed element around it.
///
/// It comes before Swagger UI, which would move the section when it is rendered.
fn problem_codes() -> Markup {
    html! {
        div class="swagger-ui" {
            details class="wrapper" {
                summary { "Problem codes" }
                @for code in Code::ALL {
                    section id=(code.as_str()) {
                        h4 { code { (code.as_str()) } ", " (code.status().as_u16()) ": " (code.title()) }
                        p { (code.meaning()) }
                    }
                }
            }
        }
    }
}

/// Load a file of the documentation page
#[utoipa::path(
    get,
    path = "/docs/{asset}",
    tag = "Documentation",
    params(("asset" = String, Path, description = "The file's name.", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "A script or a style sheet.", content((String = "text/javascript"), (String = "text/css"))),
        (status = 404, description = "`not_found`: the page has no such file."),
    )
)]
pub(crate) async fn docs_asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().query("asset");
    if name != STYLE && !SCRIPTS.contains(&name) {
        return Err(Problem::new(Code::NotFound));
    }
    let file = utoipa_swagger_ui::serve(name, Arc::new(config())).map_err(|error| {
        tracing::error!("the documentation's {name} can't be served: {error}");
        Problem::new(Code::Internal)
    })?;
    let file = file.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CACHE_CONTROL, CACHE))
        .body(file.bytes))
}

fn config() -> Config<'static> {
    Config::from("/api/openapi.json")
        .use_base_layout()
        .deep_linking(true)
        // The default one is on the web.
        .validator_url("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestApp;

    #[test]
    fn the_page_loads_its_own_assets_only() {
        let api = TestApp::start();
        let page = api.get("/docs");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("content-security-policy"), Some(POLICY));
        let sources: Vec<&str> = page
            .text()
            .split_inclusive(['"'])
            .map(|text| text.trim_end_matches('"'))
            .filter(|text| text.starts_with("/docs/"))
            .collect();
        assert_eq!(sources.len(), 1 + SCRIPTS.len(), "{sources:?}");
        for source in sources {
            let asset = api.get(source);
            assert_eq!(asset.status, 200, "{source}");
            assert_eq!(
                asset.header("content-security-policy"),
                Some("default-src 'none'; frame-ancestors 'none'")
            );
        }
        assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    }

    #[test]
    fn swagger_ui_reads_the_document_and_asks_no_validator() {
        let initializer = TestApp::start().get("/docs/swagger-initializer.js");
        for part in ["\"/api/openapi.json\"", "\"validatorUrl\": \"none\"", "\"BaseLayout\""] {
            assert!(initializer.text().contains(part), "{part}: {}", initializer.text());
        }
    }

    #[test]
    fn a_problems_type_leads_to_its_section() {
        let page = markup().into_string();
        for code in Code::ALL {
            assert!(
                page.contains(&format!("<section id=\"{}\">", code.as_str())),
                "{code:?}"
            );
        }
    }

    #[test]
    fn other_files_of_the_distribution_are_not_served() {
        let api = TestApp::start();
        for asset in ["index.html", "oauth2-redirect.html", "swagger-ui.js", "%ff", ".."] {
            let answer = api.get(&format!("/docs/{asset}"));
            answer.assert_problem(404, "not_found");
        }
    }
}
