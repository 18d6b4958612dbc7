//! Which crate may depend on which. Dependencies point inwards: adapters know the domain and never each other; only the
//! server knows all.

use std::{collections::BTreeSet, fs, path::Path};

use black_box::root;
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
const LAYERS: [(&str, Layer); 7] = [
    ("ticket-domain", Layer::Domain),
    ("store-diesel", Layer::Adapter),
    ("notify-n8n", Layer::Adapter),
    ("http-actix", Layer::Adapter),
    ("server", Layer::Server),
    ("store-contract", Layer::Development),
    ("demo", Layer::Development),
];

/// The black-box tests are a development crate too; they live outside of `crates`.
const BLACK_BOX: &str = "black-box";

/// Libraries that belong to certain crates, by how their names begin.
const OWNERS: [(&str, &[&str]); 6] = [
    ("diesel", &["store-diesel"]),
    ("pq-sys", &["store-diesel"]),
    ("libsqlite3-sys", &["store-diesel"]),
    ("actix", &["http-actix"]),
    ("utoipa", &["http-actix"]),
    ("reqwest", &["notify-n8n"]),
];

/// What would make the domain depend on a wire format, a runtime or a source of chance, by how names begin.
const NOT_IN_DOMAIN: [&str; 10] = [
    "actix",
    "chrono",
    "diesel",
    "futures",
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

#[test]
fn outward_dependencies_are_reported() {
    // A path marks a crate of the workspace. Kinds are null, "dev" and "build", as cargo writes them.
    for (from, kind, to, expected) in [
        ("ticket-domain", None, "uuid", None),
        ("ticket-domain", Some("dev"), "tokio", None),
        ("ticket-domain", None, "serde", Some("the domain is pure")),
        ("ticket-domain", None, "tokio-util", Some("the domain is pure")),
        (
            "ticket-domain",
            None,
            "./store-diesel",
            Some("the domain knows no other crate"),
        ),
        ("ticket-domain", Some("dev"), "./store-diesel", None),
        (
            "ticket-domain",
            Some("dev"),
            "./server",
            Some("the domain knows no other crate"),
        ),
        ("store-diesel", None, "./ticket-domain", None),
        ("store-diesel", None, "diesel", None),
        ("store-diesel", Some("dev"), "./store-contract", None),
        ("store-diesel", Some("dev"), "./store-diesel", None),
        (
            "store-diesel",
            None,
            "./store-contract",
            Some("nothing that ships depends on a development crate"),
        ),
        (
            "notify-n8n",
            None,
            "./store-diesel",
            Some("adapters never know each other"),
        ),
        ("server", None, "pq-sys", Some("this library belongs to another crate")),
        ("http-actix", None, "actix-cors", None),
        ("http-actix", None, "./server", Some("nothing knows the server")),
        (
            "http-actix",
            None,
            "diesel",
            Some("this library belongs to another crate"),
        ),
        (
            "http-actix",
            Some("build"),
            "reqwest",
            Some("this library belongs to another crate"),
        ),
        ("notify-n8n", None, "reqwest", None),
        (
            "notify-n8n",
            None,
            "actix-web",
            Some("this library belongs to another crate"),
        ),
        ("server", None, "./http-actix", None),
        ("server", Some("dev"), "reqwest", None),
        (
            "server",
            None,
            "actix-web",
            Some("this library belongs to another crate"),
        ),
        (
            "server",
            None,
            "diesel_migrations",
            Some("this library belongs to another crate"),
        ),
        (
            "server",
            None,
            "./black-box",
            Some("nothing that ships depends on a development crate"),
        ),
        ("black-box", None, "./server", None),
        ("black-box", None, "reqwest", None),
    ] {
        let (name, path) = match to.strip_prefix("./") {
            Some(name) => (name, Some(to)),
            None => (to, None),
        };
        let made_up = json!({
            "packages": [{ "name": from, "dependencies": [{ "name": name, "kind": kind, "path": path }] }]
        });
        let expected: Vec<String> = expected
            .map(|why| format!("{from} -> {name}: {why}"))
            .into_iter()
            .collect();
        assert_eq!(violations(&members(&made_up)), expected, "{from} {kind:?} {to}");
    }
    let stranger = json!({ "packages": [{ "name": "new-crate", "dependencies": [] }] });
    assert_eq!(
        violations(&members(&stranger)),
        ["new-crate: add it to LAYERS in tests/tests/tree/layering.rs"]
    );
}

/// The modules of `http-actix` and which of the others each may not name.
const MODULES: [(&str, &[&str]); 3] = [("access", &["api", "pages"]), ("api", &["pages"]), ("pages", &["api"])];

/// The modules at the root of a crate that `source` names, by `crate::` or from the root by `super::`.
fn named_modules(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .fold(String::new(), |code, line| code + line + "\n");
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut named = BTreeSet::new();
    for (start, path) in ["crate::", "super::"]
        .into_iter()
        .flat_map(|path| code.match_indices(path))
    {
        let rest = &code[start + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = 0;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    named.insert(word(&group[item..at]));
                    item = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    // A comma before a closing brace.
    named.remove("");
    named
}

/// Every file below `folder` that names one of `others`.
fn files_that_name(folder: &Path, others: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_that_name(&path, others));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let named = named_modules(&fs::read_to_string(&path).unwrap());
            let wrong = others.iter().filter(|other| named.contains(**other));
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
    for (source, expected) in [
        ("use crate::pages::Pages;", &["pages"][..]),
        (
            "use crate::{\n    access::{AccessControl, api},\n    pages::{self, layout::page},\n    settings,\n};",
            &["access", "pages", "settings"],
        ),
        ("pub(super) fn of(text: crate::api::Text) {}", &["api"]),
        ("use super::super::pages;", &["pages", "super"]),
        ("// crate::pages\nuse std::fmt;", &[]),
    ] {
        let expected = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named_modules(source), expected, "{source}");
    }
}
