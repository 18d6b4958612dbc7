//! `server export` and `server erase`: what is kept of a person, given back or gone.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use ticket_domain::{
    Contact, ExternalId, MediaUrl, Message, Phone, Thread, TicketRef,
    ports::Clock as _,
    use_cases::{Customers, Records},
};

use crate::{
    application::open_store,
    commands::{complain, say},
    config::Database,
    surroundings::{OsRandom, SystemClock},
};

/// What an erasure does not reach.
const BEYOND: &str = "not reached by this: n8n (its executions), Twilio and WhatsApp (the messages that were sent), \
                      backups made before, and logs of others. The database may hold remnants in space that is free \
                      until it is used again: VACUUM clears it.";

async fn customers(database: Database) -> Result<Customers> {
    let store = open_store(database).await?;
    Ok(Customers::new(store, Arc::new(SystemClock), Arc::new(OsRandom)))
}

/// Writes everything that is kept of a person to standard output, as JSON.
pub(crate) async fn export(database: Database, contact: &str) -> Result<ExitCode> {
    let contact = parse(contact)?;
    let records = customers(database).await?.records(&contact).await?;
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &told(&records))?;
    writeln!(out)?;
    if records.threads.is_empty() && records.messages.is_empty() {
        complain("nothing is kept under this address or number");
    }
    Ok(ExitCode::SUCCESS)
}

/// Erases everything that says who a person is and what they wrote, once somebody has agreed.
pub(crate) async fn erase(database: Database, contact: &str, is_agreed: bool) -> Result<ExitCode> {
    let contact = parse(contact)?;
    let customers = customers(database).await?;
    let records = customers.records(&contact).await?;
    let messages: usize = records.threads.iter().map(|thread| thread.messages.len()).sum();
    let (tickets, messages) = (records.threads.len(), messages + records.messages.len());
    if tickets + messages == 0 {
        say("nothing is kept under this address or number");
        return Ok(ExitCode::SUCCESS);
    }
    if !is_agreed && !agree(tickets, messages)? {
        say("nothing was erased");
        return Ok(ExitCode::FAILURE);
    }
    let removed = customers.erase(&contact).await?;
    say(&format!(
        "erased: {} tickets, {} messages; {} notifications will not be sent. References, times and outside ids stay, and \
         the trail says that it was done.",
        removed.tickets, removed.messages, removed.cancelled
    ));
    say(BEYOND);
    Ok(ExitCode::SUCCESS)
}

fn parse(contact: &str) -> Result<Contact> {
    // The value itself is not repeated: it is somebody's.
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

fn told(records: &Records) -> Value {
    let threads: Vec<Value> = records.threads.iter().map(thread).collect();
    let elsewhere = records.messages.iter().map(|(said, of)| {
        let mut told = message(said);
        told["ticketRef"] = json!(of.as_ref().map(TicketRef::to_string));
        told
    });
    json!({
        "exportedAt": SystemClock.now().to_string(),
        "tickets": threads,
        "otherMessages": elsewhere.collect::<Vec<_>>(),
    })
}

fn thread(thread: &Thread) -> Value {
    let ticket = &thread.ticket;
    let messages: Vec<Value> = thread.messages.iter().map(message).collect();
    json!({
        "ticketRef": ticket.reference.to_string(),
        "ticketId": ticket.id.0.to_string(),
        "customerName": ticket.customer.name.as_str(),
        "customerPhone": ticket.customer.phone.as_str(),
        "customerEmail": ticket.customer.email.as_str(),
        "subject": ticket.subject.as_str(),
        "priority": ticket.priority.as_str(),
        "status": ticket.status.as_str(),
        "createdAt": ticket.created_at.to_string(),
        "updatedAt": ticket.updated_at.to_string(),
        "delivery": { "state": thread.delivery.state.as_str(), "at": thread.delivery.at.to_string() },
        "messages": messages,
    })
}

fn message(message: &Message) -> Value {
    json!({
        "messageId": message.id.0.to_string(),
        "sender": message.sender.as_str(),
        "channel": message.channel.as_str(),
        "from": message.from.as_ref().map(Phone::as_str),
        "body": message.content.body().as_str(),
        "mediaUrl": message.content.media().map(MediaUrl::as_str),
        "externalId": message.external_id.as_ref().map(ExternalId::as_str),
        "createdAt": message.created_at.to_string(),
    })
}
