mod embedded;
mod limits;
mod waiting;

use std::thread;

use ticket_domain::{Access, Actor, Status, TicketPatch};

use crate::testing::{
    BASE_URL, Request, Setup, TestApp,
    pages::{NASTY, OpenedPage, escaped, form},
    wait,
};

fn private(setup: &mut Setup) {
    setup.settings.ticket_access = Access::Private;
}

/// The manager's link.
fn readers_page(site: &TestApp, opened: &OpenedPage) -> String {
    let key = site.thread(&opened.reference).ticket.keys.reader;
    format!("/ticket/{}?key={key}", opened.reference)
}

fn bare(opened: &OpenedPage) -> String {
    format!("/ticket/{}", opened.reference)
}

fn set_status(site: &TestApp, opened: &OpenedPage, status: Status) {
    let reference = opened.reference.parse().unwrap();
    let patch = TicketPatch {
        status: Some(status),
        priority: None,
    };
    wait(site.state.operate.change(reference, patch, Actor::Operator(None))).unwrap();
}

#[test]
fn the_customer_reads_the_thread_and_can_write_back() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    site.answer(
        &opened.reference,
        "We look into it.",
        Some("https://media.example/1?a=1&b=2"),
    );
    let page = site.get(&opened.page);
    page.assert_page(200);
    assert_eq!(page.header("x-robots-tag"), Some("noindex"));
    assert!(page.has("Product Quality Issue") && page.has(&opened.reference));
    assert!(page.has("<b dir=\"auto\">You</b>") && page.has("<b dir=\"auto\">Manager</b>") && !page.has("John Doe"));
    assert_eq!(page.text().matches("class=\"bubble own\"").count(), 1);
    assert!(page.has(
        "<a href=\"https://media.example/1?a=1&amp;b=2\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">\
         Open attachment</a> <span class=\"quiet\">at media.example</span>"
    ));
    assert!(page.has(&format!(
        "<form class=\"form reply\" method=\"post\" action=\"{}\"",
        opened.page
    )));
    assert!(page.has("Save this page"));
    for hidden in ["+1234567890", "john@example.com"] {
        assert!(!page.has(hidden), "{hidden}");
    }
    let lower = site.get(&opened.page.replace("T-", "t-"));
    assert_eq!(lower.status, 200);
}

#[test]
fn the_page_names_its_event_stream() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let (_, key) = opened.page.split_once("?key=").unwrap();
    let at = site.thread(&opened.reference).delivery.at.unix_micros();
    let page = site.get(&opened.page);
    let api = format!("/api/ticket/{}", opened.reference);
    let listen = format!("data-live=\"{api}/events?key={key}&amp;lastEventId=1.1-waiting-{at}\"");
    assert!(page.has(&listen), "{}", page.text());
    assert!(page.has(&format!("data-poll=\"{api}?key={key}\"")));
    for part in ["badges", "earlier", "thread", "state"] {
        assert!(page.has(&format!("data-part=\"{part}\"")), "{part}");
    }
    // A wrong key is not carried along.
    let page = site.get(&format!("{}?key=wrong", bare(&opened)));
    assert!(page.has(&format!("data-poll=\"{api}\"")) && !page.has("wrong"));
}

#[test]
fn other_readers_have_no_form() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let pages = [
        bare(&opened),
        format!("{}?key=wrong", bare(&opened)),
        readers_page(&site, &opened),
    ];
    for page in pages {
        let shown = site.get(&page);
        shown.assert_page(200);
        assert!(
            shown.has("John Doe") && !shown.has("<textarea") && !shown.has("Save this page"),
            "{page}"
        );
        for text in ["hello", ""] {
            let answer = site.post(&page, &[("message", text)]);
            answer.assert_page(403);
            assert!(!answer.has("<textarea"));
        }
    }
    assert_eq!(site.thread(&opened.reference).messages.len(), 1);
}

#[test]
fn a_private_ticket_is_not_there_for_others() {
    let site = TestApp::with(private);
    let opened = site.open(&[]);
    let unknown = site.get("/ticket/T-20250115-0000?key=wrong");
    unknown.assert_page(404);
    for page in [
        bare(&opened),
        format!("{}?key=wrong", bare(&opened)),
        format!("{}?key=", bare(&opened)),
    ] {
        let shown = site.get(&page);
        shown.assert_page(404);
        assert_eq!(shown.text(), unknown.text(), "{page}");
        site.post(&page, &[("message", "hello")]).assert_page(404);
        site.post(&page, &[("message", "")]).assert_page(404);
    }
    site.get(&opened.page).assert_page(200);
    let reader = readers_page(&site, &opened);
    let shown = site.get(&reader);
    shown.assert_page(200);
    assert!(!shown.has("<textarea"));
    site.post(&reader, &[("message", "hello")]).assert_page(403);
    for page in [
        "/ticket/nonsense",
        "/ticket/T-20250115-0000",
        "/ticket/%ff",
        "/ticket/%3Cscript%3E",
    ] {
        site.get(page).assert_page(404);
    }
}

