//! A browser with one tab, and how scenarios look at it. Whatever takes time is waited for, up to a limit.

use std::{sync::Arc, time::Duration};

use black_box::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{By, Key, TypingData, WebDriver, WebElement, error::WebDriverResult};

/// How long a page may take for anything that has no limit of its own. Long, for two busy cores; nothing waits for its end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Width and height of a phone's page, in CSS pixels.
pub(crate) const PHONE: (u32, u32) = (390, 844);
/// Of a laptop's.
pub(crate) const LAPTOP: (u32, u32) = (1280, 900);

/// The colours that the reader's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A browser.
#[derive(Clone)]
pub(crate) struct Browser {
    driver: WebDriver,
    /// Of axe-core.
    pub(crate) axe: Arc<str>,
    /// Failures of requests that the scenario brings about itself: parts of their addresses.
    pub(crate) expected: Arc<std::sync::Mutex<Vec<String>>>,
    _profile: Arc<TempDir>,
}

impl Browser {
    pub(crate) async fn new(driver: WebDriver, profile: TempDir, axe: Arc<str>) -> Self {
        let browser = Self {
            driver,
            axe,
            expected: Arc::default(),
            _profile: Arc::new(profile),
        };
        browser.goto("about:blank").await;
        // What the browser did by itself at its start is not what is tested.
        drop(browser.driver.get_log("performance").await);
        drop(browser.driver.browser_log().await);
        browser.look(LAPTOP, Scheme::Light).await;
        browser
    }

