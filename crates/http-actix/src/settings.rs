//! What the API has to be told.

use std::{sync::Arc, time::Duration};

use ticket_domain::{
    ports::{Clock, Outbox, Random, StoreHealth},
    use_cases::{AddMessage, OpenTicket, Operate, ReceiveReply, Redeliver, ReportReceipt, ViewTicket},
};

use crate::DeliveryMetrics;
use crate::access::{AccessControl, TicketSubscriptions};

/// Everything that the API works with.
pub struct ApiParts {
    /// Opens tickets.
    pub open_ticket: Arc<OpenTicket>,
    /// Shows tickets.
    pub view_ticket: Arc<ViewTicket>,
    /// Takes in messages from n8n.
    pub receive_reply: Arc<ReceiveReply>,
    /// Takes down what WhatsApp says of messages.
    pub report_receipt: Arc<ReportReceipt>,
    /// Adds what people write on the web.
    pub add_message: Arc<AddMessage>,
    /// What operators do.
    pub operate: Arc<Operate>,
    /// Sends notifications again.
    pub redeliver: Arc<Redeliver>,
    /// Lists notifications.
    pub outbox: Arc<dyn Outbox>,
    /// Tells whether the store is well.
    pub health: Arc<dyn StoreHealth>,
    /// Tells how old the oldest waiting notification is.
    pub clock: Arc<dyn Clock>,
    /// Draws request ids.
    pub random: Arc<dyn Random>,
    /// What the delivery loop counts, shown with the rest at `/metrics`.
    pub delivery_metrics: DeliveryMetrics,
    /// Who may come in.
    pub access_control: Arc<AccessControl>,
    /// Tells of changes. The server closes it when it stops.
    pub live: Arc<TicketSubscriptions>,
    /// How the API behaves.
    pub settings: Settings,
}

/// How the API behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Browser origins, such as `https://www.example.com`, that may call the public endpoints.
    pub allowed_origins: Vec<String>,
    /// Whether browsers come by https, so that they are told to stay with it.
    pub is_https: bool,
    /// How many threads answer. None: one a processor core.
    pub workers: Option<usize>,
    /// The most connections, of all threads together. Further ones wait in the listener's queue.
    pub max_connections: usize,
    /// How long a client may keep a connection waiting.
    pub deadlines: Deadlines,
    /// How long a body may take to arrive, else 408.
    pub body_deadline: Duration,
    /// After so long without an event a stream sends a sign of life, so that no proxy takes it for dead.
    pub heartbeat: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            is_https: false,
            workers: None,
            max_connections: 10_000,
            deadlines: Deadlines::default(),
            body_deadline: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// How long a client may keep a connection waiting before it is closed. They hold for each request of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests. Longer than the proxies in front keep their idle connections, so that they close first.
    pub idle: Duration,
    /// While not a byte more of an answer is taken.
    pub write: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
        }
    }
}
