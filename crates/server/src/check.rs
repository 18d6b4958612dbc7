//! `server check`: finds problems before the server runs and while it does.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use notify_n8n::{Inbound, N8nWebhook, Probed, Receiver};
use secrecy::ExposeSecret as _;
use ticket_domain::{
    Email, EventKind,
    ports::{DeliveryResult, Random},
};
use tokio::{net::TcpStream, time::timeout};
use url::Url;
use uuid::{Builder, Uuid};

use crate::{
    application::smtp_notifier,
    commands::{complain, say},
    config::{Config, Database, Mail},
    environment::{OsRandom, SystemClock},
};

const CREATED: &str = "N8N_TICKET_CREATED_WEBHOOK";
const UPDATED: &str = "N8N_TICKET_UPDATED_WEBHOOK";
const MAIL: &str = "SMTP_URL";

/// Whether to send a probe through the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Not requested.
    No,
    /// Requested, but the risk was not accepted.
    Unconfirmed,
    /// Requested and accepted.
    Yes,
}

/// Results, one line each.
#[derive(Default)]
struct Report {
    faults: usize,
}

impl Report {
    fn tell(&mut self, what: &str, result: Result<String>) {
        match result {
            Ok(how) => say(&format!("ok       {what}: {how}")),
            Err(error) => {
                self.faults += 1;
                complain(&format!("wrong    {what}: {error:#}"));
            }
        }
    }
}

/// Checks a valid configuration, and the services that it names. Sends a mail to `mail_to` if the probe is confirmed.
pub(crate) async fn check(config: &Config, warnings: &[String], probe: Probe, mail_to: Option<Email>) -> ExitCode {
    for warning in warnings {
        say(&format!("warning  {warning}"));
    }
    let mut report = Report::default();
    report.tell("configuration", Ok("complete".into()));
    report.tell("DATABASE_URL", check_store(&config.database).await);
    if let Some(receiver) = &config.receiver {
        report.tell(CREATED, reach(&receiver.created).await);
        if receiver.updated != receiver.created {
            report.tell(UPDATED, reach(&receiver.updated).await);
        }
    }
    if let Some(mail) = &config.mail {
        report.tell(MAIL, greet(config, mail).await);
    }
    if let (Some(to), Probe::Yes) = (&mail_to, probe) {
        report.tell("--mail", send_mail(config, to).await);
    }
    match (probe, config.receiver.clone()) {
        (Probe::Yes, None) if mail_to.is_some() => {}
        (Probe::No, _) => {}
        (_, None) => report.tell(CREATED, Err(anyhow!("is not set, so there is no loop to probe"))),
        (Probe::Unconfirmed, Some(_)) => report.tell(
            "--probe",
            Err(anyhow!(
                "posts {{\"event\":\"probe\"}} where notifications go. The workflows in deploy/n8n answer that without a \
                 message to anybody; a workflow of your own may send one to the manager. Nothing was sent. Add --yes to send it"
            )),
        ),
        (Probe::Yes, Some(receiver)) => probe_loop(&mut report, receiver).await,
    }
    if report.faults == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Connects to the mail server and signs in.
async fn greet(config: &Config, mail: &Mail) -> Result<String> {
    let notifier = smtp_notifier(config, mail, None, Arc::new(SystemClock))?;
    let address = mail.server.address();
    match notifier.greet().await {
        Ok(()) => Ok(format!("{address} takes mail from us")),
        Err(reason) => bail!("{address}: {reason}"),
    }
}

async fn send_mail(config: &Config, to: &Email) -> Result<String> {
    let mail = config.mail.as_ref().context("needs SMTP_URL")?;
    let notifier = smtp_notifier(config, mail, None, Arc::new(SystemClock))?;
    match notifier.probe(to, random_id()).await {
        DeliveryResult::Accepted { .. } => Ok("the mail server took the test e-mail; look whether it arrives".into()),
        DeliveryResult::Failed(failure) => Err(anyhow!(failure.reason)),
    }
}

fn random_id() -> Uuid {
    let random: &dyn Random = &OsRandom;
    Builder::from_random_bytes(random.bytes()).into_uuid()
}

/// Checks the store without changing it.
async fn check_store(database: &Database) -> Result<String> {
    let database = database.clone();
    tokio::task::spawn_blocking(move || match database {
        Database::Sqlite(path) => Ok(store_diesel::sqlite::check(&path)?.to_string()),
        Database::Postgres { url, direct, .. } => {
            if let Some(direct) = &direct {
                store_diesel::postgres::check(direct.expose_secret(), true)
                    .context("past the pooler, by DATABASE_DIRECT_URL")?;
            }
            Ok(store_diesel::postgres::check(url.expose_secret(), direct.is_none())?.to_string())
        }
    })
    .await?
}

/// Opens a connection to the address of a URL, and closes it. Sending a request to n8n would send a notification.
async fn reach(url: &Url) -> Result<String> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let host = url
        .host_str()
        .context("has no host")?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = url.port_or_known_default().context("has no port")?;
    match timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Ok(format!("{host} port {port} can be reached")),
        Ok(Err(error)) => bail!("{host} port {port} can't be reached: {error}"),
        Err(_) => bail!("{host} port {port} does not answer within {} s", PATIENCE.as_secs()),
    }
}

