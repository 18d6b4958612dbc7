//! The workflows of `deploy/n8n`, as n8n would import them: sound, complete, and with nobody's secret in them.

use std::collections::{BTreeMap, BTreeSet};

use black_box::read;
use regex::Regex;
use serde_json::Value;

/// Each workflow, the paths of its webhooks, and how they are guarded.
const WORKFLOWS: [(&str, &[&str], &str); 4] = [
    ("ticket-to-whatsapp", &["ticket-created"], "headerAuth"),
    (
        "whatsapp-to-ticket",
        &["twilio-whatsapp", "twilio-whatsapp-fallback"],
        "none",
    ),
    ("status-to-ticket", &["twilio-status"], "none"),
    // It begins with a mailbox.
    ("mail-to-ticket", &[], ""),
];

/// The nodes that may be used, in versions that n8n 2.40.7 has.
const NODES: [(&str, &str); 15] = [
    ("webhook", "2.1"),
    ("emailReadImap", "2.2"),
    ("respondToWebhook", "1.4"),
    ("set", "3.4"),
    ("code", "2"),
    ("if", "2.2"),
    ("switch", "3.2"),
    ("httpRequest", "4.2"),
    ("crypto", "2"),
    ("dataTable", "1.1"),
    ("wait", "1.1"),
    ("noOp", "1"),
    ("scheduleTrigger", "1.2"),
    ("stopAndError", "1"),
    ("manualTrigger", "1"),
];

/// Run once by hand, it has neither webhook nor answer.
const SET_UP: &str = "buttons-and-lists";

fn all() -> impl Iterator<Item = &'static str> {
    WORKFLOWS.into_iter().map(|(name, ..)| name).chain([SET_UP])
}

/// Credentials are found by these names.
const CREDENTIALS: [(&str, &str); 5] = [
    ("httpHeaderAuth", "Ticket webhook key (N8N_SHARED_SECRET)"),
    ("httpHeaderAuth", "Ticket inbound key (RAILWAY_INBOUND_SECRET)"),
    ("twilioApi", "Twilio"),
    ("crypto", "Twilio auth token (for signatures)"),
    ("imap", "Mailbox of replies (IMAP)"),
];

fn text(name: &str) -> String {
    read(&format!("deploy/n8n/{name}.json"))
}

fn workflow(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The fields of a workflow's Config, with their values.
fn config(workflow: &Value) -> BTreeMap<&str, &str> {
    let fields = nodes(workflow)["Config"]["parameters"]["assignments"]["assignments"]
        .as_array()
        .unwrap();
    fields
        .iter()
        .map(|field| (string(&field["name"]), string(&field["value"])))
        .collect()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// The nodes that do something, by name.
fn nodes(workflow: &Value) -> BTreeMap<&str, &Value> {
    let nodes = workflow["nodes"].as_array().unwrap();
    let active: Vec<&Value> = nodes.iter().filter(|node| kind(node) != "stickyNote").collect();
    let named: BTreeMap<&str, &Value> = active.iter().map(|node| (string(&node["name"]), *node)).collect();
    assert_eq!(named.len(), active.len(), "a name stands twice");
    let ids: BTreeSet<&str> = nodes.iter().map(|node| string(&node["id"])).collect();
    assert_eq!(ids.len(), nodes.len(), "an id stands twice");
    named
}

fn kind(node: &Value) -> &str {
    string(&node["type"]).strip_prefix("n8n-nodes-base.").unwrap()
}

/// The nodes behind each output of a node.
fn outputs<'a>(workflow: &'a Value, name: &str) -> Vec<Vec<&'a str>> {
    let Some(outputs) = workflow["connections"][name]["main"].as_array() else {
        return Vec::new();
    };
    let targets = |output: &'a Value| {
        output
            .as_array()
            .unwrap()
            .iter()
            .map(|link| string(&link["node"]))
            .collect()
    };
    outputs.iter().map(targets).collect()
}

