//! The list, a ticket, and what is done with it.

use ticket_domain::Priority;

use crate::testing::{Response, TestApp};

/// The subjects of the list, in their order.
fn subjects(page: &Response) -> Vec<&str> {
    let rows = page.text().split("<span class=\"subject\">").skip(1);
    rows.map(|row| row.split('<').next().unwrap()).collect()
}

#[test]
fn an_empty_inbox_explains_itself() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    operator
        .get("/inbox")
        .shows(&["No tickets yet", "curl http://desk.example/api/ticket", "All is well"]);
    app.ticket();
    let page = operator.get("/inbox?q=nowhere");
    page.shows(&["No ticket here has all these words.", "Search all tickets"]);
    operator.get("/inbox?status=closed").shows(&["No ticket is like that."]);
}

#[test]
fn the_list_shows_what_awaits_an_answer() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let first = app.ticket_of("Ann", "First", "Where is it?", Priority::Medium);
    app.ticket_of("Bob", "Second", "Broken again", Priority::Urgent);
    app.clock.pass(3 * 3_600);
    operator.post(&format!("/inbox/ticket/{first}/reply"), &[("message", "On its way.")]);

    let page = operator.get("/inbox");
    assert_eq!(subjects(&page), ["First", "Second"]);
    page.shows(&[
        "<b>Manager: </b>On its way.",
        "<b>Customer: </b>Broken again",
        "data-age>now</time>",
        "data-age>3 h</time>",
        "<span class=\"badge danger\">Urgent</span>",
        "Waiting for an answer: <b>1</b>",
        "the oldest</a> for <time",
        "data-age=\"span\">3 h</time>",
    ]);
    assert_eq!(page.text().matches(">Waiting for you</span>").count(), 1);

    let waiting = operator.get(&page.link("Waiting for you").unwrap());
    assert_eq!(subjects(&waiting), ["Second"]);
    let answered = operator.get("/inbox?awaiting=customer");
    assert_eq!(subjects(&answered), ["First"]);
    assert_eq!(subjects(&operator.get("/inbox?priority=urgent")), ["Second"]);
    assert_eq!(subjects(&operator.get("/inbox?q=broken")), ["Second"]);
}

#[test]
fn a_resolved_ticket_leaves_the_list_and_is_found_under_all() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let page = operator.act(
        &format!("/inbox/ticket/{ticket}/status?q=bottles"),
        &[("status", "resolved")],
    );
    page.shows(&["The ticket is resolved.", "Open again", "value=\"bottles\""]);
    assert_eq!(subjects(&page), Vec::<&str>::new());
    let list = operator.get("/inbox");
    list.shows(&["Nothing is open"]);
    let all = operator.get(&list.link("All").unwrap());
    assert_eq!(subjects(&all), ["Product Quality Issue"]);
    all.shows(&["<span class=\"badge still\">Resolved</span>"]);

    for (status, says) in [("open", "open again"), ("closed", "The ticket is closed.")] {
        let page = operator.act(&format!("/inbox/ticket/{ticket}/status"), &[("status", status)]);
        page.shows(&[says]);
    }
    let page = operator.act(&format!("/inbox/ticket/{ticket}/priority"), &[("priority", "urgent")]);
    page.shows(&["The priority is changed.", "value=\"urgent\" aria-pressed=\"true\""]);
    for (what, field, value) in [("status", "status", "gone"), ("priority", "priority", "")] {
        let answer = operator.post(&format!("/inbox/ticket/{ticket}/{what}"), &[(field, value)]);
        assert_eq!(answer.status, 404, "{what}");
    }
}

#[test]
fn long_lists_have_pages_and_keep_the_filter() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    for number in 0..65 {
        let subject = format!("Number {number}");
        app.ticket_of("Ann", &subject, "About bottles", Priority::Low);
    }
    let mut seen = Vec::new();
    let mut address = "/inbox?priority=low&awaiting=manager".to_owned();
    loop {
        let page = operator.get(&address);
        assert_eq!(page.status, 200);
        seen.extend(subjects(&page).into_iter().map(str::to_owned));
        assert_eq!(page.link("Newest").is_some(), address.contains("after="), "{address}");
        match page.link("Older") {
            Some(older) => address = older,
            None => break,
        }
        assert!(
            address.starts_with("/inbox?priority=low&awaiting=manager&after="),
            "{address}"
        );
    }
    let expected: Vec<String> = (0..65).rev().map(|number| format!("Number {number}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_ticket_opens_beside_the_list_that_led_to_it() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let page = operator.get(&format!("/inbox/ticket/{ticket}?status=any&q=bottles"));
    page.shows(&[
        "<h1 id=\"subject\">Product Quality Issue</h1>",
        &ticket.to_string(),
        "href=\"tel:+1234567890\"",
        "href=\"mailto:john@example.com\"",
        "I received damaged bottles.",
        "The customer’s message: on its way to the manager",
        "aria-current=\"true\"",
        "href=\"/inbox?status=any&amp;q=bottles\">Back to tickets",
        &format!("action=\"/inbox/ticket/{ticket}/reply?status=any&amp;q=bottles\""),
        "Nothing yet. Answers, and changes",
    ]);
    assert_eq!(page.text().matches("<h1").count(), 1);
    let lower = operator.get(&format!("/inbox/ticket/{}", ticket.to_string().to_lowercase()));
    assert_eq!(lower.status, 200);
    for missing in ["T-20250115-999999999", "nonsense", "%3Cb%3E"] {
        let answer = operator.get(&format!("/inbox/ticket/{missing}"));
        assert_eq!(answer.status, 404, "{missing}");
        answer.shows(&["There is no such ticket", "Back to tickets"]);
    }
}

#[test]
fn a_reply_is_stored_once() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let path = format!("/inbox/ticket/{ticket}/reply");
    let page = operator.get(&format!("/inbox/ticket/{ticket}"));
    let key = page.hidden("idempotencyKey").unwrap().to_owned();
    assert_ne!(
        key,
        operator
            .get(&format!("/inbox/ticket/{ticket}"))
            .hidden("idempotencyKey")
            .unwrap()
    );
    let fields = [
        ("message", "We send new ones.\r\nToday."),
        ("idempotencyKey", key.as_str()),
    ];
    for _ in 0..2 {
        let answer = operator.post(&path, &fields);
        let next = answer.header("location").unwrap().to_owned();
        assert!(next.ends_with("#message"), "{next}");
        let page = operator.act(&path, &fields);
        page.shows(&["Your answer is in the thread.", "We send new ones.\nToday.", "Wrote <a"]);
        page.lacks(&["to the manager"]);
        assert_eq!(page.text().matches("class=\"text\"").count(), 2);
    }
    // Whoever goes back and writes something else means it.
    let other = [("message", "And one more."), ("idempotencyKey", key.as_str())];
    let page = operator.act(&path, &other);
    assert_eq!(page.text().matches("class=\"text\"").count(), 3);
    // The same words on another ticket are another answer.
    let second = app.ticket();
    let page = operator.act(&format!("/inbox/ticket/{second}/reply"), &fields);
    assert_eq!(page.text().matches("class=\"text\"").count(), 2);
}