#[test]
fn a_message_is_sent_once_however_often_the_button_is_pressed() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let token = site.get(&opened.page).hidden("idempotencyKey").unwrap().to_owned();
    let fields = [("message", "One\r\nmore"), ("idempotencyKey", token.as_str())];
    let (one, two) = thread::scope(|scope| {
        let other = scope.spawn(|| site.post(&opened.page, &fields));
        (site.post(&opened.page, &fields), other.join().unwrap())
    });
    for answer in [one, two, site.post(&opened.page, &fields)] {
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), Some(format!("{}#end", opened.page).as_str()));
    }
    let thread = site.thread(&opened.reference);
    assert_eq!(thread.messages.len(), 2);
    assert_eq!(thread.messages[1].content.body().as_str(), "One\nmore");
    // Other words in the same form are another message; the same words of a new form too.
    site.post(&opened.page, &[("message", "Else"), ("idempotencyKey", &token)]);
    site.post(&opened.page, &[("message", "Else")]);
    assert_eq!(site.thread(&opened.reference).messages.len(), 4);
}

#[test]
fn an_error_is_shown_beside_the_message_which_is_kept() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let page = site.post(&opened.page, &[("message", " \r\n ")]);
    page.assert_page(400);
    assert!(page.has("<p class=\"fault\" id=\"message-fault\">Please write something first.</p>"));
    let long = format!("begin{}", "x".repeat(5_000));
    let page = site.post(&opened.page, &[("message", &long), ("idempotencyKey", "mine")]);
    page.assert_page(400);
    assert!(page.has("Your message must be at most 5000 characters long.") && page.has(&long));
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
    assert_eq!(site.thread(&opened.reference).messages.len(), 1);
}

#[test]
fn after_sending_the_focus_is_where_the_messages_end() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let page = site.get(&opened.page);
    let end = "<div id=\"end\" tabindex=\"-1\"><span class=\"sr\">End of conversation</span></div>";
    let at = |words: &str| page.text().find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(at("</ol>") < at(end) && at(end) < at("<textarea"));
}

#[test]
fn nothing_is_promised_of_a_waiting_message() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let page = site.get(&opened.page);
    assert!(page.has("<p class=\"receipt waiting\">We’ve got it <time"));
    assert!(!page.has("On its way") && !page.has("phone"), "{}", page.text());
}

#[test]
fn resolved_is_explained_and_writing_opens_it_again() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    for (status, badge) in [(Status::Resolved, "Resolved"), (Status::Closed, "Closed")] {
        set_status(&site, &opened, status);
        let page = site.get(&opened.page);
        assert!(
            page.has(&format!("<span class=\"badge still\">{badge}</span>")),
            "{}",
            page.text()
        );
        assert!(page.has("Write below to reopen it."));
        let page = site.get(&bare(&opened));
        assert!(page.has(badge) && !page.has("Write below"));
        site.post(&opened.page, &[("message", "Not yet")]);
        let page = site.get(&opened.page);
        assert!(page.has("<span class=\"badge\">Open</span>") && !page.has("reopen"));
    }
}

#[test]
fn no_text_of_anybody_becomes_markup() {
    let site = TestApp::start();
    for nasty in NASTY {
        let opened = site.open(&[("customerName", nasty), ("subject", nasty), ("message", nasty)]);
        site.answer(&opened.reference, nasty, None);
        for page in [opened.page.clone(), bare(&opened)] {
            let page = site.get(&page);
            page.assert_page(200);
            page.assert_tamed(nasty);
            // In the heading, the title, and both messages.
            assert!(page.text().matches(&escaped(nasty)).count() >= 4, "{nasty}");
        }
        let long = format!("{nasty}{}", "x".repeat(5_000));
        let page = site.post(&opened.page, &[("message", &long), ("idempotencyKey", nasty)]);
        page.assert_page(400);
        page.assert_tamed(nasty);
        site.store.set_failing(true);
        let key = url::form_urlencoded::byte_serialize(nasty.as_bytes()).collect::<String>();
        let page = site.post(&format!("{}?key={key}", bare(&opened)), &[("message", nasty)]);
        page.assert_page(500);
        page.assert_tamed(nasty);
        assert!(page.has(&escaped(nasty)), "{nasty}");
        site.store.set_failing(false);
    }
}