/// How many outputs a node has.
fn arity(node: &Value) -> usize {
    let on_error = usize::from(node["onError"] == "continueErrorOutput");
    on_error
        + match kind(node) {
            "if" => 2,
            "switch" => node["parameters"]["rules"]["values"].as_array().unwrap().len(),
            "stopAndError" => 0,
            _ => 1,
        }
}

#[test]
fn they_are_imported_switched_off_and_without_anybodys_data() {
    for (name, paths, guard) in WORKFLOWS {
        let workflow = workflow(name);
        assert_eq!(workflow["active"], false, "{name}");
        assert_eq!(workflow["pinData"], serde_json::json!({}), "{name}");
        assert!(
            workflow["staticData"].is_null() && workflow["shared"].is_null(),
            "{name}"
        );
        // `n8n publish:workflow` wants it.
        assert_eq!(string(&workflow["id"]).len(), 16, "{name}");
        // What people wrote is not kept by n8n when all went well.
        assert_eq!(workflow["settings"]["saveDataSuccessExecution"], "none", "{name}");
        let nodes = nodes(&workflow);
        let webhooks: Vec<_> = nodes.values().filter(|node| kind(node) == "webhook").collect();
        let mut found = BTreeSet::new();
        for webhook in &webhooks {
            let parameters = &webhook["parameters"];
            found.insert(string(&parameters["path"]));
            assert_eq!(string(&parameters["authentication"]), guard, "{name}");
            assert_eq!(
                (string(&parameters["httpMethod"]), string(&parameters["responseMode"])),
                ("POST", "responseNode")
            );
        }
        assert_eq!(
            (found, webhooks.len()),
            (paths.iter().copied().collect(), paths.len()),
            "{name}"
        );
    }
}

#[test]
fn every_node_is_known_to_n8n() {
    for name in all() {
        for (node, value) in nodes(&workflow(name)) {
            let version = value["typeVersion"].to_string();
            assert!(
                NODES.contains(&(kind(value), version.as_str())),
                "{name}, {node}: {} {version}",
                kind(value)
            );
            assert!(value["disabled"].is_null(), "{name}, {node} is switched off");
            // Without a table, or an answer, the work goes on.
            let may_fail = ["dataTable", "httpRequest"].contains(&kind(value));
            assert!(!may_fail || value["onError"].is_string(), "{name}, {node}");
            assert_eq!(value["position"].as_array().map(Vec::len), Some(2), "{name}, {node}");
        }
    }
}

#[test]
fn every_connection_leads_to_a_node_and_every_node_is_reached() {
    for name in all() {
        let workflow = workflow(name);
        let nodes = nodes(&workflow);
        let mut reached = BTreeSet::new();
        for from in workflow["connections"].as_object().unwrap().keys() {
            assert!(nodes.contains_key(from.as_str()), "{name}: a connection from {from:?}");
            let outputs = outputs(&workflow, from);
            assert!(
                outputs.len() <= arity(nodes[from.as_str()]),
                "{name}: too many outputs of {from:?}"
            );
            reached.extend(outputs.into_iter().flatten());
        }
        let triggers = |node: &&&str| {
            let kind = kind(nodes[**node]);
            matches!(kind, "webhook" | "emailReadImap" | "scheduleTrigger" | "manualTrigger")
        };
        let all: BTreeSet<&str> = nodes.keys().copied().collect();
        let begun: BTreeSet<&str> = all.iter().filter(triggers).copied().collect();
        assert_eq!(reached.union(&begun).copied().collect::<BTreeSet<_>>(), all, "{name}");
        // Names in `$('…')` are names of nodes.
        for part in text(name).split("$('").skip(1) {
            let named = part.split("')").next().unwrap();
            assert!(nodes.contains_key(named), "{name}: $('{named}')");
        }
    }
}

