//! The form on other people's websites: as a widget, and as a plain form of theirs.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use thirtyfour::WebElement;

use crate::{actions, backend::Backend, browser::Browser, fixture::Fixture, websites::Website};

/// The first shown element of the widget's shadow root that a CSS selector finds and whose words begin so.
pub(crate) async fn within(browser: &Browser, selector: &str, words: &str) -> WebElement {
    let find = format!(
        "[...document.querySelectorAll('*')].flatMap((e) => e.shadowRoot ? [...e.shadowRoot.querySelectorAll({selector:?})] : [])\
         .find((e) => e.checkVisibility() && e.textContent.trim().startsWith({words:?}))"
    );
    browser.until_true(&find).await;
    let found = browser
        .driver()
        .execute(format!("return {find}"), vec![])
        .await
        .unwrap();
    found.element().unwrap()
}

/// A server, and a page with the widget that it allows.
pub(crate) async fn on_an_allowed_site(fixture: &Fixture) -> (Arc<Backend>, Website) {
    let site = Website::new();
    let backend = fixture
        .backend_with(|options| options.set("ALLOWED_ORIGINS", &site.origin()))
        .await;
    let site = site.show(&format!("<script src='{}' defer></script>", backend.at("/widget.js")));
    (backend, site)
}

/// Opens a site, and the widget's form on it.
pub(crate) async fn visit(browser: &Browser, site: &Website) {
    browser.open_shadows().await;
    browser.goto(&site.at("/")).await;
    within(browser, "button", "").await.click().await.unwrap();
    within(browser, "[name=subject]", "").await;
}

