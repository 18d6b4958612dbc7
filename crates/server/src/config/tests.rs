#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod warnings;

use std::{collections::HashMap, ffi::OsString, io::Write as _};

use secrecy::ExposeSecret;
use ticket_domain::{OperatorName, RetrySchedule};

use super::*;

const LONG: &str = "0123456789abcdef0123456789abcdef";

fn load(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let vars: HashMap<&str, OsString> = pairs
        .iter()
        .map(|(name, value)| (*name, OsString::from(value)))
        .collect();
    Config::load(&|name| vars.get(name).cloned(), Path::new("/srv/desk"), false)
}

fn config(pairs: &[(&str, &str)]) -> Config {
    load(pairs).unwrap().config
}

fn faulty(pairs: &[(&str, &str)]) -> Vec<String> {
    load(pairs)
        .unwrap_err()
        .0
        .into_iter()
        .map(|fault| fault.variable)
        .collect()
}

fn warnings(pairs: &[(&str, &str)]) -> Vec<String> {
    load(pairs).unwrap().warnings
}

#[test]
fn nothing_set_runs_on_the_embedded_store_with_warnings() {
    let Loaded { config, warnings } = load(&[]).unwrap();
    assert_eq!((config.host.as_str(), config.port), ("::", 8080));
    assert_eq!(config.base_url.unwrap().as_str(), "http://localhost:8080/");
    assert_eq!(config.site_name, "Support");
    assert!(matches!(config.database, Database::Sqlite(path) if path == Path::new("/srv/desk/data/tickets.db")));
    assert!(config.receiver.is_none() && config.inbound_keys.is_empty() && config.operator_tokens.is_empty());
    assert_eq!(
        config.agents.addresses.iter().map(Address::as_str).collect::<Vec<_>>(),
        ["+919655716000"]
    );
    assert!(!config.agents.are_set && config.agents.backup.is_none());
    assert_eq!(
        (config.access, config.rate_limits, config.trusted_proxy_hops),
        (Access::Open, true, 0)
    );
    assert_eq!(config.rates, Rates::default());
    assert_eq!(config.max_customer_messages, 500);
    assert_eq!((config.max_connections, config.connections_of_one), (None, 256));
    assert_eq!(
        (config.retry_schedule, config.notify_concurrency),
        (RetrySchedule::new(8), 4)
    );
    assert_eq!(
        (config.log_format, config.log_filter.as_str()),
        (LogFormat::Json, "info,actix_server=warn")
    );
    for variable in [
        "BASE_URL",
        "N8N_TICKET_CREATED_WEBHOOK",
        "RAILWAY_INBOUND_SECRET",
        "AGENT_PHONE",
    ] {
        assert_eq!(
            warnings.iter().filter(|warning| warning.starts_with(variable)).count(),
            1,
            "{warnings:?}"
        );
    }
    assert_eq!(warnings.len(), 4, "{warnings:?}");
}