/// Every way from the webhook on comes to a Respond node, and to one only.
#[test]
fn every_branch_answers_once() {
    fn follow<'a>(workflow: &'a Value, nodes: &BTreeMap<&str, &'a Value>, name: &'a str, way: &mut Vec<&'a str>) {
        // A loop is left by its other outputs.
        if way.contains(&name) {
            return;
        }
        way.push(name);
        let answers = way
            .iter()
            .filter(|step| kind(nodes[**step]) == "respondToWebhook")
            .count();
        assert!(answers <= 1, "answered twice: {way:?}");
        let outputs = outputs(workflow, name);
        for output in 0..arity(nodes[name]) {
            let targets = outputs.get(output).map_or(&[][..], Vec::as_slice);
            assert!(
                answers == 1 || !targets.is_empty(),
                "never answered: {way:?}, output {output}"
            );
            for target in targets {
                follow(workflow, nodes, target, way);
            }
        }
        assert!(answers == 1 || arity(nodes[name]) > 0, "never answered: {way:?}");
        way.pop();
    }
    for (name, ..) in WORKFLOWS {
        let workflow = workflow(name);
        let nodes = nodes(&workflow);
        for webhook in nodes.values().filter(|node| kind(node) == "webhook") {
            follow(&workflow, &nodes, string(&webhook["name"]), &mut Vec::new());
        }
    }
}

#[test]
fn credentials_are_named_and_never_contained() {
    let mut used = BTreeSet::new();
    for name in all() {
        for (node, value) in nodes(&workflow(name)) {
            for (kind, credential) in value["credentials"].as_object().into_iter().flatten() {
                assert_eq!(credential.as_object().unwrap().len(), 2, "{name}, {node}: {credential}");
                // An id is another n8n's; without one n8n looks for the name.
                assert!(credential["id"].is_null(), "{name}, {node}: {credential}");
                used.insert((kind.clone(), string(&credential["name"]).to_owned()));
            }
        }
    }
    let known = CREDENTIALS.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    assert_eq!(used, BTreeSet::from(known.clone()));
    let example: Value = serde_json::from_str(&text("credentials.example")).unwrap();
    let example = example.as_array().unwrap();
    let listed = example
        .iter()
        .map(|one| (string(&one["type"]).to_owned(), string(&one["name"]).to_owned()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), BTreeSet::from(known));
    for one in example {
        let texts = one["data"].as_object().unwrap().iter();
        for (field, value) in texts.filter(|(_, value)| value.is_string()) {
            let is_placeholder = ["CHANGE-ME", "x-api-key", "authToken"].contains(&string(value));
            assert!(
                is_placeholder || string(value).ends_with("xxxxxxxx"),
                "{field}: {value}"
            );
        }
    }
}

#[test]
fn nothing_looks_like_a_secret_and_no_host_is_foreign() {
    let regex = |pattern| Regex::new(pattern).unwrap();
    let host = regex(r"://([\w.-]*)|\b([\w-][\w.-]*\.(?:com|net|org|io|dev|app|cloud|de|internal|local))\b");
    let ours = regex(r"^((api|content|messaging)\.twilio\.com|.*\.example\.com|)$");
    let (number, long, digit) = (regex(r"\+(\d{7,})"), regex(r"[\w-]{24,}"), regex(r"\d"));
    let address = regex(r"\b\d{1,3}(\.\d{1,3}){3}\b");
    for name in all().chain(["credentials.example"]) {
        let text = text(name);
        for found in host.captures_iter(&text) {
            let host = found.get(1).or(found.get(2)).unwrap().as_str();
            assert!(ours.is_match(host), "{name}: {host:?}");
        }
        assert!(!address.is_match(&text), "{name}: an address");
        for found in number.captures_iter(&text) {
            // The sandbox's.
            assert_eq!(&found[1], "14155238886", "{name}");
        }
        for word in long.find_iter(&text) {
            let digits = digit.find_iter(word.as_str()).count();
            assert!(digits < 4, "{name}: {word:?} looks like a secret");
        }
        let reads_environment = text.contains("$env") || text.contains("process.env");
        assert!(!reads_environment, "{name}: n8n 2 blocks the environment");
    }
}

