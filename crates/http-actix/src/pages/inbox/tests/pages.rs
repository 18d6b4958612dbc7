//! What holds of every page.

use std::fmt::Write;

use ticket_domain::{Priority, TicketRef};

use crate::testing::{Request, TestApp};

const HOSTILE: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}&lt;"#;

fn pages(app: &TestApp) -> (TicketRef, Vec<String>) {
    let ticket = app.ticket_of(HOSTILE, HOSTILE, HOSTILE, Priority::Urgent);
    app.unmatched(HOSTILE);
    app.give_up(HOSTILE);
    let mut pages: Vec<String> = ["", "/unmatched", "/notifications", "/trail"]
        .iter()
        .map(|target| format!("/inbox{target}"))
        .collect();
    pages.push(format!("/inbox/ticket/{ticket}"));
    (ticket, pages)
}

#[test]
fn every_page_has_its_policy_and_one_heading() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let (_, pages) = pages(&app);
    let mut answers = vec![app.send(Request::get("/inbox")), operator.get("/inbox/ticket/x")];
    for target in &pages {
        answers.push(operator.get(target));
    }
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.text().matches("<h1").count(), 1, "{}", answer.page_body());
        answer.shows(&[
            "<main",
            "id=\"main\"",
            "class=\"skip\" href=\"#main\"",
            "<header",
            "lang=\"en\"",
        ]);
        answer.lacks(&[" style=", " onclick=", "<script>"]);
        assert!(answer.text().len() < 50 * 1024, "{}", answer.text().len());
    }
}

#[test]
fn hostile_text_is_shown_as_text() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let (ticket, mut pages) = pages(&app);
    let hostile: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for place in [
        "/inbox?q=",
        "/inbox?status=any&q=",
        "/inbox?done=",
        "/inbox?done=attached&ticket=",
        "/inbox?after=",
    ] {
        pages.push(format!("{place}{hostile}"));
    }
    pages.push(format!("/inbox/ticket/{ticket}?q={hostile}&status={hostile}"));
    pages.push(format!("/inbox/ticket/{hostile}"));
    for target in &pages {
        operator.get(target).lacks(&["<script>", "<img", "\"'>"]);
    }
    let path = format!("/inbox/ticket/{ticket}/reply?q={hostile}");
    operator.post(&path, &[("message", HOSTILE)]);
    let page = operator.get(&format!("/inbox/ticket/{ticket}"));
    page.lacks(&["<script>", "<img"]);
    page.shows(&["&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&gt;&lt;img src=x"]);
    let signed_out = app.send(Request::get(&format!("/inbox?q={hostile}")));
    signed_out.lacks(&["<script>", "<img"]);
    for fields in [
        [("next", HOSTILE), ("token", HOSTILE)],
        [("message", HOSTILE), ("ticketRef", HOSTILE)],
    ] {
        for path in [
            "/inbox/session",
            "/inbox/ticket/x/reply",
            "/inbox/notifications/redeliver",
        ] {
            app.send(Request::inbox_form(path, &fields))
                .lacks(&["<script>", "<img"]);
        }
    }
}

#[test]
fn pages_stay_small_whatever_is_written() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let hostile = |characters: usize| "\"".repeat(characters);
    let mut last = None;
    for _ in 0..40 {
        let ticket = app.ticket_of(&hostile(100), &hostile(200), &hostile(400), Priority::Urgent);
        app.unmatched(&hostile(16_000));
        app.unmatched(&hostile(160));
        last = Some(ticket);
    }
    let ticket = last.unwrap();
    for _ in 0..119 {
        let fields = [("message", &*hostile(400))];
        let sent = operator.post(&format!("/inbox/ticket/{ticket}/reply"), &fields);
        assert_eq!(sent.status, 303);
    }
    app.give_up(&hostile(300));
    let look_for = format!("q={}", "%22".repeat(200));
    let too_long = format!("q={}", "%22".repeat(300));
    for path in [
        "/inbox".to_owned(),
        format!("/inbox?{look_for}"),
        format!("/inbox?{too_long}"),
        format!("/inbox/ticket/{ticket}"),
        format!("/inbox/ticket/{ticket}?{look_for}"),
        "/inbox/notifications".to_owned(),
        "/inbox/trail".to_owned(),
    ] {
        let page = operator.get(&path);
        page.assert_small();
    }
    let mut address = "/inbox/unmatched".to_owned();
    let mut seen = 0;
    loop {
        let page = operator.get(&address);
        page.assert_small();
        seen += page.text().matches("<li class=\"card\">").count();
        match page.link("Newer") {
            Some(newer) => address = newer,
            None => break,
        }
    }
    assert_eq!(seen, 80);
}

#[test]
fn a_store_that_is_down_is_an_error_page_with_the_input() {
    let app = TestApp::inbox_with(|setup| setup.is_down = true);
    let operator = app.sign_in();
    let mut told = String::new();
    for path in [
        "/inbox",
        "/inbox/ticket/T-20250115-1234",
        "/inbox/unmatched",
        "/inbox/notifications",
        "/inbox/trail",
    ] {
        let answer = operator.get(path);
        assert_eq!(answer.status, 503, "{path}");
        answer.shows(&["The store does not answer", "Try again"]);
        let _ = write!(told, "{}", answer.text());
    }
    let id = "01946ba6-0000-7000-8000-000000000000";
    for (path, kept) in [
        (
            "/inbox/ticket/T-20250115-1234/reply?q=a".to_owned(),
            "typed words</textarea>",
        ),
        (
            "/inbox/ticket/T-20250115-1234/status?q=a".to_owned(),
            "name=\"status\" value=\"resolved\"",
        ),
        (
            "/inbox/ticket/T-20250115-1234/priority".to_owned(),
            "name=\"priority\" value=\"low\"",
        ),
        (
            format!("/inbox/unmatched/{id}/attach"),
            "name=\"ticketRef\" value=\"T-20250115-1234\"",
        ),
        (format!("/inbox/notifications/{id}/redeliver"), "method=\"post\""),
        ("/inbox/notifications/redeliver".to_owned(), "method=\"post\""),
    ] {
        let fields = [
            ("message", "typed words"),
            ("idempotencyKey", "the-key"),
            ("status", "resolved"),
            ("priority", "low"),
            ("ticketRef", "T-20250115-1234"),
        ];
        let answer = operator.post(&path, &fields);
        assert_eq!(answer.status, 503, "{path}");
        answer.shows(&["Nothing was changed", kept, &format!("action=\"{path}\"")]);
        let _ = write!(told, "{}", answer.text());
    }
    assert!(!told.contains("secret-host"));
    // Signing in and out needs no store.
    assert_eq!(operator.post("/inbox/session/end", &[]).status, 303);
}

#[test]
fn below_a_path_every_link_leads_there() {
    let app = TestApp::inbox_with(|setup| setup.settings.base_url = "http://desk.example/help".into());
    let operator = app.sign_in();
    let (ticket, pages) = pages(&app);
    for target in pages {
        let page = operator.get(&target);
        for attribute in ["href=\"", "action=\"", "src=\"", "data-events=\""] {
            for part in page.text().split(attribute).skip(1) {
                let address = part.split('"').next().unwrap();
                let is_outside = ["#", "tel:", "mailto:", "data:"]
                    .iter()
                    .any(|start| address.starts_with(start));
                assert!(is_outside || address.starts_with("/help"), "{target} {address}");
            }
        }
    }
    let reply = operator.post(&format!("/inbox/ticket/{ticket}/reply"), &[("message", "Yes")]);
    assert!(reply.header("location").unwrap().starts_with("/help/inbox/ticket/"));
}
