//! The fixture of a scenario, and what happens before and after it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use black_box::{Engine, ServerOptions};
use tokio::task::spawn_local;

use crate::{Running, backend::Backend, browser::Browser, chromedriver::Chromedriver, page_checks};

/// A fixture, for one scenario.
pub(crate) struct Fixture {
    driver: Arc<Chromedriver>,
    engine: Engine,
    name: String,
    browsers: Mutex<Vec<Browser>>,
    backends: Mutex<Vec<Arc<Backend>>>,
}

/// Where screenshots and the pages of failed scenarios go.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/e2e"))
}

impl Fixture {
    pub(crate) fn new(driver: Arc<Chromedriver>, engine: Engine, name: &str) -> Self {
        Self {
            driver,
            engine,
            name: name.replace([' ', ':'], "-"),
            browsers: Mutex::default(),
            backends: Mutex::default(),
        }
    }

    /// Where this fixture's screenshots go.
    pub(crate) fn shots(&self) -> PathBuf {
        let store = format!("{:?}", self.engine).to_lowercase();
        folder().join("shots").join(store)
    }

    /// A server on a new store, with a fake n8n.
    pub(crate) async fn backend(&self) -> Arc<Backend> {
        self.backend_with(|options| options).await
    }

    /// The same, with other settings.
    pub(crate) async fn backend_with(&self, settings: impl FnOnce(ServerOptions) -> ServerOptions) -> Arc<Backend> {
        let backend = Arc::new(Backend::new(self.engine, settings).await);
        self.backends.lock().unwrap().push(backend.clone());
        backend
    }

    /// A new browser.
    pub(crate) async fn browser(&self) -> Browser {
        self.open(true).await
    }

    /// The same, with JavaScript switched off.
    pub(crate) async fn browser_without_script(&self) -> Browser {
        self.open(false).await
    }

    async fn open(&self, has_script: bool) -> Browser {
        let (driver, profile) = self.driver.open(has_script).await;
        let browser = Browser::new(driver, profile, self.driver.axe()).await;
        self.browsers.lock().unwrap().push(browser.clone());
        browser
    }

    /// Runs a scenario; returns whether it passed.
    pub(crate) async fn run(self: Arc<Self>, scenario: fn(Arc<Self>) -> Running) -> bool {
        let mut is_ok = spawn_local(scenario(self.clone())).await.is_ok();
        let browsers = std::mem::take(&mut *self.browsers.lock().unwrap());
        for browser in &browsers {
            let objections = page_checks::objections(browser).await;
            if !objections.is_empty() {
                println!(
                    "In {}, the pages did what they never may:\n  {}",
                    self.name,
                    objections.join("\n  ")
                );
                is_ok = false;
            }
        }
        if !is_ok {
            self.leave_remains(&browsers).await;
        }
        for browser in browsers {
            browser.quit().await;
        }
        let backends = std::mem::take(&mut *self.backends.lock().unwrap());
        if is_ok {
            for backend in backends {
                is_ok &= spawn_local(backend.end()).await.is_ok();
            }
        }
        is_ok
    }

    /// Saves a screenshot and the source of every page.
    async fn leave_remains(&self, browsers: &[Browser]) {
        let folder = folder();
        fs::create_dir_all(&folder).expect("a folder");
        for (index, browser) in browsers.iter().enumerate() {
            let path = |ending: &str| folder.join(format!("{}-{index}.{ending}", self.name));
            let (picture, source) = browser.remains().await;
            drop(picture.map(|picture| fs::write(path("png"), picture)));
            drop(source.map(|source| fs::write(path("html"), source)));
        }
        println!("What {} left is in {}", self.name, folder.display());
    }
}
