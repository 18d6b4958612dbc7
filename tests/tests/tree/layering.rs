//! Which crate may depend on which. Dependencies point inwards: adapters know the domain and never each other; only the
//! server knows all.

use std::{fs, path::Path};

use black_box::root;
use regex::Regex;
use serde_json::json;

use crate::{Dependency, Member, members, metadata};

/// A crate's layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Domain,
    Adapter,
    /// Wires everything together.
    Server,
    /// Never shipped, and free to use what it likes.
    Development,
}

/// Every crate of the workspace. A new one needs a line here.
const LAYERS: [(&str, Layer); 9] = [
    ("ticket-domain", Layer::Domain),
    ("store-diesel", Layer::Adapter),
    ("notify-n8n", Layer::Adapter),
    ("notify-smtp", Layer::Adapter),
    ("files-object-store", Layer::Adapter),
    ("http-actix", Layer::Adapter),
    ("server", Layer::Server),
    ("store-contract", Layer::Development),
    ("demo", Layer::Development),
];

/// The black-box tests are a development crate too; they live outside of `crates`.
const BLACK_BOX: &str = "black-box";

/// Libraries that belong to certain crates, by how their names begin.
const OWNERS: [(&str, &[&str]); 8] = [
    ("diesel", &["store-diesel"]),
    ("pq-sys", &["store-diesel"]),
    ("libsqlite3-sys", &["store-diesel"]),
    ("actix", &["http-actix"]),
    ("utoipa", &["http-actix"]),
    ("reqwest", &["notify-n8n"]),
    ("lettre", &["notify-smtp"]),
    ("object_store", &["files-object-store"]),
];

/// What would make the domain depend on a wire format, a runtime or a source of chance, by how names begin. `futures-core` is
/// only the trait of streams.
const NOT_IN_DOMAIN: [&str; 10] = [
    "actix",
    "chrono",
    "diesel",
    "futures-util",
    "getrandom",
    "rand",
    "reqwest",
    "serde",
    "tokio",
    "tracing",
];

fn layer(name: &str) -> Option<Layer> {
    if name == BLACK_BOX {
        return Some(Layer::Development);
    }
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// Why a crate of this layer may not have this dependency, if it may not.
fn violation(member: &Member, of: Layer, dependency: &Dependency) -> Option<&'static str> {
    let to = layer(&dependency.name).filter(|_| dependency.is_member);
    let owners = OWNERS
        .iter()
        .find(|(prefix, _)| dependency.name.starts_with(prefix))
        .map(|(_, owners)| *owners);
    match (of, to) {
        (Layer::Development, _) => None,
        // Its own tests turn its feature `testing` on.
        (Layer::Domain, Some(_)) if dependency.is_dev && dependency.name == member.name => None,
        // Its tests run on a store.
        (Layer::Domain, Some(to)) if !dependency.is_dev || !matches!(to, Layer::Development | Layer::Adapter) => {
            Some("the domain knows no other crate")
        }
        _ if dependency.is_dev => None,
        (_, Some(Layer::Development)) => Some("nothing that ships depends on a development crate"),
        (Layer::Adapter, Some(Layer::Adapter)) => Some("adapters never know each other"),
        (_, Some(Layer::Server)) => Some("nothing knows the server"),
        (Layer::Domain, None) if NOT_IN_DOMAIN.iter().any(|prefix| dependency.name.starts_with(prefix)) => {
            Some("the domain is pure")
        }
        _ if owners.is_some_and(|owners| !owners.contains(&member.name.as_str())) => {
            Some("this library belongs to another crate")
        }
        _ => None,
    }
}

fn violations(members: &[Member]) -> Vec<String> {
    let mut violations = Vec::new();
    for member in members {
        let Some(of) = layer(&member.name) else {
            violations.push(format!(
                "{}: add it to LAYERS in tests/tests/tree/layering.rs",
                member.name
            ));
            continue;
        };
        for dependency in &member.dependencies {
            if let Some(violation) = violation(member, of, dependency) {
                violations.push(format!("{} -> {}: {violation}", member.name, dependency.name));
            }
        }
    }
    violations
}

#[test]
fn dependencies_point_inwards() {
    let members = members(&metadata(&["--no-deps"]));
    assert_eq!(violations(&members), Vec::<String>::new());
    for (name, _) in LAYERS {
        assert!(
            members.iter().any(|member| member.name == name),
            "{name} is listed and does not exist"
        );
    }
}

