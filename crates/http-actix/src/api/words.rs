//! The words that some fields are limited to, as the `OpenAPI` document lists them.

use std::borrow::Cow;

use ticket_domain::{Awaiting, Channel, DeliveryState, EventKind, MessageStatus, Priority, Sender, Status};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::api::{problem::Code, report_status::IN_BETWEEN, trail::ACTS};

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
    PriorityWord as "Priority": Priority::WORDS.iter().copied();
    /// Where a ticket stands.
    StatusWord as "Status": Status::WORDS.iter().copied();
    /// Who has to say something next.
    AwaitingWord as "Awaiting": Awaiting::WORDS.iter().copied();
    /// What an operator did: gave a ticket another status or priority, answered, said which ticket a message belongs to,
    /// had one notification sent again, or all that were given up.
    ActWord as "Act": ACTS;
    /// Who wrote a message.
    SenderWord as "Sender": Sender::WORDS.iter().copied();
    /// The way a message came.
    ChannelWord as "Channel": Channel::WORDS.iter().copied();
    /// What a notification tells.
    EventWord as "Event": EventKind::WORDS.iter().copied();
    /// How far the newest notification of a ticket got: not taken yet, handed to WhatsApp, on the manager's telephone,
    /// seen by the manager, or given up.
    DeliveryWord as "DeliveryState": DeliveryState::WORDS.iter().copied();
    /// How far WhatsApp got with a message. Twilio's `accepted`, `scheduled` and `sending` count as `queued`.
    MessageStatusWord as "MessageStatus": MessageStatus::WORDS.iter().chain(IN_BETWEEN).copied();
    /// Where a notification stands: it will be tried, waits for an operator's word, was given up, or was delivered.
    NotificationWord as "NotificationState": ["waiting", "held", "dead", "delivered"];
    /// The kind of a problem, for programs.
    CodeWord as "ProblemCode": Code::ALL.iter().map(|code| code.as_str());
}
