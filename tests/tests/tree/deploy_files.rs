//! What the files of a deployment say, held against what the server needs and what the documents promise.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use black_box::{read, root};
use yaml_rust2::{Yaml, YamlLoader};

use crate::{is_variable, metadata, server_variables};

/// Within this many seconds of SIGTERM the server has stopped; whoever stops it must wait longer.
const STOPS_WITHIN: u64 = 25;

/// Variables whose value may lie in a file.
const SECRETS: [&str; 7] = [
    "DATABASE_DIRECT_URL",
    "DATABASE_URL",
    "N8N_SHARED_SECRET",
    "N8N_TICKET_CREATED_WEBHOOK",
    "N8N_TICKET_UPDATED_WEBHOOK",
    "OPERATOR_TOKEN",
    "RAILWAY_INBOUND_SECRET",
];

/// The variables of .env.example. Each stands under a line that explains it.
fn variables() -> BTreeSet<String> {
    let text = read(".env.example");
    let lines: Vec<&str> = text.lines().collect();
    let mut names = BTreeSet::new();
    for pair in lines.windows(2) {
        let name = pair[1].trim_start_matches('#').split('=').next().unwrap();
        if is_variable(name) {
            assert!(
                pair[0].starts_with("# ") && pair[0].ends_with(|c: char| c != ':'),
                "{name} is not explained"
            );
            assert!(names.insert(name.to_owned()), "{name} stands there twice");
        }
    }
    names
}

#[test]
fn the_example_names_and_explains_every_variable() {
    assert_eq!(variables(), server_variables());
}

/// The instructions of a Dockerfile, continued lines joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let instruction = |line: &str| {
        let (name, arguments) = line.trim().split_once(' ')?;
        Some((name.to_owned(), arguments.trim().to_owned()))
    };
    joined.lines().filter_map(instruction).collect()
}

fn dockerfile() -> Vec<(String, String)> {
    instructions(&read("deploy/Dockerfile"))
}

/// The values of the pairs with this name.
fn all<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let found = pairs.iter().filter(|(this, _)| this == name);
    found.map(|(_, value)| value.as_str()).collect()
}

/// The arguments of the last instruction of this name, which counts.
fn last<'a>(instructions: &'a [(String, String)], name: &str) -> &'a str {
    all(instructions, name).pop().unwrap_or_else(|| panic!("no {name}"))
}

fn list(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn the_image_is_built_by_our_compiler_and_runs_without_root() {
    let instructions = dockerfile();
    let known = "FROM RUN COPY ENV WORKDIR USER EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD";
    for (name, _) in &instructions {
        // Railway refuses VOLUME.
        assert!(known.split(' ').any(|known| known == name), "{name}");
    }
    let metadata = metadata(&["--no-deps"]);
    let version = metadata["packages"][0]["rust_version"].as_str().unwrap();
    assert_eq!(
        all(&instructions, "FROM"),
        [&format!("rust:{version}-bookworm AS build"), "debian:bookworm-slim"]
    );
    let user = last(&instructions, "USER");
    let (uid, gid) = user.split_once(':').unwrap();
    let is_unprivileged = |id: &str| id.parse::<u32>().unwrap() > 0;
    assert!(is_unprivileged(uid) && is_unprivileged(gid), "{user}");
    let runs = all(&instructions, "RUN").concat();
    for part in [
        "cargo build --release --locked -p server",
        &format!("--uid {uid} --gid {gid} "),
        "-o tickets -g tickets -m 0700 /data",
    ] {
        assert!(runs.contains(part), "{part} is not in {runs}");
    }
    let settings = all(&instructions, "ENV");
    let port = format!("PORT={}", last(&instructions, "EXPOSE"));
    for setting in ["DATABASE_URL=sqlite:///data/tickets.db", "TICKET_ACCESS=private", &port] {
        assert!(settings.contains(&setting), "{setting} is not in {settings:?}");
    }
    assert_eq!(list(last(&instructions, "ENTRYPOINT")), ["/usr/local/bin/server"]);
    assert_eq!(list(last(&instructions, "CMD")), ["serve"]);
    assert_eq!(last(&instructions, "STOPSIGNAL"), "SIGTERM");
}

#[test]
fn the_build_gets_every_crate_and_no_secret() {
    let ignore = read(".dockerignore");
    let rules: Vec<&str> = ignore.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "what is not named stays outside");
    for name in ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "migrations", "tests"] {
        assert!(rules.contains(&format!("!{name}").as_str()), "{name}");
        assert!(root().join(name).exists(), "{name}");
    }
    assert_eq!(rules.len(), 7);
    let ignored = read(".gitignore") + &read("deploy/.gitignore");
    for secret in ["/.env", "/secrets/"] {
        assert!(
            ignored.lines().any(|line| line == secret),
            "{secret} is not ignored by git"
        );
    }
}

