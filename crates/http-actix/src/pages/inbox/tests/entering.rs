//! Who comes in, and who does not.

use crate::{
    access::OperatorToken,
    testing::{OPERATOR_TOKEN, Request, TestApp},
};

const GETS: [&str; 7] = [
    "/inbox",
    "/inbox?status=any&q=bottles",
    "/inbox/ticket/T-20250115-1234",
    "/inbox/unmatched",
    "/inbox/notifications",
    "/inbox/trail",
    "/inbox/events",
];

const ACTS: [&str; 7] = [
    "/inbox/session/end",
    "/inbox/ticket/T-20250115-1234/reply",
    "/inbox/ticket/T-20250115-1234/status",
    "/inbox/ticket/T-20250115-1234/priority",
    "/inbox/unmatched/01946ba6-0000-7000-8000-000000000000/attach",
    "/inbox/notifications/01946ba6-0000-7000-8000-000000000000/redeliver",
    "/inbox/notifications/redeliver",
];

#[test]
fn nothing_is_reached_without_a_session() {
    let app = TestApp::inbox();
    app.ticket_of(
        "Secret Name",
        "Secret subject",
        "Secret words",
        ticket_domain::Priority::High,
    );
    for path in GETS {
        for ask in [Request::get(path), Request::get(path).header("cookie", "session=1.2.3")] {
            let answer = app.send(ask);
            assert_eq!(answer.status, 401, "{path}");
            answer.shows(&["<h1>Sign in</h1>", "name=\"token\""]);
            answer.lacks(&["Secret"]);
        }
    }
    for path in ACTS {
        let answer = app.send(Request::inbox_form(path, &[("status", "closed")]));
        assert_eq!(answer.status, 401, "{path}");
        answer.lacks(&["Secret"]);
    }
}

#[test]
fn a_form_is_taken_only_from_a_page_of_ours() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    for path in ACTS {
        let fields = [("message", "typed <b>words</b>")];
        for (name, value) in [
            ("origin", "https://elsewhere.example"),
            ("origin", "https://shop.example"),
            ("origin", "null"),
            ("origin", "http://desk.example.evil"),
            ("origin", "https://desk.example"),
            ("origin", ""),
            // Browsers that name no origin.
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("x-nothing", "said"),
        ] {
            let ask = operator.ask(Request::form(path, &fields));
            let answer = app.send(ask.header(name, value));
            assert_eq!(answer.status, 403, "{path} {name}: {value}");
            answer.shows(&["href=\"/inbox\"", "another website"]);
        }
        let ask = operator
            .ask(Request::form(path, &[("status", "closed"), ("priority", "high")]))
            .header("sec-fetch-site", "same-origin");
        assert_ne!(app.send(ask).status, 403, "{path}");
        let ask = operator
            .ask(Request::inbox_form(path, &[]))
            .header("content-type", "application/json");
        assert_eq!(app.send(ask).status, 415, "{path}");
    }
}

#[test]
fn signing_in_leads_to_the_page_that_was_asked_for() {
    let app = TestApp::inbox();
    let asked = app.send(Request::get("/inbox/trail?before=x&q=%22a%22"));
    let next = asked.hidden("next").unwrap().replace("&amp;", "&");
    assert_eq!(next, "/inbox/trail?before=x&q=%22a%22");
    for (next, expected) in [
        (next.as_str(), next.as_str()),
        ("", "/inbox"),
        ("//elsewhere.example/inbox", "/inbox"),
        ("https://elsewhere.example/inbox", "/inbox"),
        ("/ticket/T-20250115-1234", "/inbox"),
    ] {
        let answer = app.send(Request::inbox_form(
            "/inbox/session",
            &[("token", OPERATOR_TOKEN), ("next", next)],
        ));
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(expected)),
            "{next}"
        );
        let cookie = answer.header("set-cookie").unwrap();
        for part in ["; Path=/inbox;", "; HttpOnly", "; SameSite=Strict", "; Max-Age=604800"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "{cookie}");
    }
}

#[test]
fn under_https_and_below_a_path_the_cookie_is_for_there() {
    let app = TestApp::inbox_with(|setup| setup.settings.base_url = "https://desk.example/help/".into());
    let ask = Request::inbox_form("/inbox/session", &[("token", OPERATOR_TOKEN), ("next", "/inbox/trail")]);
    let answer = app.send(ask.header("origin", "https://desk.example"));
    assert_eq!(answer.header("location"), Some("/help/inbox/trail"));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Secure-session=")
            && cookie.contains("; Path=/help/inbox;")
            && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let page = app.send(Request::get("/inbox"));
    page.shows(&["action=\"/help/inbox/session\""]);
}

#[test]
fn a_session_ends_by_itself_and_by_signing_out() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    assert_eq!(operator.get("/inbox").status, 200);
    app.clock.pass(7 * 24 * 3_600 - 1);
    assert_eq!(operator.get("/inbox").status, 200);
    app.clock.pass(1);
    assert_eq!(operator.get("/inbox").status, 401);
    let late = operator.post("/inbox/ticket/T-20250115-1234/reply", &[("message", "a long <answer>")]);
    assert_eq!(late.status, 401);
    late.shows(&["Your session has ended", "a long &lt;answer&gt;"]);

    let answer = app.sign_in().post("/inbox/session/end", &[]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/inbox")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("session=; Path=/inbox; Max-Age=0"), "{cookie}");
}

