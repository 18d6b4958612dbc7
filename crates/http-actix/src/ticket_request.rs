//! The request to open a ticket, as the API and the form send it.

use garde::Validate;
use serde::Deserialize;
use ticket_domain::{
    Customer, CustomerName, Email, MessageText, Phone, Priority, StrictText, Subject, TicketDetails, TicketRequest,
};
use utoipa::ToSchema;

use crate::validation::{Field, FieldError, ValidationErrors, check, optional, required};

/// What a customer sends in. Texts are trimmed first, and CR LF becomes LF. Lengths count characters. A line of which
/// nothing can be seen counts as missing.
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
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "John Doe")]
    pub(crate) customer_name: Field<StrictText<CustomerName>>,
    /// 7–15 digits, with or without `+`, once spaces, dots, dashes and brackets are taken away. A leading `00` becomes
    /// `+`.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, example = "+1234567890")]
    pub(crate) customer_phone: Field<Phone>,
    /// An address of at most 254 characters.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, format = "email", max_length = 254, example = "john@example.com")]
    pub(crate) customer_email: Field<Email>,
    /// One line of 1–200 characters.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "Product Quality Issue")]
    pub(crate) subject: Field<StrictText<Subject>>,
    /// 1–5,000 characters. Line breaks and tabs are welcome.
    #[serde(default)]
    #[garde(custom(required))]
    #[schema(
        value_type = String, required = true, min_length = 1, max_length = 5_000,
        example = "I received damaged bottles in my last order."
    )]
    pub(crate) message: Field<MessageText>,
    /// `low`, `medium`, `high` or `urgent`. Absent or null: `medium`.
    #[serde(default)]
    #[garde(custom(optional))]
    #[schema(value_type = Option<crate::api::schemas::PriorityWord>, required = false, example = "high")]
    pub(crate) priority: Field<Priority>,
}

impl CreateTicket {
    /// The valid request.
    ///
    /// # Errors
    /// Every invalid field at once, after `more`.
    pub(crate) fn validated(self, more: Option<FieldError>) -> Result<TicketRequest, ValidationErrors> {
        check(&self, more)?;
        Ok(TicketRequest {
            details: TicketDetails {
                customer: Customer {
                    name: self.customer_name.checked()?.0,
                    phone: self.customer_phone.checked()?,
                    email: self.customer_email.checked()?,
                },
                subject: self.subject.checked()?.0,
                priority: self.priority.good().unwrap_or_default(),
            },
            message: self.message.checked()?,
        })
    }
}
