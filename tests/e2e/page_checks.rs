//! What pages may never do: complain to the console, break their own policy, ask another host for anything, or ask their
//! own for something that fails.

use serde_json::Value;

use crate::browser::Browser;

/// What the pages of a browser did wrong since the last look.
pub(crate) async fn objections(browser: &Browser) -> Vec<String> {
    let mut objections = complaints(browser).await;
    let mut addresses = std::collections::HashMap::new();
    let expected = browser.expected.lock().unwrap().clone();
    let log = browser
        .driver()
        .get_log("performance")
        .await
        .expect("the log of requests");
    for entry in log {
        let entry: Value = serde_json::from_str(&entry.message).expect("an event");
        let (event, about) = (&entry["message"]["method"], &entry["message"]["params"]);
        let request = about["requestId"].as_str().unwrap_or_default().to_owned();
        match event.as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = about["request"]["url"].as_str().unwrap_or_default();
                if !is_ours(url) {
                    objections.push(format!("asked another host: {url}"));
                }
                addresses.insert(request, url.to_owned());
            }
            "Network.responseReceived" => {
                let (url, status) = (
                    about["response"]["url"].as_str().unwrap_or_default(),
                    &about["response"]["status"],
                );
                let is_failure = status.as_u64().is_some_and(|status| status >= 400);
                if is_failure && about["type"] != "Document" && !is_expected(&expected, url) {
                    objections.push(format!("{url} answered {status}"));
                }
            }
            // A page that is left lets go of what it waits for.
            "Network.loadingFailed" if about["canceled"] != true && about["errorText"] != "net::ERR_ABORTED" => {
                let url = addresses.get(&request).map_or("?", String::as_str);
                if !is_expected(&expected, url) {
                    objections.push(format!(
                        "{url} failed: {} {}",
                        about["errorText"], about["blockedReason"]
                    ));
                }
            }
            _ => {}
        }
    }
    objections
}

/// What was complained to the console. That a request failed stands there too, but does not say which kind of request:
/// a page that is itself a 404 is none of the console's business.
async fn complaints(browser: &Browser) -> Vec<String> {
    let expected = browser.expected.lock().unwrap().clone();
    let log = browser.driver().browser_log().await.expect("the console's log");
    log.into_iter()
        .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"))
        .filter(|entry| entry.source.as_deref() != Some("network") && !is_expected(&expected, &entry.message))
        .map(|entry| format!("console {} {:?}: {}", entry.level, entry.source, entry.message))
        .collect()
}

fn is_expected(expected: &[String], text: &str) -> bool {
    expected.iter().any(|part| text.contains(part.as_str()))
}

/// Whether an address is within the test, or needs no host.
fn is_ours(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:", "data:", "blob:", "about:"]
        .iter()
        .any(|begin| url.starts_with(begin))
}
