//! What a scene plays on, and what is done before and after it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use black_box::{DeskOptions, Engine};
use tokio::task::spawn_local;

use crate::{Acting, browser::Browser, chromedriver::Chromedriver, watch, world::World};

/// A stage, for one scene.
pub(crate) struct Stage {
    driver: Arc<Chromedriver>,
    engine: Engine,
    name: String,
    browsers: Mutex<Vec<Browser>>,
    worlds: Mutex<Vec<Arc<World>>>,
}

/// Where pictures and the remains of failures are left.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/e2e"))
}

impl Stage {
    pub(crate) fn new(driver: Arc<Chromedriver>, engine: Engine, name: &str) -> Self {
        Self {
            driver,
            engine,
            name: name.replace([' ', ':'], "-"),
            browsers: Mutex::default(),
            worlds: Mutex::default(),
        }
    }

    /// Where this stage's pictures go.
    pub(crate) fn shots(&self) -> PathBuf {
        let store = format!("{:?}", self.engine).to_lowercase();
        folder().join("shots").join(store)
    }

    /// A server on a new store, with n8n beside it.
    pub(crate) async fn world(&self) -> Arc<World> {
        self.world_with(|options| options).await
    }

    /// The same, with other settings.
    pub(crate) async fn world_with(&self, settings: impl FnOnce(DeskOptions) -> DeskOptions) -> Arc<World> {
        let world = Arc::new(World::new(self.engine, settings).await);
        self.worlds.lock().unwrap().push(world.clone());
        world
    }

    /// A browser that nobody used before.
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

    /// Plays a scene to its end; tells whether all was well.
    pub(crate) async fn play(self: Arc<Self>, scene: fn(Arc<Self>) -> Acting) -> bool {
        let mut is_ok = spawn_local(scene(self.clone())).await.is_ok();
        let browsers = std::mem::take(&mut *self.browsers.lock().unwrap());
        for browser in &browsers {
            let objections = watch::objections(browser).await;
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
        let worlds = std::mem::take(&mut *self.worlds.lock().unwrap());
        if is_ok {
            for world in worlds {
                is_ok &= spawn_local(world.end()).await.is_ok();
            }
        }
        is_ok
    }

    /// Leaves a picture and the source of every page behind.
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
