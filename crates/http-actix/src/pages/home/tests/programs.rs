//! What holds programs back, and what a person is told who trips over it.

use crate::pages::testing::{Ask, Site, form};

const AFAR: &str = "203.0.113.7";

fn from_afar(fields: &[(&str, &str)]) -> Ask {
    Ask::post("/", &form(fields)).afar(AFAR)
}

#[actix_web::test]
async fn the_same_words_are_stored_twice_and_then_held_back() {
    let site = Site::start();
    for mark in ["one", "two"] {
        assert_eq!(site.send(from_afar(&[("idempotencyKey", mark)])).await.status, 303);
    }
    // The same form again is the same ticket.
    assert_eq!(site.send(from_afar(&[("idempotencyKey", "two")])).await.status, 303);
    for changes in [
        &[][..],
        &[("subject", " product  QUALITY issue"), ("customerName", "Jane")],
    ] {
        let page = site.send(from_afar(changes)).await;
        page.assert_page(429);
        assert!(page.has("We have this already") && page.has("damaged bottles in my last order.</textarea>"));
        let wait: u64 = page.header("retry-after").unwrap().parse().unwrap();
        assert!(
            (590..=600).contains(&wait) && page.has(&format!("Please wait {wait} seconds")),
            "{wait}"
        );
    }
    assert_eq!(site.count().await, 2);
    assert_eq!(site.send(from_afar(&[("message", "Something else")])).await.status, 303);
    // Somebody else of the same office, with the same trouble.
    let other = site.send(from_afar(&[("customerEmail", "jane@example.com")])).await;
    assert_eq!(other.status, 303);
    let elsewhere = Ask::post("/", &form(&[])).afar("203.0.113.8");
    assert_eq!(site.send(elsewhere).await.status, 303);
}

#[actix_web::test]
async fn what_the_store_did_not_take_does_not_count() {
    let site = Site::start();
    site.take_store_away(true);
    for _ in 0..4 {
        let page = site.send(from_afar(&[])).await;
        page.assert_page(500);
    }
    site.take_store_away(false);
    assert_eq!(site.send(from_afar(&[])).await.status, 303);
}

#[actix_web::test]
async fn programs_of_this_machine_are_not_held_back() {
    let site = Site::start();
    for _ in 0..4 {
        assert_eq!(site.post("/", &form(&[])).await.status, 303);
    }
    // Behind a proxy nobody is of this machine.
    let proxied = || Ask::post("/", &form(&[])).header("x-forwarded-for", AFAR);
    for status in [303, 303, 429] {
        assert_eq!(site.send(proxied()).await.status, status);
    }
}
