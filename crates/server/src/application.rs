//! The whole application, from a configuration to a running server.

use std::{io, net::SocketAddr, sync::Arc};

use http_actix::{AppState, DeliveryMetrics, Settings, StreamLimits};
use notify_n8n::{N8nComposer, N8nWebhook};
use notify_smtp::{MailComposer, MailSettings, SmtpNotifier};
use secrecy::ExposeSecret;
use store_diesel::PostgresStore;
use store_diesel::SqliteStore;
use ticket_domain::{
    Address, Managers, Recipient, TicketLinks,
    ports::{Clock, Composer, Composers, Notifier, Random, Store},
    use_cases::{AnswerTime, Context, Deliver, ReportReceipt},
};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{
        Agents, Config, Database, Mail,
        limits::{MAX_CONNECTIONS, with_room},
    },
    delivery::{Worker, catch_up},
    environment::{DeliverySignal, OsRandom, SystemClock},
    housekeeping::{Housekeeper, Retention},
    listening::listen,
    running::Application,
};

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded store can't be used.
    #[error("the store named by DATABASE_URL can't be used")]
    Sqlite(#[from] store_diesel::sqlite::OpenError),
    /// The Postgres server can't be used.
    #[error("the database named by DATABASE_URL can't be used")]
    Postgres(#[from] store_diesel::postgres::ConnectError),
    /// The webhook can't be set up.
    #[error("the webhook can't be set up")]
    Webhook(#[from] notify_n8n::SetUpError),
    /// The mail server can't be set up.
    #[error("the mail server can't be set up")]
    Mail(#[from] notify_smtp::SetUpError),
    /// The server can't listen on this address.
    #[error("can't listen on {host} port {port} (HOST, PORT)")]
    Listen {
        /// The address or name.
        host: String,
        /// The port.
        port: u16,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The HTTP server can't be started.
    #[error("the HTTP server can't be started")]
    Http(#[source] io::Error),
    /// A start-up task panicked.
    #[error("the start broke off")]
    BrokeOff(#[from] JoinError),
}

/// How one recipient is notified.
struct Adapters {
    recipient: Recipient,
    composer: Arc<dyn Composer>,
    /// Without one, notifications are stored and wait.
    notifier: Option<Arc<dyn Notifier>>,
}

/// Builds an application. Parts that are not given come from the configuration.
pub struct Builder {
    config: Config,
    store: Option<Arc<dyn Store>>,
    adapters: Vec<Adapters>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Builder {
    /// Starts from a configuration.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            store: None,
            adapters: Vec::new(),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }

    /// Uses this store instead of `DATABASE_URL`'s.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Notifies `recipient` by these adapters; the manager, instead of by n8n.
    #[must_use]
    pub fn notifier(mut self, recipient: Recipient, composer: Arc<dyn Composer>, notifier: Arc<dyn Notifier>) -> Self {
        self.adapters.retain(|adapters| adapters.recipient != recipient);
        self.adapters.push(Adapters {
            recipient,
            composer,
            notifier: Some(notifier),
        });
        self
    }

    /// Uses this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Uses this source of randomness.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Opens the store, listens, and serves until it is stopped.
    pub async fn start(mut self) -> Result<Application, StartError> {
        let store = match self.store.clone() {
            Some(store) => store,
            None => open_store(self.config.database.clone()).await?,
        };
        let adapters = std::mem::take(&mut self.adapters);
        let adapters = self.with_mail(self.with_n8n(adapters)?, &store)?;
        let listener = listen(&self.config.host, self.config.port).await?;
        let address = listener.local_addr().map_err(StartError::Http)?;
        let signal = Arc::new(DeliverySignal::default());
        let base_url = self.base_url(address);
        let context = self.context(&adapters, signal.clone(), &base_url);
        let metrics = DeliveryMetrics::default();
        let receipts = Arc::new(ReportReceipt::new(
            store.clone(),
            context.clone(),
            self.config.retry_schedule.clone(),
        ));
        let notifiers = adapters
            .into_iter()
            .filter_map(|adapters| Some((adapters.recipient, adapters.notifier?)));
        let workers: Vec<Worker> = notifiers
            .map(|(recipient, notifier)| Worker {
                deliver: Arc::new(Deliver::new(
                    store.clone(),
                    recipient,
                    notifier,
                    context.clone(),
                    self.config.retry_schedule.clone(),
                )),
                signal: signal.subscribe(),
                clock: self.clock.clone(),
                metrics: metrics.clone(),
                concurrency: self.config.notify_concurrency,
            })
            .collect();
        let housekeeper = Housekeeper::new(
            store.clone(),
            self.clock.clone(),
            self.random.clone(),
            Retention {
                notifications: self.config.notification_retention,
                tickets: self.config.ticket_retention,
            },
        );
        let settings = Settings {
            mail: context.composers.has_notifier(Recipient::Customer),
            ..self.http_settings(base_url)
        };
        let state = AppState::new(&store, context, self.managers(), receipts.clone(), metrics, settings);
        let state = state.map_err(StartError::Http)?;

        let stop = CancellationToken::new();
        let server = http_actix::serve(listener, state, stop.clone().cancelled_owned()).map_err(StartError::Http)?;
        let server = tokio::spawn(until_the_end(stop.clone(), server));
        let mut background = JoinSet::new();
        background.spawn(until_the_end(stop.clone(), housekeeper.run(stop.clone())));
        if !workers.is_empty() {
            background.spawn(until_the_end(stop.clone(), catch_up(receipts, stop.clone())));
        }
        for worker in workers {
            background.spawn(until_the_end(stop.clone(), worker.run(stop.clone())));
        }
        Ok(Application {
            address,
            stop,
            server,
            background,
        })
    }

    /// Adds n8n for the manager, unless other adapters notify them. Without a webhook, its notifications wait.
    fn with_n8n(&self, mut adapters: Vec<Adapters>) -> Result<Vec<Adapters>, StartError> {
        if adapters.iter().any(|adapters| adapters.recipient == Recipient::Manager) {
            return Ok(adapters);
        }
        let webhook = self.config.receiver.clone();
        let webhook = webhook.map(|receiver| N8nWebhook::new(receiver, self.clock.clone()));
        let Agents {
            addresses,
            are_set,
            backup,
        } = &self.config.agents;
        let composer = N8nComposer {
            // WhatsApp doesn't deliver to a user id.
            to: addresses.iter().find_map(Address::phone).filter(|_| *are_set),
            backup: backup.clone(),
        };
        adapters.push(Adapters {
            recipient: Recipient::Manager,
            composer: Arc::new(composer),
            notifier: webhook
                .transpose()?
                .map(|webhook| Arc::new(webhook) as Arc<dyn Notifier>),
        });
        Ok(adapters)
    }

    /// Adds e-mail for customers if a mail server is set, unless other adapters notify them.
    fn with_mail(&self, mut adapters: Vec<Adapters>, store: &Arc<dyn Store>) -> Result<Vec<Adapters>, StartError> {
        let is_other = |adapters: &Adapters| adapters.recipient == Recipient::Customer;
        if let Some(mail) = self.config.mail.as_ref().filter(|_| !adapters.iter().any(is_other)) {
            let answer_time = AnswerTime::new(store.clone(), self.clock.clone());
            let notifier = smtp_notifier(&self.config, mail, Some(answer_time), self.clock.clone())?;
            adapters.push(Adapters {
                recipient: Recipient::Customer,
                composer: Arc::new(MailComposer { hold: mail.hold }),
                notifier: Some(Arc::new(notifier)),
            });
        }
        Ok(adapters)
    }

    /// Returns the base URL without a trailing slash.
    fn base_url(&self, address: SocketAddr) -> String {
        match &self.config.base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://localhost:{}", address.port()),
        }
    }

    fn context(&self, adapters: &[Adapters], signal: Arc<DeliverySignal>, base_url: &str) -> Context {
        let composers = adapters.iter().fold(Composers::default(), |composers, adapters| {
            let has_notifier = adapters.notifier.is_some();
            composers.with(adapters.recipient, adapters.composer.clone(), has_notifier)
        });
        Context {
            clock: self.clock.clone(),
            random: self.random.clone(),
            composers,
            wake: signal,
            links: TicketLinks::new(base_url, self.config.access),
        }
    }

    /// Returns the managers' addresses: those that may be notified.
    fn managers(&self) -> Managers {
        let Agents {
            addresses,
            are_set,
            backup,
        } = self.config.agents.clone();
        let addresses = addresses.into_iter().chain(backup.map(Address::from)).collect();
        if are_set {
            Managers::new(addresses)
        } else {
            Managers::only_recognised(addresses)
        }
    }

    fn http_settings(&self, base_url: String) -> Settings {
        let config = &self.config;
        let max_connections = max_connections(config.max_connections);
        Settings {
            site_name: config.site_name.clone(),
            manager_name: config.manager_name.clone(),
            whatsapp_number: config.whatsapp_number.clone(),
            base_url,
            ticket_access: config.access,
            allowed_origins: config.allowed_origins.clone(),
            inbound_keys: config.inbound_keys.clone(),
            operator_tokens: config.operator_tokens.clone(),
            trusted_proxy_hops: config.trusted_proxy_hops,
            rate_limits: config.rate_limits,
            rates: config.rates,
            max_customer_messages: config.max_customer_messages,
            connections_of_one: config.connections_of_one,
            streams: StreamLimits {
                // Leaves connections for requests.
                in_all: max_connections * 3 / 4,
                ..StreamLimits::default()
            },
            max_connections,
            ..Settings::default()
        }
    }
}

/// Sends mails as the configuration says.
pub(crate) fn smtp_notifier(
    config: &Config,
    mail: &Mail,
    answer_time: Option<AnswerTime>,
    clock: Arc<dyn Clock>,
) -> Result<SmtpNotifier, notify_smtp::SetUpError> {
    let settings = MailSettings {
        from: mail.from.clone(),
        reply_to: mail.reply_to.clone(),
        site_name: config.site_name.clone(),
        manager_name: config.manager_name.clone(),
    };
    SmtpNotifier::new(
        mail.server.clone(),
        settings,
        config.notify_concurrency,
        answer_time,
        clock,
    )
}

/// Returns the connection limit: the configured or default one, at most what the limit of open files permits.
fn max_connections(set: Option<u32>) -> usize {
    // If the limit can't be read, there probably is none.
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    let room = with_room(set.unwrap_or(MAX_CONNECTIONS), files);
    if let Some(set) = set.filter(|set| room < *set as usize) {
        tracing::warn!(
            files,
            room,
            "MAX_CONNECTIONS is {set}, and there is room for fewer: more files would have to be open than the system grants"
        );
    }
    room
}

/// Runs a part of the application. When it ends, for whatever reason, the other parts stop too.
async fn until_the_end<T>(stop: CancellationToken, part: impl Future<Output = T>) -> T {
    let _guard = stop.drop_guard();
    part.await
}

/// Opens the configured store and migrates its schema.
pub(crate) async fn open_store(database: Database) -> Result<Arc<dyn Store>, StartError> {
    spawn_blocking(move || -> Result<Arc<dyn Store>, StartError> {
        match database {
            Database::Sqlite(path) => Ok(Arc::new(SqliteStore::open(&path)?)),
            Database::Postgres { url, direct, pool_size } => {
                let url = url.expose_secret();
                let direct = direct.as_ref().map_or(url, |direct| direct.expose_secret());
                Ok(Arc::new(PostgresStore::connect_past(direct, url, pool_size)?))
            }
        }
    })
    .await?
}