#[test]
fn only_our_own_pages_send_messages() {
    let site = TestApp::with(|setup| setup.settings.allowed_origins = vec!["https://www.shop.example".into()]);
    let opened = site.open(&[]);
    for (origin, status) in [
        (BASE_URL, 303),
        ("https://www.shop.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let ask = Request::form(&opened.page, &[("message", origin)]).header("origin", origin);
        assert_eq!(site.send(ask).status, status, "{origin}");
    }
    assert_eq!(site.thread(&opened.reference).messages.len(), 2);
}

#[test]
fn a_message_is_kept_while_the_store_is_down() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    site.store.set_failing(true);
    let page = site.get(&opened.page);
    page.assert_page(500);
    assert!(!page.has("secret-host"));
    let fields = [("message", "an hour's work"), ("idempotencyKey", "mine")];
    let page = site.post(&opened.page, &fields);
    page.assert_page(500);
    assert!(page.has("an hour's work") && page.has(&format!("action=\"{}\"", opened.page)));
    assert_eq!(page.hidden("idempotencyKey"), Some("mine"));
    site.post(&opened.page, &[("message", "")]).assert_page(500);
    site.store.set_failing(false);
    assert_eq!(site.post(&opened.page, &fields).status, 303);
}

#[test]
fn a_long_thread_begins_with_its_newest_messages() {
    let site = TestApp::start();
    let opened = site.open(&[("message", "the very first")]);
    for number in 1..500 {
        site.answer(&opened.reference, &format!("Word {number}."), None);
    }
    let page = site.get(&opened.page);
    page.assert_page(200);
    assert!(page.has("Word 499.") && page.has("Word 450.") && !page.has("Word 449.") && !page.has("the very first"));
    let all = format!("{}&amp;all", opened.page);
    assert!(
        page.has(&format!("<a href=\"{all}\">Show 450 earlier messages</a>")),
        "{}",
        page.text()
    );
    let whole = site.get(&format!("{}&all", opened.page));
    assert!(
        whole.status == 200 && whole.has("the very first") && whole.has("Word 499.") && !whole.has("earlier message")
    );
    assert_eq!(whole.text().matches("<li class=\"bubble").count(), 500);
    // Whoever reads all of them goes on doing so.
    let sent = site.post(&format!("{}&all", opened.page), &[("message", "hello")]);
    assert_eq!(
        sent.header("location"),
        Some(format!("{}&all#end", opened.page).as_str())
    );
}

#[test]
fn long_messages_leave_less_room_for_others() {
    let site = TestApp::start();
    let opened = site.open(&[("message", "the very first")]);
    for _ in 0..12 {
        site.answer(&opened.reference, &"<&>\"".repeat(1_000), None);
    }
    let page = site.get(&opened.page);
    page.assert_page(200);
    assert!(page.has("Show 12 earlier messages"), "{}", page.text().len());
    site.answer(&opened.reference, &"字".repeat(16_000), None);
    let page = site.get(&opened.page);
    assert!(page.status == 200 && page.has("Show 13 earlier messages") && page.has(&"字".repeat(16_000)));
    site.answer(&opened.reference, "short", None);
    let page = site.get(&opened.page);
    assert!(page.has("short") && page.has("Show 14 earlier messages"));
}

#[test]
fn below_a_path_every_address_begins_with_it() {
    let site = TestApp::with(|setup| setup.settings.base_url = "https://www.example.com/desk".into());
    let answer = site.post("/", &form(&[]));
    let address = answer.header("location").unwrap().to_owned();
    // The proxy in front takes the path away.
    let page = site.get(address.strip_prefix("/desk").unwrap());
    page.assert_page(200);
    let reference = address.split(['/', '?']).nth(3).unwrap();
    for expected in [
        format!("action=\"{address}\""),
        format!("data-live=\"/desk/api/ticket/{reference}/events?"),
        format!("data-poll=\"/desk/api/ticket/{reference}?"),
    ] {
        assert!(page.has(&expected), "{expected}");
    }
    let sent = site.post(address.strip_prefix("/desk").unwrap(), &[("message", "hello")]);
    assert_eq!(sent.header("location"), Some(format!("{address}#end").as_str()));
}