/// Dependencies that are made up, and why each is reported, if it is. `./` marks a crate of the workspace; `dev` and `build`
/// are cargo's kinds.
const MADE_UP: &str = "
    ticket-domain uuid
    ticket-domain dev tokio
    ticket-domain serde: the domain is pure
    ticket-domain tokio-util: the domain is pure
    ticket-domain ./store-diesel: the domain knows no other crate
    ticket-domain dev ./store-diesel
    ticket-domain dev ./server: the domain knows no other crate
    store-diesel ./ticket-domain
    store-diesel diesel
    store-diesel dev ./store-contract
    store-diesel dev ./store-diesel
    store-diesel ./store-contract: nothing that ships depends on a development crate
    notify-n8n ./store-diesel: adapters never know each other
    server pq-sys: this library belongs to another crate
    http-actix actix-cors
    http-actix ./server: nothing knows the server
    http-actix diesel: this library belongs to another crate
    http-actix build reqwest: this library belongs to another crate
    notify-n8n reqwest
    notify-n8n actix-web: this library belongs to another crate
    server ./http-actix
    server dev reqwest
    server actix-web: this library belongs to another crate
    server diesel_migrations: this library belongs to another crate
    server ./black-box: nothing that ships depends on a development crate
    black-box ./server
    black-box reqwest";

#[test]
fn outward_dependencies_are_reported() {
    for line in MADE_UP.trim().lines() {
        let (words, why) = line.split_once(": ").unwrap_or((line, ""));
        let words: Vec<&str> = words.split_whitespace().collect();
        let (from, to, kind) = (
            words[0],
            words[words.len() - 1],
            words.get(1).filter(|_| words.len() > 2),
        );
        let name = to.trim_start_matches("./");
        let path = to.starts_with("./").then_some(to);
        let made_up = json!({
            "packages": [{ "name": from, "dependencies": [{ "name": name, "kind": kind, "path": path }] }]
        });
        let expected = if why.is_empty() {
            vec![]
        } else {
            vec![format!("{from} -> {name}: {why}")]
        };
        assert_eq!(violations(&members(&made_up)), expected, "{line}");
    }
    let stranger = json!({ "packages": [{ "name": "new-crate", "dependencies": [] }] });
    assert_eq!(
        violations(&members(&stranger)),
        ["new-crate: add it to LAYERS in tests/tests/tree/layering.rs"]
    );
}

/// The modules of `http-actix` and which of the others each may not name.
const MODULES: [(&str, &[&str]); 3] = [("access", &["api", "pages"]), ("api", &["pages"]), ("pages", &["api"])];

/// Whether code names a module at the root of its crate, by `crate::` or `super::`, alone or first within a group's item.
fn names_module(source: &str, module: &str) -> bool {
    let code: Vec<&str> = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    // Groups nest, so the items of nested ones are blanked out until none is left.
    let mut code = code.join(" ");
    let nested = Regex::new(r"(\w+::)\{[^{}]*\}(\s*[,}])").unwrap();
    while nested.is_match(&code) {
        code = nested.replace_all(&code, "$1 $2").into_owned();
    }
    let named = format!(r"\b(crate|super)::(\{{([^{{}}]*[,\s])?)?{module}\b");
    Regex::new(&named).unwrap().is_match(&code)
}

/// Every file below `folder` that names one of `others`.
fn files_that_name(folder: &Path, others: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_that_name(&path, others));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let wrong = others.iter().filter(|other| names_module(&source, other));
            found.extend(wrong.map(|other| format!("{} names {other}", path.display())));
        }
    }
    found
}

#[test]
fn pages_and_api_do_not_know_each_other() {
    let source = root().join("crates/http-actix/src");
    for (module, others) in MODULES {
        assert_eq!(
            files_that_name(&source.join(module), others),
            Vec::<String>::new(),
            "{module}"
        );
    }
}

#[test]
fn named_modules_are_found() {
    for (source, is_named) in [
        ("use crate::pages::Pages;", true),
        (
            "use crate::{\n    access::{AccessControl, api},\n    pages::{self, layout::page},\n    settings,\n};",
            true,
        ),
        (
            "use crate::{\n    access::{AccessControl, pages},\n    settings,\n};",
            false,
        ),
        ("pub(super) fn of(text: crate::pages::Text) {}", true),
        ("use super::super::pages;", true),
        ("// crate::pages\nuse std::fmt;", false),
    ] {
        assert_eq!(names_module(source, "pages"), is_named, "{source}");
    }
}
