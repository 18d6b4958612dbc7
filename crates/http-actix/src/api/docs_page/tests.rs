use super::*;

#[test]
fn text_can_not_become_markup() {
    assert_eq!(
        html("<b> & \"`x`\" `y"),
        "&lt;b&gt; &amp; &quot;<code>x</code>&quot; <code>y</code>"
    );
}

#[test]
fn the_page_and_its_style_are_served() {
    let api = crate::testing::TestApp::start();
    let page = api.get("/docs");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("content-security-policy"), Some(POLICY));
    assert!(page.text().contains("T-20250115-1234"));
    assert_eq!(
        api.get("/docs.css").header("content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[test]
fn the_page_tells_which_key_goes_in_which_header() {
    let page = write_page(&serde_json::to_value(openapi()).unwrap()).unwrap();
    let section = |id: &str| {
        let from = page.find(&format!("<section id=\"{id}\">")).unwrap();
        page[from..].split("</section>").next().unwrap()
    };
    let inbound = "<p>Key: <a href=\"#key-inboundKey\"><code>x-api-key</code></a></p>";
    let operator = "<a href=\"#key-operator\"><code>Authorization: Bearer</code></a>";
    assert!(section("receiveInbound").contains(inbound));
    assert!(section("listUndelivered").contains(&format!("<p>Key: {operator}</p>")));
    assert!(section("getTicket").contains(&format!("<p>Key: none or {operator}</p>")));
    for key in ["RAILWAY_INBOUND_SECRET", "OPERATOR_TOKEN"] {
        assert!(page.contains(&format!("<code>{key}</code>.</tr>")), "{key}");
    }
}

#[test]
fn the_page_tells_how_a_manager_is_asked_back() {
    let page = write_page(&serde_json::to_value(openapi()).unwrap()).unwrap();
    for part in [
        "<tr><td><code>ask</code><td>string, optional<td>",
        "<tr><td><code>notice</code><td>string, optional<td>",
        "<tr><td><code>ticketRef</code><td>string or null<td>",
        "answer to <code>ask</code>:</p>\n<pre><code>{",
        "&quot;notice&quot;: &quot;Added to T-20250115-1234",
        "&quot;ticketRef&quot;: null",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_page_tells_of_streams_and_of_objects_put_together() {
    let page = write_page(&serde_json::to_value(openapi()).unwrap()).unwrap();
    for part in [
        "<pre>retry: 2000\n\nevent: message\nid: 2.3-sent-1736937000000000\n",
        "<code>PATCH /api/ticket/{ticketRef}</code>",
        "<tr><td><code>delivery</code><td><a href=\"#schema-Delivery\">Delivery</a>",
        "<tr><td><code>lastEventId</code><td>query<td>",
        "<tr><td><code>awaiting</code><td>query<td>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let listed = page.split("id=\"schema-ListedTicket\"").nth(1).unwrap();
    let listed = listed.split("id=\"schema-").next().unwrap();
    for field in ["id", "ticketRef", "customerEmail", "awaiting", "last"] {
        assert!(listed.contains(&format!("<code>{field}</code>")), "{field}");
    }
    assert!(!listed.contains("<code>delivery</code>"));
}

#[test]
fn the_page_does_not_tell_of_itself() {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths: Vec<&str> = operations(&document).into_iter().map(|(path, ..)| path).collect();
    assert_eq!((paths.len(), paths.last()), (19, Some(&"/api/ticket")));
    let of_this_page = ["/docs", "/docs.css", "/api/openapi.json"];
    assert!(of_this_page.iter().all(|path| !paths.contains(path)), "{paths:?}");
    assert!(!write_page(&document).unwrap().contains("<h2>Documentation"));
}

#[test]
fn every_link_within_the_page_leads_somewhere() {
    let page = write_page(&serde_json::to_value(openapi()).unwrap()).unwrap();
    let targets: Vec<&str> = page
        .split("href=\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(targets.len() > 20, "{targets:?}");
    for target in targets {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    for code in Code::ALL {
        assert!(page.contains(&format!("id=\"{}\"", code.as_str())));
    }
    assert!(!page.contains("<script"));
    assert!(!page.contains("http://") && !page.contains("src="));
}
