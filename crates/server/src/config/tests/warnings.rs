//! What is likely not meant.

use super::*;

#[test]
fn quotes_around_a_secret_are_warned_of() {
    let is_warned = |variable: &str, secret: &str| {
        let warnings = warnings(&[(variable, secret)]);
        let quotes = warnings.iter().filter(|warning| warning.contains("quote")).count();
        assert!(!warnings.iter().any(|warning| warning.contains(secret)), "{warnings:?}");
        quotes > 0
            && warnings
                .iter()
                .any(|warning| warning.starts_with(&format!("{variable} begins and ends")))
    };
    for variable in ["RAILWAY_INBOUND_SECRET", "N8N_SHARED_SECRET", "OPERATOR_TOKEN"] {
        assert!(is_warned(variable, &format!("\"{LONG}\"")), "{variable}");
        assert!(is_warned(variable, &format!("'{LONG}'")), "{variable}");
        for secret in [
            LONG.to_owned(),
            format!("\"{LONG}"),
            format!("{LONG}'"),
            format!("\"{LONG}'"),
        ] {
            assert!(!is_warned(variable, &secret), "{variable}");
        }
    }
}

#[test]
fn what_works_but_is_likely_not_meant_is_a_warning() {
    let quiet = [
        ("BASE_URL", "https://desk.example"),
        ("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook/created"),
        ("N8N_SHARED_SECRET", LONG),
        ("RAILWAY_INBOUND_SECRET", LONG),
        ("AGENT_PHONE", "+15550000000"),
        ("TICKET_ACCESS", "private"),
    ];
    assert_eq!(warnings(&quiet), Vec::<String>::new());
    for (variable, value) in [
        ("N8N_TICKET_CREATED_WEBHOOK", "https://n8n.example/webhook-test/created"),
        ("N8N_TICKET_UPDATED_WEBHOOK", "https://n8n.example/webhook-test/updated"),
        ("N8N_SHARED_SECRET", "short-secret"),
        ("RAILWAY_INBOUND_SECRET", "short-secret"),
        ("OPERATOR_TOKEN", "short-secret"),
    ] {
        let mut pairs = quiet.to_vec();
        pairs.push((variable, value));
        let warnings = warnings(&pairs);
        assert!(warnings.len() == 1 && warnings[0].starts_with(variable), "{warnings:?}");
        assert!(!warnings[0].contains("short-secret"), "{warnings:?}");
    }
}

#[test]
fn open_tickets_on_a_public_site_are_warned_of() {
    let is_warned = |base_url: &str, access: &str| {
        let warnings = warnings(&[("BASE_URL", base_url), ("TICKET_ACCESS", access)]);
        warnings
            .iter()
            .any(|warning| warning.starts_with("TICKET_ACCESS is open"))
    };
    for base_url in [
        "https://desk.example.com/help",
        "http://203.0.113.7:8080",
        "http://[2001:db8::1]",
        "http://100.128.0.1",
    ] {
        assert!(is_warned(base_url, "") && is_warned(base_url, "open"), "{base_url}");
        assert!(!is_warned(base_url, "private"), "{base_url}");
    }
    for base_url in [
        "http://localhost:8080",
        "http://desk.localhost",
        "http://tickets:8080",
        "http://nas.local.",
        "http://tickets.railway.internal",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://10.1.2.3",
        "http://172.16.0.1",
        "http://192.168.1.2",
        "http://100.64.0.1",
        "http://[fd00::1]",
        "http://[fe80::1]",
        "http://[::ffff:192.168.1.2]",
    ] {
        assert!(!is_warned(base_url, "open"), "{base_url}");
    }
    assert!(!warnings(&[]).iter().any(|warning| warning.starts_with("TICKET_ACCESS")));
}
