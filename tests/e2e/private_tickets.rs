//! `TICKET_ACCESS=private`.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use url::Url;

use crate::fixture::Fixture;

pub(crate) async fn a_ticket_without_its_key_is_not_found(fixture: Arc<Fixture>) {
    let backend = fixture
        .backend_with(|options| options.set("TICKET_ACCESS", "private"))
        .await;
    let browser = fixture.browser().await;
    let (reference, path) = backend.ticket(json!({})).await;

    // Without a key, with a wrong one, and where there is no ticket: the same page.
    let mut pages = Vec::new();
    for path in [
        format!("/ticket/{reference}"),
        format!("/ticket/{reference}?key=wrong"),
        "/ticket/T-20200101-0000".to_owned(),
        "/ticket/nonsense".to_owned(),
    ] {
        browser.goto(&backend.at(&path)).await;
        let text = browser.text().await;
        assert!(
            text.contains("find this ticket") && !text.contains("Product Quality Issue"),
            "{path}: {text}"
        );
        assert_eq!(backend.server.get(&path).await.status, 404, "{path}");
        pages.push(text);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "the pages tell tickets from others");

    browser.goto(&backend.at(&path)).await;
    browser.see("Product Quality Issue").await;
    backend.manager_says(&reference, "Seen by its owner only.").await;
    browser
        .see_within("Seen by its owner only.", Duration::from_secs(1))
        .await;
    browser.write("message", "So it is.").await;
    browser.press("Send").await;
    browser.see("So it is.").await;

    // The manager's link reads and does not write.
    let told = backend.n8n.wait_for(1, Duration::from_secs(10)).await[0].json();
    let link = Url::parse(told["ticketUrl"].as_str().unwrap()).unwrap();
    assert!(
        link.query()
            .is_some_and(|query| query.contains("key=") && !path.contains(query)),
        "{link}"
    );
    browser.goto(link.as_str()).await;
    browser.see("So it is.").await;
    assert!(
        !browser.has("[name=message]").await,
        "the manager's link writes as the customer"
    );
    backend.manager_says(&reference, "Read along.").await;
    browser.see_within("Read along.", Duration::from_secs(1)).await;
}