/// Sends a probe to each webhook, and reports how far it got.
async fn probe_loop(report: &mut Report, receiver: Receiver) {
    let mut ways = vec![(CREATED, EventKind::Created, receiver.created.clone())];
    if receiver.updated != receiver.created {
        ways.push((UPDATED, EventKind::Updated, receiver.updated.clone()));
    }
    let webhook = match N8nWebhook::new(receiver, Arc::new(SystemClock)) {
        Ok(webhook) => webhook,
        Err(error) => return report.tell(CREATED, Err(error.into())),
    };
    for (variable, kind, url) in ways {
        let inbound = match webhook.probe(kind, random_id()).await {
            Probed::Workflow(inbound) => inbound,
            failed => {
                report.tell(variable_at_fault(&failed, variable), Err(fault_of(&failed, &url)));
                continue;
            }
        };
        report.tell(
            variable,
            Ok("the workflow is active, and is one that knows probes".into()),
        );
        report.tell("N8N_SHARED_SECRET", Ok("the workflow accepts it".into()));
        report.tell("RAILWAY_INBOUND_SECRET", inbound_link(&inbound));
    }
}

fn variable_at_fault<'a>(probed: &Probed, webhook: &'a str) -> &'a str {
    match probed {
        Probed::KeyRefused => "N8N_SHARED_SECRET",
        _ => webhook,
    }
}

/// Why a probe did not reach our workflow.
fn fault_of(probed: &Probed, url: &Url) -> anyhow::Error {
    match probed {
        Probed::Unreachable(reason) => anyhow!("no answer: {reason}"),
        Probed::KeyRefused => anyhow!(
            "the webhook refuses it. The Webhook node's header credential must have the name x-api-key and this very value"
        ),
        Probed::NoWorkflow if url.path().contains("/webhook-test/") => anyhow!(
            "answered HTTP 404. This is n8n's test address, which lives for two minutes after \"Execute workflow\" is \
             pressed; put /webhook/ in the place of /webhook-test/, and activate the workflow"
        ),
        Probed::NoWorkflow => anyhow!(
            "answered HTTP 404: the workflow is not active, or its path is another one. Activate it in n8n, and copy its production URL"
        ),
        Probed::WorkflowFailed(status) => anyhow!(
            "answered HTTP {status}: the workflow failed, or a proxy before it. n8n lists it under Executions; a credential that is missing looks so too"
        ),
        Probed::Refused(status @ 300..=399) => {
            anyhow!("answered HTTP {status}: redirects are not followed. Set the address that it leads to")
        }
        Probed::Refused(status) => anyhow!("answered HTTP {status}, which no workflow of deploy/n8n does"),
        Probed::Foreign | Probed::Workflow(_) => anyhow!(
            "took the probe without knowing it: this is not a workflow of deploy/n8n, or an older one. It may have sent a message to the manager"
        ),
    }
}

/// The last link: from the workflow to the running server.
fn inbound_link(inbound: &Inbound) -> Result<String> {
    match inbound {
        // The empty message is invalid, but the server checks the key first.
        Inbound::AnswerResult(400) => Ok("the workflow reaches the running server, which accepts its key".into()),
        Inbound::AnswerResult(401) => bail!(
            "the running server refuses the workflow's key. The credential of its HTTP Request nodes must have the name x-api-key and this very value"
        ),
        Inbound::AnswerResult(404) => bail!(
            "the workflow finds no /api/ticket/inbound: ticketApiBase in its Config node is not this server's address"
        ),
        Inbound::AnswerResult(status) => bail!(
            "the workflow gets HTTP {status}, which /api/ticket/inbound does not answer to a probe: ticketApiBase in its Config node is likely not this server's address"
        ),
        Inbound::Unreachable(reason) => bail!(
            "the workflow does not reach the server ({reason}): is it running, and is ticketApiBase in the workflow's Config node its address as n8n sees it?"
        ),
    }
}