    /// The driver, for what this has no words for.
    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// A size of the page, and a scheme. Nothing moves: pictures and colours are those at the end of a movement.
    pub(crate) async fn look(&self, (width, height): (u32, u32), scheme: Scheme) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
    }

    /// Calls a method of the developer tools.
    pub(crate) async fn devtools(&self, method: &str, parameters: Value) {
        self.driver
            .cdp()
            .send_raw(method, parameters)
            .await
            .expect("the browser obeys");
    }

    /// From now on the shadow roots of pages are open, so that scenarios and axe-core can look into them.
    pub(crate) async fn open_shadows(&self) {
        let source = "const attach = Element.prototype.attachShadow; \
                      Element.prototype.attachShadow = function (how) { return attach.call(this, { ...how, mode: 'open' }); };";
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }))
            .await;
    }

    /// Opens an address.
    pub(crate) async fn goto(&self, url: &str) {
        self.driver
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.driver.refresh().await.expect("the page loads again");
    }

    /// Path and query of the page.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.expect("an address");
        url[url::Position::BeforePath..].to_owned()
    }

    /// Waits until the path and query have this part.
    pub(crate) async fn until_path(&self, part: &str) {
        self.until(&format!("an address with {part:?}"), PATIENCE, async || {
            let url = self.driver.current_url().await?;
            Ok(url.as_str().contains(part).then_some(()))
        })
        .await;
    }

    /// Looks again and again until a look finds something.
    async fn until<T>(&self, what: &str, limit: Duration, look: impl AsyncFn() -> WebDriverResult<Option<T>>) -> T {
        let mut error = None;
        let looking = until(limit, async || {
            look().await.unwrap_or_else(|failed| {
                error = Some(failed);
                None
            })
        });
        if let Some(found) = looking.await {
            return found;
        }
        let text = self.text().await;
        panic!("no {what} within {limit:?} ({error:?}). The page says:\n{text}");
    }

    /// The first element that a CSS selector finds, as soon as it is shown.
    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        self.shown(By::Css(selector), selector).await
    }

    /// Presses on the first element that a CSS selector finds.
    pub(crate) async fn press_first(&self, selector: &str) {
        self.until(&format!("{selector:?} to press"), PATIENCE, async || {
            self.press_on(&self.find(selector).await).await.map(Some)
        })
        .await;
    }

    /// The shown elements that a CSS selector finds now.
    pub(crate) async fn all(&self, selector: &str) -> Vec<WebElement> {
        let mut shown = Vec::new();
        for element in self.driver.find_all(By::Css(selector)).await.expect("a look") {
            if element.is_displayed().await.unwrap_or(false) {
                shown.push(element);
            }
        }
        shown
    }

    async fn shown(&self, by: By, what: &str) -> WebElement {
        self.until(what, PATIENCE, async || {
            for element in self.driver.find_all(by.clone()).await? {
                if element.is_displayed().await? {
                    return Ok(Some(element));
                }
            }
            Ok(None)
        })
        .await
    }

    /// A field by its name, which buttons may have too.
    pub(crate) async fn field(&self, name: &str) -> WebElement {
        self.find(&format!("[name='{name}']:not(button)")).await
    }

    /// A button, link or summary whose words begin so.
    pub(crate) async fn control(&self, words: &str) -> WebElement {
        let kinds = "self::button or self::a or self::summary or @role='button'";
        let path = format!(
            "//*[{kinds}][starts-with(normalize-space(.), {0}) or starts-with(@aria-label, {0})]",
            quoted(words)
        );
        self.shown(By::XPath(path), words).await
    }

    /// Presses it.
    pub(crate) async fn press(&self, words: &str) {
        // What the page exchanges just now is found anew.
        self.until(&format!("{words:?} to press"), PATIENCE, async || {
            self.press_on(&self.control(words).await).await.map(Some)
        })
        .await;
    }

    /// Presses on an element, in the middle of the page: the driver does not always hit what only begins at its edge.
    async fn press_on(&self, element: &WebElement) -> WebDriverResult<()> {
        let scroll = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.driver.execute(scroll, vec![element.to_json()?]).await?;
        element.click().await
    }

    /// Writes into a field, in place of what stands there.
    pub(crate) async fn write(&self, name: &str, text: &str) {
        let field = self.field(name).await;
        field.clear().await.expect("an empty field");
        field.send_keys(text).await.expect("a text");
    }

    /// Marks the page, so that [`Self::assert_not_reloaded`] knows it again.
    pub(crate) async fn mark_page(&self) {
        self.js("window.stayed = true").await;
    }

    pub(crate) async fn assert_not_reloaded(&self) {
        assert_eq!(self.js("window.stayed").await, json!(true), "the page was loaded again");
    }

    /// Clicks twice on an element.
    pub(crate) async fn double_click(&self, element: &WebElement) {
        let chain = self.driver.action_chain().double_click_element(element);
        chain.perform().await.expect("two clicks");
    }

    /// What stands in a field.
    pub(crate) async fn value(&self, name: &str) -> String {
        let field = self.field(name).await;
        field.prop("value").await.expect("a value").unwrap_or_default()
    }

    /// Types keys to whatever has the focus.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        let chain = self.driver.action_chain().send_keys(keys);
        chain.perform().await.expect("keys");
    }

    /// Presses a key that has no letter.
    pub(crate) async fn key(&self, key: Key) {
        self.keys(key).await;
    }

    /// The words that are shown.
    pub(crate) async fn text(&self) -> String {
        let body = self.driver.find(By::Css("body")).await;
        match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until the page shows these words.
    pub(crate) async fn see(&self, words: &str) {
        self.see_within(words, PATIENCE).await;
    }

    /// The same, with a limit that is part of what is tested.
    pub(crate) async fn see_within(&self, words: &str, limit: Duration) {
        self.until(&format!("{words:?}"), limit, async || {
            Ok(self.text().await.contains(words).then_some(()))
        })
        .await;
    }

    /// Waits until the page no longer shows these words.
    pub(crate) async fn see_no_more(&self, words: &str) {
        self.until(&format!("end of {words:?}"), PATIENCE, async || {
            let body = self.driver.find(By::Css("body")).await?.text().await?;
            Ok((!body.contains(words)).then_some(()))
        })
        .await;
    }

    /// Waits until an expression is true on the page.
    pub(crate) async fn until_true(&self, expression: &str) {
        self.until(expression, PATIENCE, async || {
            let value = self.driver.execute(format!("return !!({expression})"), vec![]).await?;
            Ok((value.json() == &json!(true)).then_some(()))
        })
        .await;
    }

    /// What an expression is on the page.
    pub(crate) async fn js(&self, expression: &str) -> Value {
        let value = self.driver.execute(format!("return ({expression})"), vec![]).await;
        value
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
            .json()
            .clone()
    }

    /// Whether the page finds anything by this CSS selector now, shown or not.
    pub(crate) async fn has(&self, selector: &str) -> bool {
        !self
            .driver
            .find_all(By::Css(selector))
            .await
            .expect("a look")
            .is_empty()
    }

    /// Requests to addresses with this part fail in this scenario, and that is right.
    pub(crate) fn expect_failures_of(&self, part: &str) {
        self.expected.lock().unwrap().push(part.to_owned());
    }

    /// A picture of what is shown.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.driver.screenshot_as_png().await.expect("a picture")
    }

    /// A picture and the source, as far as they can still be had.
    pub(crate) async fn remains(&self) -> (Option<Vec<u8>>, Option<String>) {
        (
            self.driver.screenshot_as_png().await.ok(),
            self.driver.source().await.ok(),
        )
    }

    /// Ends it.
    pub(crate) async fn quit(self) {
        if let Err(error) = self.driver.quit().await {
            println!("A browser did not end well: {error}");
        }
    }
}

/// A text within quotes, for an expression of `XPath`.
fn quoted(words: &str) -> String {
    let quote = if words.contains('\'') { '"' } else { '\'' };
    format!("{quote}{words}{quote}")
}