#[test]
fn everything_can_be_set() {
    let config = config(&[
        ("HOST", "127.0.0.1"),
        ("PORT", "9000"),
        ("BASE_URL", "https://desk.example/help"),
        ("SITE_NAME", "Bottles & Co"),
        ("MANAGER_NAME", "Anna"),
        ("WHATSAPP_NUMBER", "+1 (415) 523-8886"),
        ("DATABASE_URL", "postgresql://desk:pw@db.example/desk"),
        ("DATABASE_POOL_SIZE", "20"),
        ("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook/created"),
        ("N8N_TICKET_UPDATED_WEBHOOK", "https://n8n.example/webhook/updated"),
        ("N8N_SHARED_SECRET", LONG),
        ("RAILWAY_INBOUND_SECRET", &format!("{LONG}, {LONG}x")),
        ("AGENT_PHONE", "+91 96557 16000, 0049 30 1234567"),
        ("AGENT_PHONE_BACKUP", "+1 555 000 0000"),
        ("TICKET_ACCESS", "private"),
        ("OPERATOR_TOKEN", &format!("{LONG}y,zoe:{LONG}z, {LONG}")),
        ("ALLOWED_ORIGINS", "https://www.example.com, http://localhost:3000/"),
        ("TRUSTED_PROXY_HOPS", "2"),
        ("RATE_LIMITS", "off"),
        ("RATE_LIMIT_CREATIONS", "1/2"),
        ("RATE_LIMIT_READS", "3/4"),
        ("RATE_LIMIT_MISSES", "5/6"),
        ("RATE_LIMIT_WRONG_KEYS", "7 / 8"),
        ("RATE_LIMIT_ALL_MISSES", "9/10"),
        ("RATE_LIMIT_MESSAGES", "11/12"),
        ("MAX_CUSTOMER_MESSAGES", "99"),
        ("MAX_CONNECTIONS", "50000"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "32"),
        ("NOTIFY_SLOW_RETRIES", "0"),
        ("NOTIFY_CONCURRENCY", "16"),
        ("NOTIFICATION_RETENTION_DAYS", "90"),
        ("TICKET_RETENTION_DAYS", "365"),
        ("DATABASE_DIRECT_URL", "postgres://desk:pw@db.example:5433/desk"),
        ("LOG_FORMAT", "text"),
        ("RUST_LOG", "warn,server=debug"),
    ]);
    assert_eq!(config.base_url.unwrap().as_str(), "https://desk.example/help");
    assert_eq!(config.site_name, "Bottles & Co");
    assert_eq!(config.manager_name.as_deref(), Some("Anna"));
    assert_eq!(config.whatsapp_number.unwrap().as_str(), "+14155238886");
    assert_eq!(config.notification_retention, Some(Duration::from_hours(24 * 90)));
    assert_eq!(config.ticket_retention, Some(Duration::from_hours(24 * 365)));
    let Database::Postgres { url, direct, pool_size } = config.database else {
        panic!("not Postgres")
    };
    assert_eq!(
        (url.expose_secret(), pool_size),
        ("postgresql://desk:pw@db.example/desk", 20)
    );
    assert_eq!(
        direct.unwrap().expose_secret(),
        "postgres://desk:pw@db.example:5433/desk"
    );
    let receiver = config.receiver.unwrap();
    assert_eq!(receiver.created.path(), "/webhook/created");
    assert_eq!(receiver.updated.path(), "/webhook/updated");
    assert_eq!(config.inbound_keys.len(), 2);
    assert_eq!(config.inbound_keys[1].expose_secret(), format!("{LONG}x"));
    let tokens: Vec<(Option<&str>, &str)> = config
        .operator_tokens
        .iter()
        .map(|token| {
            (
                token.name.as_ref().map(OperatorName::as_str),
                token.secret.expose_secret(),
            )
        })
        .collect();
    let [newer, zoes] = ["y", "z"].map(|end| format!("{LONG}{end}"));
    assert_eq!(tokens, [(None, &*newer), (Some("zoe"), &zoes), (None, LONG)]);
    assert_eq!(config.agents.addresses[1].as_str(), "+49301234567");
    assert!(config.agents.are_set);
    assert_eq!(config.agents.backup.as_ref().map(Phone::as_str), Some("+15550000000"));
    assert_eq!(config.access, Access::Private);
    assert_eq!(
        config.allowed_origins,
        ["https://www.example.com", "http://localhost:3000"]
    );
    assert_eq!((config.trusted_proxy_hops, config.rate_limits), (2, false));
    let Rates {
        creations,
        reads,
        misses,
        all_misses,
        wrong_keys,
        messages,
    } = config.rates;
    assert_eq!(
        [creations, reads, misses, wrong_keys, all_misses, messages].map(|rate| rate.to_string()),
        ["1/2", "3/4", "5/6", "7/8", "9/10", "11/12"]
    );
    assert_eq!(config.max_customer_messages, 99);
    assert_eq!((config.max_connections, config.connections_of_one), (Some(50_000), 32));
    assert_eq!(
        (config.retry_schedule, config.notify_concurrency),
        (RetrySchedule::new(0), 16)
    );
    assert_eq!(config.log_format, LogFormat::Text);
}

