//! `server export` and `server erase`: a customer's data.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use ticket_domain::{
    Actor, Address, Contact, ExternalId, MediaUrl, Message, Phone, Thread, TicketId, TicketRef,
    ports::{Clock as _, EraseStats},
    use_cases::{Customers, Records},
};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    application::open_store,
    commands::{complain, say},
    config::Database,
    environment::{OsRandom, SystemClock},
};

/// Printed if nothing is found.
const NOBODY: &str = "nothing is kept under this address or number";

/// What erasure does not cover.
const BEYOND: &str = "not reached by this: n8n (its executions), Twilio and WhatsApp (the messages that were sent), \
                      backups made before, and logs of others.";

/// After this, every request that ran during the erasure has ended: none takes longer than 5 seconds.
const CALLS_END: Duration = Duration::from_secs(6);

/// Up to this size in bytes, a file is rewritten at once: it blocks writers for a second or two.
const SOON_REWRITTEN: u64 = 100_000_000;

async fn customers(database: Database) -> Result<Customers> {
    if let Database::Sqlite(path) = &database
        && !path.exists()
    {
        bail!(
            "there is no store at {}: run this in the server's folder, or set DATABASE_URL as it is set there",
            path.display()
        );
    }
    let store = open_store(database).await?;
    Ok(Customers::new(store, Arc::new(SystemClock), Arc::new(OsRandom)))
}

/// Writes everything about a customer to standard output, as JSON.
pub(crate) async fn export(database: Database, contact: &str) -> Result<ExitCode> {
    let contact = parse(contact)?;
    let records = customers(database).await?.records(&contact).await?;
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &told(&records, &contact))?;
    writeln!(out)?;
    if records.threads.is_empty() && records.messages.is_empty() && records.user_ids.is_empty() {
        complain(NOBODY);
    }
    for hint in hints(&records) {
        complain(&hint);
    }
    Ok(ExitCode::SUCCESS)
}

/// Options of an erasure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EraseOptions {
    /// Whether to skip the confirmation.
    pub(crate) is_agreed: bool,
    /// Whether to rewrite even a large file.
    pub(crate) vacuum: bool,
}

/// What to erase.
#[derive(Debug)]
pub(crate) enum CustomerSelector {
    /// A customer's data.
    Customer(Contact),
    /// One ticket.
    Ticket(TicketRef),
}

impl CustomerSelector {
    /// Reads the arguments, one of which is given.
    pub(crate) fn read(customer: Option<&str>, ticket: Option<&str>) -> Result<Self> {
        match ticket {
            Some(reference) => reference
                .parse()
                .map(Self::Ticket)
                .map_err(|_| anyhow::anyhow!("--ticket must be a reference such as T-20250115-1234")),
            None => parse(customer.unwrap_or_default()).map(Self::Customer),
        }
    }
}

