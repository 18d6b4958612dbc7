//! From where the form may be sent, and where it may lead.

use crate::testing::{BASE_URL, Request, TestApp, pages::form, unused_key};

const SHOP: &str = "https://www.shop.example";

fn with_shop() -> TestApp {
    TestApp::with(|setup| setup.settings.allowed_origins = vec![SHOP.into()])
}

#[test]
fn only_our_own_and_allowed_sites_send_the_form() {
    let site = with_shop();
    for (headers, status) in [
        (vec![("origin", BASE_URL)], 303),
        (
            vec![("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
            303,
        ),
        (vec![("origin", SHOP)], 303),
        (vec![], 303),
        (vec![("sec-fetch-site", "same-origin")], 303),
        (vec![("sec-fetch-site", "none")], 303),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "https://desk.example.evil.example")], 403),
        (vec![("origin", "https://www.shop.example:8443")], 403),
        (vec![("origin", "http://www.shop.example")], 403),
        // Whoever owns a name may have it lead here.
        (vec![("origin", "http://evil.example"), ("host", "evil.example")], 403),
        (
            vec![("origin", "http://127.0.0.1:8081"), ("host", "127.0.0.1:8080")],
            403,
        ),
        (vec![("origin", "null")], 403),
        (vec![("origin", "")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
    ] {
        let ask = headers.iter().fold(
            Request::form("/", &form(&[("idempotencyKey", &unused_key())])),
            |ask, (name, value)| ask.header(name, value),
        );
        let answer = site.send(ask);
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 403 {
            answer.assert_page(403);
        }
    }
    assert_eq!(site.count(), 6);
}

#[test]
fn a_return_address_is_ours_or_an_allowed_sites() {
    let site = with_shop();
    for (address, expected) in [
        (
            "https://www.shop.example/thanks",
            "https://www.shop.example/thanks?ticketRef=T-",
        ),
        (
            "https://www.shop.example/thanks?from=a%26b&x",
            "https://www.shop.example/thanks?from=a%26b&x=&ticketRef=T-",
        ),
        (
            "https://desk.example/somewhere",
            "https://desk.example/somewhere?ticketRef=T-",
        ),
        (
            " https://WWW.shop.example:443 ",
            "https://www.shop.example/?ticketRef=T-",
        ),
        (
            "https://www.shop.example/?ticketRef=T-1&ticketUrl=x&y=1",
            "https://www.shop.example/?y=1&ticketRef=T-",
        ),
    ] {
        let answer = site.post("/", &form(&[("return", address)]));
        assert_eq!(answer.status, 303, "{address}");
        let location = answer.header("location").unwrap();
        assert!(location.starts_with(expected), "{location}");
        assert!(
            location.contains("&ticketUrl=https%3A%2F%2Fdesk.example%2Fticket%2FT-"),
            "{location}"
        );
        assert!(location.contains("%3Fkey%3D"), "{location}");
    }
    let answer = site.post("/", &form(&[("return", "https://www.shop.example/a#part")]));
    assert!(answer.header("location").unwrap().ends_with("#part"));
    let before = site.count();
    for address in [
        "https://evil.example/",
        "https://www.shop.example.evil.example/",
        "https://www.shop.example@evil.example/",
        "https://evil.example\\@www.shop.example/",
        "https://user@www.shop.example/",
        "https://user:word@www.shop.example/",
        "http://www.shop.example/",
        "https://www.shop.example:8443/",
        "//evil.example/",
        "/thanks",
        "javascript:alert(1)",
        "data:text/html,x",
        "blob:https://www.shop.example/1",
        "https://",
        "\u{0}https://evil.example",
    ] {
        let page = site.post("/", &form(&[("return", address), ("subject", "kept")]));
        page.assert_page(400);
        assert!(
            page.has("We can’t send you back from here") && page.has("value=\"kept\""),
            "{address}"
        );
        // Sent again, it leads to the ticket: nobody is stuck with an address that they did not write.
        assert_eq!(page.hidden("return"), None, "{address}");
    }
    assert_eq!(site.count(), before);
}

#[test]
fn a_return_address_lasts_through_faults_and_can_stand_in_a_link() {
    let site = with_shop();
    let address = "https://www.shop.example/thanks?a=1";
    let page = site.post("/", &form(&[("return", address), ("subject", "")]));
    page.assert_page(400);
    assert_eq!(page.hidden("return"), Some(address));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' https://www.shop.example;"),
        "{policy}"
    );
    let page = site.get("/?return=https%3A%2F%2Fwww.shop.example%2Fthanks");
    page.assert_page(200);
    assert_eq!(page.hidden("return"), Some("https://www.shop.example/thanks"));
    let page = site.get("/?return=https%3A%2F%2Fevil.example%2F");
    page.assert_page(200);
    assert_eq!(page.hidden("return"), None);
    assert!(page.has("We can’t send you back from here"));
}
