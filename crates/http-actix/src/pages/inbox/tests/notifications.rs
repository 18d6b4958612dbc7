//! Notifications that did not arrive, and the trail of what was done about it.

use ticket_domain::Recipient;
use ticket_domain::ports::{Clock, Outbox};

use crate::testing::{TestApp, wait};

#[test]
fn a_failed_notification_is_redelivered() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    operator
        .get("/inbox/notifications")
        .shows(&["Everything has been delivered."]);
    let ticket = app.ticket();
    operator
        .get("/inbox/notifications")
        .shows(&[">Waiting</span>", &ticket.to_string(), "Send now", "It is due now."]);
    app.give_up("n8n answered <503>");
    app.clock.pass(7_200);
    let page = operator.get("/inbox/notifications");
    page.shows(&[
        ">Failed</span>",
        "data-age=\"span\">2 h</time> ago, after 1 try.",
        "Send again",
        ">2 h</time>",
        "Last try: n8n answered &lt;503&gt;",
        "1 notification failed</a>",
        "Send all that failed again",
    ]);
    let path = page
        .address_before("action=\"", "\"><button class=\"button plain small\">Send")
        .unwrap();
    let page = operator.act(&path, &[]);
    page.shows(&["The notification is on its way again.", ">Waiting</span>"]);
    page.lacks(&["Send all that failed again"]);
    for (missing, expected) in [("01946ba6-0000-7000-8000-000000000000", 303), ("nonsense", 404)] {
        let answer = operator.post(&format!("/inbox/notifications/{missing}/redeliver"), &[]);
        assert_eq!(answer.status, expected, "{missing}");
    }
}

#[test]
fn notifications_that_wait_for_long_or_are_held_are_shown() {
    let app = TestApp::inbox_with(|setup| {
        setup.has_receiver = false;
    });
    let operator = app.sign_in();
    let ticket = app.ticket();
    operator.get("/inbox").shows(&["No webhook is set: <a"]);
    app.clock.pass(600);
    let page = operator.get("/inbox/notifications");
    page.shows(&[
        "1 notification waits</a>, up to <time",
        ">10 min</time>",
        "No webhook is set; it waits.",
    ]);
    page.lacks(&["It is due now", "Send now"]);
    let thread = operator.get(&format!("/inbox/ticket/{ticket}"));
    thread.shows(&["The customer’s message: <a href=\"/inbox/notifications\">no webhook is set; it waits</a>"]);
    wait(app.store.hold_unaddressed(Recipient::Manager, app.clock.now())).unwrap();
    let page = operator.get("/inbox/notifications");
    page.shows(&[
        ">1 held</a>",
        ">Held</span>",
        "No webhook is set; it waits.",
        &ticket.to_string(),
    ]);
    let path = page
        .address_before("action=\"", "\"><button class=\"button plain small\">Send")
        .unwrap();
    operator
        .act(&path, &[])
        .shows(&["It goes out once a webhook is set.", ">Waiting</span>"]);
}

#[test]
fn a_held_notification_blocks_later_ones_until_it_is_redelivered() {
    // The webhook came later than the ticket.
    let before = TestApp::inbox_with(|setup| setup.has_receiver = false);
    let ticket = before.ticket();
    let app = TestApp::inbox_with(|setup| setup.store = Some(before.store.clone()));
    app.clock.pass(1);
    let operator = app.sign_in();
    let path = format!("/inbox/ticket/{ticket}/reply");
    operator.act(&path, &[("message", "We look into it.")]);
    // Nobody waits for an answer, and yet not everything is done.
    let page = operator.get("/inbox");
    page.shows(&[
        "For now nobody waits for an answer.",
        "1 notification is on the way</a>",
    ]);
    page.lacks(&["All is well"]);
    app.clock.pass(60);
    let message = app.unmatched("And another thing");
    let fields = [("ticketRef", ticket.to_string()), ("sender", "customer".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    operator.act(&format!("/inbox/unmatched/{message}/attach"), &fields);
    let page = operator.get("/inbox/notifications");
    assert_eq!(page.text().matches("It is due now.").count(), 1, "{}", page.page_body());
    assert_eq!(page.text().matches("It waits for the one before.").count(), 1);
    app.clock.pass(600);
    operator
        .get("/inbox")
        .shows(&["2 notifications wait</a>, up to <time", ">11 min</time>"]);
    wait(app.store.hold_unaddressed(Recipient::Manager, app.clock.now())).unwrap();
    operator
        .get("/inbox/notifications")
        .shows(&["It goes out when you say so.", "Send now"]);
}

#[test]
fn all_failed_notifications_are_redelivered_at_once() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    for _ in 0..40 {
        app.ticket();
    }
    app.give_up(&"it \"<&> ".repeat(50));
    let page = operator.get("/inbox/notifications");
    page.shows(&["40 notifications failed for good.", "And 25 others."]);
    page.assert_small();
    let page = operator.act("/inbox/notifications/redeliver", &[]);
    page.shows(&["40 notifications are on their way again."]);
    let page = operator.act("/inbox/notifications/redeliver", &[]);
    page.shows(&["Nothing to send again"]);
    operator
        .get("/inbox/trail")
        .shows(&["Had 40 notifications sent again that had failed"]);
}

#[test]
fn the_audit_log_lists_every_action() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    operator.get("/inbox/trail").shows(&["Nothing yet."]);
    let ticket = app.ticket();
    let path = |what: &str| format!("/inbox/ticket/{ticket}/{what}");
    for number in 0..30 {
        app.clock.pass(1);
        operator.act(&path("reply"), &[("message", &format!("Response {number}"))]);
        app.clock.pass(1);
        let status = if number % 2 == 0 { "resolved" } else { "open" };
        operator.act(&path("status"), &[("status", status)]);
    }
    let page = operator.get("/inbox/trail");
    page.shows(&[
        "Wrote <a",
        "Status: Open → <b>Resolved</b>",
        &ticket.to_string(),
        ">Older</a>",
    ]);
    assert_eq!(page.text().matches("class=\"when\"").count(), 50);
    let older = operator.get(&page.link("Older").unwrap());
    assert_eq!(older.text().matches("class=\"when\"").count(), 10);
    older.lacks(&[">Older</a>"]);
}
