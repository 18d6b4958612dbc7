//! Nothing but the keyboard.

use std::sync::Arc;

use black_box::OPERATOR_TOKEN;
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::{actions, browser::Browser, fixture::Fixture};

/// What has the focus: its name, or its words.
async fn focused(browser: &Browser) -> String {
    let name = "((e) => e.getAttribute('name') || e.textContent.trim())(document.activeElement)";
    browser.js(name).await.as_str().unwrap_or_default().to_owned()
}

/// Whether the focus can be seen: a line or a shadow around the element, or around what stands for it.
async fn focus_is_seen(browser: &Browser) -> bool {
    let seen = "((e) => [e, e.nextElementSibling, e.parentElement].some((e) => { if (!e) return false; \
                const s = getComputedStyle(e); \
                return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none'; }))(document.activeElement)";
    browser.js(seen).await == json!(true)
}

pub(crate) async fn the_form_by_keyboard(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;

    // The first stop leads past the head.
    browser.key(Key::Tab).await;
    assert!(
        focused(&browser).await.starts_with("Skip"),
        "{}",
        focused(&browser).await
    );
    browser.find("a[href='#main']").await;
    assert!(focus_is_seen(&browser).await, "the way past the head");
    browser.key(Key::Enter).await;
    browser.until_true("location.hash === '#main'").await;

    let mut order = Vec::new();
    while order.last().is_none_or(|last| last != "Send") {
        browser.key(Key::Tab).await;
        let stop = focused(&browser).await;
        assert!(focus_is_seen(&browser).await, "nobody sees that {stop} has the focus");
        if let Some((_, text)) = actions::FORM.iter().find(|(name, _)| *name == stop) {
            browser.keys(*text).await;
        }
        if stop == "priority" {
            browser.key(Key::Right).await;
        }
        order.push(stop);
        assert!(order.len() < 20, "no end of stops: {order:?}");
    }
    let expected = [
        "subject",
        "message",
        "priority",
        "customerName",
        "customerPhone",
        "customerEmail",
        "Send",
    ];
    assert_eq!(order, expected);
    browser.key(Key::Enter).await;
    browser.until_path("/ticket/T-").await;
    let list = backend.server.get_as_operator("/api/tickets").await.json();
    assert_eq!(
        list["tickets"][0]["priority"],
        json!("high"),
        "one to the right of medium"
    );

    // On the ticket's page to the box, and an answer.
    let mut stops = 0;
    while focused(&browser).await != "message" {
        browser.key(Key::Tab).await;
        stops += 1;
        assert!(stops < 15, "the box is not reached");
    }
    browser.keys("By keyboard.").await;
    browser.key(Key::Tab).await;
    assert_eq!(focused(&browser).await, "Send");
    browser.keys(" ").await;
    browser.until_path("#end").await;
    browser.see("By keyboard.").await;
}

/// The ticket whose row has the focus.
async fn row(browser: &Browser) -> Value {
    browser
        .js("document.activeElement.closest('[data-ticket]')?.dataset.ticket")
        .await
}

pub(crate) async fn the_inbox_by_keyboard(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    for subject in ["One", "Two", "Three"] {
        backend.ticket(json!({ "subject": subject })).await;
    }
    browser.goto(&backend.at("/inbox")).await;
    // The token's field has the focus already.
    browser.until_true("document.activeElement.name === 'token'").await;
    browser.keys(OPERATOR_TOKEN).await;
    browser.key(Key::Enter).await;
    browser.find("[data-ticket]").await;

    browser.keys("j").await;
    let first = row(&browser).await;
    assert!(first.is_string() && focus_is_seen(&browser).await, "{first}");
    browser.keys("j").await;
    let second = row(&browser).await;
    assert!(second.is_string() && second != first, "{second}");
    browser.keys("k").await;
    assert_eq!(row(&browser).await, first);
    browser.keys("jj").await;
    let third = row(&browser).await;
    assert!(third != first && third != second, "{third}");
    browser.key(Key::Enter).await;
    let reference = third.as_str().unwrap();
    browser.until_path(&format!("/inbox/ticket/{reference}")).await;

    browser.keys("r").await;
    browser.until_true("document.activeElement.id === 'message'").await;
    // Letters that are keys elsewhere are letters here.
    browser.keys("jkre/ by keyboard").await;
    browser.key(Key::Tab).await;
    assert_eq!(focused(&browser).await, "Send");
    browser.key(Key::Enter).await;
    browser.see("jkre/ by keyboard").await;
    // The driver's Enter may end in the box of the page that came, which has the focus at once.
    browser
        .until_true("document.querySelector('textarea[name=message]').value.trim() === ''")
        .await;
    // Whoever answered may go on writing; Escape leads out of the box.
    browser.until_true("document.activeElement.id === 'message'").await;
    browser.key(Key::Escape).await;
    browser.until_true("document.activeElement.id !== 'message'").await;

    browser.keys("/").await;
    browser.until_true("document.activeElement.name === 'q'").await;
    browser.key(Key::Escape).await;
    browser.until_true("document.activeElement.name !== 'q'").await;
    browser.keys("?").await;
    browser.find("dialog[open]").await;
    browser.key(Key::Escape).await;
    browser.until_true("!document.querySelector('dialog[open]')").await;

    browser.keys("e").await;
    browser.see("The ticket is resolved").await;
    assert_eq!(backend.status_of(reference).await, "resolved");
}
