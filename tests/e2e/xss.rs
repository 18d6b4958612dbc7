//! Markup in every field is shown as text and runs nothing.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::{actions, backend::Backend, browser::Browser, fixture::Fixture};

/// Texts that set `window.__xss` or open a dialog where they are taken for more than a text: elements, ways out of what a
/// text may stand in, entities, template languages, signs that nobody sees.
static PAYLOADS: LazyLock<Vec<String>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../corpus/markup.json")).expect("texts"));

/// What is wrong on a page: a script that ran, foreign elements, attributes or links, and a text that no element of a
/// selector shows as it was written.
const WRONG: &str = "
    const all = [...document.querySelectorAll('*')];
    const has = (e, name) => e.getAttribute(name) || '';
    const foreign = 'main :is(script, img, svg, math, iframe, object, embed, video, marquee, style, base, meta, link), \
        head :is(base, link:not([rel=icon]), meta[http-equiv])';
    const isScript = (e) => /^\\s*(javascript|data|vbscript):/i.test(has(e, 'href') || has(e, 'action') || has(e, 'src'));
    return [
        ...(window.__xss === undefined ? [] : ['it ran']),
        ...all.filter((e) => e.matches(foreign)).map((e) => e.outerHTML),
        ...all.filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))).map((e) => e.outerHTML),
        ...all.filter((e) => !e.matches('head > link[rel=icon]') && isScript(e)).map((e) => e.outerHTML),
        ...arguments[0].filter(([selector, text]) =>
            ![...document.querySelectorAll(selector)].some((e) => e.textContent.includes(text))),
    ];";

/// Asserts that nothing is wrong on a page, and that elements of each selector show the text beside it.
async fn assert_calm(browser: &Browser, place: &str, shown: &[(&str, &str)]) {
    let wrong = browser.driver().execute(WRONG, vec![json!(shown)]).await.unwrap();
    assert_eq!(wrong.json(), &json!([]), "{place}");
}

/// Asserts that the page of a ticket with this payload is calm and shows it.
async fn assert_ticket(browser: &Browser, payload: &str) {
    let message = format!("{payload}\n{payload}");
    assert_calm(
        browser,
        "the ticket",
        &[("h1", payload), (".bubble, [id^='m-']", &message)],
    )
    .await;
}

/// A ticket for each payload, which stands in its name, subject and message.
async fn tickets(backend: &Backend) -> Vec<(&'static String, String, String)> {
    let mut tickets = Vec::new();
    for payload in PAYLOADS.iter() {
        let changes =
            json!({ "customerName": payload, "subject": payload, "message": format!("{payload}\n{payload}") });
        let (reference, path) = backend.ticket(changes).await;
        tickets.push((payload, reference, path));
    }
    tickets
}