/// Erases a customer's data after confirmation.
pub(crate) async fn erase(database: Database, whom: CustomerSelector, manner: EraseOptions) -> Result<ExitCode> {
    let file = match &database {
        Database::Sqlite(path) => Some(path.clone()),
        Database::Postgres { .. } => None,
    };
    let customers = customers(database).await?;
    let records = match &whom {
        CustomerSelector::Customer(contact) => customers.records(contact).await?,
        CustomerSelector::Ticket(reference) => customers.records_of(*reference).await?,
    };
    let messages: usize = records.threads.iter().map(|thread| thread.messages.len()).sum();
    let (tickets, messages) = (records.threads.len(), messages + records.messages.len());
    if tickets + messages + records.user_ids.len() == 0 {
        say(match whom {
            CustomerSelector::Customer(_) => NOBODY,
            CustomerSelector::Ticket(_) => "there is no such ticket",
        });
        // The data may have been erased before, without rewriting the file.
        if let Some(file) = file.filter(|_| manner.vacuum) {
            clear_file(&file, manner.vacuum).await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !manner.is_agreed && !agree(tickets, messages)? {
        say("nothing was erased");
        return Ok(ExitCode::FAILURE);
    }
    let mut removed = EraseStats::default();
    let mut tickets: Vec<TicketId> = records.threads.iter().map(|thread| thread.ticket.id).collect();
    match &whom {
        CustomerSelector::Customer(contact) => {
            let gone = customers.erase(contact, Actor::Operator(None)).await?;
            removed += gone.removed;
            tickets.extend(gone.tickets);
        }
        CustomerSelector::Ticket(_) => removed += customers.erase_tickets(&tickets, Actor::Operator(None)).await?,
    }
    if !tickets.is_empty() {
        sleep(CALLS_END).await;
        removed += customers.erase_tickets(&tickets, Actor::Operator(None)).await?;
    }
    say(&format!(
        "erased: {} tickets, {} messages; {} notifications will not be sent, unless one was just on its way. References, \
         times and outside ids stay, and the trail says that it was done.",
        removed.tickets, removed.messages, removed.cancelled
    ));
    for hint in hints(&records) {
        say(&hint);
    }
    say(BEYOND);
    match file {
        Some(file) => clear_file(&file, manner.vacuum).await?,
        None => say("the rows as they were stay in Postgres' files until its vacuum, which runs by itself."),
    }
    Ok(ExitCode::SUCCESS)
}

/// Rewrites the store's file, unless it is large.
async fn clear_file(file: &Path, is_wanted: bool) -> Result<()> {
    let size = fs::metadata(file).map_or(0, |file| file.len());
    if size > SOON_REWRITTEN && !is_wanted {
        say(
            "the file still has remnants in space that is free until it is used again, and single words in the search's \
             index. It is large: add --vacuum at a quiet hour, since who writes waits while it is rewritten.",
        );
        return Ok(());
    }
    let path = file.to_owned();
    let rewritten = spawn_blocking(move || store_diesel::sqlite::scrub(&path)).await?;
    rewritten.context("all of it is erased, but the file, which has remnants, could not be rewritten; do the same again with --vacuum")?;
    say("the file was rewritten: no remnants are left in it.");
    Ok(())
}

/// Returns a hint for each other number that may be theirs.
fn hints(records: &Records) -> impl Iterator<Item = String> {
    let numbers = records.other_numbers.iter();
    numbers.map(|(phone, count)| {
        format!(
            "{count} other messages came from {}, a number in these tickets. Whether it is theirs, nobody has proved; if it \
             is, do the same with --customer and the number.",
            phone.as_str()
        )
    })
}

fn parse(contact: &str) -> Result<Contact> {
    // The message does not repeat the value, which is personal data.
    contact.parse().map_err(|error| anyhow::anyhow!("--customer {error}"))
}

fn agree(tickets: usize, messages: usize) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("this erases {tickets} tickets with {messages} messages for good; say so with --yes");
    }
    let mut out = io::stdout();
    write!(
        out,
        "Erase {tickets} tickets with {messages} messages for good? It can't be undone. Type yes: "
    )?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn told(records: &Records, contact: &Contact) -> Value {
    let threads: Vec<Value> = records
        .threads
        .iter()
        .map(|of| thread(of, contact, &records.user_ids))
        .collect();
    let elsewhere = records.messages.iter().map(|(said, of)| {
        let mut told = message(said, |_| true);
        told["ticketRef"] = json!(of.as_ref().map(TicketRef::to_string));
        told
    });
    json!({
        "exportedAt": SystemClock.now().to_string(),
        "whatsappUserIds": records.user_ids.iter().map(Address::as_str).collect::<Vec<_>>(),
        "tickets": threads,
        "otherMessages": elsewhere.collect::<Vec<_>>(),
    })
}

fn thread(thread: &Thread, contact: &Contact, user_ids: &[Address]) -> Value {
    let ticket = &thread.ticket;
    let is_theirs = |phone: Phone| {
        let is_asked_for = matches!(contact, Contact::Phone(asked) if asked.is_called_as(&phone));
        is_asked_for || ticket.details.customer.phone.is_called_as(&phone)
    };
    let messages: Vec<Value> = thread
        .messages
        .iter()
        .map(|said| {
            message(said, |from| {
                user_ids.contains(from) || from.phone().is_some_and(is_theirs)
            })
        })
        .collect();
    let mut told = json!({
        "ticketRef": ticket.reference.to_string(),
        "ticketId": ticket.id.0.to_string(),
        "status": ticket.status.as_str(),
        "createdAt": ticket.created_at.to_string(),
        "updatedAt": ticket.updated_at.to_string(),
        "delivery": { "state": thread.delivery.state.as_str(), "at": thread.delivery.at.to_string() },
        "messages": messages,
    });
    for (name, text) in ticket.details.fields() {
        told[name] = json!(text);
    }
    told
}

/// A message, with its sender's address only if that is the customer's.
fn message(message: &Message, is_theirs: impl Fn(&Address) -> bool) -> Value {
    let from = message.from.as_ref().filter(|from| is_theirs(from));
    json!({
        "messageId": message.id.0.to_string(),
        "sender": message.sender.as_str(),
        "channel": message.channel.as_str(),
        "from": from.map(Address::as_str),
        "body": message.content.body().as_str(),
        "mediaUrl": message.content.media().map(MediaUrl::as_str),
        "externalId": message.external_id.as_ref().map(ExternalId::as_str),
        "createdAt": message.created_at.to_string(),
    })
}
