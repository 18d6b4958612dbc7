//! The form, filled in as people do.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use thirtyfour::By;

use crate::{actions, browser::Browser, fixture::Fixture};

/// What stands beside a field because of a fault; nothing where the field is not marked as wrong.
async fn error_beside(browser: &Browser, name: &str) -> Option<String> {
    let field = browser.field(name).await;
    if field.attr("aria-invalid").await.unwrap().as_deref() != Some("true") {
        return None;
    }
    let ids = field.attr("aria-describedby").await.unwrap().expect("a description");
    let mut words = Vec::new();
    for id in ids.split_whitespace() {
        let element = browser.driver().find(By::Id(id)).await.unwrap();
        assert!(element.is_displayed().await.unwrap(), "{id} is out of sight");
        words.push(element.text().await.unwrap());
    }
    Some(words.join(" "))
}

pub(crate) async fn errors_are_shown_beside_their_fields(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    let typed = [
        ("subject", "Broken \"bottles\" & <more>"),
        ("message", "\n  First line\nsecond line"),
        ("customerPhone", "12 34"),
        ("customerEmail", "zoe at home"),
    ];
    actions::fill_in(&browser, &typed).await;
    actions::choose(&browser, "priority", "urgent").await;
    browser.press("Send").await;
    let alert = browser.find("[role=alert]").await;
    browser
        .until_true("document.activeElement.closest('[role=alert]')")
        .await;
    assert_eq!(backend.tickets().await, 0);

    // What was typed is there, and each fault beside its field.
    for (name, text) in typed {
        assert_eq!(browser.value(name).await.trim(), text.trim(), "{name}");
    }
    assert_eq!(
        browser
            .js("document.querySelector('[name=priority]:checked').value")
            .await,
        json!("urgent")
    );
    for name in ["subject", "message"] {
        assert_eq!(error_beside(&browser, name).await, None, "{name}");
    }
    for name in ["customerName", "customerPhone", "customerEmail"] {
        let words = error_beside(&browser, name)
            .await
            .unwrap_or_else(|| panic!("no fault at {name}"));
        assert!(words.len() > 10, "{name}: {words}");
    }
    // The list leads to them.
    let links = alert.find_all(By::Css("a")).await.unwrap();
    assert_eq!(links.len(), 3, "{}", alert.text().await.unwrap());
    for (link, name) in links.iter().zip(["customerName", "customerPhone", "customerEmail"]) {
        link.click().await.unwrap();
        browser
            .until_true(&format!("document.activeElement.name === '{name}'"))
            .await;
    }

    // Mended, it is sent.
    actions::fill_in(&browser, &actions::FORM[2..]).await;
    browser.press("Send").await;
    browser.until_path("/ticket/T-").await;
    browser.see("Broken \"bottles\" & <more>").await;
    browser.see("second line").await;
    assert_eq!(backend.tickets().await, 1);
}

pub(crate) async fn pressing_twice_makes_one_ticket(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    actions::fill_in(&browser, &actions::FORM).await;
    browser.double_click(&browser.control("Send").await).await;
    browser.until_path("/ticket/T-").await;
    let first = browser.path().await;
    assert_eq!(backend.tickets().await, 1);

    // Back, and once more: it is the same form with the same words.
    browser.driver().back().await.unwrap();
    browser.field("subject").await;
    browser.press("Send").await;
    browser.until_path("/ticket/T-").await;
    assert_eq!(browser.path().await, first);
    // The reply box is of the same kind.
    browser.write("message", "Only once, please.").await;
    browser.double_click(&browser.control("Send").await).await;
    browser.see("Only once, please.").await;
    let reference = actions::reference_in(&first);
    backend.n8n.wait_for(2, Duration::from_secs(10)).await;
    backend.server.wait_for_empty_outbox().await;
    assert_eq!(backend.thread(&reference).await.len(), 2);
    assert_eq!((backend.tickets().await, backend.n8n.received().len()), (1, 2));
}

pub(crate) async fn a_filled_honeypot_is_explained(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    actions::fill_in(&browser, &actions::FORM).await;
    let in_sight = "[...document.querySelectorAll('[name=website]')].some(e => { const r = e.getBoundingClientRect(); \
                    return r.width > 1 && r.height > 1 && r.right > 0 && r.bottom > 0 && e.checkVisibility(); })";
    assert_eq!(browser.js(in_sight).await, json!(false), "the honeypot is in sight");
    // As a program fills it in.
    browser
        .js("document.querySelector('[name=website]').value = 'https://example.com'")
        .await;
    browser.press("Send").await;
    browser.find("[role=alert]").await;
    assert_eq!(
        browser.js(in_sight).await,
        json!(true),
        "nobody sees what is in the way"
    );
    assert!(error_beside(&browser, "website").await.is_some());
    assert_eq!(backend.tickets().await, 0);
    assert_eq!(browser.value("customerName").await, "Zoë Quuxley");
    // A person whose browser filled it in gets on.
    browser.field("website").await.clear().await.unwrap();
    browser.press("Send").await;
    browser.until_path("/ticket/T-").await;
    assert_eq!(backend.tickets().await, 1);
}
