//! The tree under test: its files, its manifests as cargo reads them, and the variables that the server reads.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file of the tree.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `cargo metadata` with these arguments says of the workspace.
pub(crate) fn metadata(arguments: &[&str]) -> Value {
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
pub(crate) struct Member {
    pub name: String,
    pub dependencies: Vec<Dependency>,
}

/// One line under `[dependencies]`, `[build-dependencies]` or `[dev-dependencies]`.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub name: String,
    /// Whether it is needed for tests only.
    pub is_dev: bool,
    /// Whether it is a crate of the workspace.
    pub is_member: bool,
}

/// The crates of the workspace, from what `cargo metadata --no-deps` says.
pub(crate) fn members(metadata: &Value) -> Vec<Member> {
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
pub(crate) fn is_variable(text: &str) -> bool {
    text.len() > 3
        && text
            .bytes()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

/// The variables that can be set, by the names that stand in the server's source.
pub(crate) fn server_variables() -> BTreeSet<String> {
    let mut variables = BTreeSet::new();
    for file in ["mod.rs", "limits.rs", "parts.rs", "variables.rs"] {
        let source = read(&format!("crates/server/src/config/{file}"));
        variables.extend(source.split('"').filter(|text| is_variable(text)).map(str::to_owned));
    }
    for name in SET_BY_RAILWAY {
        assert!(variables.remove(name), "{name} is no longer read");
    }
    variables
}