/// The texts of what a CSS selector finds, on this page and those that follow it. Each page is calm.
async fn every_page(browser: &Browser, selector: &str, place: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    loop {
        assert_calm(browser, place, &[]).await;
        let texts = browser
            .js(&format!(
                "[...document.querySelectorAll({selector:?})].map((e) => e.textContent)"
            ))
            .await;
        seen.extend(
            texts
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
        let next = browser.js("document.querySelector('main a[rel=next]')?.href").await;
        let Some(next) = next.as_str() else {
            return seen;
        };
        browser.goto(next).await;
    }
}

pub(crate) async fn markup_is_text_for_customers(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;

    // The form's error page: every text is given back in its field.
    let fields = [
        "customerName",
        "customerPhone",
        "customerEmail",
        "subject",
        "message",
        "website",
    ];
    browser.goto(&backend.at("/")).await;
    for payload in PAYLOADS.iter() {
        let fill = "for (const name of arguments[1]) document.querySelector(`[name=${name}]`).value = arguments[0]; \
                    document.querySelector('[name=priority]').value = arguments[0]; \
                    document.querySelector('[name=priority]').checked = true; \
                    window.old = true; document.querySelector('main form').requestSubmit()";
        browser
            .driver()
            .execute(fill, vec![json!(payload), json!(fields)])
            .await
            .unwrap();
        browser
            .until_true("!window.old && document.querySelector('[role=alert]')")
            .await;
        let values = "return arguments[0].map((name) => document.querySelector(`[name=${name}]`).value)";
        let values = browser.driver().execute(values, vec![json!(fields)]).await.unwrap();
        assert_eq!(values.json(), &json!(vec![payload; fields.len()]));
        assert_calm(&browser, "the form's error page", &[]).await;
    }
    // An address to go back to.
    let urls = ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>"];
    for payload in PAYLOADS.iter().map(String::as_str).chain(urls) {
        let mut url = url::Url::parse(&backend.at("/")).unwrap();
        url.query_pairs_mut()
            .append_pair("return", payload)
            .append_pair("message", payload);
        browser.goto(url.as_str()).await;
        assert_calm(&browser, "the form with an address to go back to", &[]).await;
    }

    let tickets = tickets(&backend).await;
    for (payload, _, path) in &tickets {
        browser.goto(&backend.at(path)).await;
        assert_ticket(&browser, payload).await;
    }

    // Answers that come into the open page, with media beside them.
    let (_, reference, path) = &tickets[0];
    browser.goto(&backend.at(path)).await;
    for payload in PAYLOADS.iter() {
        let media = format!("https://media.example/{payload}");
        let body = json!({ "ticketRef": reference, "message": payload, "from": black_box::MANAGER, "mediaUrl": media });
        assert_eq!(backend.server.inbound(&body).await.status, 200);
    }
    for media in [
        "javascript:window.__xss=1",
        "data:text/html,<script>window.__xss=1</script>",
        "\u{1}javascript:alert(1)",
    ] {
        let body =
            json!({ "ticketRef": reference, "message": "the last one", "from": black_box::MANAGER, "mediaUrl": media });
        assert_eq!(backend.server.inbound(&body).await.status, 200);
    }
    browser.see("the last one").await;
    assert_calm(&browser, "the live thread", &[]).await;
    let shown = browser
        .js("[...document.querySelectorAll('.bubble .text, [id^=\"m-\"] p')].map((e) => e.textContent)")
        .await;
    for payload in &PAYLOADS[PAYLOADS.len() - 20..] {
        let has = shown.as_array().unwrap().iter().any(|text| text == payload);
        assert!(has, "{payload:?} is not in the live thread");
    }
}

pub(crate) async fn markup_is_text_for_operators(fixture: Arc<Fixture>) {
    let backend = fixture.backend().await;
    let browser = fixture.browser().await;
    let tickets = tickets(&backend).await;
    for (index, payload) in PAYLOADS.iter().enumerate() {
        // A stranger, who names no ticket.
        let media = format!("https://media.example/{payload}");
        let body = json!({ "message": payload, "from": "+15559990000", "externalId": format!("SM{index}"), "mediaUrl": media });
        assert_eq!(backend.server.inbound(&body).await.status, 400);
    }
    actions::sign_in(&browser, &backend).await;
    browser.goto(&backend.at("/inbox?status=any")).await;
    let seen = every_page(&browser, "[data-ticket]", "the list").await;
    for payload in PAYLOADS.iter() {
        // The list shortens what is long.
        let begin: String = payload.chars().take(50).collect();
        let is_shown = seen.iter().any(|row| row.contains(&begin));
        assert!(is_shown, "{begin:?} is not in the list");
    }
    for (payload, reference, _) in &tickets {
        browser.goto(&backend.at(&format!("/inbox/ticket/{reference}"))).await;
        assert_ticket(&browser, payload).await;
    }
    browser.goto(&backend.at("/inbox/unmatched")).await;
    let seen = every_page(&browser, "main li p", "the unmatched messages").await;
    for payload in PAYLOADS.iter() {
        assert!(
            seen.iter().any(|text| text == payload),
            "{payload:?} is not among the unmatched"
        );
    }
    for payload in PAYLOADS.iter() {
        for page in ["/inbox", "/inbox/unmatched", "/inbox/notifications", "/inbox/trail"] {
            let mut url = url::Url::parse(&backend.at(page)).unwrap();
            for name in [
                "q", "status", "priority", "awaiting", "after", "before", "done", "ticket", "next",
            ] {
                url.query_pairs_mut().append_pair(name, payload);
            }
            if page == "/inbox" || payload.starts_with("<img") {
                browser.goto(url.as_str()).await;
                assert_calm(&browser, page, &[]).await;
            }
        }
    }
    // What is typed and refused.
    browser.goto(&backend.at("/inbox/unmatched")).await;
    for payload in &PAYLOADS[..8] {
        let fill = "const field = document.querySelector('[name=ticketRef]'); field.value = arguments[0]; window.old = true; \
                    field.form.requestSubmit()";
        browser.driver().execute(fill, vec![json!(payload)]).await.unwrap();
        browser
            .until_true("!window.old && document.querySelector('[role=alert]')")
            .await;
        assert_calm(&browser, "a reference that is refused", &[]).await;
    }
}
