//! Which crate may depend on which. Arrows point inwards: adapters know the domain, adapters never know each other, and
//! only the server knows all.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, missing_docs)]

mod tree;

use serde_json::json;
use tree::{Dependency, Member, members, metadata};

/// What a crate is to the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Domain,
    Adapter,
    /// What two adapters stand on; it has no port.
    Ground,
    /// Wires everything together.
    Server,
    /// Never shipped, and free to use what it likes.
    Development,
}

/// Every crate of the workspace. A new one is placed here.
const ROOMS: [(&str, Layer); 9] = [
    ("ticket-domain", Layer::Domain),
    ("store-diesel", Layer::Adapter),
    ("notify-n8n", Layer::Adapter),
    ("door-actix", Layer::Ground),
    ("http-actix", Layer::Adapter),
    ("pages-actix", Layer::Adapter),
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
    ("actix", &["door-actix", "http-actix", "pages-actix"]),
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

fn room(name: &str) -> Option<Layer> {
    if name == BLACK_BOX {
        return Some(Layer::Development);
    }
    ROOMS.iter().find(|(known, _)| *known == name).map(|(_, room)| *room)
}

/// What is wrong with one dependency of a crate in a room.
fn fault(member: &Member, of: Layer, dependency: &Dependency) -> Option<&'static str> {
    let to = room(&dependency.name).filter(|_| dependency.is_member);
    let owners = OWNERS
        .iter()
        .find(|(prefix, _)| dependency.name.starts_with(prefix))
        .map(|(_, owners)| *owners);
    match (of, to) {
        (Layer::Development, _) => None,
        (Layer::Domain, Some(to)) if !dependency.is_dev || to != Layer::Development => {
            Some("the domain knows no other crate")
        }
        _ if dependency.is_dev => None,
        (_, Some(Layer::Development)) => Some("nothing that ships depends on a development crate"),
        (Layer::Adapter, Some(Layer::Adapter)) => Some("adapters never know each other"),
        (Layer::Ground, Some(Layer::Adapter | Layer::Ground)) => Some("the ground knows only the domain"),
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

fn faults(members: &[Member]) -> Vec<String> {
    let mut faults = Vec::new();
    for member in members {
        let Some(of) = room(&member.name) else {
            faults.push(format!("{}: place it in tests/tests/layering.rs", member.name));
            continue;
        };
        for dependency in &member.dependencies {
            if let Some(fault) = fault(member, of, dependency) {
                faults.push(format!("{} -> {}: {fault}", member.name, dependency.name));
            }
        }
    }
    faults
}

#[test]
fn the_arrows_point_inwards() {
    let members = members(&metadata(&["--no-deps"]));
    assert_eq!(faults(&members), Vec::<String>::new());
    for (name, _) in ROOMS {
        assert!(
            members.iter().any(|member| member.name == name),
            "{name} is placed and does not exist"
        );
    }
}

#[test]
fn an_arrow_that_points_outwards_is_found() {
    // A path marks a crate of the workspace. Kinds are null, "dev" and "build", as cargo writes them.
    for (from, kind, to, expected) in [
        ("ticket-domain", None, "uuid", None),
        ("ticket-domain", Some("dev"), "tokio", None),
        ("ticket-domain", None, "serde", Some("the domain is pure")),
        ("ticket-domain", None, "tokio-util", Some("the domain is pure")),
        (
            "ticket-domain",
            Some("dev"),
            "./store-diesel",
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
        assert_eq!(faults(&members(&made_up)), expected, "{from} {kind:?} {to}");
    }
    let stranger = json!({ "packages": [{ "name": "new-crate", "dependencies": [] }] });
    assert_eq!(
        faults(&members(&stranger)),
        ["new-crate: place it in tests/tests/layering.rs"]
    );
}
