//! The browser's driver: one process for all scenarios.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use black_box::{http_client, setting};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{Capabilities, WebDriver};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

/// What `scripts/with-browser` says.
fn required(variable: &str) -> String {
    let value = setting(variable);
    value.unwrap_or_else(|| panic!("{variable} is not set: run this by `make e2e`, or through scripts/with-browser"))
}

/// A running chromedriver.
pub(crate) struct Chromedriver {
    url: String,
    process: Mutex<Child>,
    chromium: String,
    flags: Vec<String>,
    axe: Arc<str>,
    /// Keeps the pipe open that the driver writes to.
    _output: Lines<BufReader<ChildStdout>>,
    /// Where the driver and its browsers keep what they keep in a home.
    home: TempDir,
}

impl Chromedriver {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(required("CHROMEDRIVER"))
            .arg("--port=0")
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let port = timeout(Duration::from_secs(30), async {
            // ChromeDriver was started successfully on port 40041.
            while let Some(line) = output.next_line().await.expect("its output") {
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("chromedriver ended at once");
        });
        let port = port.await.expect("chromedriver listens within 30 s");
        let axe = PathBuf::from(required("AXE_CORE"));
        Self {
            url: format!("http://127.0.0.1:{port}"),
            process: Mutex::new(process),
            chromium: required("CHROMIUM"),
            flags: required("CHROMIUM_FLAGS")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            axe: std::fs::read_to_string(axe).expect("axe-core").into(),
            _output: output,
            home,
        }
    }

    /// The source of axe-core.
    pub(crate) fn axe(&self) -> Arc<str> {
        self.axe.clone()
    }

    /// Opens a browser with a profile of its own.
    pub(crate) async fn open(&self, has_script: bool) -> (WebDriver, TempDir) {
        let profile = tempfile::tempdir_in(self.home.path()).expect("a temporary folder");
        let capabilities: Capabilities =
            serde_json::from_value(self.capabilities(&profile, has_script)).expect("capabilities");
        let driver = WebDriver::builder(&self.url, capabilities)
            .client(http_client(Duration::from_mins(1)))
            .await
            .expect("a browser starts");
        (driver, profile)
    }

    fn capabilities(&self, profile: &TempDir, has_script: bool) -> Value {
        let mut flags = vec![
            "--headless=new".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            // Nothing of this machine but the tests' own servers is there, and no browser looks for more.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost".to_owned(),
        ];
        let quiet = [
            "disable-background-networking",
            "disable-component-update",
            "disable-default-apps",
            "disable-dev-shm-usage",
            "disable-extensions",
            "disable-gpu",
            "disable-quic",
            "disable-sync",
            "hide-scrollbars",
            "no-default-browser-check",
            "no-first-run",
            "no-proxy-server",
            "lang=en-GB",
            // Larger than any page that is looked at: what is pressed outside of the window is not heard.
            "window-size=1400,1100",
        ];
        flags.extend(quiet.map(|flag| format!("--{flag}")));
        flags.extend(self.flags.iter().cloned());
        // 2 is "block".
        let script = if has_script { 1 } else { 2 };
        json!({
            "browserName": "chrome",
            // A dialog nobody expects stays, and the next command fails at it.
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": {
                "binary": self.chromium,
                "args": flags,
                "prefs": {
                    "profile.managed_default_content_settings.javascript": script,
                    // 4: begin with these pages, instead of the browser's own one, which is a busy place.
                    "session.restore_on_startup": 4,
                    "session.startup_urls": ["about:blank"],
                },
                "perfLoggingPrefs": { "enableNetwork": true, "enablePage": false },
            },
        })
    }

    /// Ends it, and any browser that it still has.
    pub(crate) async fn stop(&self) {
        let ended = http_client(Duration::from_secs(10))
            .get(format!("{}/shutdown", self.url))
            .send();
        let mut process = self.process.lock().await;
        if ended.await.is_err() || timeout(Duration::from_secs(10), process.wait()).await.is_err() {
            process.kill().await.expect("the driver is killed");
        }
    }
}