/// Runs the image's health check against a server that answers once, with this status line.
fn health_check(status_line: &'static str) -> (bool, String) {
    let instructions = dockerfile();
    let check = last(&instructions, "HEALTHCHECK");
    let command = list(check.split_once("CMD ").unwrap().1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        stream
            .write_all(format!("{status_line}\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .unwrap();
        request
    });
    let status = Command::new(&command[0])
        .args(&command[1..])
        .env("PORT", port)
        .status()
        .unwrap();
    (status.success(), answering.join().unwrap())
}

#[test]
fn the_health_check_of_the_image_reports_readiness() {
    let (is_healthy, request) = health_check("HTTP/1.1 200 OK");
    assert!(is_healthy);
    assert_eq!(request, "GET /health/ready HTTP/1.0\r\n");
    assert!(!health_check("HTTP/1.1 503 Service Unavailable").0);
    assert!(!health_check("").0);
}

#[test]
fn railway_builds_the_image_and_waits_for_readiness() {
    let railway: serde_json::Value = serde_json::from_str(&read("deploy/railway.json")).unwrap();
    assert_eq!(railway["build"]["builder"], "DOCKERFILE");
    assert!(
        root()
            .join(railway["build"]["dockerfilePath"].as_str().unwrap())
            .exists()
    );
    assert_eq!(railway["deploy"]["healthcheckPath"], "/health/ready");
    // Railway refuses a text here.
    assert!(railway["deploy"]["drainingSeconds"].as_u64().unwrap() > STOPS_WITHIN);
}

/// Seconds, as compose writes them.
fn seconds(value: &Yaml) -> u64 {
    value.as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap()
}

fn keys(map: &Yaml) -> Vec<String> {
    map.as_hash()
        .unwrap()
        .keys()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

fn texts(sequence: &Yaml) -> Vec<String> {
    sequence
        .as_vec()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn compose_starts_the_loop_with_secrets_in_files_and_few_rights() {
    let compose = &YamlLoader::load_from_str(&read("deploy/compose.yaml")).unwrap()[0];
    let services = &compose["services"];
    assert_eq!(keys(services), ["server", "postgres", "n8n"]);
    for name in keys(services) {
        let service = &services[name.as_str()];
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        // Bounds, and, but for n8n, nothing to write to except memory and volumes.
        assert_eq!(
            service["read_only"].as_bool(),
            (name != "n8n").then_some(true),
            "{name}"
        );
        assert!(texts(&service["tmpfs"])[0].starts_with("/tmp:size="), "{name}");
        let memory = service["mem_limit"].as_str().unwrap();
        assert!(memory.ends_with(['m', 'g']), "{name}: {memory}");
        assert!((64..=2048).contains(&service["pids_limit"].as_i64().unwrap()), "{name}");
        assert_eq!(service["ulimits"]["core"].as_i64(), Some(0), "{name}: no core dump");
        if let Some(image) = service["image"].as_str() {
            let tag = image
                .rsplit_once(':')
                .unwrap_or_else(|| panic!("{image} has no version"))
                .1;
            assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{image} is not pinned");
            assert!(
                !service["healthcheck"]["test"].is_badvalue(),
                "{name} has no health check"
            );
        }
        for port in service["ports"].as_vec().into_iter().flatten() {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "{name} is open to the network"
            );
        }
        for secret in texts(&service["secrets"]) {
            let file = compose["secrets"][secret.as_str()]["file"].as_str().unwrap();
            assert_eq!(file, format!("./secrets/{secret}"));
            let used = service["environment"]
                .as_hash()
                .unwrap()
                .iter()
                .any(|(variable, path)| {
                    variable.as_str().unwrap().ends_with("_FILE")
                        && path.as_str() == Some(&format!("/run/secrets/{secret}"))
                });
            assert!(used, "{name} has {secret} and does not use it");
        }
    }
    let server = &services["server"];
    assert_eq!(server["build"]["dockerfile"].as_str(), Some("deploy/Dockerfile"));
    assert_eq!(
        server["depends_on"]["postgres"]["condition"].as_str(),
        Some("service_healthy")
    );
    assert!(seconds(&server["stop_grace_period"]) > STOPS_WITHIN);
    let variables = keys(&server["environment"]);
    for variable in &variables {
        assert_known(variable);
    }
    // What protects whoever runs it can be set from outside; blank is as if it were not there.
    for (variable, default) in [
        ("TICKET_ACCESS", "private"),
        ("ALLOWED_ORIGINS", ""),
        ("TRUSTED_PROXY_HOPS", ""),
        ("RATE_LIMITS", ""),
    ] {
        let handed_on = format!("${{{variable}:-{default}}}");
        assert_eq!(
            server["environment"][variable].as_str(),
            Some(handed_on.as_str()),
            "{variable}"
        );
    }
}

/// A variable is one of the server's, or names the file of one of its secrets.
fn assert_known(variable: &str) {
    match variable.strip_suffix("_FILE") {
        Some(secret) => assert!(SECRETS.contains(&secret), "{variable}"),
        None => assert!(variables().contains(variable), "{variable}"),
    }
}

#[test]
fn compose_secrets_are_created_once_and_match() {
    let compose = &YamlLoader::load_from_str(&read("deploy/compose.yaml")).unwrap()[0];
    let folder = std::env::temp_dir().join(format!("compose-secrets-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("scripts")).unwrap();
    std::fs::create_dir_all(folder.join("deploy")).unwrap();
    let script = folder.join("scripts/compose-secrets");
    std::fs::copy(root().join("scripts/compose-secrets"), &script).unwrap();
    let secret = |name: &str| std::fs::read_to_string(folder.join("deploy/secrets").join(name)).unwrap();
    let run = || {
        assert!(Command::new("sh").arg(&script).status().unwrap().success());
        keys(&compose["secrets"])
            .iter()
            .map(|name| secret(name))
            .collect::<Vec<_>>()
    };
    let made = run();
    assert_eq!(run(), made, "a second run leaves them alone");
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
    assert!(made.iter().all(|secret| secret.len() >= 64), "32 bytes each");
    let expected = format!(
        "postgres://tickets:{}@postgres:5432/tickets",
        secret("postgres_password")
    );
    assert_eq!(secret("database_url"), expected);
    std::fs::remove_dir_all(folder).unwrap();
}

/// The settings of a unit's section, in order.
fn section(unit: &str, name: &str) -> Vec<(String, String)> {
    let body = unit
        .split("\n[")
        .find_map(|section| section.strip_prefix(&format!("{name}]\n")));
    let lines = body.unwrap_or_else(|| panic!("no [{name}]")).lines();
    let settings = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    settings
        .map(|line| line.split_once('=').unwrap())
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// How the unit runs: nothing that can be written to but its own folder, no rights, bounds, and no memory on disk.
const UNIT: &str = "
    Type=exec Restart=on-failure RestartSec=5 EnvironmentFile=/etc/tickets/environment DynamicUser=yes
    StateDirectoryMode=0700 WorkingDirectory=%S/tickets UMask=0077 LimitNOFILE=65536 TasksMax=2048 MemoryMax=1G
    LimitCORE=0 CapabilityBoundingSet= AmbientCapabilities= DevicePolicy=closed KeyringMode=private
    NoNewPrivileges=yes LockPersonality=yes MemoryDenyWriteExecute=yes PrivateDevices=yes PrivateTmp=yes
    PrivateUsers=yes ProcSubset=pid ProtectClock=yes ProtectControlGroups=yes ProtectHome=yes ProtectHostname=yes
    ProtectKernelLogs=yes ProtectKernelModules=yes ProtectKernelTunables=yes ProtectProc=invisible
    ProtectSystem=strict RemoveIPC=yes RestrictAddressFamilies=AF_INET,AF_INET6,AF_UNIX RestrictNamespaces=yes
    RestrictRealtime=yes RestrictSUIDSGID=yes SystemCallArchitectures=native SystemCallErrorNumber=EPERM";

#[test]
fn the_systemd_unit_keeps_its_tickets_and_little_else() {
    let unit = read("deploy/tickets.service");
    let service = section(&unit, "Service");
    let all = |key: &str| all(&service, key);
    let one = |key: &str| -> &str {
        let values: Vec<&str> = all(key);
        assert_eq!(values.len(), 1, "{key}");
        values[0]
    };
    // All of it: what goes, and what comes, wants a reason.
    let described = [
        "ExecStart",
        "TimeoutStopSec",
        "Environment",
        "LoadCredential",
        "StateDirectory",
        "SystemCallFilter",
    ];
    let settings = service.iter().filter(|(key, _)| !described.contains(&key.as_str()));
    let settings: Vec<String> = settings
        .map(|(key, value)| format!("{key}={}", value.replace(' ', ",")))
        .collect();
    assert_eq!(settings, UNIT.split_whitespace().collect::<Vec<_>>());
    let filters = ["@system-service", "~@privileged @resources", "prlimit64"];
    assert_eq!(all("SystemCallFilter"), filters);
    assert!(one("TimeoutStopSec").parse::<u64>().unwrap() > STOPS_WITHIN);
    assert!(one("ExecStart").ends_with("/server serve"));

    let environment: Vec<&str> = all("Environment");
    let in_state = format!("DATABASE_URL=sqlite:///var/lib/{}/", one("StateDirectory"));
    assert!(
        environment.iter().any(|setting| setting.starts_with(&in_state)),
        "{environment:?}"
    );
    for setting in &environment {
        assert_known(setting.split_once('=').unwrap().0);
    }
    let credentials: Vec<&str> = all("LoadCredential");
    assert_eq!(credentials.len(), 3);
    for credential in credentials {
        let name = credential.split_once(':').unwrap().0;
        assert!(
            environment
                .iter()
                .any(|setting| setting.ends_with(&format!("_FILE=%d/{name}"))),
            "{name} is not used"
        );
    }
    assert_eq!(
        section(&unit, "Install"),
        [("WantedBy".into(), "multi-user.target".into())]
    );
}
