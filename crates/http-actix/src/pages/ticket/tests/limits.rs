//! How often one may read and write. The API's tests prove the numbers, which [`Visitor`](crate::access::Visitor) counts for
//! both.

use super::{bare, readers_page};
use crate::testing::{Request, TestApp};

/// How often in a row `ask` is answered before it is too much.
fn answered(site: &TestApp, ask: impl Fn() -> Request) -> usize {
    for count in 0..200 {
        let answer = site.send(ask());
        if answer.status == 429 {
            answer.assert_page(429);
            assert!(answer.header("retry-after").is_some());
            return count;
        }
    }
    200
}

#[test]
fn visitors_without_a_right_key_are_limited_and_others_are_not() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let (bare, reader) = (bare(&opened), readers_page(&site, &opened));
    let wrong = format!("{bare}?key=wrong");
    for (page, from) in [
        (&*bare, "203.0.113.1"),
        (&*wrong, "203.0.113.2"),
        ("/ticket/nonsense", "203.0.113.3"),
    ] {
        let post = || Request::form(page, &[("message", "")]).sent_from(from);
        assert!(answered(&site, post) < 200, "{page}");
        assert_eq!(site.send(Request::get(&bare).sent_from(from)).status, 429);
        for page in [&opened.page, &reader] {
            assert_eq!(site.send(Request::get(page).sent_from(from)).status, 200);
        }
        let sent = Request::form(&opened.page, &[("message", from)]).sent_from(from);
        assert_eq!(site.send(sent).status, 303);
    }
    let read = || Request::get(&opened.page).sent_from("203.0.113.6");
    assert_eq!(answered(&site, read), 200);
}

#[test]
fn a_store_that_is_down_counts_against_no_key() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let get = || Request::get(&opened.page).sent_from("203.0.113.1");
    let post = || Request::form(&opened.page, &[("message", "hello")]).sent_from("203.0.113.1");
    site.store.set_failing(true);
    assert_eq!(answered(&site, get), 200);
    assert_eq!(answered(&site, post), 200);
    site.store.set_failing(false);
    assert_eq!(site.send(get()).status, 200);
    assert_eq!(site.send(post()).status, 303);
}

#[test]
fn a_message_over_the_limit_is_kept() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let ask =
        || Request::form(&format!("{}?key=wrong", bare(&opened)), &[("message", "kept")]).sent_from("203.0.113.1");
    assert!(answered(&site, ask) < 200);
    assert!(site.send(ask()).has("\nkept</textarea>"));
}

#[test]
fn a_long_page_has_a_maximum_size_and_says_what_is_missing() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    for number in 0..90 {
        site.answer(&opened.reference, &format!("{number} {}", "x".repeat(15_900)), None);
    }
    let page = site.send(Request::get(&format!("{}&all", opened.page)));
    assert_eq!(page.status, 200);
    assert!(
        (900_000..1_100_000).contains(&page.text().len()),
        "{}",
        page.text().len()
    );
    assert!(page.has(">89 x") && page.has("oldest messages don’t fit"));
}
