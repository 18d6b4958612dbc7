//! Where it was measured, and when.

use std::{fs, path::Path, process::Command, thread::available_parallelism};

/// What a reader needs to know to compare.
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_gib: f64,
    pub(crate) disk: String,
    pub(crate) system: String,
    pub(crate) rust: String,
    pub(crate) postgres: String,
    pub(crate) oha: String,
    pub(crate) revision: String,
}

impl Machine {
    /// This one. Stores lie in `folder`.
    pub(crate) fn look(folder: &Path, oha: &Path, pgbench: &Path) -> Self {
        let processor = line_of("/proc/cpuinfo", "model name");
        let kib: f64 = line_of("/proc/meminfo", "MemTotal")
            .trim_end_matches(" kB")
            .parse()
            .unwrap_or_default();
        Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            cores: available_parallelism().map_or(0, usize::from),
            processor,
            memory_gib: kib / 1_048_576.0,
            disk: disk(folder),
            system: said("uname", &["-sr"]),
            rust: said("rustc", &["--version"]),
            postgres: said(&pgbench.display().to_string(), &["--version"]),
            oha: said(&oha.display().to_string(), &["--version"]),
            revision: said("git", &["describe", "--always", "--dirty", "--exclude", "*"]),
        }
    }
}

/// The first line of what a program says; nothing if there is no such program.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok()
        .and_then(|text| text.lines().next().map(|line| line.trim().to_owned()))
        .unwrap_or_default()
}

fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// The kind of file system, and the device.
fn disk(folder: &Path) -> String {
    let folder = folder.display().to_string();
    let line = Command::new("df")
        .args(["--output=fstype,source", &folder])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let line = line.lines().nth(1).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" on ")
}
