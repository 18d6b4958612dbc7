//! Notifications that did not arrive, and the trail of what was done about it.

use ticket_domain::Recipient;
use ticket_domain::ports::{Clock, Outbox};

use crate::testing::{TestApp, wait};

#[test]
fn what_failed_is_sent_again() {
    let desk = TestApp::inbox();
    let visitor = desk.sign_in();
    visitor
        .get("/inbox/notifications")
        .shows(&["Everything has been delivered."]);
    let ticket = desk.ticket();
    visitor
        .get("/inbox/notifications")
        .shows(&[">Waiting</span>", &ticket.to_string(), "Send now", "It is due now."]);
    desk.give_up("n8n answered <503>");
    desk.clock.pass(7_200);
    let page = visitor.get("/inbox/notifications");
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
    let page = visitor.act(&path, &[]);
    page.shows(&["The notification is on its way again.", ">Waiting</span>"]);
    page.lacks(&["Send all that failed again"]);
    for (missing, expected) in [("01946ba6-0000-7000-8000-000000000000", 303), ("nonsense", 404)] {
        let answer = visitor.post(&format!("/inbox/notifications/{missing}/redeliver"), &[]);
        assert_eq!(answer.status, expected, "{missing}");
    }
}

#[test]
fn what_waits_for_long_or_for_a_word_is_told() {
    let desk = TestApp::inbox_with(|setup| {
        setup.has_receiver = false;
    });
    let visitor = desk.sign_in();
    let ticket = desk.ticket();
    visitor.get("/inbox").shows(&["No webhook is set: <a"]);
    desk.clock.pass(600);
    let page = visitor.get("/inbox/notifications");
    page.shows(&[
        "1 notification waits</a>, up to <time",
        ">10 min</time>",
        "No webhook is set; it waits.",
    ]);
    page.lacks(&["It is due now", "Send now"]);
    let thread = visitor.get(&format!("/inbox/ticket/{ticket}"));
    thread.shows(&["The customer’s message: <a href=\"/inbox/notifications\">no webhook is set; it waits</a>"]);
    wait(desk.store.hold_unaddressed(Recipient::Manager, desk.clock.now())).unwrap();
    let page = visitor.get("/inbox/notifications");
    page.shows(&[
        ">1 held</a>",
        ">Held</span>",
        "No webhook is set; it waits.",
        &ticket.to_string(),
    ]);
    let path = page
        .address_before("action=\"", "\"><button class=\"button plain small\">Send")
        .unwrap();
    visitor
        .act(&path, &[])
        .shows(&["It goes out once a webhook is set.", ">Waiting</span>"]);
}

#[test]
fn what_is_held_goes_out_at_a_word_and_what_comes_later_waits_for_it() {
    // The webhook came later than the ticket.
    let before = TestApp::inbox_with(|setup| setup.has_receiver = false);
    let ticket = before.ticket();
    let desk = TestApp::inbox_with(|setup| setup.store = Some(before.store.clone()));
    desk.clock.pass(1);
    let visitor = desk.sign_in();
    let path = format!("/inbox/ticket/{ticket}/reply");
    visitor.act(&path, &[("message", "We look into it.")]);
    // Nobody waits for an answer, and yet not everything is done.
    let page = visitor.get("/inbox");
    page.shows(&[
        "For now nobody waits for an answer.",
        "1 notification is on the way</a>",
    ]);
    page.lacks(&["All is well"]);
    desk.clock.pass(60);
    let message = desk.unmatched("And another thing");
    let fields = [("ticketRef", ticket.to_string()), ("sender", "customer".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    visitor.act(&format!("/inbox/unmatched/{message}/attach"), &fields);
    let page = visitor.get("/inbox/notifications");
    assert_eq!(page.text().matches("It is due now.").count(), 1, "{}", page.page_body());
    assert_eq!(page.text().matches("It waits for the one before.").count(), 1);
    desk.clock.pass(600);
    visitor
        .get("/inbox")
        .shows(&["2 notifications wait</a>, up to <time", ">11 min</time>"]);
    wait(desk.store.hold_unaddressed(Recipient::Manager, desk.clock.now())).unwrap();
    visitor
        .get("/inbox/notifications")
        .shows(&["It goes out when you say so.", "Send now"]);
}

#[test]
fn all_that_failed_are_sent_again_at_once() {
    let desk = TestApp::inbox();
    let visitor = desk.sign_in();
    for _ in 0..40 {
        desk.ticket();
    }
    desk.give_up(&"it \"<&> ".repeat(50));
    let page = visitor.get("/inbox/notifications");
    page.shows(&["40 notifications failed for good.", "And 25 others."]);
    page.assert_small();
    let page = visitor.act("/inbox/notifications/redeliver", &[]);
    page.shows(&["40 notifications are on their way again."]);
    let page = visitor.act("/inbox/notifications/redeliver", &[]);
    page.shows(&["Nothing to send again"]);
    visitor
        .get("/inbox/trail")
        .shows(&["Had 40 notifications sent again that had failed"]);
}

#[test]
fn the_trail_tells_everything_that_was_done() {
    let desk = TestApp::inbox();
    let visitor = desk.sign_in();
    visitor.get("/inbox/trail").shows(&["Nothing yet."]);
    let ticket = desk.ticket();
    let path = |what: &str| format!("/inbox/ticket/{ticket}/{what}");
    for number in 0..30 {
        desk.clock.pass(1);
        visitor.act(&path("reply"), &[("message", &format!("Response {number}"))]);
        desk.clock.pass(1);
        let status = if number % 2 == 0 { "resolved" } else { "open" };
        visitor.act(&path("status"), &[("status", status)]);
    }
    let page = visitor.get("/inbox/trail");
    page.shows(&[
        "Wrote <a",
        "Status: Open → <b>Resolved</b>",
        &ticket.to_string(),
        ">Older</a>",
    ]);
    assert_eq!(page.text().matches("class=\"when\"").count(), 50);
    let older = visitor.get(&page.link("Older").unwrap());
    assert_eq!(older.text().matches("class=\"when\"").count(), 10);
    older.lacks(&[">Older</a>"]);
}
