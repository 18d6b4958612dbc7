//! Checks of the checks: a page that breaks every rule is reported.

use std::sync::Arc;

use crate::{accessibility, fixture::Fixture, page_checks, websites::Website};

pub(crate) async fn a_bad_page_is_found(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let bad = "<img src='http://elsewhere.example/x.png'><p style='color: #ccc; background: #fff'>Pale</p>\
               <input name=unnamed><div style='width: 3000px'>Wide</div>\
               <script>console.error('a complaint'); fetch('/missing'); window.__xss = 1;</script>";
    let policy = format!("{bad}<script src='{}'></script>", backend.at("/missing.js"));
    let site = Website::new().show(&policy);
    browser.goto(&site.at("/")).await;
    let violations = accessibility::axe(&browser, accessibility::ALL_RULES).await.join("\n");
    for rule in ["image-alt", "color-contrast", "label"] {
        assert!(violations.contains(rule), "{rule} is not in {violations}");
    }
    let objections = page_checks::objections(&browser).await.join("\n");
    for objection in [
        "asked another host: http://elsewhere.example/x.png",
        "a complaint",
        "missing.js failed",
    ] {
        assert!(objections.contains(objection), "{objection} is not in {objections}");
    }
    // A page that breaks its own policy.
    browser.goto(&backend.at("/")).await;
    let inject = "const script = document.createElement('script'); script.textContent = 'window.__xss = 1'; \
                  document.body.append(script)";
    browser.driver().execute(inject, vec![]).await.unwrap();
    assert_eq!(
        browser.js("window.__xss").await,
        serde_json::Value::Null,
        "the policy lets scripts in"
    );
    let objections = page_checks::objections(&browser).await.join("\n");
    assert!(objections.contains("Content Security Policy"), "{objections}");
}
