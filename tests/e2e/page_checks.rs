//! What pages may never do: log to the console, break their own policy, request anything from another host, or request
//! something from their own that fails.

use serde_json::Value;

use crate::browser::Browser;

/// What the pages of a browser did wrong since the last check.
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
            // Leaving a page aborts its pending requests.
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

/// Messages in the console. Failed requests are there too, but without their kind:
/// a page that is itself a 404 is no failure.
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

/// Whether a URL is on this machine or needs no host.
fn is_ours(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:", "data:", "blob:", "about:"]
        .iter()
        .any(|begin| url.starts_with(begin))
}
