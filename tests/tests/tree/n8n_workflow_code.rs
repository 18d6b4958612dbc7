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
const data = (json) => ({ first: () => ({ json }), last: () => ({ json }), all: () => [].concat(json).map((json) => ({ json })) });
const run = ({ input, config }) => node(data(input), () => data(config), { id: '1' })[0].json;
console.log(JSON.stringify(inputs.map(run)));
";

/// What the code of a workflow's node gives for each of these inputs.
pub(crate) fn run(workflow: &str, node: &str, inputs: &[Value]) -> Vec<Value> {
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
        let mut input = json!({
            "headers": {}, "body": payload, "agentPhone": "+15550000000", "whatsappFrom": "+15551111111",
            "ticketApiBase": "https://tickets.example.com",
        });
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
fn the_servers_text_goes_as_it_is_and_buttons_only_with_a_resource() {
    let actions = json!([{ "title": "Resolve", "payload": "a" }, { "title": "Note", "payload": "b" }]);
    let payload = |text: &str| {
        json!({
            "event": "ticket.created", "ticketRef": "T-20250115-1234", "ticketUrl": "https://desk.example/ticket/x",
            "subject": "x", "message": "x", "text": text, "actions": actions,
        })
    };
    let (short, long) = ("*Zoë* (high): Bottles", "x".repeat(1_025));
    let with_buttons = json!({ "buttonsSid": "HX1" });
    assert_eq!(sent(&[payload(short)], &json!({}))[0]["Body"], short);
    assert_eq!(sent(&[payload(&long)], &with_buttons)[0]["Body"], long);
    let form = &sent(&[payload(short)], &with_buttons)[0];
    assert_eq!(form["ContentSid"], "HX1");
    let variables: Value = serde_json::from_str(&form["ContentVariables"]).unwrap();
    assert_eq!(variables, json!({ "1": short, "2": "a", "3": "b" }));

    let rows = json!([
        { "title": "Zoë of the very long name", "description": "", "payload": "c" },
        { "title": "Ben", "description": "Caps", "payload": "d" },
    ]);
    let question = json!({ "event": "question", "to": "+15550000000", "text": "Which ticket?", "actions": rows });
    let form = &sent(
        std::slice::from_ref(&question),
        &json!({ "listSids": "{\"2\":\"HX2\"}" }),
    )[0];
    assert_eq!(form["ContentSid"], "HX2");
    let variables: Value = serde_json::from_str(&form["ContentVariables"]).unwrap();
    let expected = [
        "Which ticket?",
        "Zoë of the very long na…",
        "-",
        "c",
        "Ben",
        "Caps",
        "d",
    ];
    assert_eq!(variables.as_object().unwrap().len(), expected.len());
    for (number, value) in (1..).zip(expected) {
        assert_eq!(variables[number.to_string()], value);
    }
    for lists in ["", "{", "null", "{\"3\":\"HX3\"}"] {
        let form = &sent(std::slice::from_ref(&question), &json!({ "listSids": lists }))[0];
        assert_eq!(form["Body"], "Which ticket?", "{lists}");
    }
}

/// What reaches the server of a message with these parameters, and where.
fn read_of(params: &[Value]) -> Vec<Value> {
    let inputs: Vec<Value> = params
        .iter()
        .map(|params| {
            let mut all = json!({ "From": "whatsapp:+15550000000", "MessageSid": "SM1" });
            all.as_object_mut().unwrap().extend(merged(&[params]));
            json!({ "input": { "expected": "s" }, "config": {
                "headers": { "x-twilio-signature": "s" }, "body": all, "webhookUrl": "", "ticketApiBase": "http://x/",
                "signature": "enforce", "twilioApiBase": "https://api.twilio.com",
            } })
        })
        .collect();
    run("whatsapp-to-ticket", "Check and read", &inputs)
}

#[test]
fn what_people_wrote_is_handed_on_and_nothing_else() {
    let cases = [
        (
            json!({ "Body": "We are here", "Latitude": "25.01", "Longitude": "-77.39" }),
            Some("We are here\n📍 25.01,-77.39"),
        ),
        (
            json!({ "Body": "", "Latitude": "1", "Longitude": "2", "Label": "Depot" }),
            Some("📍 Depot 1,2"),
        ),
        (
            json!({ "Body": "Resolve", "ButtonText": "Resolve", "ButtonPayload": "a" }),
            Some(""),
        ),
        (json!({ "Body": "👍", "MessageType": "reaction" }), None),
        (json!({ "Body": " " }), None),
    ];
    for ((params, expected), read) in cases.iter().zip(read_of(&cases.clone().map(|(params, _)| params))) {
        assert_eq!(read["calls"][0]["message"].as_str(), *expected, "{params}");
        assert_eq!(
            read["kind"],
            if expected.is_some() { "message" } else { "nothing" },
            "{params}"
        );
        assert!(
            expected.is_none() || read["url"] == "http://x/api/ticket/inbound",
            "{read}"
        );
    }
}

#[test]
fn a_forwarded_message_is_marked() {
    let cases = [
        (json!({}), false),
        (json!({ "Forwarded": "true" }), true),
        (json!({ "FrequentlyForwarded": "true" }), true),
        (json!({ "Forwarded": "false" }), false),
    ];
    let inputs = cases.clone().map(|(params, _)| {
        let mut all = json!({ "Body": "see T-20250115-1234" });
        all.as_object_mut().unwrap().extend(merged(&[&params]));
        all
    });
    for ((params, is_forwarded), read) in cases.iter().zip(read_of(&inputs)) {
        assert_eq!(read["calls"][0]["forwarded"], *is_forwarded, "{params}");
    }
}

/// What becomes of a message after the server's answer, where Config names a resource for the button.
fn told(answer: &Value, more: &Value) -> Value {
    let read = read_of(&[json!({ "Body": "1", "To": "whatsapp:+15551111111", "AccountSid": "AC1" })]).remove(0);
    let state = merged(&[&read, &json!({ "undoSid": "HX1" }), more]);
    let input = json!({ "statusCode": 200, "body": answer.to_string() });
    let input = json!({ "input": input, "config": state });
    run("whatsapp-to-ticket", "What now?", &[input]).remove(0)
}

#[test]
fn a_confirmation_goes_with_a_button_where_it_can_be_undone() {
    let said = "Sent to Zoë – \"Bottles & caps\" (T-20250115-1234).\n\n/undo takes it back. 100% + 1";
    let answer = json!({
        "ok": true, "notice": said, "actions": [{ "title": "Undo", "payload": "undo.T-20250115-1234.0" }],
    });
    let with_button = told(&answer, &json!({}));
    let form: BTreeMap<String, String> = form_urlencoded::parse(with_button["button"].as_str().unwrap().as_bytes())
        .into_owned()
        .collect();
    let fields = [
        ("To", "whatsapp:+15550000000"),
        ("From", "whatsapp:+15551111111"),
        ("ContentSid", "HX1"),
    ];
    assert_eq!(form.len(), fields.len() + 1);
    for (field, value) in fields {
        assert_eq!(form[field], value);
    }
    let variables: Value = serde_json::from_str(&form["ContentVariables"]).unwrap();
    assert_eq!(variables, json!({ "1": said, "2": "undo.T-20250115-1234.0" }));
    let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json";
    assert_eq!(with_button["messagesUrl"], url);
    // In case that Twilio does not take it.
    assert!(with_button["twiml"].as_str().unwrap().contains("Sent to Zoë"));

    let changed = |more: Value| merged(&[&answer, &more]).into();
    let slow: Value = json!({ "started": 0 });
    for (answer, more) in [
        (answer.clone(), json!({ "undoSid": "" })),
        (changed(json!({ "actions": null })), json!({})),
        (changed(json!({ "actions": [] })), json!({})),
        (changed(json!({ "actions": [{}] })), json!({})),
        (changed(json!({ "notice": null })), json!({})),
        (changed(json!({ "notice": "x".repeat(1_025) })), json!({})),
        // Twilio waits 15 seconds.
        (answer.clone(), slow),
    ] {
        let told = told(&answer, &more);
        assert_eq!(
            (&told["button"], &told["status"]),
            (&json!(""), &json!(200)),
            "{answer} {more}"
        );
    }
}
