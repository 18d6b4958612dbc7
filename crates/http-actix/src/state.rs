//! What the handlers share.

use std::{io, sync::Arc};

use actix_web::{
    HttpRequest, ResponseError,
    web::{Data, ServiceConfig},
};
use ticket_domain::{
    Managers, Recipient,
    ports::{Clock, Outbox, Random, Store, StoreHealth},
    use_cases::{
        AddMessage, AnswerTime, Context, CustomerMails, OpenTicket, Operate, ReceiveReply, Redeliver, ReportReceipt,
        ViewTicket,
    },
};

use crate::{
    Settings,
    access::{AccessControl, SharedThreads, TicketSubscriptions},
    api::{DeliveryMetrics, HealthProbe, Metrics},
    pages::{Site, WhoAnswers},
};

/// What the handlers share: one per process. A handler names the parts that it needs as `web::Data` arguments.
#[derive(Clone)]
pub struct AppState {
    pub(crate) open_ticket: Data<OpenTicket>,
    pub(crate) view_ticket: Data<ViewTicket>,
    pub(crate) receive_reply: Data<ReceiveReply>,
    pub(crate) report_receipt: Data<ReportReceipt>,
    pub(crate) add_message: Data<AddMessage>,
    pub(crate) operate: Data<Operate>,
    pub(crate) customer_mails: Data<CustomerMails>,
    pub(crate) redeliver: Data<Redeliver>,
    pub(crate) outbox: Data<dyn Outbox>,
    pub(crate) health: Data<dyn StoreHealth>,
    pub(crate) clock: Data<dyn Clock>,
    pub(crate) random: Data<dyn Random>,
    pub(crate) access_control: Data<AccessControl>,
    pub(crate) threads: Data<SharedThreads>,
    pub(crate) subscriptions: Data<TicketSubscriptions>,
    pub(crate) metrics: Data<Metrics>,
    pub(crate) health_probe: Data<HealthProbe>,
    pub(crate) site: Data<Site>,
    pub(crate) who_answers: Data<WhoAnswers>,
    pub(crate) settings: Data<Settings>,
}

impl AppState {
    /// Builds the use cases on `store` and `context`, and subscribes to the store's changes.
    ///
    /// `managers` decides whose messages count as a manager's. `receipts` is shared with the delivery worker, and
    /// `delivery_metrics` too: the worker counts, `/metrics` shows.
    ///
    /// # Errors
    /// If the metrics can't be registered, which means that two have the same name.
    pub fn new(
        store: &Arc<dyn Store>,
        context: Context,
        managers: Managers,
        receipts: Arc<ReportReceipt>,
        delivery_metrics: DeliveryMetrics,
        settings: Settings,
    ) -> io::Result<Self> {
        let access = settings.ticket_access;
        let threads = Arc::new(SharedThreads::new(ViewTicket::new(store.clone(), access)));
        let subscriptions = Arc::new(TicketSubscriptions::new(threads.clone()));
        store.follow(subscriptions.clone());
        let health: Arc<dyn StoreHealth> = store.clone();
        let outbox: Arc<dyn Outbox> = store.clone();
        let access_control = AccessControl::new(&settings);
        let metrics = Metrics::new(delivery_metrics, access_control.guessing_stops()).map_err(io::Error::other)?;
        let operate = Operate::new(store.clone(), store.clone(), context.clone(), managers.clone());
        let answer_time = Arc::new(AnswerTime::new(store.clone(), context.clock.clone()));
        Ok(Self {
            who_answers: Data::new(WhoAnswers::new(settings.manager_name.clone(), answer_time)),
            open_ticket: Data::new(OpenTicket::new(store.clone(), context.clone())),
            add_message: Data::new(AddMessage::new(
                store.clone(),
                context.clone(),
                access,
                settings.max_customer_messages,
            )),
            operate: Data::new(operate),
            customer_mails: Data::new(CustomerMails::new(store.clone(), store.clone(), context.clone())),
            redeliver: Data::new(Redeliver::new(store.clone(), context.clone())),
            report_receipt: receipts.into(),
            outbox: outbox.into(),
            health_probe: Data::new(HealthProbe::new(health.clone(), context.clock.clone())),
            health: health.into(),
            access_control: Data::new(access_control),
            view_ticket: Data::new(ViewTicket::new(store.clone(), access)),
            threads: threads.into(),
            subscriptions: subscriptions.into(),
            metrics: Data::new(metrics),
            site: Data::new(Site::new(&settings, context.composers.has_notifier(Recipient::Manager))),
            settings: Data::new(settings),
            clock: context.clock.clone().into(),
            random: context.random.clone().into(),
            receive_reply: Data::new(ReceiveReply::new(
                store.clone(),
                store.clone(),
                store.clone(),
                store.clone(),
                context,
                managers,
            )),
        })
    }

    /// Makes each part available to handlers and extractors.
    pub(crate) fn register(&self, config: &mut ServiceConfig) {
        config
            .app_data(self.open_ticket.clone())
            .app_data(self.view_ticket.clone())
            .app_data(self.receive_reply.clone())
            .app_data(self.report_receipt.clone())
            .app_data(self.add_message.clone())
            .app_data(self.operate.clone())
            .app_data(self.customer_mails.clone())
            .app_data(self.redeliver.clone())
            .app_data(self.outbox.clone())
            .app_data(self.health.clone())
            .app_data(self.clock.clone())
            .app_data(self.random.clone())
            .app_data(self.access_control.clone())
            .app_data(self.threads.clone())
            .app_data(self.subscriptions.clone())
            .app_data(self.metrics.clone())
            .app_data(self.health_probe.clone())
            .app_data(self.site.clone())
            .app_data(self.who_answers.clone())
            .app_data(self.settings.clone());
    }
}

/// A part of the state is not registered. [`AppState::register`] registers all of them.
#[derive(Debug, thiserror::Error)]
#[error("a part of the application's state is missing")]
pub(crate) struct MissingPart;

/// Answers 500, the default.
impl ResponseError for MissingPart {}

/// A part of the state, for extractors.
pub(crate) fn part<T: ?Sized + 'static>(request: &HttpRequest) -> Result<&Data<T>, MissingPart> {
    request.app_data::<Data<T>>().ok_or(MissingPart)
}
