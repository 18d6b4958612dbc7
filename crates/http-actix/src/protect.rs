//! Headers that restrict what browsers and search engines may do with a response.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// The headers of every response that does not set them itself.
const DEFAULTS: [(HeaderName, &str); 8] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    // For browsers without `frame-ancestors`.
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// One year, as browsers recommend.
const HTTPS_ONLY: &str = "max-age=31536000";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Adds the headers that a response lacks. `is_https`: whether browsers use https. `is_public`: whether search engines may
/// list it.
pub(crate) fn protect(headers: &mut HeaderMap, is_https: bool, is_public: bool) {
    let https = is_https.then_some((STRICT_TRANSPORT_SECURITY, HTTPS_ONLY));
    let robots = (!is_public).then_some((ROBOTS, "noindex"));
    for (name, value) in DEFAULTS.into_iter().chain(https).chain(robots) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Whether search engines may list the page at a path: the form and the documentation.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/" | "/docs")
}

#[cfg(test)]
mod tests {
    use crate::testing::{Request, TestApp};

    #[test]
    fn responses_have_protective_headers() {
        let api = TestApp::with(|setup| setup.settings.base_url = "http://desk.example".into());
        for target in ["/health/live", "/api/nowhere", "/api/ticket", "/docs", "/metrics"] {
            let answer = api.get(target);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{target}");
            }
            assert!(answer.header("permissions-policy").is_some());
            assert_eq!(answer.header("strict-transport-security"), None);
        }
        let answer = api.get("/health/live");
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }

    #[test]
    fn https_sites_send_strict_transport_security() {
        let api = TestApp::start();
        for request in [Request::new("GET", "/health/live"), Request::new("PUT", "/docs")] {
            let answer = api.send(&request);
            assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
        }
    }

    #[test]
    fn search_engines_may_index_public_pages_only() {
        let api = TestApp::start();
        assert_eq!(api.get("/docs").header("x-robots-tag"), None);
        for target in ["/api/ticket/T-20250115-1234", "/metrics", "/inbox", "/ticket/x"] {
            let answer = api.send(Request::new("GET", target));
            assert_eq!(answer.header("x-robots-tag"), Some("noindex"), "{target}");
        }
    }
}
