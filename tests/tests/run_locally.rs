//! `make run` on a new machine: what it prints is typed in, word for word.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, missing_docs)]

mod tree;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

use tree::root;

/// A port that nobody listens on, below those that the system hands out by itself.
fn free_port() -> u16 {
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = (0..10_000).map(|step| 10_000 + (first + step) % 10_000);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

#[test]
fn the_printed_lines_open_answer_and_show_a_ticket() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scripts")).unwrap();
    fs::copy(
        root().join("scripts/run-locally"),
        folder.path().join("scripts/run-locally"),
    )
    .unwrap();
    let built = root().join("target/release/server");
    let mut server = Command::new("sh")
        .arg("-c")
        .arg(r#"exec scripts/run-locally "${SERVER_BINARY:-$0}""#)
        .arg(built)
        .current_dir(folder.path())
        .env("PORT", free_port().to_string())
        .env_remove("DATABASE_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let printed: Vec<String> = output.by_ref().take_while(|line| !line.contains("listening")).collect();
    let mut commands: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(
        commands.iter().filter(|line| line.contains("curl")).count(),
        3,
        "{}",
        printed.join("\n")
    );

    // "…, and again after the reply."
    commands.extend(commands.iter().copied().find(|line| line.ends_with("/$ref")));
    let typed = Command::new("sh")
        .args(["-euc", &commands.join("\n")])
        .current_dir(folder.path())
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let answers = String::from_utf8(typed.stdout).unwrap();
    assert!(
        typed.status.success(),
        "{answers}{}",
        String::from_utf8_lossy(&typed.stderr)
    );
    assert!(answers.starts_with("T-"), "{answers}");
    for expected in [
        "\"duplicate\":false",
        "Three of six arrived broken.",
        "We will send new ones.",
        "\"manager\"",
    ] {
        assert!(answers.contains(expected), "{expected} is not in {answers}");
    }

    let settings = fs::read_to_string(folder.path().join(".env")).unwrap();
    let values = settings
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(_, value)| value);
    let secrets: Vec<&str> = values.filter(|value| value.len() == 64).collect();
    assert_eq!(secrets.len(), 3, "of 32 bytes each");
    let stop = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(stop.success() && server.wait().unwrap().success());
    let all = printed.join("\n") + &output.collect::<String>() + &answers;
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "a secret was shown");
}
