//! A real n8n as a process, with our workflows imported as `deploy/n8n/README.md` says.

use std::{collections::BTreeMap, fs, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use black_box::{
    ACCOUNT_SID, AUTH_TOKEN, INBOUND_KEY, MANAGER, SHARED_SECRET, Signal, WHATSAPP_FROM, http_client, kind_of_body,
    read, setting, signal_group, until,
};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::mailbox::Mailbox;

/// The template that goes when free text is refused.
pub(crate) const TEMPLATE: &str = "HX0123456789abcdef0123456789abcdef";

/// Our workflows: file and id.
const WORKFLOWS: [(&str, &str); 3] = [
    ("ticket-to-whatsapp.json", "ticketToWhatsApp"),
    ("whatsapp-to-ticket.json", "whatsappToTicket"),
    ("status-to-ticket.json", "statusToTicket01"),
];

/// The workflow for replies by e-mail, and its id.
const MAIL: (&str, &str) = ("mail-to-ticket.json", "mailToTicket0001");

/// The workflow that creates the Content resources for buttons and lists, and its id.
const SET_UP: (&str, &str) = ("buttons-and-lists.json", "buttonsAndLists0");

/// The workflow that takes notifications.
pub(crate) const TO_WHATSAPP: &str = WORKFLOWS[0].1;

/// The path and the id of a second copy of the workflow for replies, which lets wrong signatures through.
pub(crate) const REPORT_ONLY: &str = "reportOnly000001";

/// The path and the id of a second copy of the workflow for statuses, which tries for 6 seconds, not 10 minutes.
pub(crate) const IMPATIENT: &str = "impatient0000001";

/// The path and the id of a second copy of the workflow for notifications, whose Config has no number and a
/// `templateVariables` that is no JSON.
pub(crate) const CARELESS: &str = "careless00000001";

/// Workflows of somebody else, which answer otherwise than ours: at once, never, with an error, and without their
/// credential. The path of each webhook is the workflow's id.
const OTHER_WORKFLOWS: &str = include_str!("other_workflows.json");

/// What Twilio is to do when a callback fails; it is no part of what it calls.
pub(crate) const REPEAT: &str = "#rc=5&rp=all";

/// How long n8n may take to start.
const START: Duration = Duration::from_mins(2);

/// An installed n8n, running or not.
pub(crate) struct RealN8n {
    folder: TempDir,
    port: u16,
    broker: u16,
    process: Option<Child>,
    client: Client,
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn program(variable: &str) -> PathBuf {
    let path = setting(variable).unwrap_or_else(|| panic!("{variable} is not set: run `make e2e-n8n`"));
    path.into()
}

/// A response: status and body.
pub(crate) type StatusAndBody = (u16, String);

impl Drop for RealN8n {
    fn drop(&mut self) {
        self.end_group(Signal::KILL);
    }
}

impl RealN8n {
    /// Sets a new one up: workflows and credentials imported, all but the one that takes notifications published.
    pub(crate) async fn set_up(ticket_server: &str, twilio: &str, mailbox: &Mailbox) -> Self {
        let real = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: free_port(),
            broker: free_port(),
            process: None,
            client: http_client(Duration::from_secs(20)),
        };
        let credentials = real.folder.path().join("credentials.json");
        fs::write(&credentials, credentials_with_secrets(mailbox).to_string()).unwrap();
        real.cli(&["import:credentials", &format!("--input={}", credentials.display())])
            .await;
        let content = real.create_content(twilio).await;
        let input = real.folder.path().join("workflows");
        fs::create_dir(&input).unwrap();
        for (file, _) in WORKFLOWS {
            let mut workflow: Value = serde_json::from_str(&read(&format!("deploy/n8n/{file}"))).unwrap();
            real.configure(&mut workflow, ticket_server, twilio, &content);
            fs::write(input.join(file), workflow.to_string()).unwrap();
            let copy = match file {
                "whatsapp-to-ticket.json" => copy(&workflow, REPORT_ONLY, &[("signature", "report-only")]),
                "status-to-ticket.json" => impatient(&copy(&workflow, IMPATIENT, &[])),
                _ => copy(&workflow, CARELESS, &[("agentPhone", ""), ("templateVariables", "{")]),
            };
            fs::write(input.join(format!("copy-of-{file}")), copy.to_string()).unwrap();
        }
        fs::write(input.join(MAIL.0), mail_workflow(ticket_server).to_string()).unwrap();
        let others: Vec<Value> = serde_json::from_str(OTHER_WORKFLOWS).unwrap();
        let others: BTreeMap<&str, &Value> = others
            .iter()
            .map(|other| (other["id"].as_str().unwrap(), other))
            .collect();
        for (id, workflow) in &others {
            fs::write(input.join(format!("{id}.json")), workflow.to_string()).unwrap();
        }
        real.cli(&["import:workflow", "--separate", &format!("--input={}", input.display())])
            .await;
        for (_, id) in &WORKFLOWS[1..] {
            real.publish(id).await;
        }
        for id in others.into_keys().chain([REPORT_ONLY, IMPATIENT, CARELESS, MAIL.1]) {
            real.publish(id).await;
        }
        real
    }

    /// Runs the workflow that creates the Content resources; returns what it prints for Config.
    async fn create_content(&self, twilio: &str) -> Value {
        let (file, id) = SET_UP;
        let mut workflow: Value = serde_json::from_str(&read(&format!("deploy/n8n/{file}"))).unwrap();
        *config(&mut workflow).remove("twilioContentBase").unwrap() = twilio.into();
        let input = self.folder.path().join(file);
        fs::write(&input, workflow.to_string()).unwrap();
        self.cli(&["import:workflow", &format!("--input={}", input.display())])
            .await;
        let printed = self.cli(&["execute", &format!("--id={id}"), "--rawOutput"]).await;
        let begin = printed.find("\n{").expect("what the workflow printed");
        let run: Value = serde_json::from_str(&printed[begin..]).expect("JSON");
        run["data"]["resultData"]["runData"]["Ids for Config"][0]["data"]["main"][0][0]["json"].clone()
    }

    /// Fills in the Config node, as the page on importing says.
    fn configure(&self, workflow: &mut Value, ticket_server: &str, twilio: &str, content: &Value) {
        let values = BTreeMap::from([
            // A slash at the end does no harm.
            ("ticketApiBase", format!("{ticket_server}/")),
            ("twilioApiBase", twilio.to_owned()),
            ("twilioAccountSid", ACCOUNT_SID.to_owned()),
            // As Twilio's console shows it; the workflow wants the number alone, and makes do with this.
            ("whatsappFrom", format!("whatsapp:{WHATSAPP_FROM}")),
            ("agentPhone", MANAGER.to_owned()),
            ("templateSid", TEMPLATE.to_owned()),
            ("buttonsSid", content["buttonsSid"].as_str().unwrap().to_owned()),
            ("undoSid", content["undoSid"].as_str().unwrap().to_owned()),
            ("listSids", content["listSids"].as_str().unwrap().to_owned()),
            ("typingIndicatorUrl", format!("{twilio}/v2/Indicators/Typing.json")),
            ("statusCallbackUrl", self.url("/webhook/twilio-status") + REPEAT),
        ]);
        let public = self.url(&format!("/webhook/{}", path_of(workflow)));
        for (name, field) in config(workflow) {
            if name == "publicWebhookUrl" {
                *field = public.as_str().into();
            } else if let Some(value) = values.get(name.as_str()) {
                *field = value.as_str().into();
            }
        }
    }

    /// Its address, followed by `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where notifications go.
    pub(crate) fn webhook(&self) -> String {
        self.url("/webhook/ticket-created")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let node = program("N8N_NODE");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", node.parent().unwrap().display());
        let folder = self.folder.path();
        let mut command = Command::new(&node);
        command
            .arg(program("N8N_PROGRAM"))
            .args(arguments)
            .env_clear()
            .envs([("PATH", path), ("N8N_PORT", self.port.to_string())])
            .envs([("N8N_RUNNERS_BROKER_PORT", self.broker.to_string())])
            .envs([("HOME", folder), ("N8N_USER_FOLDER", folder)])
            .envs([
                ("N8N_LISTEN_ADDRESS", "127.0.0.1"),
                ("N8N_DIAGNOSTICS_ENABLED", "false"),
                ("N8N_VERSION_NOTIFICATIONS_ENABLED", "false"),
                ("N8N_TEMPLATES_ENABLED", "false"),
                // It calls out when n8n starts.
                ("N8N_DISABLED_MODULES", "mcp-registry"),
            ])
            .current_dir(folder)
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Runs a command of n8n to its end; returns what it wrote.
    async fn cli(&self, arguments: &[&str]) -> String {
        let output = timeout(Duration::from_mins(3), self.command(arguments).output()).await;
        let output = output.expect("the command ends").expect("n8n runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "n8n {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.into_owned()
    }

    /// Makes a workflow active at the next start.
    pub(crate) async fn publish(&self, id: &str) {
        self.cli(&["publish:workflow", &format!("--id={id}")]).await;
    }

    /// Starts it and waits until the workflow at this path responds to a POST with this status. Returns what was answered
    /// until then, each answer once.
    pub(crate) async fn start(&mut self, path: &str, status: u16) -> Vec<Option<StatusAndBody>> {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&["start"]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.process = Some(command.spawn().expect("n8n starts"));
        let mut seen = Vec::new();
        let started = until(START, async || {
            let answer = self.post(path, &[], "{}").await;
            let is_it = |(code, body): &StatusAndBody| *code == status && kind_of_body(body) != "HTML";
            if answer.as_ref().is_some_and(is_it) {
                return Some(());
            }
            if !seen.contains(&answer) {
                seen.push(answer);
            }
            None
        });
        assert!(started.await.is_some(), "n8n did not start:\n{}", self.log());
        seen
    }

    /// Posts JSON; gives the status and the body, or nothing without an answer.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Option<StatusAndBody> {
        let mut request = self
            .client
            .post(self.url(path))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_owned()).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    /// Posts a notification as the ticket server does.
    pub(crate) async fn notify(&self, id: &str, payload: &Value) -> (u16, Value) {
        let headers = [("x-api-key", SHARED_SECRET), ("webhook-id", id)];
        let answer = self
            .post("/webhook/ticket-created", &headers, &payload.to_string())
            .await;
        let (status, body) = answer.expect("an answer");
        (status, serde_json::from_str(&body).unwrap_or(json!(body)))
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.end_group(Signal::KILL);
        self.wait_for_end().await;
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(&mut self) {
        self.end_group(Signal::TERM);
        self.wait_for_end().await;
    }

    async fn wait_for_end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let ended = timeout(Duration::from_mins(1), process.wait()).await;
            ended.expect("n8n ends within a minute").expect("a status");
        }
    }

    /// Sends a signal to n8n and to the processes that it started.
    fn end_group(&self, signal: Signal) {
        if let Some(id) = self.process.as_ref().and_then(Child::id) {
            signal_group(id, signal);
        }
    }

    /// Waits until it wrote this.
    pub(crate) async fn wait_for_log(&self, part: &str) {
        let is_there = async || self.log().contains(part).then_some(());
        assert!(
            until(START, is_there).await.is_some(),
            "no {part:?} in:\n{}",
            self.log()
        );
    }

    /// What it wrote since its last start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The path of a workflow's webhook.
fn path_of(workflow: &Value) -> String {
    let mut nodes = workflow["nodes"].as_array().unwrap().iter();
    let path = nodes.find_map(|node| node["parameters"]["path"].as_str());
    path.unwrap().to_owned()
}

/// The fields of a workflow's Config node: names and values.
fn config(workflow: &mut Value) -> BTreeMap<String, &mut Value> {
    let mut nodes = workflow["nodes"].as_array_mut().unwrap().iter_mut();
    let node = nodes.find(|node| node["name"] == "Config").unwrap();
    let fields = node["parameters"]["assignments"]["assignments"].as_array_mut().unwrap();
    let fields = fields.iter_mut();
    fields
        .map(|field| (field["name"].as_str().unwrap().to_owned(), &mut field["value"]))
        .collect()
}

/// A workflow of its own, with another id, webhook and Config.
fn copy(workflow: &Value, id: &str, changes: &[(&str, &str)]) -> Value {
    let text = workflow.to_string().replace(&path_of(workflow), id);
    let mut workflow: Value = serde_json::from_str(&text).unwrap();
    workflow["id"] = id.into();
    workflow["name"] = id.into();
    let mut fields = config(&mut workflow);
    for (name, value) in changes {
        **fields.get_mut(*name).unwrap() = (*value).into();
    }
    workflow
}

/// The workflow for replies by e-mail. It looks into the mailbox every 6 seconds, not every ten minutes.
fn mail_workflow(ticket_server: &str) -> Value {
    let mut workflow: Value = serde_json::from_str(&read(&format!("deploy/n8n/{}", MAIL.0))).unwrap();
    *config(&mut workflow).remove("ticketApiBase").unwrap() = ticket_server.into();
    let nodes = workflow["nodes"].as_array_mut().unwrap();
    let trigger = nodes.iter_mut().find(|node| node["name"] == "Mailbox").unwrap();
    trigger["parameters"]["options"]["forceReconnect"] = json!(0.1);
    workflow
}

/// The workflow for statuses with 6 seconds of patience.
fn impatient(workflow: &Value) -> Value {
    let text = workflow.to_string();
    assert_eq!(text.matches("600_000").count(), 1, "ten minutes");
    serde_json::from_str(&text.replace("600_000", "6_000")).unwrap()
}

/// The example with the secrets of this test in it.
fn credentials_with_secrets(mailbox: &Mailbox) -> Value {
    let mut credentials: Value = serde_json::from_str(&read("deploy/n8n/credentials.example.json")).unwrap();
    for credential in credentials.as_array_mut().unwrap() {
        let data = match credential["name"].as_str().unwrap() {
            "Ticket webhook key (N8N_SHARED_SECRET)" => json!({ "name": "x-api-key", "value": SHARED_SECRET }),
            "Ticket inbound key (RAILWAY_INBOUND_SECRET)" => json!({ "name": "x-api-key", "value": INBOUND_KEY }),
            "Twilio" => json!({ "authType": "authToken", "accountSid": ACCOUNT_SID, "authToken": AUTH_TOKEN }),
            "Twilio auth token (for signatures)" => json!({ "hmacSecret": AUTH_TOKEN }),
            "Mailbox of replies (IMAP)" => mailbox.credential(),
            other => panic!("an unknown credential: {other}"),
        };
        credential["data"] = data;
    }
    credentials
}
