//! How often one may read and write.

use super::{bare, readers_page};
use crate::pages::testing::{Ask, Site};

/// How often in a row `ask` is answered before it is too much.
async fn answered(site: &Site, ask: impl Fn() -> Ask) -> usize {
    for count in 0..200 {
        let answer = site.send(ask()).await;
        if answer.status == 429 {
            answer.assert_page(429);
            assert!(answer.header("retry-after").is_some());
            return count;
        }
    }
    200
}

#[actix_web::test]
async fn readers_without_a_right_key_are_limited_as_by_the_api() {
    let site = Site::start();
    let opened = site.open(&[]).await;
    let reader = readers_page(&site, &opened).await;
    let wrong = format!("{}?key=wrong", bare(&opened));
    let get = |page: &str, from: &str| Ask::get(page).afar(from);
    // One a second comes in again while this runs.
    let burst = 115..200;
    assert!(burst.contains(&answered(&site, || get(&bare(&opened), "203.0.113.1")).await));
    assert!(burst.contains(&answered(&site, || get(&wrong, "203.0.113.2")).await));
    // Guessing comes to its end sooner.
    let guess = || get("/ticket/nonsense", "203.0.113.3");
    assert!((40..60).contains(&answered(&site, guess).await));
    for page in ["/ticket/T-20250115-1234", "/ticket/T-20250115-1234?key=guess"] {
        assert_eq!(site.send(get(page, "203.0.113.3")).await.status, 429, "{page}");
    }
    let post = |page: &str, from: &str| Ask::post(page, &[("message", "")]).afar(from);
    assert!(burst.contains(&answered(&site, || post(&wrong, "203.0.113.4")).await));
    assert!(burst.contains(&answered(&site, || post(&bare(&opened), "203.0.113.5")).await));
    // From all of those addresses, right keys still work.
    for from in ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"] {
        assert_eq!(site.send(get(&opened.page, from)).await.status, 200);
        assert_eq!(site.send(get(&reader, from)).await.status, 200);
        let sent = site
            .send(Ask::post(&opened.page, &[("message", "hello")]).afar(from))
            .await;
        assert_eq!(sent.status, 303);
    }
    assert_eq!(answered(&site, || get(&opened.page, "203.0.113.6")).await, 200);
}

#[actix_web::test]
async fn a_store_that_is_down_counts_against_no_key() {
    let site = Site::start();
    let opened = site.open(&[]).await;
    let get = || Ask::get(&opened.page).afar("203.0.113.1");
    let post = || Ask::post(&opened.page, &[("message", "hello")]).afar("203.0.113.1");
    site.take_store_away(true);
    assert_eq!(answered(&site, get).await, 200);
    assert_eq!(answered(&site, post).await, 200);
    site.take_store_away(false);
    assert_eq!(site.send(get()).await.status, 200);
    assert_eq!(site.send(post()).await.status, 303);
}

#[actix_web::test]
async fn words_sent_under_a_wrong_key_once_too_often_stay() {
    let site = Site::start();
    let opened = site.open(&[]).await;
    let ask = || Ask::post(&format!("{}?key=wrong", bare(&opened)), &[("message", "kept")]).afar("203.0.113.1");
    assert!((115..200).contains(&answered(&site, ask).await));
    assert!(site.send(ask()).await.has("\nkept</textarea>"));
}

#[actix_web::test]
async fn whoever_has_guessed_too_much_reads_nothing_without_a_key() {
    let site = Site::start();
    let opened = site.open(&[]).await;
    let get = |page: &str| Ask::get(page).afar("203.0.113.1");
    answered(&site, || get("/ticket/T-20250115-1234")).await;
    // Else the answers would still tell which references are right.
    assert_eq!(site.send(get(&bare(&opened))).await.status, 429);
    let write = Ask::post(&bare(&opened), &[("message", "hello")]).afar("203.0.113.1");
    assert_eq!(site.send(write).await.status, 429);
    // And the store, which is down, is not even asked.
    site.take_store_away(true);
    assert_eq!(site.send(get(&bare(&opened))).await.status, 429);
    site.take_store_away(false);
    assert_eq!(site.send(get(&opened.page)).await.status, 200);
    assert_eq!(
        site.send(Ask::get(&bare(&opened)).afar("203.0.113.2")).await.status,
        200
    );
}

#[actix_web::test]
async fn the_same_words_are_stored_twice_and_then_held_back() {
    let site = Site::start();
    let opened = site.open(&[]).await;
    let post = |page: &str, text: &str, mark: &str| {
        Ask::post(page, &[("message", text), ("idempotencyKey", mark)]).afar("203.0.113.1")
    };
    for (text, mark) in [("Any news?", "one"), ("any  news?", "two"), ("any  news?", "two")] {
        assert_eq!(site.send(post(&opened.page, text, mark)).await.status, 303);
    }
    let page = site.send(post(&opened.page, "Any news?", "three")).await;
    page.assert_page(429);
    assert!(page.has("We have this already") && page.has("\nAny news?</textarea>"));
    assert!(page.header("retry-after").is_some());
    assert_eq!(site.send(post(&opened.page, "Hello?", "four")).await.status, 303);
    assert_eq!(site.thread(&opened.reference).await.messages.len(), 4);
    let other = site.open(&[]).await;
    assert_eq!(site.send(post(&other.page, "Any news?", "five")).await.status, 303);
}
