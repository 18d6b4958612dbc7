//! The words that some fields are limited to, as the `OpenAPI` document lists them.

use std::borrow::Cow;

use ticket_domain::{
    AuditKind, Awaiting, Channel, DeliveryState, EventKind, MessageStatus, Priority, Sender, Stage, Status,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::api::{problem::Code, report_status::IN_BETWEEN};

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $schema:ident as $name:literal: $words:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $schema;

            impl PartialSchema for $schema {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some(concat!($($doc, "\n"),+).trim()))
                        .enum_values(Some($words))
                        .into()
                }
            }

            impl ToSchema for $schema {
                fn name() -> Cow<'static, str> {
                    $name.into()
                }
            }
        )+
    };
}

words! {
    /// How pressing the customer finds it.
    PriorityWord as "Priority": Priority::words();
    /// Where a ticket stands.
    StatusWord as "Status": Status::words();
    /// Who has to say something next.
    AwaitingWord as "Awaiting": Awaiting::words();
    /// What an operator did: gave a ticket another status or priority, answered, said which ticket a message belongs to,
    /// had one notification sent again, or all that were given up.
    ActWord as "Act": AuditKind::words();
    /// Who wrote a message.
    SenderWord as "Sender": Sender::words();
    /// The way a message came.
    ChannelWord as "Channel": Channel::words();
    /// What a notification tells.
    EventWord as "Event": EventKind::words();
    /// How far the newest notification of a ticket got: not taken yet, handed to WhatsApp, on the manager's telephone,
    /// seen by the manager, or given up.
    DeliveryWord as "DeliveryState": DeliveryState::words();
    /// How far WhatsApp got with a message. Twilio's `accepted`, `scheduled` and `sending` count as `queued`.
    MessageStatusWord as "MessageStatus": MessageStatus::words().chain(IN_BETWEEN.iter().copied());
    /// Where a notification stands: it will be tried, waits for an operator's word, was given up, or was delivered.
    NotificationWord as "NotificationState": Stage::words();
    /// The kind of a problem, for programs.
    CodeWord as "ProblemCode": Code::ALL.iter().map(|code| code.as_str());
}