#[test]
fn a_wrong_token_is_an_error_and_counted() {
    let app = TestApp::inbox();
    let wrong = || Request::inbox_form("/inbox/session", &[("token", "guess"), ("next", "/inbox/trail")]);
    let first = app.send(wrong());
    assert_eq!(first.status, 401);
    first.shows(&[
        "This is not the token.",
        "aria-invalid=\"true\"",
        "value=\"/inbox/trail\"",
    ]);
    assert_eq!(first.header("set-cookie"), None);
    first.lacks(&["guess"]);

    let mut guesses = (0..200).map(|_| app.send(wrong().sent_from("203.0.113.9")));
    let refused = guesses
        .find(|answer| answer.status != 401)
        .expect("guessing comes to an end");
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    refused.shows(&["Too many wrong tokens"]);
    // The right one comes in all the same, and so does another caller's guess.
    let right = Request::inbox_form("/inbox/session", &[("token", OPERATOR_TOKEN)]);
    assert_eq!(app.send(right.sent_from("203.0.113.9")).status, 303);
    assert_eq!(app.send(wrong().sent_from("203.0.113.10")).status, 401);
}

#[test]
fn another_site_cannot_sign_in() {
    let app = TestApp::inbox();
    for origin in ["https://elsewhere.example", "https://shop.example"] {
        let ask = Request::inbox_form("/inbox/session", &[("token", OPERATOR_TOKEN)]).header("origin", origin);
        let answer = app.send(ask);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{origin}");
    }
}

#[test]
fn removing_a_token_ends_the_sessions_that_it_opened() {
    let before = TestApp::inbox().sign_in().cookie;
    let both = vec!["the-new-token".into(), OPERATOR_TOKEN.into()];
    let app = TestApp::inbox_with(|setup| {
        setup.settings.operator_tokens.clone_from(&both);
    });
    assert_eq!(app.send(Request::get("/inbox").header("cookie", &before)).status, 200);
    let after = TestApp::inbox_with(|setup| setup.settings.operator_tokens = vec!["the-new-token".into()]);
    for (token, expected) in [("the-new-token", 200), (OPERATOR_TOKEN, 401)] {
        let session = app.sign_in_with(token);
        assert_eq!(session.get("/inbox").status, 200, "{token}");
        let ask = Request::get("/inbox").header("cookie", &session.cookie);
        assert_eq!(after.send(ask).status, expected, "{token}");
    }
    assert_eq!(after.send(Request::get("/inbox").header("cookie", &before)).status, 401);
}

#[test]
fn an_operator_with_a_name_is_named_in_the_audit_log() {
    let zoes = OperatorToken {
        name: "Zoë".parse().ok(),
        secret: "zoes-token".into(),
    };
    let inbox = TestApp::inbox_with(|setup| setup.settings.operator_tokens.push(zoes));
    let path = format!("/inbox/ticket/{}/status", inbox.ticket());
    let zoe = inbox.sign_in_with("zoes-token");
    zoe.act(&path, &[("status", "resolved")]);
    zoe.get("/inbox/trail").shows(&["<b>Resolved</b> · by Zoë"]);
    let unnamed = inbox.sign_in();
    unnamed.act(&path, &[("status", "open")]);
    unnamed
        .get("/inbox/trail")
        .shows(&["<b>Open</b> · <a", "<b>Resolved</b> · by Zoë"]);
}

#[test]
fn without_a_token_the_page_says_how_to_set_one() {
    for none in [vec![], vec!["".into()]] {
        let app = TestApp::inbox_with(|setup| {
            setup.settings.operator_tokens.clone_from(&none);
        });
        for ask in [
            Request::get("/inbox"),
            Request::inbox_form("/inbox/session", &[("token", "")]),
        ] {
            let answer = app.send(ask);
            assert_eq!(answer.status, 401);
            answer.shows(&["OPERATOR_TOKEN", "openssl rand -hex 32"]);
            answer.lacks(&["name=\"token\""]);
        }
    }
}

#[test]
fn a_get_of_an_action_redirects_to_its_page() {
    let app = TestApp::inbox();
    for (act, page) in [
        ("/inbox/", "/inbox"),
        ("/inbox/session", "/inbox"),
        ("/inbox/session/end", "/inbox"),
        ("/inbox/ticket/T-1/reply?q=a", "/inbox/ticket/T-1?q=a"),
        ("/inbox/ticket/T-1/status", "/inbox/ticket/T-1"),
        ("/inbox/unmatched/1/attach?after=2", "/inbox/unmatched?after=2"),
        ("/inbox/notifications/1/redeliver", "/inbox/notifications"),
        ("/inbox/notifications/redeliver", "/inbox/notifications"),
    ] {
        let answer = app.send(Request::get(act));
        assert_eq!((answer.status, answer.header("location")), (303, Some(page)), "{act}");
    }
}

#[test]
fn other_methods_are_refused() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    for (path, allowed) in [
        ("/inbox", "GET, HEAD"),
        ("/inbox/trail", "GET, HEAD"),
        ("/inbox/events", "GET"),
    ] {
        let answer = operator.post(path, &[]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{path}");
    }
}
