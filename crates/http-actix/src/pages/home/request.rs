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

pub(super) const NAME: FormField = FormField {
    name: "customerName",
    label: "Name",
    called: "Your name",
    missing: "Please tell us your name.",
};
pub(super) const PHONE: FormField = FormField {
    name: "customerPhone",
    label: "Phone",
    called: "Your phone number",
    missing: "Please enter your phone number.",
};
// With non-breaking hyphens.
pub(super) const EMAIL: FormField = FormField {
    name: "customerEmail",
    label: "E‑mail",
    called: "Your e‑mail address",
    missing: "Please enter your e‑mail address.",
};
pub(super) const SUBJECT: FormField = FormField {
    name: "subject",
    label: "Subject",
    called: "The subject",
    missing: "Please say in a few words what it is about.",
};
pub(super) const MESSAGE: FormField = FormField {
    name: "message",
    label: "Message",
    called: "The message",
    missing: "Please write what we can do for you.",
};
pub(super) const PRIORITY: FormField = FormField {
    name: "priority",
    label: "How urgent is it?",
    called: "The urgency",
    missing: "Please choose how urgent it is.",
};
/// A honeypot: people don't see it, but programs fill in every field.
pub(super) const TRAP: FormField = FormField {
    name: "website",
    label: "Leave this empty",
    called: "This",
    missing: "",
};

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
        invalid.add(
            TRAP,
            "Please empty this field: it tells people from programs. Then send again.",
        );
    }
    request.request().filter(|_| invalid.is_empty()).ok_or(invalid)
}
