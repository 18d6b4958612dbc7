use crate::testing::{Request, TestApp, pages::OpenedPage};

fn with_mail() -> TestApp {
    TestApp::with(|setup| setup.has_mail = true)
}

/// The answers that are mailed once their minute is over.
fn told(site: &TestApp) -> Vec<String> {
    site.clock.pass(61);
    site.mails().into_iter().flat_map(|mail| mail.answers).collect()
}

fn beside(opened: &OpenedPage, page: &str) -> String {
    opened.page.replacen('?', &format!("/{page}?"), 1)
}

fn newest(site: &TestApp, opened: &OpenedPage) -> String {
    site.thread(&opened.reference).messages.last().unwrap().id.to_string()
}

#[test]
fn what_the_page_showed_is_not_mailed() {
    let site = with_mail();
    let opened = site.open(&[]);
    site.reply(&opened.reference, "Seen by opening the page.");
    assert_eq!(site.get(&opened.page).status, 200);
    site.reply(&opened.reference, "Not seen.");
    assert_eq!(told(&site), ["Not seen."]);
}

#[test]
fn only_a_customer_who_looks_sees() {
    let site = with_mail();
    let opened = site.open(&[]);
    site.reply(&opened.reference, "Hello.");
    let reader = site.thread(&opened.reference).ticket.keys.reader;
    let bare = format!("/ticket/{}", opened.reference);
    let script = |name, value| Request::new("GET", &opened.page).header(name, value);
    for request in [
        Request::new("GET", &bare),
        Request::new("GET", &format!("{bare}?key={reader}")),
        script("sec-fetch-dest", "empty"),
        script("sec-purpose", "prefetch;prerender"),
        Request::new("GET", &format!("/api/ticket/{}", opened.reference)),
    ] {
        assert_eq!(site.send(request).status, 200);
    }
    assert_eq!(told(&site), ["Hello."]);
}

#[test]
fn the_script_says_what_was_seen() {
    let site = with_mail();
    let opened = site.open(&[]);
    site.reply(&opened.reference, "First.");
    let first = newest(&site, &opened);
    site.reply(&opened.reference, "Second.");
    let seen = beside(&opened, "seen");
    assert_eq!(site.post(&seen, &[("message", &first)]).status, 204);
    assert_eq!(site.post(&seen, &[("message", "1")]).status, 400);
    let reader = site.thread(&opened.reference).ticket.keys.reader;
    let by_reader = format!("/ticket/{}/seen?key={reader}", opened.reference);
    let second = newest(&site, &opened);
    assert_eq!(site.post(&by_reader, &[("message", &second)]).status, 403);
    assert_eq!(told(&site), ["Second."]);
}

#[test]
fn mails_stop_by_one_click_and_come_again() {
    let site = with_mail();
    let opened = site.open(&[]);
    site.mails();
    let mail = beside(&opened, "mail");
    // Opening the link, as scanners do, changes nothing.
    let page = site.get(&mail);
    page.assert_page(200);
    page.shows(&["Stop e‑mails about this request?"]);
    site.reply(&opened.reference, "One.");
    assert_eq!(told(&site), ["One."]);
    let one_click = site.post(&mail, &[("List-Unsubscribe", "One-Click")]);
    one_click.assert_page(200);
    one_click.shows(&["You won’t get any more e‑mails", "value=\"yes\""]);
    site.reply(&opened.reference, "Two.");
    site.set_status(&opened.reference, "resolved");
    assert_eq!(told(&site).len(), 0);
    site.post(&mail, &[("wanted", "yes")]).shows(&["You’ll get e‑mails"]);
    site.reply(&opened.reference, "Three.");
    assert_eq!(told(&site), ["Three."]);
}

#[test]
fn a_stranger_stops_nothing() {
    let site = with_mail();
    let opened = site.open(&[]);
    let reader = site.thread(&opened.reference).ticket.keys.reader;
    let bare = format!("/ticket/{}/mail", opened.reference);
    for (target, status) in [
        (bare.clone(), 403),
        (format!("{bare}?key={reader}"), 403),
        (format!("{bare}?key=wrong"), 403),
        ("/ticket/T-20250115-0000/mail?key=x".into(), 404),
    ] {
        site.post(&target, &[]).assert_page(status);
        site.get(&target).assert_page(status);
    }
    let foreign = Request::form(&beside(&opened, "mail"), &[]).header("origin", "https://evil.example");
    site.send(foreign).assert_page(403);
    site.reply(&opened.reference, "Still mailed.");
    assert_eq!(told(&site), ["Still mailed."]);
}

#[test]
fn what_was_taken_back_is_not_mailed() {
    let site = with_mail();
    let opened = site.open(&[]);
    site.reply(&opened.reference, "A mistake.");
    let message = newest(&site, &opened);
    site.reply(&opened.reference, "The right one.");
    let target = format!("/api/ticket/{}/messages/{message}", opened.reference);
    assert_eq!(site.as_operator(Request::new("DELETE", &target)).status, 200);
    assert_eq!(told(&site), ["The right one."]);
}

#[test]
fn the_script_reports_only_where_it_matters() {
    let site = with_mail();
    let opened = site.open(&[]);
    let seen = format!("data-seen=\"{}\"", beside(&opened, "seen"));
    site.get(&opened.page).shows(&[&seen]);
    let reader = site.thread(&opened.reference).ticket.keys.reader;
    let by_reader = format!("/ticket/{}?key={reader}", opened.reference);
    site.get(&by_reader).lacks(&["data-seen"]);
    let without = TestApp::start();
    let opened = without.open(&[]);
    without.get(&opened.page).lacks(&["data-seen"]);
}
