//! The whole application, from a configuration to a running server.

use std::{io, net::SocketAddr, sync::Arc};

use http_actix::{AppState, DeliveryMetrics, Settings, StreamLimits};
use notify_n8n::{N8nComposer, N8nWebhook, SetUpError};
use secrecy::ExposeSecret;
use store_diesel::PostgresStore;
use store_diesel::SqliteStore;
use ticket_domain::{
    Managers, RetrySchedule, TicketLinks,
    ports::{Clock, Composer, Notifier, Random, Store},
    use_cases::{Context, Deliver, ReportReceipt},
};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{
        Agents, Config, Database,
        limits::{MAX_CONNECTIONS, with_room},
    },
    delivery::Worker,
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
    Webhook(#[from] SetUpError),
    /// The address can't be listened on.
    #[error("can't listen on {host} port {port} (HOST, PORT)")]
    Listen {
        /// The address or name.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The HTTP server can't be started.
    #[error("the HTTP server can't be started")]
    Http(#[source] io::Error),
    /// A task of the start broke off.
    #[error("the start broke off")]
    BrokeOff(#[from] JoinError),
}

/// Puts an application together. What is not given comes from the configuration.
pub struct Builder {
    config: Config,
    store: Option<Arc<dyn Store>>,
    notifier: Option<(Arc<dyn Composer>, Arc<dyn Notifier>)>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Builder {
    /// Starts from a configuration.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            store: None,
            notifier: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }

    /// Keeps tickets here, and not where `DATABASE_URL` says.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Tells the manager this way, and not by n8n.
    #[must_use]
    pub fn notifier(mut self, composer: Arc<dyn Composer>, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = Some((composer, notifier));
        self
    }

    /// Reckons by this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws from this source.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Opens the store, listens, and serves until it is stopped.
    pub async fn start(self) -> Result<Application, StartError> {
        let store = match self.store.clone() {
            Some(store) => store,
            None => open_store(self.config.database.clone()).await?,
        };
        let (composer, notifier) = self.telling()?;
        let listener = listen(&self.config.host, self.config.port).await?;
        let address = listener.local_addr().map_err(StartError::Http)?;
        let signal = Arc::new(DeliverySignal::default());
        let base_url = self.base_url(address);
        let has_receiver = notifier.is_some();
        let context = self.context(composer, signal.clone(), has_receiver, &base_url);
        let metrics = DeliveryMetrics::default();
        let receipts = Arc::new(ReportReceipt::new(
            store.clone(),
            context.composer.clone(),
            self.clock.clone(),
            signal.clone(),
        ));
        let worker = notifier.map(|notifier| {
            let (signal, metrics) = (signal.clone(), metrics.clone());
            self.worker(store.clone(), notifier, &context, receipts.clone(), signal, metrics)
        });
        let housekeeper = Housekeeper::new(
            store.clone(),
            self.clock.clone(),
            self.random.clone(),
            Retention {
                notifications: self.config.notification_retention,
                tickets: self.config.ticket_retention,
            },
        );
        let settings = self.http_settings(base_url);
        let state = AppState::new(&store, context, self.managers(), receipts, metrics, settings);
        let state = state.map_err(StartError::Http)?;

        let stop = CancellationToken::new();
        let server = http_actix::serve(listener, state, stop.clone().cancelled_owned()).map_err(StartError::Http)?;
        let server = tokio::spawn(until_the_end(stop.clone(), server));
        let worker = worker.map(|worker| {
            let stop = stop.clone();
            tokio::spawn(until_the_end(stop.clone(), async move { worker.run(stop).await }))
        });
        let housekeeper = tokio::spawn(until_the_end(stop.clone(), housekeeper.run(stop.clone())));
        Ok(Application {
            address,
            stop,
            server,
            worker,
            housekeeper,
        })
    }

    /// How events are written, and to whom they go if anywhere.
    #[expect(clippy::type_complexity, reason = "a pair of ports, named where it is used")]
    fn telling(&self) -> Result<(Arc<dyn Composer>, Option<Arc<dyn Notifier>>), StartError> {
        if let Some((composer, notifier)) = self.notifier.clone() {
            return Ok((composer, Some(notifier)));
        }
        let notifier = match self.config.receiver.clone() {
            Some(receiver) => {
                let webhook: Arc<dyn Notifier> = Arc::new(N8nWebhook::new(receiver, self.clock.clone())?);
                Some(webhook)
            }
            None => None,
        };
        let Agents {
            phones,
            are_set,
            backup,
        } = &self.config.agents;
        let composer = N8nComposer {
            to: phones.first().filter(|_| *are_set).cloned(),
            backup: backup.clone(),
        };
        Ok((Arc::new(composer), notifier))
    }

    /// Without a slash at its end.
    fn base_url(&self, address: SocketAddr) -> String {
        match &self.config.base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://localhost:{}", address.port()),
        }
    }

    fn context(
        &self,
        composer: Arc<dyn Composer>,
        signal: Arc<DeliverySignal>,
        has_receiver: bool,
        base_url: &str,
    ) -> Context {
        Context {
            clock: self.clock.clone(),
            random: self.random.clone(),
            composer,
            wake: signal,
            links: TicketLinks::new(base_url, self.config.access),
            has_receiver,
        }
    }

    fn worker(
        &self,
        outbox: Arc<dyn Store>,
        notifier: Arc<dyn Notifier>,
        context: &Context,
        receipts: Arc<ReportReceipt>,
        signal: Arc<DeliverySignal>,
        metrics: DeliveryMetrics,
    ) -> Worker {
        let schedule = RetrySchedule::new(self.config.slow_retries);
        let deliver = Deliver::new(
            outbox,
            context.composer.clone(),
            notifier,
            self.clock.clone(),
            self.random.clone(),
            schedule,
        );
        Worker {
            deliver: Arc::new(deliver),
            receipts,
            signal,
            clock: self.clock.clone(),
            metrics,
            concurrency: self.config.notify_concurrency,
        }
    }

    /// Who counts as a manager: whoever may be told of tickets.
    fn managers(&self) -> Managers {
        let Agents {
            phones,
            are_set,
            backup,
        } = self.config.agents.clone();
        if are_set {
            Managers::new(phones.into_iter().chain(backup).collect())
        } else {
            Managers::only_recognised(phones)
        }
    }

    fn http_settings(&self, base_url: String) -> Settings {
        let config = &self.config;
        let max_connections = max_connections(config.max_connections);
        Settings {
            site_name: config.site_name.clone(),
            base_url,
            ticket_access: config.access,
            allowed_origins: config.allowed_origins.clone(),
            inbound_keys: config.inbound_keys.clone(),
            operator_tokens: config.operator_tokens.clone(),
            trusted_proxy_hops: config.trusted_proxy_hops,
            rate_limits: config.rate_limits,
            rates: config.rates,
            connections_of_one: config.connections_of_one,
            streams: StreamLimits {
                // The rest is for requests.
                in_all: max_connections * 3 / 4,
                ..StreamLimits::default()
            },
            max_connections,
            ..Settings::default()
        }
    }
}

/// The most connections that are accepted: so many as are set, or usual, and as the files that may be open allow.
fn max_connections(set: Option<u32>) -> usize {
    // Where the limit of open files can't be read there is likely none.
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

/// Opens the store that the configuration names, and brings its schema up to date.
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
