//! Pictures for people to look at, in `target/e2e/shots/sqlite` and, the same, `…/postgres`.

use std::{fs, path::Path, sync::Arc};

use serde_json::json;

use crate::{
    actions,
    browser::{Browser, LAPTOP, PHONE, Scheme},
    fixture::Fixture,
    widget,
};

/// Takes a page in every size and scheme, the whole of it.
async fn take(browser: &Browser, shots: &Path, name: &str) {
    fs::create_dir_all(shots).unwrap();
    for (width, height) in [PHONE, LAPTOP] {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.look((width, height), scheme).await;
            let whole = browser.js("document.documentElement.scrollHeight").await;
            let whole = u32::try_from(whole.as_u64().expect("a height")).unwrap();
            browser.look((width, whole.clamp(height, 4_000)), scheme).await;
            let path = shots.join(format!("{name}-{width}-{}.png", scheme.name()));
            fs::write(path, browser.picture().await).unwrap();
        }
    }
}

pub(crate) async fn pictures(fixture: Arc<Fixture>) {
    let backend = fixture
        .backend_with(|options| {
            options
                .set("MANAGER_NAME", "Anna")
                .set("WHATSAPP_NUMBER", "+14155238886")
        })
        .await;
    let browser = fixture.browser().await;
    let shots = &fixture.shots();
    for (name, subject, priority, message) in [
        (
            "Ada Lovelace",
            "Invoice of October",
            "medium",
            "Could you send it once more? I can't find it.",
        ),
        (
            "Grace Hopper",
            "Delivery to another address",
            "low",
            "We moved. Where do I change it?",
        ),
        (
            "Mary Anning",
            "Two parcels, one order",
            "urgent",
            "The second one never came, and the party is on Friday!",
        ),
    ] {
        let changes = json!({ "customerName": name, "subject": subject, "priority": priority, "message": message });
        backend.ticket(changes).await;
    }
    browser.goto(&backend.at("/")).await;
    take(&browser, shots, "form").await;
    browser.press("Send").await;
    browser.find("[role=alert]").await;
    take(&browser, shots, "form-faults").await;

    browser.look(LAPTOP, Scheme::Light).await;
    let (reference, path) = actions::open_a_ticket(&browser, &backend).await;
    backend.server.wait_for_empty_outbox().await;
    browser.see("Sent to the manager").await;
    take(&browser, shots, "ticket-new").await;
    browser.look(LAPTOP, Scheme::Light).await;
    backend
        .manager_says(
            &reference,
            "I am sorry to hear that! Can you send me a picture of the three?",
        )
        .await;
    browser.see("a picture of the three").await;
    browser
        .write("message", "Here it is. The box was dented on one side.")
        .await;
    browser.press("Send").await;
    browser.see("dented on one side").await;
    backend
        .manager_says(
            &reference,
            "Thank you. Three new bottles leave our house today; you need not send anything back.",
        )
        .await;
    backend.server.wait_for_empty_outbox().await;
    browser.goto(&backend.at(&path)).await;
    take(&browser, shots, "ticket").await;
    browser.goto(&backend.at("/ticket/T-20200101-0000")).await;
    take(&browser, shots, "not-found").await;

    pictures_of_the_widget(&fixture, &browser).await;

    browser.look(LAPTOP, Scheme::Light).await;
    browser.goto(&backend.at("/inbox")).await;
    take(&browser, shots, "inbox-sign-in").await;
    actions::sign_in(&browser, &backend).await;
    take(&browser, shots, "inbox-list").await;
    browser.goto(&backend.at(&format!("/inbox/ticket/{reference}"))).await;
    take(&browser, shots, "inbox-thread").await;
    let stranger = json!({ "message": "Is there news of my order?", "from": "+15559990000", "externalId": "SM1" });
    assert_eq!(backend.server.inbound(&stranger).await.status, 400);
    for room in ["unmatched", "notifications", "trail"] {
        browser.goto(&backend.at(&format!("/inbox/{room}"))).await;
        take(&browser, shots, &format!("inbox-{room}")).await;
    }
}

async fn pictures_of_the_widget(fixture: &Fixture, browser: &Browser) {
    let shots = &fixture.shots();
    let (_backend, site) = widget::on_an_allowed_site(fixture).await;
    browser.look(LAPTOP, Scheme::Light).await;
    widget::visit(browser, &site).await;
    take(browser, shots, "widget").await;
    widget::fill_in(browser).await;
    widget::send(browser).await;
    widget::until_sent(browser).await;
    take(browser, shots, "widget-thanks").await;
    widget::within(browser, "button", "Open your request")
        .await
        .click()
        .await
        .unwrap();
    let frame = widget::within(browser, "iframe", "").await;
    frame.clone().enter_frame().await.unwrap();
    browser.see("Three of twelve.").await;
    browser.driver().enter_default_frame().await.unwrap();
    take(browser, shots, "widget-thread").await;
    widget::within(browser, "button", "Back").await.click().await.unwrap();
    widget::within(browser, ".list li button", "Product Quality Issue").await;
    take(browser, shots, "widget-list").await;
}
