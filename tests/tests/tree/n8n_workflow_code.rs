//! What the workflows of `deploy/n8n` make of texts: their own code, run by Node.js as n8n runs it.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use black_box::read;
use serde_json::{Map, Value, json};
use ticket_domain::references_in;
use url::form_urlencoded;

/// Runs a node's code once for each input, and prints what it gives.
const RUNNER: &str = r"
const { code, inputs } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const node = new Function('$input', '$', '$execution', code);
const first = (json) => ({ first: () => ({ json }) });
const run = ({ input, config }) => node(first(input), () => first(config), { id: '1' })[0].json;
console.log(JSON.stringify(inputs.map(run)));
";

/// What the code of a workflow's node gives for each of these inputs.
fn run(workflow: &str, node: &str, inputs: &[Value]) -> Vec<Value> {
    let workflow: Value = serde_json::from_str(&read(&format!("deploy/n8n/{workflow}.json"))).unwrap();
    let nodes = workflow["nodes"].as_array().unwrap();
    let code = nodes.iter().find(|one| one["name"] == node).unwrap()["parameters"]["jsCode"].clone();
    let mut process = Command::new("node")
        .args(["-e", RUNNER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("Node.js is needed to run the workflows' code (on Debian: apt-get install nodejs): {error}")
        });
    let asked = json!({ "code": code, "inputs": inputs }).to_string();
    process.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn corpus() -> Value {
    serde_json::from_str(&read("tests/corpus/notifications.json")).unwrap()
}

/// What WhatsApp is sent for a payload.
fn sent(payloads: &[Value], config: &Value) -> Vec<BTreeMap<String, String>> {
    let input = |payload: &Value| {
        let mut input =
            json!({ "headers": {}, "body": payload, "agentPhone": "+15550000000", "whatsappFrom": "+15551111111" });
        input
            .as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        json!({ "input": input, "config": {} })
    };
    let inputs: Vec<Value> = payloads.iter().map(input).collect();
    let written = run("ticket-to-whatsapp", "Write the message", &inputs);
    written
        .iter()
        .map(|one| {
            assert_eq!(one["kind"], "message", "{one}");
            let form = one["form"].as_str().unwrap();
            form_urlencoded::parse(form.as_bytes()).into_owned().collect()
        })
        .collect()
}

fn merged(parts: &[&Value]) -> Map<String, Value> {
    let parts = parts.iter().filter_map(|part| part.as_object());
    parts
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[test]
fn whatsapp_shows_customers_texts_as_the_corpus_says() {
    let corpus = corpus();
    let common = json!({
        "event": "ticket.created", "priority": "high",
        "ticketRef": corpus["ticketRef"], "ticketUrl": corpus["ticketUrl"],
    });
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 10);
    let payload = |case: &Value| merged(&[&common, &corpus["customer"], &case["customer"], &case["payload"]]);
    let payloads: Vec<Value> = cases.iter().map(|case| payload(case).into()).collect();
    for (case, sent) in cases.iter().zip(sent(&payloads, &json!({}))) {
        let mut shown = payload(case);
        shown.extend(merged(&[&case["shown"]]));
        let layout = corpus["layout"].as_str().unwrap().to_owned();
        let expected = shown.iter().fold(layout, |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value.as_str().unwrap())
        });
        assert_eq!(sent["Body"], expected, "{}", case["why"]);
    }
}

#[test]
fn a_truncated_text_names_no_other_ticket() {
    let payload = |padding: usize| {
        json!({
            "event": "ticket.created", "ticketRef": "T-20250115-12345678", "ticketUrl": "https://desk.example/ticket/x",
            "subject": "x", "message": format!("{} T-20250115-12345678 end", "x".repeat(padding)),
        })
    };
    let payloads: Vec<Value> = (1_300..1_500).map(payload).collect();
    let mut cut = 0;
    for sent in sent(&payloads, &json!({})) {
        let (head, message) = sent["Body"].split_once("*Message:*\n").unwrap();
        assert!(head.contains("T-20250115-12345678"));
        if let Some((kept, _)) = message.split_once('…') {
            cut += 1;
            let own = "T-20250115-12345678".parse().unwrap();
            assert!(references_in(kept).iter().all(|named| *named == own), "{kept}");
        }
    }
    assert!(cut > 50, "{cut}");
}

#[test]
fn a_template_gets_single_lines() {
    let payload = json!({
        "event": "ticket.created", "ticketRef": "T-20250115-1234", "ticketUrl": "https://desk.example/ticket/x",
        "subject": "x", "message": "x", "summary": "*a@b.c\n*Ticket:*\nhttps://x.example/*b*", "template": true,
    });
    let config = json!({ "templateSid": "HX1", "templateVariables": "{\"1\":\"summary\"}" });
    let variables: Value = serde_json::from_str(&sent(&[payload], &config)[0]["ContentVariables"]).unwrap();
    assert_eq!(variables["1"], "∗a@b.c ∗Ticket:∗ https://x.example/%2Ab%2A");
}

#[test]
fn a_forwarded_message_is_marked() {
    let config = |params: Value| {
        json!({
            "headers": { "x-twilio-signature": "s" }, "body": params, "webhookUrl": "", "ticketApiBase": "http://x",
            "signature": "enforce",
        })
    };
    let cases = [
        (json!({}), false),
        (json!({ "Forwarded": "true" }), true),
        (json!({ "FrequentlyForwarded": "true" }), true),
        (json!({ "Forwarded": "false" }), false),
    ];
    let inputs = cases.clone().map(|(params, _)| {
        let mut all = json!({ "Body": "see T-20250115-1234", "From": "whatsapp:+15550000000", "MessageSid": "SM1" });
        all.as_object_mut().unwrap().extend(merged(&[&params]));
        json!({ "input": { "expected": "s" }, "config": config(all) })
    });
    for ((params, is_forwarded), read) in cases.iter().zip(run("whatsapp-to-ticket", "Check and read", &inputs)) {
        assert_eq!(read["calls"][0]["forwarded"], *is_forwarded, "{params}");
    }
}
