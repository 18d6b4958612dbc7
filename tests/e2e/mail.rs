//! The customer hears of the answer by e-mail, and finds the way back.

use std::{sync::Arc, time::Duration};

use black_box::{FakeSmtp, ReceivedMail};

use crate::{actions::fill_in, backend::Backend, browser::Browser, fixture::Fixture};

const CUSTOMER: &str = "zoe.quuxley@customer.example";

/// The newest of so many mails.
async fn newest(smtp: &FakeSmtp, count: usize) -> ReceivedMail {
    let mails = smtp.wait_for(CUSTOMER, count, Duration::from_secs(15)).await;
    mails.last().unwrap().clone()
}

/// The first link in a mail.
fn link(mail: &ReceivedMail) -> String {
    let mut words = mail.text.split_whitespace();
    words.find(|word| word.starts_with("http")).expect("a link").to_owned()
}

/// A server that mails customers, after a second.
async fn mailing(fixture: &Fixture) -> (Arc<Backend>, FakeSmtp) {
    let smtp = FakeSmtp::start();
    let backend = fixture.backend_with(|options| options.mailing(&smtp)).await;
    (backend, smtp)
}

/// Opens a ticket by the form, and closes the tab.
async fn write_and_leave(fixture: &Fixture, backend: &Backend) -> String {
    let browser = fixture.browser().await;
    browser.goto(&backend.at("/")).await;
    browser.see("We’ll e‑mail you when we answer.").await;
    let (reference, _) = crate::actions::open_a_ticket(&browser, backend).await;
    browser.goto("about:blank").await;
    reference
}

pub(crate) async fn an_answer_is_found_by_its_mail_on_another_device(fixture: Arc<Fixture>) {
    let (backend, smtp) = mailing(&fixture).await;
    let reference = write_and_leave(&fixture, &backend).await;
    assert!(newest(&smtp, 1).await.text.contains(&reference));
    backend.manager_says(&reference, "Did the bottles leak?").await;
    let answer = newest(&smtp, 2).await;
    assert!(answer.text.contains("Did the bottles leak?"), "{}", answer.text);

    let other = fixture.browser().await;
    other.goto(&link(&answer)).await;
    other.see("Did the bottles leak?").await;
    other.write("message", "Two of them did.").await;
    other.press("Send").await;
    other.see("Two of them did.").await;
    // What the open page shows is not mailed.
    backend.manager_says(&reference, "New ones are on their way.").await;
    other
        .see_within("New ones are on their way.", Duration::from_secs(2))
        .await;
    other.goto("about:blank").await;
    backend.manager_says(&reference, "They arrive on Friday.").await;
    let last = newest(&smtp, 3).await;
    assert!(last.text.contains("They arrive on Friday."), "{}", last.text);
    assert!(!last.text.contains("New ones are on their way."), "{}", last.text);
}

pub(crate) async fn a_lost_link_is_found_and_mails_stop(fixture: Arc<Fixture>) {
    let (backend, smtp) = mailing(&fixture).await;
    let reference = write_and_leave(&fixture, &backend).await;
    newest(&smtp, 1).await;
    let browser = fixture.browser_without_script().await;
    browser.goto(&backend.at("/")).await;
    browser.press("Find my request").await;
    find(&browser, "ZOE.Quuxley@customer.example").await;
    let links = newest(&smtp, 2).await;
    browser.goto(&link(&links)).await;
    browser.see("Product Quality Issue").await;

    backend.manager_says(&reference, "Hello.").await;
    let answer = newest(&smtp, 3).await;
    let stop = answer.header("List-Unsubscribe").trim_matches(['<', '>']).to_owned();
    browser.goto(&stop).await;
    browser.press("Stop e‑mails").await;
    browser.see("You won’t get any more e‑mails").await;
    browser.press("Send e‑mails again").await;
    browser.see("You’ll get e‑mails about this request").await;
}

async fn find(browser: &Browser, contact: &str) {
    fill_in(browser, &[("contact", contact)]).await;
    browser.press("E‑mail me the link").await;
    browser.see("Check your e‑mail").await;
    assert!(!browser.text().await.contains(contact), "it tells who wrote to us");
}
