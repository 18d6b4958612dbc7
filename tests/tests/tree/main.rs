//! The source tree checked against itself: its layers, its documents, and the files of its deployment.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod deploy_files;
mod documents;
mod layering;
mod n8n_mail_code;
mod n8n_workflow_code;
mod n8n_workflows;

use std::{collections::BTreeSet, process::Command};

use black_box::{read, root};
use serde_json::Value;

/// What `cargo metadata` with these arguments says of the workspace.
fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One crate of the workspace.
#[derive(Debug)]
struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

/// One line under `[dependencies]`, `[build-dependencies]` or `[dev-dependencies]`.
#[derive(Debug)]
struct Dependency {
    name: String,
    /// Whether it is needed for tests only.
    is_dev: bool,
    /// Whether it is a crate of the workspace.
    is_member: bool,
}

/// The crates of the workspace, from what `cargo metadata --no-deps` says.
fn members(metadata: &Value) -> Vec<Member> {
    let texts = |value: &Value| value.as_str().unwrap().to_owned();
    let dependency = |value: &Value| Dependency {
        name: texts(&value["name"]),
        is_dev: value["kind"] == "dev",
        is_member: value["path"].is_string(),
    };
    let member = |value: &Value| Member {
        name: texts(&value["name"]),
        dependencies: value["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(dependency)
            .collect(),
    };
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

/// What Railway sets by itself; nobody else does.
const SET_BY_RAILWAY: [&str; 2] = ["RAILWAY_ENVIRONMENT", "RAILWAY_VOLUME_MOUNT_PATH"];

/// Whether this could be the name of a variable.
fn is_variable(text: &str) -> bool {
    text.len() > 3
        && text
            .bytes()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// The variables that can be set, by the names that stand in the server's source.
fn server_variables() -> BTreeSet<String> {
    let mut variables = BTreeSet::new();
    for file in ["mod.rs", "limits.rs", "mail.rs", "parts.rs", "site.rs", "variables.rs"] {
        let source = read(&format!("crates/server/src/config/{file}"));
        variables.extend(source.split('"').filter(|text| is_variable(text)).map(str::to_owned));
    }
    for name in SET_BY_RAILWAY {
        assert!(variables.remove(name), "{name} is no longer read");
    }
    variables
}