#[test]
fn each_fault_names_its_variable() {
    for (variable, value) in [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("BASE_URL", "desk.example"),
        ("BASE_URL", "ftp://desk.example"),
        ("BASE_URL", "https://desk.example/?a=b"),
        ("BASE_URL", "https://user:pw@desk.example"),
        ("DATABASE_URL", "mysql://db.example/desk"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite://data/"),
        ("DATABASE_URL", "sqlite://a.db?mode=ro"),
        ("DATABASE_POOL_SIZE", "0"),
        ("RAILWAY_INBOUND_SECRET", "a,b,c"),
        ("RAILWAY_INBOUND_SECRET", "a,"),
        ("OPERATOR_TOKEN", "a,b,c"),
        ("OPERATOR_TOKEN", ",a"),
        ("OPERATOR_TOKEN", "zoe:"),
        ("OPERATOR_TOKEN", ":a"),
        ("OPERATOR_TOKEN", "zoe m:a"),
        ("OPERATOR_TOKEN", "zoe:a,ben:a"),
        ("OPERATOR_TOKEN", "zoe:a,a"),
        ("AGENT_PHONE", "919655716000"),
        ("AGENT_PHONE", "+919655716000,"),
        ("AGENT_PHONE", "+919655716000,US."),
        ("AGENT_PHONE", "+919655716000,103000000000001@lid"),
        ("AGENT_PHONE", "US.13491208655302741918"),
        ("AGENT_PHONE_BACKUP", "919655716000"),
        ("AGENT_PHONE_BACKUP", "+15550000000,+15550000001"),
        ("TICKET_ACCESS", "closed"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://www.example.com/path"),
        ("ALLOWED_ORIGINS", "https://*"),
        ("ALLOWED_ORIGINS", "https://*.*.example.com"),
        ("ALLOWED_ORIGINS", "https://www.*.example.com"),
        ("ALLOWED_ORIGINS", "https://*example.com"),
        ("ALLOWED_ORIGINS", "https://www*.example.com"),
        ("ALLOWED_ORIGINS", "https://*.192.0.2.1"),
        ("ALLOWED_ORIGINS", "*.example.com"),
        ("ALLOWED_ORIGINS", "https://*.example.com/path"),
        ("TRUSTED_PROXY_HOPS", "17"),
        ("RATE_LIMITS", "yes"),
        ("RATE_LIMIT_CREATIONS", "60"),
        ("RATE_LIMIT_READS", "0/120"),
        ("RATE_LIMIT_MISSES", "off"),
        ("RATE_LIMIT_WRONG_KEYS", "60/120/1"),
        ("MAX_CONNECTIONS", "15"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "0"),
        ("NOTIFY_SLOW_RETRIES", "9"),
        ("NOTIFY_CONCURRENCY", "0"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "server=loud"),
        ("ALLOW_EPHEMERAL", "yes"),
    ] {
        assert_eq!(faulty(&[(variable, value)]), [variable], "{value}");
    }
    let backup = ("AGENT_PHONE_BACKUP", "+15550000000");
    assert_eq!(faulty(&[backup]), ["AGENT_PHONE"]);
    let same = ("AGENT_PHONE", "US.134,+1 555 000 0000,+919655716000");
    assert_eq!(faulty(&[same, backup]), ["AGENT_PHONE_BACKUP"]);
    load(&[("AGENT_PHONE", "+919655716000,+15550000000"), backup]).unwrap();
    let webhook = "N8N_TICKET_CREATED_WEBHOOK";
    assert_eq!(
        faulty(&[(webhook, "n8n.example"), ("N8N_SHARED_SECRET", LONG)]),
        [webhook]
    );
    assert_eq!(
        faulty(&[(webhook, "https://n8n.example/webhook/x")]),
        ["N8N_SHARED_SECRET"]
    );
    for name in [&"ü".repeat(61), "two\nlines"] {
        for variable in ["SITE_NAME", "MANAGER_NAME"] {
            assert_eq!(faulty(&[(variable, name)]), [variable]);
        }
    }
    for number in ["14155238886", "+1 415", "+14155238886,+14155238887", "call us"] {
        assert_eq!(faulty(&[("WHATSAPP_NUMBER", number)]), ["WHATSAPP_NUMBER"], "{number}");
    }
    assert_eq!(faulty(&[("N8N_SHARED_SECRET", "two\nlines")]), ["N8N_SHARED_SECRET"]);
    assert_eq!(
        faulty(&[("N8N_TICKET_UPDATED_WEBHOOK", "ftp://x")]),
        ["N8N_TICKET_UPDATED_WEBHOOK", webhook]
    );
    load(&[(webhook, "https://n8n.example/x"), ("N8N_SHARED_SECRET", "my pässword")]).unwrap();
    assert_eq!(
        faulty(&[
            ("N8N_TICKET_UPDATED_WEBHOOK", "https://n8n.example/x"),
            ("N8N_SHARED_SECRET", LONG)
        ]),
        [webhook]
    );
}

#[test]
fn a_rate_that_is_none_is_told_what_one_is() {
    let faults = load(&[("RATE_LIMIT_MISSES", "10")]).unwrap_err().to_string();
    assert!(
        faults.contains("RATE_LIMIT_MISSES: must be how many a minute, a slash, and how many at once, such as 20/40"),
        "{faults}"
    );
}

#[test]
fn all_faults_come_at_once_and_show_no_value() {
    let faults = load(&[
        ("PORT", "secret-port"),
        ("DATABASE_URL", "mysql://user:secret-password@db"),
        ("RAILWAY_INBOUND_SECRET", "secret-a,secret-b,secret-c"),
        ("RATE_LIMITS", "secret-limits"),
    ])
    .unwrap_err();
    let text = faults.to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    for variable in ["PORT", "DATABASE_URL", "RAILWAY_INBOUND_SECRET", "RATE_LIMITS"] {
        assert!(text.contains(&format!("\n  {variable}: ")), "{text}");
    }
    assert!(!text.contains("secret-"), "{text}");
}

#[test]
fn a_secret_may_come_from_a_file_but_not_from_both() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{LONG}").unwrap();
    let path = file.path().to_str().unwrap();
    let config = config(&[("RAILWAY_INBOUND_SECRET_FILE", path), ("OPERATOR_TOKEN_FILE", path)]);
    assert_eq!(config.inbound_keys[0].expose_secret(), LONG);
    assert_eq!(config.operator_tokens[0].secret.expose_secret(), LONG);

    let both = [("OPERATOR_TOKEN", LONG), ("OPERATOR_TOKEN_FILE", path)];
    assert_eq!(faulty(&both), ["OPERATOR_TOKEN"]);
    assert_eq!(
        faulty(&[("OPERATOR_TOKEN_FILE", "/nowhere/token")]),
        ["OPERATOR_TOKEN_FILE"]
    );
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(
        faulty(&[("OPERATOR_TOKEN_FILE", empty.path().to_str().unwrap())]),
        ["OPERATOR_TOKEN_FILE"]
    );
}

#[test]
fn a_webhook_may_come_from_a_file() {
    let file = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{text}").unwrap();
        file
    };
    let (created, updated) = (
        file("https://n8n.example/webhook/c"),
        file("https://u:pw@n8n.example/webhook/u"),
    );
    let paths = [&created, &updated].map(|file| file.path().to_str().unwrap());
    let both = [
        ("N8N_TICKET_CREATED_WEBHOOK_FILE", paths[0]),
        ("N8N_TICKET_UPDATED_WEBHOOK_FILE", paths[1]),
        ("N8N_SHARED_SECRET", LONG),
    ];
    let receiver = config(&both).receiver.unwrap();
    assert_eq!(
        (receiver.created.path(), receiver.updated.password()),
        ("/webhook/c", Some("pw"))
    );
    assert_eq!(faulty(&both[1..]), ["N8N_TICKET_CREATED_WEBHOOK"]);
    let mut twice = both.to_vec();
    twice.push(("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook/c"));
    assert_eq!(faulty(&twice), ["N8N_TICKET_CREATED_WEBHOOK"]);
}

