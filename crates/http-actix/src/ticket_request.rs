//! The request to open a ticket, as the API and the form send it.

use garde::Validate;
use serde::Deserialize;
use ticket_domain::{
    Customer, CustomerName, Email, MessageText, Phone, Priority, StrictText, Subject, TicketDetails, TicketRequest,
};
use utoipa::ToSchema;

use crate::{
    api::schemas::PrioritySchema,
    validation::{AnyCase, Field, LenientField, present},
};

/// A new ticket. Texts are trimmed first. Every kind of line break becomes LF, or a space in a line, and other control
/// characters are removed. A number is read as its digits. Lengths count characters. A line without a visible character is
/// invalid.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateTicket, example = json!({
    "customerName": "John Doe",
    "customerPhone": "+1234567890",
    "customerEmail": "john@example.com",
    "subject": "Product Quality Issue",
    "message": "I received damaged bottles in my last order.",
    "priority": "high"
}))]
pub(crate) struct CreateTicket {
    /// One line of 1–200 characters.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "John Doe")]
    pub(crate) customer_name: Field<StrictText<CustomerName>>,
    /// 7–15 digits of any script, with or without `+`. Spaces, dots, dashes, slashes, brackets, `tel:`, an extension (`x12`,
    /// `ext. 12`), `(0)` after a country code and invisible characters are removed, and a leading `00` becomes `+`.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, example = "+1234567890")]
    pub(crate) customer_phone: Field<Phone>,
    /// An address of at most 254 characters.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, format = "email", max_length = 254, example = "john@example.com")]
    pub(crate) customer_email: Field<Email>,
    /// One line of 1–200 characters.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Product Quality Issue")]
    pub(crate) subject: Field<StrictText<Subject>>,
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[garde(custom(present), dive)]
    #[schema(
        value_type = String, min_length = 1, max_length = 5_000,
        example = "I received damaged bottles in my last order."
    )]
    pub(crate) message: Field<MessageText>,
    /// `low`, `medium`, `high` or `urgent`, in any case. Absent, null or blank: `medium`.
    #[garde(dive)]
    #[schema(value_type = Option<PrioritySchema>)]
    pub(crate) priority: LenientField<AnyCase<Priority>>,
}

impl CreateTicket {
    /// What a valid request asks for. None if a required field has no value, which the rules rule out.
    pub(crate) fn request(self) -> Option<TicketRequest> {
        Some(TicketRequest {
            details: TicketDetails {
                customer: Customer {
                    name: self.customer_name.good()?.0,
                    phone: self.customer_phone.good()?,
                    email: self.customer_email.good()?,
                },
                subject: self.subject.good()?.0,
                priority: self
                    .priority
                    .good()
                    .map(|AnyCase(priority)| priority)
                    .unwrap_or_default(),
            },
            message: self.message.good()?,
            attachments: Vec::new(),
        })
    }
}
