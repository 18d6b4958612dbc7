//! The page within the widget.

use crate::testing::{Response, TestApp};

#[test]
fn the_widgets_page_may_be_framed_by_allowed_sites_alone() {
    let site = TestApp::with(|setup| {
        setup.settings.allowed_origins = vec!["https://www.shop.example".into(), "https://*.example.com".into()];
    });
    let opened = site.open(&[]);
    let ancestors = |page: &Response| {
        let policy = page.header("content-security-policy").unwrap();
        policy.split_once("frame-ancestors ").unwrap().1.to_owned()
    };
    assert_eq!(ancestors(&site.get(&opened.page)), "'none'");
    let address = format!("{}&embed", opened.page);
    let page = site.get(&address);
    assert_eq!(page.status, 200);
    assert_eq!(ancestors(&page), "https://www.shop.example https://*.example.com");
    // Browsers of today go by the policy, older ones by this.
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(page.has("<textarea") && !page.has("<header") && !page.has("Save this page"));
    let fields = [("message", "From the frame"), ("idempotencyKey", "mine")];
    let sent = site.post(&address, &fields);
    assert_eq!(sent.header("location"), Some(format!("{address}#end").as_str()));
    site.store.set_failing(true);
    let failed = site.post(&address, &fields);
    assert_eq!((failed.status, ancestors(&failed)), (500, ancestors(&page)));
    assert!(failed.has("From the frame") && failed.has(&format!("action=\"{}\"", address.replace('&', "&amp;"))));

    // Where no site is allowed, none may.
    let site = TestApp::start();
    let opened = site.open(&[]);
    assert_eq!(ancestors(&site.get(&format!("{}&embed", opened.page))), "'none'");
}
