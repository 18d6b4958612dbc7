//! What the form asks for, and what comes of it.

use ticket_domain::{Customer, CustomerName, Priority, StrictText, Subject, TicketDetails, TicketRequest};

use crate::pages::{
    fault::{Field, ValidationErrors},
    form_data::FormData,
};

pub(super) const NAME: Field = Field {
    name: "customerName",
    label: "Name",
    called: "Your name",
    missing: "Please tell us your name.",
};
pub(super) const PHONE: Field = Field {
    name: "customerPhone",
    label: "Phone",
    called: "Your phone number",
    missing: "Please enter your phone number.",
};
// The hyphens are such that no line ends at them.
pub(super) const EMAIL: Field = Field {
    name: "customerEmail",
    label: "E‑mail",
    called: "Your e‑mail address",
    missing: "Please enter your e‑mail address.",
};
pub(super) const SUBJECT: Field = Field {
    name: "subject",
    label: "Subject",
    called: "The subject",
    missing: "Please say in a few words what it is about.",
};
pub(super) const MESSAGE: Field = Field {
    name: "message",
    label: "Message",
    called: "The message",
    missing: "Please write what we can do for you.",
};
pub(super) const PRIORITY: Field = Field {
    name: "priority",
    label: "How urgent is it?",
    called: "The urgency",
    missing: "Please choose how urgent it is.",
};
/// People don't see it. Programs that fill in whatever they find do.
pub(super) const TRAP: Field = Field {
    name: "website",
    label: "Leave this empty",
    called: "This",
    missing: "",
};

/// The ticket that a form asks for, or everything that is wrong with it.
pub(super) fn read(form: &FormData) -> Result<TicketRequest, ValidationErrors> {
    // In the order in which they stand in the form.
    let mut faults = ValidationErrors::default();
    let subject = faults.take::<StrictText<Subject>>(SUBJECT, form);
    let message = faults.take(MESSAGE, form);
    let priority = if form.get(PRIORITY.name).is_empty() {
        Some(Priority::default())
    } else {
        let priority = form.get(PRIORITY.name).parse().ok();
        if priority.is_none() {
            faults.note(PRIORITY, PRIORITY.missing);
        }
        priority
    };
    let name = faults.take::<StrictText<CustomerName>>(NAME, form);
    let phone = faults.take(PHONE, form);
    let email = faults.take(EMAIL, form);
    if !form.get(TRAP.name).is_empty() {
        faults.note(
            TRAP,
            "Please empty this field: it tells people from programs. Then send again.",
        );
    }
    match (name, phone, email, subject, message, priority) {
        (
            Some(StrictText(name)),
            Some(phone),
            Some(email),
            Some(StrictText(subject)),
            Some(message),
            Some(priority),
        ) if faults.is_empty() => Ok(TicketRequest {
            details: TicketDetails {
                customer: Customer { name, phone, email },
                subject,
                priority,
            },
            message,
        }),
        _ => Err(faults),
    }
}
