//! What who waits for an answer reads beside their messages.

use ticket_domain::Status;

use super::{bare, set_status};
use crate::testing::TestApp;

#[test]
fn receipts_tell_how_far_the_last_message_came_and_a_follow_up_undoes_no_answer() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let receipts = || {
        let page = site.get(&opened.page);
        let lines = page.text().split("<p class=\"receipt ").skip(1);
        lines
            .map(|line| line.split([' ', '<']).next().unwrap().replace("\">", ": "))
            .collect::<Vec<_>>()
    };
    assert_eq!(receipts(), ["waiting: We’ve"]);
    site.answer(&opened.reference, "We look into it.", None);
    assert_eq!(receipts(), ["read: Answered"]);
    site.post(&opened.page, &[("message", "One more thing")]);
    site.post(&opened.page, &[("message", "And another")]);
    assert_eq!(receipts(), ["read: Answered", "waiting: We’ve"]);
    set_status(&site, &opened, Status::Resolved);
    assert_eq!(receipts(), ["read: Answered", "read: Resolved"]);
}

#[test]
fn who_waits_reads_how_soon_an_answer_usually_comes() {
    let site = TestApp::with(|setup| setup.settings.manager_name = Some("Anna <b>".into()));
    site.clock.stop();
    assert!(
        site.get("/")
            .has("<p class=\"who-answers\">Anna &lt;b&gt; will answer you.</p>")
    );
    for number in 0..5 {
        let opened = site.open(&[("message", &format!("No. {number}"))]);
        site.clock.pass(300 * number);
        site.answer(&opened.reference, "We look into it.", None);
    }
    // It is read once an hour.
    let waiting = site.open(&[]);
    assert!(site.get(&waiting.page).has("will answer you."));
    site.clock.pass(3_600);
    site.store.take_calls("first_answers");
    for _ in 0..3 {
        for page in ["/", &waiting.page] {
            assert!(
                site.get(page).has("Anna &lt;b&gt; usually answers within 10 minutes."),
                "{page}"
            );
        }
    }
    assert_eq!(site.store.take_calls("first_answers"), 1);
    site.answer(&waiting.reference, "Here we are.", None);
    assert!(!site.get(&waiting.page).has("usually answers"));
    // The form is there without the store.
    site.clock.pass(3_600);
    site.store.set_failing(true);
    assert!(site.get("/").has("Anna &lt;b&gt; will answer you."));
    assert!(
        site.get("/").has("usually answers within 10 minutes."),
        "the value from before, until it is read again"
    );
}

#[test]
fn the_way_to_whatsapp_names_the_ticket_for_its_customer_alone() {
    let site = TestApp::with(|setup| setup.settings.whatsapp_number = "+1 415 523 8886".parse().ok());
    let opened = site.open(&[]);
    let link = format!(
        "href=\"https://wa.me/14155238886?text=My%20request%20{}%3A%20\"",
        opened.reference
    );
    assert!(site.get(&opened.page).has(&link));
    assert!(!site.get(&bare(&opened)).has("wa.me"));
    let site = TestApp::start();
    assert!(!site.get(&site.open(&[]).page).has("wa.me"));
}
