//! `make run` on a new machine: what it prints, and what the documents tell to type, is typed in word for word.
use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use black_box::{Signal, read, root, server_binary, signal};
use tempfile::TempDir;

/// A port that nobody listens on, below those that the system hands out by itself.
fn free_port() -> u16 {
    // Tests that run at once must not find the same one.
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap() + CALLS.fetch_add(1, Ordering::Relaxed) * 1_000;
    let mut ports = (0..10_000).map(|step| 10_000 + (first + step) % 10_000);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// A server that `scripts/run-locally` started in a folder of its own.
struct Running {
    folder: TempDir,
    port: u16,
    process: Child,
    /// What stood on the terminal before the server listened.
    printed: Vec<String>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it at a port that `PORT` names.
    fn start() -> Self {
        Self::start_with(|port, _, command| {
            command.env("PORT", port.to_string());
        })
    }

    /// Starts it after `prepare` had its way with the folder and the command, and had the port told.
    fn start_with(prepare: impl FnOnce(u16, &TempDir, &mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("scripts/run-locally");
        fs::create_dir(folder.path().join("scripts")).unwrap();
        fs::copy(root().join("scripts/run-locally"), script).unwrap();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(r#"exec scripts/run-locally "$0""#)
            .arg(server_binary())
            .current_dir(folder.path())
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped());
        let port = free_port();
        prepare(port, &folder, &mut command);
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let lines = output.by_ref().map(Result::unwrap);
        let printed = lines.take_while(|line| !line.contains("listening")).collect();
        Self {
            folder,
            port,
            process,
            printed,
            output,
        }
    }

    /// What these lines print when they are pasted into a terminal as a whole. None may fail, and no answer be an error.
    fn paste(&self, lines: &str) -> String {
        let strict = "set -euo pipefail; curl() { command curl --fail-with-body \"$@\"; }\n";
        let here = lines.replace("localhost:8080", &format!("localhost:{}", self.port));
        let typed = Command::new("bash")
            .args(["-c", &format!("{strict}{here}")])
            .current_dir(self.folder.path())
            .env("no_proxy", "*")
            .output()
            .unwrap();
        let answers = String::from_utf8(typed.stdout).unwrap();
        let errors = String::from_utf8_lossy(&typed.stderr);
        assert!(typed.status.success() && errors.is_empty(), "{here}\n{answers}{errors}");
        answers
    }

    /// Opens a ticket by the first of the printed lines: its reference.
    fn open_ticket(&self) -> String {
        let line = self.printed.iter().find(|line| line.starts_with("  ref=")).unwrap();
        self.paste(line).trim().to_owned()
    }

    /// Stops it: everything that it wrote.
    fn stop(mut self) -> String {
        signal(self.process.id(), Signal::TERM);
        assert!(self.process.wait().unwrap().success());
        let rest: String = self.output.by_ref().map(Result::unwrap).collect();
        self.printed.join("\n") + &rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test it still runs. Of one that has ended, this says so.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn the_printed_commands_open_answer_and_show_a_ticket() {
    let server = Running::start();
    let mut commands: Vec<&str> = server
        .printed
        .iter()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    assert_eq!(
        commands.iter().filter(|line| line.contains("curl")).count(),
        3,
        "{}",
        server.printed.join("\n")
    );
    // "…, and again after the reply."
    commands.extend(commands.iter().copied().find(|line| line.ends_with("/$ref")));
    let answers = server.paste(&commands.join("\n"));
    assert!(answers.starts_with("T-"), "{answers}");
    assert_has(
        &answers,
        &[
            "\"duplicate\":false",
            "Three of six arrived broken.",
            "We will send new ones.",
            "\"manager\"",
        ],
    );

    let settings = fs::read_to_string(server.folder.path().join(".env")).unwrap();
    let values = settings
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| value);
    let secrets: Vec<&str> = values.filter(|value| value.len() == 64).collect();
    assert_eq!(secrets.len(), 3, "of 32 bytes each");
    let all = server.stop() + &answers;
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "a secret was shown");
}

#[test]
fn values_in_the_settings_may_stand_in_quotes() {
    let server = Running::start_with(|port, folder, command| {
        let settings = format!(
            "HOST='127.0.0.1'\nPORT=\"{port}\"\nRAILWAY_INBOUND_SECRET=\"{}\"\n",
            "k".repeat(64)
        );
        fs::write(folder.path().join(".env"), settings).unwrap();
        command.env_remove("PORT");
    });
    let commands: Vec<&str> = server
        .printed
        .iter()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    assert_has(&server.paste(&commands.join("\n")), &["\"duplicate\":false"]);
    server.stop();
}

/// The blocks for a shell under a heading.
fn blocks(document: &str, heading: &str) -> Vec<String> {
    let text = read(document);
    let start = text.find(&format!("\n## {heading}\n")).unwrap();
    let section = text[start + 1..].split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.split_once('\n'))
        .filter(|(language, _)| ["sh", "bash"].contains(language))
        .map(|(_, lines)| lines.to_owned())
        .collect()
}

#[test]
fn the_loop_of_the_readme_can_be_pasted() {
    let server = Running::start();
    let [commands] = blocks("README.md", "The loop by hand").try_into().unwrap();
    // Twice: the second time everything is there already.
    for duplicate in ["\"duplicate\":false", "\"duplicate\":true"] {
        let answers = server.paste(&commands);
        assert_has(
            &answers,
            &[
                "{\"ok\":true,\"ticketRef\":\"T-",
                "\"I received damaged bottles.\"",
                duplicate,
                "\"notifications\":[{",
                "\"queued\":true",
                "http_requests_total{",
                "\"openapi\":\"3.1.0\"",
            ],
        );
    }
    let metrics = server.paste("curl -s localhost:8080/metrics");
    assert_has(&metrics, &["\nmessages_unmatched 0\n"]);
    server.stop();
}

#[test]
fn the_redelivery_in_operations_works() {
    let server = Running::start();
    server.open_ticket();
    let [commands] = blocks("docs/operations.md", "Dead and held notifications")
        .try_into()
        .unwrap();
    assert_has(&server.paste(&commands), &["\"notifications\":[{", "\"queued\":true"]);
    server.stop();
}

#[test]
fn the_attaching_in_operations_works() {
    let server = Running::start();
    let reference = server.open_ticket();
    let [attach] = blocks("docs/operations.md", "Unmatched messages").try_into().unwrap();
    // What n8n posts when neither the workflow nor the manager names the ticket.
    let reply = server.printed.iter().find(|line| line.contains("/inbound")).unwrap();
    let unknown = reply
        .replace("'\"$ref\"'", "")
        .replace("\"-1\"", "\"SM1\"")
        .replace("curl ", "command curl ");
    assert_has(&server.paste(&unknown), &["ticket_not_named"]);
    let unmatched = || server.paste("curl -s localhost:8080/metrics");
    assert_has(&unmatched(), &["\nmessages_unmatched 1\n"]);
    let answers = server.paste(&attach.replace("T-20250115-1234", &reference));
    assert_has(&answers, &["\"We will send new ones.\"", "\"duplicate\":false"]);
    // What metrics tell of the store is up to a second old.
    server.paste("sleep 1.1");
    assert_has(&unmatched(), &["\nmessages_unmatched 0\n"]);
    let thread = server.paste(&format!("curl -s localhost:8080/api/ticket/{reference}"));
    assert_has(&thread, &["\"We will send new ones.\""]);
    server.stop();
}
