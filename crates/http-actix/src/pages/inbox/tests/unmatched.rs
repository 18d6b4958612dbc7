//! Messages whose ticket is not known.

use crate::testing::{MANAGER, TestApp};

#[test]
fn a_message_is_attached() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    operator
        .get("/inbox/unmatched")
        .shows(&["it is kept here instead of being guessed"]);
    let ticket = app.ticket();
    let message = app.unmatched("Tell them: tomorrow");
    app.clock.pass(120);
    let page = operator.get("/inbox/unmatched");
    page.shows(&[
        "Tell them: tomorrow",
        "+919655716000",
        "WhatsApp",
        ">2 min</time>",
        &format!("<option value=\"{ticket}\">John Doe: Product Quality Issue</option>"),
        "1 unmatched message",
    ]);
    let typed = format!(" {} ", ticket.to_string().to_lowercase());
    let path = format!("/inbox/unmatched/{message}/attach");
    let page = operator.act(&path, &[("ticketRef", &typed)]);
    page.shows(&[
        "The message is now in",
        &format!("href=\"/inbox/ticket/{ticket}\""),
        "instead of being guessed",
    ]);
    let again = operator.act(&path, &[("ticketRef", &typed)]);
    again.shows(&["The message was in"]);
    let thread = operator.get(&format!("/inbox/ticket/{ticket}"));
    thread.shows(&["Tell them: tomorrow", "Attached <a"]);
}

#[test]
fn a_wrong_ticket_is_an_error_beside_the_field() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    let message = app.unmatched("Yes");
    let path = format!("/inbox/unmatched/{message}/attach");
    for (typed, says) in [
        ("", "A reference reads like T-20250115-1234."),
        ("T-2025<b>", "A reference reads like T-20250115-1234."),
        ("T-20250115-999999999", "There is no ticket T-20250115-999999999."),
    ] {
        let answer = operator.post(&path, &[("ticketRef", typed)]);
        assert_eq!(answer.status, 400, "{typed}");
        let kept = format!("value=\"{}\"", typed.replace('<', "&lt;").replace('>', "&gt;"));
        answer.shows(&[says, &kept, &format!("aria-describedby=\"f-{message}\""), "Yes"]);
    }
    let chosen = operator.post(&path, &[("ticketRef", "T-1"), ("sender", "customer")]);
    chosen.shows(&["value=\"customer\" checked> From the customer"]);
    let other = app.ticket();
    operator.act(&path, &[("ticketRef", &other.to_string())]);
    let elsewhere = operator.post(&path, &[("ticketRef", &ticket.to_string())]);
    assert_eq!(elsewhere.status, 400);
    elsewhere.shows(&["This message was attached to", &other.to_string(), "role=\"alert\""]);
    for missing in ["nonsense", "01946ba6-0000-7000-8000-000000000000"] {
        let answer = operator.post(
            &format!("/inbox/unmatched/{missing}/attach"),
            &[("ticketRef", &ticket.to_string())],
        );
        assert_eq!(answer.status, 404, "{missing}");
    }
}

#[test]
fn many_messages_have_pages() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let mut expected = Vec::new();
    for number in 0..45 {
        // Some are so long that a page ends early.
        let text = format!(
            "Message {number}. {} the end",
            "x".repeat(if number % 10 == 3 { 15_000 } else { 5 })
        );
        app.unmatched(&text);
        expected.push(number);
    }
    let mut seen = Vec::new();
    let mut long = 0;
    let mut address = "/inbox/unmatched".to_owned();
    loop {
        let page = operator.get(&address);
        page.assert_small();
        let numbers = page
            .text()
            .split("Message ")
            .skip(1)
            .map(|text| text.split('.').next().unwrap().parse::<u32>());
        seen.extend(numbers.map(Result::unwrap));
        if let Some(whole) = page.link("Show all of it") {
            page.lacks(&["x the end"]);
            let whole = operator.get(&whole);
            whole.shows(&["x the end"]);
            whole.lacks(&["Show all of it"]);
            long += 1;
        }
        match page.link("Newer") {
            Some(newer) => address = newer,
            None => break,
        }
    }
    assert_eq!((seen, long), (expected, 5));
}

#[test]
fn the_operator_chooses_the_sender() {
    let app = TestApp::inbox();
    let operator = app.sign_in();
    let ticket = app.ticket();
    for (from, usual, other) in [
        (
            MANAGER,
            "value=\"manager\" checked> From the team",
            "value=\"customer\"> From",
        ),
        (
            "+15550123",
            "value=\"customer\" checked> From the customer",
            "value=\"agent\"> From",
        ),
    ] {
        let message = app.store_unmatched(from, "Hello");
        let page = operator.get("/inbox/unmatched");
        page.shows(&[
            usual,
            other,
            "A customer’s message opens the ticket again, and the manager is told.",
        ]);
        let fields = [("ticketRef", ticket.to_string()), ("sender", "manager".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        operator.act(&format!("/inbox/unmatched/{message}/attach"), &fields);
    }
    let status = format!("/inbox/ticket/{ticket}/status");
    for (sender, badge, name) in [
        ("agent", "Resolved", ">Support</b>"),
        ("manager", "Resolved", ">Manager</b>"),
        ("customer", "Open", ">John Doe</b>"),
    ] {
        operator.act(&status, &[("status", "resolved")]);
        let text = format!("Spoken by {sender}");
        let message = app.store_unmatched("+15550123", &text);
        let fields = [("ticketRef", ticket.to_string()), ("sender", sender.to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        operator.act(&format!("/inbox/unmatched/{message}/attach"), &fields);
        let page = operator.get(&format!("/inbox/ticket/{ticket}"));
        let (_, bubble) = page.text().split_once(&format!("id=\"m-{message}\"")).unwrap();
        let (who, _) = bubble.split_once(&text).unwrap();
        assert!(who.contains(name), "{who}");
        let (_, facts) = page.text().split_once("<p class=\"facts quiet\">").unwrap();
        let facts = facts.split("</p>").next().unwrap();
        assert!(facts.contains(&format!(">{badge}</span>")), "{facts}");
    }
    let waiting = operator.get("/inbox/notifications");
    assert_eq!(
        waiting.text().matches("<li class=\"card\">").count(),
        2,
        "{}",
        waiting.page_body()
    );
}
