//! What documents say of the program, held against the program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use black_box::{read, root};

use crate::{is_variable, members, metadata, server_variables};

/// Crates of the workspace that are never shipped, so that all they need is for tests only.
const DEVELOPMENT: [&str; 3] = ["black-box", "demo", "store-contract"];

/// The rows of the table under a heading, each a list of its cells. The first cell begins with a name in backticks.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document
        .split("\n## ")
        .find(|section| section.lines().next() == Some(heading));
    let lines = section.unwrap_or_else(|| panic!("no heading {heading:?}")).lines();
    let rows: Vec<Vec<String>> = lines
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table under {heading:?}");
    rows
}

/// What stands in the first pair of backticks.
fn name(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap()
}

/// The names in the first column, each of them once.
fn names(rows: &[Vec<String>]) -> BTreeSet<String> {
    let names: BTreeSet<String> = rows.iter().map(|row| name(&row[0]).to_owned()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands there twice: {rows:?}");
    names
}

/// The source of everything that ships, without its tests' own folders.
fn shipped_source() -> String {
    fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap() {
        gather(&member.unwrap().path().join("src"), &mut files);
    }
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn documents_name_the_variables_that_the_server_reads() {
    for document in ["README.md", "docs/operations.md"] {
        let rows = table(&read(document), "Configuration");
        // A row of the README may name two.
        let names = rows
            .iter()
            .flat_map(|row| row[0].split('`'))
            .filter(|text| is_variable(text));
        assert_eq!(
            names.map(str::to_owned).collect::<BTreeSet<_>>(),
            server_variables(),
            "{document}"
        );
    }
}

#[test]
fn operations_name_the_metrics_that_are_shown() {
    let source = read("crates/http-actix/src/api/metrics.rs");
    let code = source.split("#[cfg(test)]").next().unwrap();
    let is_metric = |text: &&str| *text == "notifications" || (text.contains('_') && !text.contains(' '));
    let shown: BTreeSet<String> = code
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(is_metric)
        .map(str::to_owned)
        .collect();
    assert_eq!(names(&table(&read("docs/operations.md"), "Metrics")), shown);
}

#[test]
fn operations_explain_log_lines_that_exist() {
    let source = shipped_source();
    for line in names(&table(&read("docs/operations.md"), "Log lines")) {
        assert!(source.contains(&line), "no source says {line:?}");
    }
}

/// Whether a document has the heading that a link names as GitHub does: in lower case, with hyphens for blanks.
fn has_heading(document: &Path, name: &str) -> bool {
    let anchor = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    name.is_empty()
        || fs::read_to_string(document)
            .unwrap()
            .lines()
            .any(|line| line.starts_with('#') && anchor(line) == name)
}

/// The text between a line that opens something and the next that holds its end.
fn between<'t>(text: &'t str, open: &str, end: &str) -> &'t str {
    text.split_once(open).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn operations_name_the_fields_that_n8n_gets() {
    let source = read("crates/notify-n8n/src/payload/tests.rs");
    let example = between(&source, "serde_json::json!({\n", "})");
    let sent: BTreeSet<&str> = example.lines().filter_map(|line| line.split('"').nth(1)).collect();
    let document = read("docs/operations.md");
    let table = between(&document, "| field | value, a text unless it says otherwise |", "\n\n");
    let first_cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let told: BTreeSet<&str> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(told, sent);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let folders = ["", "docs", "docs/adr"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    for document in files.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            assert!(
                link.starts_with("https://") || (target.exists() && has_heading(&target, heading)),
                "{}: {link}",
                document.display()
            );
        }
    }
}

#[test]
fn decisions_say_why_and_what_was_rejected() {
    for entry in fs::read_dir(root().join("docs/adr")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(
            headings,
            ["Context", "Decision", "Rejected", "Consequences"],
            "{}",
            path.display()
        );
        let number = path.file_name().unwrap().to_str().unwrap().split('-').next().unwrap();
        assert!(text.starts_with(&format!("# {number} ")), "{}", path.display());
    }
}

/// Direct dependencies outside of the workspace: those that ship, and the others.
fn dependencies() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut shipped = BTreeSet::new();
    let mut for_tests = BTreeSet::new();
    for member in members(&metadata(&["--no-deps"])) {
        for dependency in member
            .dependencies
            .into_iter()
            .filter(|dependency| !dependency.is_member)
        {
            let is_shipped = !dependency.is_dev && !DEVELOPMENT.contains(&member.name.as_str());
            let set = if is_shipped { &mut shipped } else { &mut for_tests };
            set.insert(dependency.name);
        }
    }
    for_tests.retain(|name| !shipped.contains(name));
    (shipped, for_tests)
}

#[test]
fn every_dependency_has_its_reason() {
    let document = read("docs/dependencies.md");
    let (shipped, for_tests) = dependencies();
    let (shipped_rows, test_rows) = (table(&document, "Shipped"), table(&document, "For tests only"));
    assert_eq!(names(&shipped_rows), shipped);
    assert_eq!(names(&test_rows), for_tests);
    for row in shipped_rows.iter().chain(&test_rows) {
        assert!(row.len() == 3 && row[2].ends_with('.'), "no sentence: {row:?}");
    }
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

#[test]
fn licences_are_what_the_crates_say() {
    let document = read("docs/dependencies.md");
    let graph = metadata(&["--all-features", "--filter-platform", &host()]);
    let mut licences: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in graph["packages"].as_array().unwrap() {
        // A graph may hold several versions of a crate; ours is among them.
        let licence = package["license"].as_str().unwrap_or("none");
        licences
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .push(licence);
    }
    for row in table(&document, "Shipped")
        .iter()
        .chain(&table(&document, "For tests only"))
    {
        let said = &licences[name(&row[0])];
        assert!(said.contains(&row[1].as_str()), "{}: {said:?}", row[0]);
    }
}
