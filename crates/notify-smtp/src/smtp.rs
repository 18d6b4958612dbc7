//! Hands mails to a mail server.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        self, AsyncSmtpTransportBuilder, PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;
use ticket_domain::{
    Email, EventKind, NotificationId, Payload, Timestamp,
    ports::{Clock, Delivering, DeliveryResult, Failure, FailureKind, Notifier},
    texts,
    use_cases::AnswerTime,
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    failure::failure,
    mail::{MailSettings, compose, message_id},
    payload::MailPayload,
    server::{Encryption, MailServer},
    words::Words,
};

/// Time limit for connecting to one of the server's addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for how soon tickets are answered.
const ANSWER_TIME_TIMEOUT: Duration = Duration::from_millis(500);

/// Time limit of an attempt.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long an idle connection is kept. Most servers close one after five minutes; some after less.
const IDLE: Duration = Duration::from_secs(30);

/// Sends mails to customers.
pub struct SmtpNotifier {
    /// Makes the next transport.
    builder: AsyncSmtpTransportBuilder,
    /// The connections.
    transport: Mutex<AsyncSmtpTransport<Tokio1Executor>>,
    settings: MailSettings,
    answer_time: Option<AnswerTime>,
    clock: Arc<dyn Clock>,
}

/// Why no mail server can be set up.
#[derive(Debug, thiserror::Error)]
#[error("encrypted connections to the mail server can't be set up")]
pub struct SetUpError(#[source] smtp::Error);

impl SmtpNotifier {
    /// Sends by `server`, over at most `connections` connections at a time. `answer_time` tells whoever has written how soon
    /// they will be answered.
    ///
    /// # Errors
    ///
    /// [`SetUpError`] if the TLS library can't be used.
    pub fn new(
        server: MailServer,
        settings: MailSettings,
        connections: u16,
        answer_time: Option<AnswerTime>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetUpError> {
        let tls = || TlsParameters::new(server.host.clone()).map_err(SetUpError);
        let tls = match server.encryption {
            Encryption::Implicit => Tls::Wrapper(tls()?),
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::Loopback => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(CONNECT_TIMEOUT))
            // Some servers refuse a name that is none.
            .hello_name(ClientId::Domain(settings.from.domain().to_owned()))
            .pool_config(PoolConfig::new().max_size(connections.into()).idle_timeout(IDLE));
        if let Some((user, password)) = server.credentials {
            transport = transport.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        Ok(Self {
            transport: Mutex::new(transport.clone().build()),
            builder: transport,
            settings,
            answer_time,
            clock,
        })
    }

    /// Connects, signs in and says goodbye. Fails with a reason for people, without secrets.
    pub async fn greet(&self) -> Result<(), String> {
        match timeout(TIMEOUT, self.transport().test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server closed the connection".into()),
            Ok(Err(error)) => Err(failure(&error).reason.into()),
            Err(_) => Err("the mail server did not answer in time".into()),
        }
    }

    /// Sends a mail that says that mail works.
    pub async fn probe(&self, to: &Email, id: Uuid) -> DeliveryResult {
        let words = Words::probe(&self.settings);
        self.send(NotificationId(id), to.as_str(), None, &words).await
    }

    async fn send(&self, id: NotificationId, to: &str, ticket: Option<Uuid>, words: &Words) -> DeliveryResult {
        let date = system_time(self.clock.now());
        let Ok(mail) = compose(id, to, ticket, words, &self.settings, date) else {
            return failed(
                FailureKind::Permanent,
                "the customer's address is none that mail can be sent to",
            );
        };
        match timeout(TIMEOUT, self.transport().send(mail)).await {
            Ok(Ok(_)) => DeliveryResult::Accepted {
                external_id: message_id(id, &self.settings).parse().ok(),
            },
            Ok(Err(error)) => DeliveryResult::Failed(failure(&error)),
            Err(_) => {
                self.leave_connections();
                failed(FailureKind::Temporary, "the mail server did not answer in time")
            }
        }
    }

    fn transport(&self) -> AsyncSmtpTransport<Tokio1Executor> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens other connections from now on. lettre keeps one that was given up in the middle of a mail: the late answer to
    /// that mail would be taken for the answer to the next one.
    fn leave_connections(&self) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = self.builder.clone().build();
    }
}

impl SmtpNotifier {
    /// Who answers a new ticket, and how soon. A store that does not say it is no reason to wait with the mail.
    async fn who_answers(&self, event: EventKind) -> Option<String> {
        let answer_time = self.answer_time.as_ref().filter(|_| event == EventKind::Created)?;
        let usual = timeout(ANSWER_TIME_TIMEOUT, answer_time.usual()).await;
        let usual = usual.ok().and_then(Result::ok).flatten();
        texts::who_answers(self.settings.manager_name.as_deref(), usual)
    }
}

fn failed(kind: FailureKind, reason: &str) -> DeliveryResult {
    DeliveryResult::Failed(Failure {
        reason: reason.into(),
        kind,
        retry_after: None,
    })
}

#[async_trait]
impl Notifier for SmtpNotifier {
    async fn deliver(&self, delivering: Delivering<'_>) -> DeliveryResult {
        let Payload(bytes) = delivering.payload;
        let news = delivering.news.cloned().unwrap_or_default();
        let payload: Option<MailPayload> = serde_json::from_slice(bytes).ok();
        let who_answers = self.who_answers(delivering.event).await;
        let mail = payload.and_then(|payload| {
            let words = Words::new(delivering.event, &payload, &news, who_answers, &self.settings)?;
            Some((payload, words))
        });
        let Some((payload, words)) = mail else {
            return failed(FailureKind::Permanent, "the stored mail is unreadable");
        };
        self.send(delivering.id, &payload.to, payload.ticket, &words).await
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    let micros = u64::try_from(at.unix_micros()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}