/// Fills it in.
pub(crate) async fn fill_in(browser: &Browser) {
    for (name, text) in actions::FORM {
        let field = within(browser, &format!("[name={name}]"), "").await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
}

/// Sends it.
pub(crate) async fn send(browser: &Browser) {
    within(browser, "button[type=submit]", "").await.click().await.unwrap();
}

/// Waits until faults stand beside the fields.
pub(crate) async fn until_errors(browser: &Browser) {
    within(browser, "[aria-invalid=true]", "").await;
}

/// Waits until it leads to the ticket; gives the link.
pub(crate) async fn until_sent(browser: &Browser) -> String {
    let link = within(browser, "a[href*='/ticket/T-']", "").await;
    link.prop("href").await.unwrap().unwrap()
}

pub(crate) async fn on_a_page_of_an_allowed_site(fixture: Arc<Fixture>) {
    let (backend, site) = on_an_allowed_site(&fixture).await;
    let browser = fixture.browser().await;
    visit(&browser, &site).await;
    let focus = "[...document.querySelectorAll('*')].some((e) => e.shadowRoot?.activeElement)";
    browser.until_true(focus).await;
    // Faults, with everything kept.
    fill_in(&browser).await;
    let email = within(&browser, "[name=customerEmail]", "").await;
    email.clear().await.unwrap();
    email.send_keys("zoe at home").await.unwrap();
    browser.expect_failures_of("/api/ticket");
    send(&browser).await;
    until_errors(&browser).await;
    assert_eq!(backend.tickets().await, 0);
    let name = within(&browser, "[name=customerName]", "").await;
    assert_eq!(name.prop("value").await.unwrap().as_deref(), Some("Zoë Quuxley"));

    fill_in(&browser).await;
    browser
        .double_click(&within(&browser, "button[type=submit]", "").await)
        .await;
    let link = until_sent(&browser).await;
    assert_eq!(backend.tickets().await, 1);
    assert_eq!(browser.path().await, "/", "the visitor is still on the site");
    assert_eq!(stored(&browser).await, "{}", "nobody wanted to be remembered");
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    assert!(cookies.is_empty(), "{cookies:?}");
    assert!(
        link.starts_with(&backend.at("/ticket/T-")) && link.contains("?key="),
        "{link}"
    );
    browser.goto(&link).await;
    browser.see("Three of twelve.").await;
    browser.field("message").await;
    backend.n8n.wait_for(1, Duration::from_secs(10)).await;
}

/// What the site's storage holds of the widget.
async fn stored(browser: &Browser) -> String {
    let stored = browser.js("JSON.stringify({ ...localStorage })").await;
    stored.as_str().unwrap_or_default().to_owned()
}

/// Looks into the frame with the ticket's page.
async fn enter_thread(browser: &Browser) {
    within(browser, "iframe", "").await.enter_frame().await.unwrap();
}

async fn leave_thread(browser: &Browser) {
    browser.driver().enter_default_frame().await.unwrap();
}

pub(crate) async fn remembering_requests_and_opening_them_in_place(fixture: Arc<Fixture>) {
    let (backend, site) = on_an_allowed_site(&fixture).await;
    let browser = fixture.browser().await;
    visit(&browser, &site).await;
    fill_in(&browser).await;
    within(&browser, "#memory", "").await.click().await.unwrap();
    send(&browser).await;
    let link = until_sent(&browser).await;
    let reference = actions::reference_in(link.strip_prefix(&backend.base).unwrap());
    assert!(stored(&browser).await.contains(&reference));
    within(&browser, "button", "Copy link").await;
    within(&browser, "button", "Open your request")
        .await
        .click()
        .await
        .unwrap();
    enter_thread(&browser).await;
    browser.see("Three of twelve.").await;
    browser.write("message", "Written in the frame.").await;
    browser.press("Send").await;
    browser.see("Written in the frame.").await;
    backend.n8n.wait_for(2, Duration::from_secs(10)).await;
    leave_thread(&browser).await;

    // On another visit a dot says that there is an answer, until it was opened.
    backend.manager_says(&reference, "It is on its way.").await;
    browser.reload().await;
    within(&browser, "button.open.news", "Help, new answer")
        .await
        .click()
        .await
        .unwrap();
    within(&browser, ".list button.new", "Product Quality Issue")
        .await
        .click()
        .await
        .unwrap();
    enter_thread(&browser).await;
    browser.see("It is on its way.").await;
    leave_thread(&browser).await;
    within(&browser, "button", "Back").await.click().await.unwrap();
    let entry = within(&browser, ".list li button", "Product Quality Issue").await;
    assert!(entry.text().await.unwrap().contains("Answered"));
    within(&browser, "button", "Close").await.click().await.unwrap();
    within(&browser, "button.open:not(.news)", "Help")
        .await
        .click()
        .await
        .unwrap();

    within(&browser, "button", "Forget these").await.click().await.unwrap();
    within(&browser, "[name=subject]", "").await;
    assert_eq!(stored(&browser).await, "{}");
}

pub(crate) async fn refused_on_a_page_of_another_site(fixture: Arc<Fixture>) {
    let (backend, _allowed) = on_an_allowed_site(&fixture).await;
    let browser = fixture.browser().await;
    let script = format!("<script src='{}' defer></script>", backend.at("/widget.js"));
    let stranger = Website::new().show(&script);
    browser.expect_failures_of("/api/ticket");
    visit(&browser, &stranger).await;
    fill_in(&browser).await;
    send(&browser).await;
    // It says so in words, keeps what was typed, and opens nothing.
    within(&browser, "[role=alert], [role=status]", "").await;
    let name = within(&browser, "[name=customerName]", "").await;
    assert_eq!(name.prop("value").await.unwrap().as_deref(), Some("Zoë Quuxley"));
    assert_eq!(backend.tickets().await, 0);

    // Its own form is refused by a page that says why.
    let form = form_of(&backend, &stranger.at("/thanks"));
    let stranger = Website::new().show(&form);
    browser.goto(&stranger.at("/")).await;
    actions::fill_in(&browser, &actions::FORM).await;
    browser.press("Ask us").await;
    browser.until_path(&backend.base).await;
    browser.find("h1").await;
    assert_eq!(backend.tickets().await, 0);
    let status = browser
        .js("performance.getEntriesByType('navigation')[0].responseStatus")
        .await;
    assert_eq!(status, json!(403));
}

/// A form that a site's owner wrote, by the names of the fields.
fn form_of(backend: &Backend, back: &str) -> String {
    let field = |(name, _): &(&str, &str)| format!("<p><label>{name} <textarea name={name}></textarea></label></p>");
    let fields: String = actions::FORM.iter().map(field).collect();
    format!(
        "<form method=post action='{}'>{fields}<input type=hidden name=return value='{back}'><button>Ask us</button></form>",
        backend.at("/")
    )
}

pub(crate) async fn a_plain_form_of_an_allowed_site(fixture: Arc<Fixture>) {
    let browser = fixture.browser().await;
    let site = Website::new();
    let backend = fixture
        .backend_with(|options| options.set("ALLOWED_ORIGINS", &site.origin()))
        .await;
    let back = site.at("/thanks?from=form");
    let site = site.show(&form_of(&backend, &back));
    browser.goto(&site.at("/")).await;
    actions::fill_in(&browser, &actions::FORM).await;
    browser.write("customerPhone", "12").await;
    browser.press("Ask us").await;
    // Our own form takes over with what was typed, and leads back once it is right.
    browser.find("[role=alert]").await;
    assert!(
        browser
            .driver()
            .current_url()
            .await
            .unwrap()
            .as_str()
            .starts_with(&backend.base)
    );
    assert_eq!(browser.value("customerName").await, "Zoë Quuxley");
    assert_eq!(backend.tickets().await, 0);
    browser.write("customerPhone", black_box::CUSTOMER).await;
    browser.press("Send").await;
    browser.until_path("/thanks?from=form&ticketRef=T-").await;
    let url = browser.driver().current_url().await.unwrap();
    assert!(url.as_str().starts_with(&site.origin()), "{url}");
    let told: Vec<_> = url.query_pairs().filter(|(name, _)| name == "ticketUrl").collect();
    browser.goto(&told[0].1).await;
    browser.see("Three of twelve.").await;
    assert_eq!(backend.tickets().await, 1);

    // Nobody is sent to a site that is not allowed.
    let elsewhere = Website::new();
    let site = Website::new();
    let other = fixture
        .backend_with(|options| options.set("ALLOWED_ORIGINS", &site.origin()))
        .await;
    let site = site.show(&form_of(&other, &elsewhere.at("/thanks")));
    browser.goto(&site.at("/")).await;
    actions::fill_in(&browser, &actions::FORM).await;
    browser.press("Ask us").await;
    browser.find("[role=alert]").await;
    assert!(
        browser
            .driver()
            .current_url()
            .await
            .unwrap()
            .as_str()
            .starts_with(&other.base)
    );
    assert_eq!(other.tickets().await, 0);
}
