//! What `make demo` runs, as a process; and the page that it shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};

/// A demo that ends with the test, however that goes.
struct Running {
    process: Child,
    url: String,
}

impl Running {
    /// Starts it on any port, with its temporary files below `folder`.
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_demo"))
            .env("DEMO_PORT", "0")
            .env("TMPDIR", folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines
            .map(Result::unwrap)
            .find_map(|line| Some(format!("http://{}", line.split_once("http://")?.1)))
            .unwrap();
        Self { process, url }
    }

    fn end(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        assert!(self.process.wait().unwrap().success(), "{signal:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test it still runs. Of one that has ended, this says so.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

#[test]
fn it_ends_when_it_is_told_and_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = tempfile::tempdir().unwrap();
        let demo = Running::start(folder.path());
        assert!(demo.url.starts_with("http://127.0.0.1:"), "{}", demo.url);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the store is there");
        demo.end(signal);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{signal:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Running::start(folder.path());
    let port = demo.url.rsplit_once(':').unwrap().1;
    for (wanted, told) in [(port, "can't be used"), ("nonsense", "DEMO_PORT must be a port")] {
        let output = Command::new(env!("CARGO_BIN_EXE_demo"))
            .env("DEMO_PORT", wanted)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(told), "{said}");
    }
    demo.end(Signal::TERM);
}

/// What stands after `mark` up to a quotation mark, each time.
fn after<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(mark).skip(1).filter_map(|rest| rest.split('"').next())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Running::start(folder.path());
    let client = Client::builder().no_proxy().build().unwrap();
    let mut paths = vec!["/".to_owned(), "/ticket/T-20250115-1234".to_owned()];
    let mut seen = 0;
    while let Some(path) = paths.get(seen).cloned() {
        seen += 1;
        let response = client.get(format!("{}{path}", demo.url)).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{path}: {policy}"
        );
        let text = response.text().await.unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http://", "https://", "innerHTML", "<script>", "style="] {
            assert!(!text.contains(foreign), "{path}: {foreign}");
        }
        for link in ["href=\"", "src=\"", "from \""]
            .into_iter()
            .flat_map(|mark| after(&text, mark))
        {
            if !paths.iter().any(|known| known == link) {
                paths.push(link.to_owned());
            }
        }
    }
    assert!(seen >= 9, "{paths:?}");
    demo.end(Signal::TERM);
}
