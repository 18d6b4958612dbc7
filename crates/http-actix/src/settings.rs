//! What the API has to be told.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use ticket_domain::{
    ports::{Clock, Outbox, Random, StoreHealth},
    use_cases::{OpenTicket, ReceiveReply, Redeliver, ReportReceipt, ViewTicket},
};

use crate::DeliveryMetrics;

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
    /// How the API behaves.
    pub settings: Settings,
}

/// How the API behaves. The default is closed: no key opens the protected endpoints.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys that n8n may send as `x-api-key`: one, or two while they are exchanged. None: every call gets 401.
    pub inbound_keys: Vec<SecretString>,
    /// The operators' bearer token. None: their API answers 401.
    pub operator_token: Option<SecretString>,
    /// Browser origins, such as `https://www.example.com`, that may call the public endpoints.
    pub allowed_origins: Vec<String>,
    /// How many proxies in front are ours.
    pub trusted_proxy_hops: usize,
    /// Whether callers are limited.
    pub rate_limits: bool,
    /// How many threads answer. None: one a processor core.
    pub workers: Option<usize>,
    /// How long a body may take to arrive, else 408.
    pub body_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inbound_keys: Vec::new(),
            operator_token: None,
            allowed_origins: Vec::new(),
            trusted_proxy_hops: 0,
            rate_limits: true,
            workers: None,
            body_deadline: Duration::from_secs(10),
        }
    }
}
