//! What people do on the pages.

use black_box::{CUSTOMER, OPERATOR_TOKEN};
use thirtyfour::{By, Key};

use crate::{backend::Backend, browser::Browser};

/// The form's fields, filled in as a customer would.
pub(crate) const FORM: [(&str, &str); 5] = [
    ("subject", "Product Quality Issue"),
    (
        "message",
        "I received damaged bottles in my last order.\nThree of twelve.",
    ),
    ("customerName", "Zoë Quuxley"),
    ("customerPhone", CUSTOMER),
    ("customerEmail", "zoe.quuxley@customer.example"),
];

/// Fills in the form.
pub(crate) async fn fill_in(browser: &Browser, fields: &[(&str, &str)]) {
    for (name, text) in fields {
        browser.write(name, text).await;
    }
}

/// Chooses among radio buttons, whose own circles may be out of sight.
pub(crate) async fn choose(browser: &Browser, name: &str, value: &str) {
    let label = format!("//label[.//input[@name='{name}' and @value='{value}']]");
    let label = browser.driver().find(By::XPath(label)).await.expect("a choice");
    label.click().await.expect("a choice");
}

/// Opens a ticket by the form; gives its reference and the path of its page.
pub(crate) async fn open_a_ticket(browser: &Browser, backend: &Backend) -> (String, String) {
    browser.goto(&backend.at("/")).await;
    fill_in(browser, &FORM).await;
    choose(browser, "priority", "high").await;
    browser.press("Send").await;
    browser.until_path("/ticket/T-").await;
    let path = browser.path().await;
    let reference = reference_in(&path);
    (reference, path)
}

/// The reference in the path of a ticket's page.
pub(crate) fn reference_in(path: &str) -> String {
    let rest = path.strip_prefix("/ticket/").expect("a ticket's page");
    rest.split('?').next().expect("a reference").to_owned()
}

/// Signs in to the inbox.
pub(crate) async fn sign_in(browser: &Browser, backend: &Backend) {
    browser.goto(&backend.at("/inbox")).await;
    browser.write("token", OPERATOR_TOKEN).await;
    browser.field("token").await.send_keys(Key::Enter).await.expect("a key");
    browser.find("input[name='q']").await;
}