#[test]
fn config_is_strict_and_empty_until_somebody_fills_it_in() {
    for (name, paths, guard) in WORKFLOWS {
        let workflow = workflow(name);
        let config = config(&workflow);
        assert_eq!(config["ticketApiBase"], "https://tickets.example.com", "{name}");
        if guard == "none" {
            assert_eq!(config["signature"], "enforce", "{name}");
            let called = format!("https://n8n.example.com/webhook/{}", paths[0]);
            assert_eq!(config["publicWebhookUrl"], called, "{name}");
            for empty in ["typingIndicatorUrl", "undoSid"] {
                assert_eq!(config.get(empty).copied().unwrap_or_default(), "", "{name}, {empty}");
            }
        } else if guard == "headerAuth" {
            for empty in [
                "agentPhone",
                "templateSid",
                "buttonsSid",
                "listSids",
                "statusCallbackUrl",
            ] {
                assert_eq!(config[empty], "", "{name}, {empty}");
            }
            assert_eq!(config["whatsappFrom"], "+14155238886");
        }
        let base = config.get("twilioApiBase");
        assert!(base.is_none_or(|base| *base == "https://api.twilio.com"), "{name}");
        for (field, value) in config {
            let is_number = value.bytes().filter(u8::is_ascii_digit).count() > 6;
            assert!(!is_number || value == "+14155238886", "{name}, {field}: {value}");
        }
    }
}

/// Both workflows that Twilio calls prove its signature, by the same code.
#[test]
fn signatures_are_checked_alike() {
    let guard = |name: &str| {
        let workflow = workflow(name);
        let nodes = nodes(&workflow);
        let reading = string(&nodes["Check and read"]["parameters"]["jsCode"]);
        // What it reads of Config differs; the comparison, from here on, does not.
        let (_, check) = reading.split_once("// Compares every character").unwrap();
        let (check, _) = check.split_once("kind: 'forged'").unwrap();
        let others = ["What Twilio signed", "Sign it too"].map(|node| nodes[node]["parameters"].clone());
        let way = ["Config", "What Twilio signed", "Sign it too", "Check and read"].map(|node| {
            let next = outputs(&workflow, node).into_iter().flatten().map(str::to_owned);
            next.collect::<Vec<_>>()
        });
        (check.to_owned(), others, way)
    };
    assert_eq!(guard("whatsapp-to-ticket"), guard("status-to-ticket"));
}

/// Twilio repeats a callback only if its address says so.
#[test]
fn addresses_for_twilio_ask_for_repeats() {
    assert!(text("ticket-to-whatsapp").contains("`/webhook/twilio-status#rc=5&rp=all`"));
    let document = read("docs/n8n.md");
    for path in ["twilio-whatsapp", "twilio-whatsapp-fallback", "twilio-status"] {
        let address = format!("https://YOUR-N8N/webhook/{path}#rc=5&rp=all");
        assert!(document.contains(&address), "{address}");
    }
    assert!(
        !document.contains("/webhook/twilio-status`"),
        "an address without repeats"
    );
}

/// What stands unread in the mailbox is read, whatever was read before: numbers of mails begin anew in a mailbox that was
/// moved. After a start n8n looks only when a mail comes or when it connects again.
#[test]
fn no_mail_is_passed_over() {
    let workflow = workflow("mail-to-ticket");
    let nodes = nodes(&workflow);
    let parameters = &nodes["Mailbox"]["parameters"];
    // The other formats know neither character sets nor more than one text part.
    assert_eq!(parameters["format"], "resolved");
    assert_eq!(parameters["postProcessAction"], "read");
    let options = serde_json::json!({
        "customEmailConfig": "[\"UNSEEN\"]", "trackLastMessageId": false, "forceReconnect": 10,
    });
    assert_eq!(parameters["options"], options);
    // A failure is kept, and shown.
    assert_eq!(workflow["settings"]["saveDataErrorExecution"], "all");
    assert_eq!(outputs(&workflow, "Done?")[2], ["Show it in the executions"]);
}