#[test]
fn an_invalid_reply_is_kept() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let path = format!("/inbox/ticket/{ticket}/reply");
    let long = "ü".repeat(5_001);
    // As it is counted: line breaks are one character each.
    let lines = "ü\r".repeat(2_501) + "ü";
    for (typed, says) in [
        ("  ", "Write something first."),
        (
            long.as_str(),
            "An answer has at most 5000 characters, and this one has 5001.",
        ),
        (
            lines.as_str(),
            "An answer has at most 5000 characters, and this one has 5003.",
        ),
        ("a\u{0}b", "An answer must not contain control characters."),
    ] {
        let answer = operator.post(&path, &[("message", typed), ("idempotencyKey", "the-key")]);
        assert_eq!(answer.status, 400, "{says}");
        answer.shows(&[
            says,
            &format!(">\n{typed}</textarea>"),
            "aria-invalid=\"true\"",
            "value=\"the-key\"",
        ]);
    }
    let gone = operator.post(
        "/inbox/ticket/T-20250115-999999999/reply",
        &[("message", "typed words")],
    );
    assert_eq!(gone.status, 404);
    gone.shows(&["There is no such ticket", "typed words"]);
}

#[test]
fn a_long_thread_begins_with_its_newest_messages() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let path = format!("/inbox/ticket/{ticket}?status=any");
    operator.get(&path).lacks(&["earlier message"]);
    for number in 1..=119 {
        let text = format!(
            "Response {number}. {}",
            "It comes on Monday, or on Tuesday at the latest. ".repeat(3)
        );
        let sent = operator.post(&format!("/inbox/ticket/{ticket}/reply"), &[("message", &text)]);
        assert_eq!(sent.status, 303);
    }
    let page = operator.get(&path);
    assert!(page.text().len() < 50 * 1024, "{}", page.text().len());
    page.shows(&["Response 119.", "Response 110."]);
    page.lacks(&["I received damaged bottles.</p>", "Response 20."]);
    let shown = page.text().matches("class=\"bubble").count();
    let name = format!("Show {} earlier messages", 120 - shown);
    let all = page.link(&name).unwrap();
    assert_eq!(all, format!("/inbox/ticket/{ticket}?status=any&all="));
    let page = operator.get(&all);
    assert_eq!(page.text().matches("class=\"bubble").count(), 120);
    page.lacks(&["earlier message"]);
}

#[test]
fn a_message_is_removed_after_a_second_look() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let page = operator.act(&format!("/inbox/ticket/{ticket}/reply"), &[("message", "Not for you.")]);
    // A summary that opens is the question whether it is meant.
    page.shows(&["<summary>Remove</summary><button class=\"button plain small\" form=\"remove\" name=\"message\""]);
    let thread = app.thread(&ticket.to_string());
    let id = thread.messages[1].id.to_string();
    let path = format!("/inbox/ticket/{ticket}/remove");
    let page = operator.act(&path, &[("message", &id)]);
    page.shows(&[
        "Removed. The customer no longer sees this message.",
        "Not for you.",
        ">Removed</span>",
        "Removed <a",
    ]);
    let customers = format!("/ticket/{ticket}?key={}", thread.ticket.keys.customer);
    let page = app.get(&customers);
    page.shows(&["This message was removed."]);
    page.lacks(&["Not for you."]);
    for wrong in ["", "x", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(operator.post(&path, &[("message", wrong)]).status, 404, "{wrong}");
    }
}

#[test]
fn a_note_is_for_the_team() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let fields = [("message", "Ask Bob first."), ("internal", "yes")];
    let page = operator.act(&format!("/inbox/ticket/{ticket}/reply"), &fields);
    page.shows(&[
        "Note saved.",
        "Ask Bob first.",
        ">Internal note</span>",
        "Wrote <a",
        "on its way to the manager",
    ]);
    let thread = app.thread(&ticket.to_string());
    let page = app.get(&format!("/ticket/{ticket}?key={}", thread.ticket.keys.customer));
    page.lacks(&["Ask Bob first."]);
    // The list goes on to show, and to wait for, the customer.
    operator
        .get("/inbox")
        .shows(&["<b>Customer: </b>", "Waiting for an answer: <b>1</b>"]);
}
