//! Workflows of somebody else, which answer otherwise than ours.

use serde_json::{Value, json};

/// Answers at once, whatever happens later.
pub(crate) const AT_ONCE: &str = "atOnce0000000001";
/// Ends without reaching its Respond node.
pub(crate) const NEVER_ANSWERS: &str = "neverAnswers0001";
/// Its node throws.
pub(crate) const THROWS: &str = "throws0000000001";
/// Its credential does not exist.
pub(crate) const NO_CREDENTIAL: &str = "noCredential0001";

/// Every one of them. The path of its webhook is its id.
pub(crate) const ALL: [&str; 4] = [AT_ONCE, NEVER_ANSWERS, THROWS, NO_CREDENTIAL];

/// A workflow as n8n imports it.
pub(crate) fn workflow(id: &str) -> Value {
    let mut webhook = json!({
        "id": "webhook", "name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2.1, "position": [0, 0],
        "webhookId": id,
        "parameters": {
            "httpMethod": "POST", "path": id, "responseMode": if id == AT_ONCE { "onReceived" } else { "responseNode" },
            "options": {},
        },
    });
    if id == NO_CREDENTIAL {
        webhook["parameters"]["authentication"] = "headerAuth".into();
        webhook["credentials"] = json!({ "httpHeaderAuth": { "id": null, "name": "There is no such credential" } });
    }
    let script = if id == NEVER_ANSWERS {
        "return [];"
    } else {
        "throw new Error('thrown on purpose');"
    };
    let code = json!({
        "id": "code", "name": "Code", "type": "n8n-nodes-base.code", "typeVersion": 2, "position": [220, 0],
        "parameters": { "mode": "runOnceForAllItems", "language": "javaScript", "jsCode": script },
    });
    let respond = json!({
        "id": "respond", "name": "Respond", "type": "n8n-nodes-base.respondToWebhook", "typeVersion": 1.4,
        "position": [440, 0], "parameters": { "respondWith": "noData", "options": {} },
    });
    let to = |name: &str| json!({ "main": [[{ "node": name, "type": "main", "index": 0 }]] });
    let nodes = if id == AT_ONCE {
        json!([webhook, code])
    } else {
        json!([webhook, code, respond])
    };
    let connections = if id == AT_ONCE {
        json!({ "Webhook": to("Code") })
    } else {
        json!({ "Webhook": to("Code"), "Code": to("Respond") })
    };
    json!({
        "id": id, "name": id, "active": false, "settings": { "executionOrder": "v1" }, "nodes": nodes,
        "connections": connections,
    })
}
