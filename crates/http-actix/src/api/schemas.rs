//! The schemas of fields that hold one word out of a few.

use std::borrow::Cow;

use ticket_domain::{
    ActorKind, AuditKind, Awaiting, Channel, DeliveryState, EventKind, MessageStatus, Priority, Recipient, Sender,
    Stage, Status,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::api::{problem::Code, report_status::IN_BETWEEN};

macro_rules! schemas {
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

schemas! {
    /// How urgent the ticket is for the customer.
    PrioritySchema as "Priority": Priority::words();
    /// The status of a ticket.
    StatusSchema as "Status": Status::words();
    /// Who has to answer next.
    AwaitingSchema as "Awaiting": Awaiting::words();
    /// What an operator did: changed a status or a priority, replied, attached a message, redelivered a notification or
    /// all dead ones, or erased messages.
    ActSchema as "AuditAction": AuditKind::words();
    /// Who made a change: a customer, a manager, an operator, or the server itself.
    ActorSchema as "Actor": ActorKind::words();
    /// Who wrote a message.
    SenderSchema as "Sender": Sender::words();
    /// The channel that a message came over.
    ChannelSchema as "Channel": Channel::words();
    /// Who is notified.
    RecipientSchema as "Recipient": Recipient::words();
    /// The event that a notification reports.
    EventSchema as "Event": EventKind::words();
    /// The delivery state of a ticket's newest notification: not accepted yet, passed on to WhatsApp, on the manager's
    /// phone, read by the manager, or dead.
    DeliverySchema as "DeliveryState": DeliveryState::words();
    /// The status of a WhatsApp message. Twilio's `accepted`, `scheduled` and `sending` count as `queued`.
    MessageStatusSchema as "MessageStatus": MessageStatus::words().chain(IN_BETWEEN.iter().copied());
    /// The state of a notification: an attempt is due, it is held for an operator, dead, or delivered.
    NotificationSchema as "NotificationState": Stage::words();
    /// The kind of a problem, for programs.
    CodeSchema as "ProblemCode": Code::ALL.iter().map(|code| code.as_str());
}
