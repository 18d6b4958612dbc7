//! The ticket's page while it is open: what it says while nobody looks, and what becomes of a text that is being written.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{browser::Browser, fixture::Fixture};

/// Hides the page, as another tab in front of it would, or shows it again.
async fn hide(browser: &Browser, is_hidden: bool) {
    let state = if is_hidden { "hidden" } else { "visible" };
    let script = format!(
        "Object.defineProperties(document, {{ hidden: {{ value: {is_hidden}, configurable: true }}, \
         visibilityState: {{ value: '{state}', configurable: true }}, hasFocus: {{ value: () => !{is_hidden}, configurable: true }} }}) \
         && document.dispatchEvent(new Event('visibilitychange', {{ bubbles: true }}))"
    );
    browser.js(&script).await;
}

async fn offline(browser: &Browser, is_offline: bool) {
    let conditions = json!({ "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.devtools("Network.emulateNetworkConditions", conditions).await;
}

pub(crate) async fn the_tab_says_that_there_is_news(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, path) = backend.ticket(json!({})).await;
    backend.manager_says(&reference, "Known before.").await;
    browser.goto(&backend.at(&path)).await;
    browser.see("Known before.").await;
    hide(&browser, true).await;
    assert_eq!(
        browser.js("document.title.startsWith('Product')").await,
        json!(true),
        "that is no news"
    );
    backend.manager_says(&reference, "One.").await;
    backend.manager_says(&reference, "Two.").await;
    browser.until_true("document.title.startsWith('(2) Product')").await;
    browser
        .until_true("document.querySelector('link[rel=icon]').href.includes('circle')")
        .await;
    hide(&browser, false).await;
    browser.until_true("document.title.startsWith('Product')").await;
    browser
        .until_true("!document.querySelector('link[rel=icon]').href.includes('circle')")
        .await;

    // The sound is off until somebody wants it, and stays as they left it.
    browser.find("[data-sound][aria-pressed=false]").await;
    browser.press("Sound for answers").await;
    browser.reload().await;
    browser.find("[data-sound][aria-pressed=true]").await;
}

pub(crate) async fn times_are_in_the_readers_language(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let agent = browser.js("navigator.userAgent").await;
    let german = json!({ "userAgent": agent, "acceptLanguage": "de-DE" });
    browser.devtools("Network.setUserAgentOverride", german).await;
    let zone = json!({ "timezoneId": "Asia/Kathmandu" });
    browser.devtools("Emulation.setTimezoneOverride", zone).await;
    let (_, path) = backend.ticket(json!({})).await;
    browser.goto(&backend.at(&path)).await;
    browser.find("time[lang=de-DE]").await;
    let title = "((time) => time.title === new Intl.DateTimeFormat('de-DE', { dateStyle: 'full', timeStyle: 'long', \
                 timeZone: 'Asia/Kathmandu' }).format(new Date(time.dateTime)))(document.querySelector('time'))";
    assert_eq!(browser.js(title).await, json!(true));
}

pub(crate) async fn what_is_written_is_kept_and_sent_once(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let (reference, path) = backend.ticket(json!({})).await;
    browser.goto(&backend.at(&path)).await;
    browser.write("message", "Half a sen").await;
    browser.goto("about:blank").await;
    browser.goto(&backend.at(&path)).await;
    assert_eq!(browser.value("message").await, "Half a sen");

    // No connection: it waits, over a reload of the page too, and goes out by itself.
    browser.expect_failures_of(&path);
    browser.expect_failures_of(&reference);
    browser.write("message", "From the tunnel.").await;
    offline(&browser, true).await;
    browser.press("Send").await;
    browser.see("Your message is saved here").await;
    assert_eq!(browser.value("message").await, "From the tunnel.");
    offline(&browser, false).await;
    browser
        .until_true("document.querySelector('.thread').textContent.includes('From the tunnel.')")
        .await;
    assert_eq!(browser.value("message").await, "");

    // The answer is lost, and the tab with it: the message arrived, and does not come twice.
    let lose = "window.fetch = ((real) => async (...all) => { const answer = await real(...all); \
                if (all[1]?.method === 'POST') throw new TypeError('lost'); return answer; })(fetch)";
    browser.js(lose).await;
    browser.write("message", "Only once.").await;
    browser.press("Send").await;
    browser.see("Your message is saved here").await;
    backend.n8n.wait_for(3, Duration::from_secs(10)).await;
    browser.reload().await;
    browser
        .until_true("document.querySelector('.thread').textContent.includes('Only once.')")
        .await;
    browser
        .until_true("document.querySelector('.reply textarea').value === ''")
        .await;
    let expected = ["From the tunnel.", "Only once."];
    assert_eq!(backend.thread(&reference).await[1..], expected);
    browser.reload().await;
    assert_eq!(browser.value("message").await, "");
}

pub(crate) async fn who_answers_and_the_way_to_whatsapp(fixture: Arc<Fixture>) {
    let backend = fixture
        .backend_with(|options| {
            options
                .set("MANAGER_NAME", "Anna")
                .set("WHATSAPP_NUMBER", "+14155238886")
        })
        .await;
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    browser.see("Anna will answer you.").await;
    let (reference, path) = backend.ticket(json!({})).await;
    browser.goto(&backend.at(&path)).await;
    browser.see("Anna will answer you.").await;
    let link = browser.control("Open WhatsApp").await;
    let link = link.attr("href").await.unwrap().expect("an address");
    assert_eq!(
        link,
        format!("https://wa.me/14155238886?text=My%20request%20{reference}%3A%20")
    );
    backend.manager_says(&reference, "Here I am.").await;
    browser.see("Here I am.").await;
    browser.see_no_more("Anna will answer you.").await;
}