#[test]
fn debug_shows_no_secret() {
    let config = config(&[
        ("DATABASE_URL", "postgres://desk:canary@db.example/desk"),
        ("DATABASE_DIRECT_URL", "postgres://desk:canary@db.example/desk"),
        (
            "N8N_TICKET_CREATED_WEBHOOK",
            "https://canary:canary@n8n.example/webhook/canary?canary",
        ),
        ("N8N_SHARED_SECRET", "canary"),
        ("RAILWAY_INBOUND_SECRET", "canary,canary"),
        ("OPERATOR_TOKEN", "canary,zoe:a-canary"),
        ("AGENT_PHONE", "+15550001234"),
        ("AGENT_PHONE_BACKUP", "+15550001235"),
    ]);
    for shown in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(!shown.contains("canary") && !shown.contains("5550001"), "{shown}");
        assert!(shown.contains("n8n.example"), "{shown}");
    }
}

#[test]
fn blank_counts_as_unset() {
    assert!(
        config(&[("OPERATOR_TOKEN", ""), ("N8N_TICKET_CREATED_WEBHOOK", "  ")])
            .operator_tokens
            .is_empty()
    );
}

#[test]
fn railway_without_a_volume_is_a_fault_that_can_be_accepted() {
    let railway = ("RAILWAY_ENVIRONMENT", "production");
    let volume = ("RAILWAY_VOLUME_MOUNT_PATH", "/data");
    assert_eq!(faulty(&[railway]), ["DATABASE_URL"]);
    assert_eq!(faulty(&[railway, volume]), ["DATABASE_URL"]);
    assert_eq!(
        faulty(&[railway, volume, ("DATABASE_URL", "sqlite:///data/../tickets.db")]),
        ["DATABASE_URL"]
    );
    assert_eq!(
        faulty(&[railway, volume, ("DATABASE_URL", "sqlite:///database/tickets.db")]),
        ["DATABASE_URL"]
    );
    let config = config(&[railway, volume, ("DATABASE_URL", "sqlite:///data/./tickets.db")]);
    assert_eq!(config.trusted_proxy_hops, 1);
    load(&[railway, ("ALLOW_EPHEMERAL", "1")]).unwrap();
    load(&[railway, ("DATABASE_URL", "postgres://db.example/desk")]).unwrap();
}
