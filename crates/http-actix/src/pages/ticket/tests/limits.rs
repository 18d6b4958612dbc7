//! How often one may read and write.

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
fn readers_without_a_right_key_are_limited_as_by_the_api() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let reader = readers_page(&site, &opened);
    let wrong = format!("{}?key=wrong", bare(&opened));
    let get = |page: &str, from: &str| Request::get(page).sent_from(from);
    // One a second comes in again while this runs.
    let burst = 115..200;
    assert!(burst.contains(&answered(&site, || get(&bare(&opened), "203.0.113.1"))));
    assert!(burst.contains(&answered(&site, || get(&wrong, "203.0.113.2"))));
    // Guessing comes to its end sooner.
    let guess = || get("/ticket/nonsense", "203.0.113.3");
    assert!((40..60).contains(&answered(&site, guess)));
    for page in ["/ticket/T-20250115-1234", "/ticket/T-20250115-1234?key=guess"] {
        assert_eq!(site.send(get(page, "203.0.113.3")).status, 429, "{page}");
    }
    let post = |page: &str, from: &str| Request::form(page, &[("message", "")]).sent_from(from);
    assert!(burst.contains(&answered(&site, || post(&wrong, "203.0.113.4"))));
    assert!(burst.contains(&answered(&site, || post(&bare(&opened), "203.0.113.5"))));
    // From all of those addresses, right keys still work.
    for from in ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"] {
        assert_eq!(site.send(get(&opened.page, from)).status, 200);
        assert_eq!(site.send(get(&reader, from)).status, 200);
        let sent = site.send(Request::form(&opened.page, &[("message", "hello")]).sent_from(from));
        assert_eq!(sent.status, 303);
    }
    assert_eq!(answered(&site, || get(&opened.page, "203.0.113.6")), 200);
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
fn words_sent_under_a_wrong_key_once_too_often_stay() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let ask =
        || Request::form(&format!("{}?key=wrong", bare(&opened)), &[("message", "kept")]).sent_from("203.0.113.1");
    assert!((115..200).contains(&answered(&site, ask)));
    assert!(site.send(ask()).has("\nkept</textarea>"));
}

#[test]
fn whoever_has_guessed_too_much_reads_nothing_without_a_key() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let get = |page: &str| Request::get(page).sent_from("203.0.113.1");
    answered(&site, || get("/ticket/T-20250115-1234"));
    // Else the answers would still tell which references are right.
    assert_eq!(site.send(get(&bare(&opened))).status, 429);
    let write = Request::form(&bare(&opened), &[("message", "hello")]).sent_from("203.0.113.1");
    assert_eq!(site.send(write).status, 429);
    // And the store, which is down, is not even asked.
    site.store.set_failing(true);
    assert_eq!(site.send(get(&bare(&opened))).status, 429);
    site.store.set_failing(false);
    assert_eq!(site.send(get(&opened.page)).status, 200);
    assert_eq!(
        site.send(Request::get(&bare(&opened)).sent_from("203.0.113.2")).status,
        200
    );
}

#[test]
fn the_same_words_are_stored_twice_and_then_held_back() {
    let site = TestApp::start();
    let opened = site.open(&[]);
    let post = |page: &str, text: &str, mark: &str| {
        Request::form(page, &[("message", text), ("idempotencyKey", mark)]).sent_from("203.0.113.1")
    };
    for (text, mark) in [("Any news?", "one"), ("any  news?", "two"), ("any  news?", "two")] {
        assert_eq!(site.send(post(&opened.page, text, mark)).status, 303);
    }
    let page = site.send(post(&opened.page, "Any news?", "three"));
    page.assert_page(429);
    assert!(page.has("We have this already") && page.has("\nAny news?</textarea>"));
    assert!(page.header("retry-after").is_some());
    assert_eq!(site.send(post(&opened.page, "Hello?", "four")).status, 303);
    assert_eq!(site.thread(&opened.reference).messages.len(), 4);
    let other = site.open(&[]);
    assert_eq!(site.send(post(&other.page, "Any news?", "five")).status, 303);
}
