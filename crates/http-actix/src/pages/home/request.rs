//! The fields of the form, and the ticket that they describe.

use ticket_domain::TicketRequest;

use crate::{
    pages::{
        form_data::FormData,
        form_field::{FormField, InvalidFields},
    },
    ticket_request::CreateTicket,
    validation::{Field, field_errors},
};

pub(super) const NAME: FormField = FormField::new("customerName", "Name", "Your name", "Please tell us your name.");
pub(super) const PHONE: FormField = FormField::new(
    "customerPhone",
    "Phone",
    "Your phone number",
    "Please enter your phone number.",
);
// With non-breaking hyphens.
pub(super) const EMAIL: FormField = FormField::new(
    "customerEmail",
    "E‑mail",
    "Your e‑mail address",
    "Please enter your e‑mail address.",
);
pub(super) const SUBJECT: FormField = FormField::new(
    "subject",
    "Subject",
    "The subject",
    "Please say in a few words what it’s about.",
);
pub(super) const MESSAGE: FormField =
    FormField::new("message", "Message", "The message", "Please tell us what happened.");
pub(super) const PRIORITY: FormField = FormField::new(
    "priority",
    "How urgent is it?",
    "The urgency",
    "Please choose how urgent it is.",
);
/// A honeypot: people don't see it, but programs fill in every field.
pub(super) const TRAP: FormField = FormField::new("website", "Leave this empty", "This", "");

/// The fields of the ticket, in the order of their controls.
const FIELDS: [FormField; 6] = [SUBJECT, MESSAGE, PRIORITY, NAME, PHONE, EMAIL];

/// Reads a form: the ticket, or all invalid fields.
pub(super) fn read(form: &FormData) -> Result<TicketRequest, InvalidFields> {
    let request = CreateTicket {
        customer_name: Field::parsed(form.get(NAME.name)),
        customer_phone: Field::parsed(form.get(PHONE.name)),
        customer_email: Field::parsed(form.get(EMAIL.name)),
        subject: Field::parsed(form.get(SUBJECT.name)),
        message: Field::parsed(form.get(MESSAGE.name)),
        priority: match form.get(PRIORITY.name) {
            "" => Field::Missing,
            priority => Field::parsed(priority),
        },
    };
    let is_trapped = !form.get(TRAP.name).is_empty();
    let mut invalid = InvalidFields::of(&FIELDS, &field_errors(&request));
    if is_trapped {
        invalid.add(TRAP, "Please empty this field: it helps us stop spam. Then send again.");
    }
    request.request().filter(|_| invalid.is_empty()).ok_or(invalid)
}
