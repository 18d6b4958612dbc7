//! Fields of forms, and messages about invalid ones. The rules are the domain's.

use std::str::FromStr;

use ticket_domain::ValidationError;

use crate::{pages::form_data::FormData, validation::FieldError};

/// A field of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FormField {
    /// Its name in the form's data, and the id of its control.
    pub(crate) name: &'static str,
    /// The label of its control.
    pub(crate) label: &'static str,
    /// The subject of a sentence about it.
    pub(crate) called: &'static str,
    /// The message if it is empty. A field without one is optional.
    pub(crate) missing: &'static str,
}

impl FormField {
    pub(crate) const fn new(
        name: &'static str,
        label: &'static str,
        called: &'static str,
        missing: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            called,
            missing,
        }
    }

    pub(crate) const fn is_required(&self) -> bool {
        !self.missing.is_empty()
    }
}

/// A field that is not valid, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidField {
    pub(crate) field: FormField,
    pub(crate) message: String,
}

/// All invalid fields of a form, in the order of its controls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InvalidFields(Vec<InvalidField>);

impl InvalidFields {
    /// The errors of `fields`, in their order.
    pub(crate) fn of(fields: &[FormField], errors: &[FieldError]) -> Self {
        let invalid = fields.iter().filter_map(|field| {
            let error = errors.iter().find(|error| error.field == field.name)?;
            Some(InvalidField {
                field: *field,
                message: message(*field, &error.code, &error.message),
            })
        });
        Self(invalid.collect())
    }

    /// Parses a field. If it is not valid, its error is added.
    pub(crate) fn parse<T: FromStr<Err: ValidationError>>(&mut self, field: FormField, form: &FormData) -> Option<T> {
        match form.get(field.name).parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, message(field, error.code(), &error.to_string()));
                None
            }
        }
    }

    pub(crate) fn add(&mut self, field: FormField, message: impl Into<String>) {
        let message = message.into();
        self.0.push(InvalidField { field, message });
    }

    /// The message about this field.
    pub(crate) fn get(&self, field: FormField) -> Option<&str> {
        let invalid = self.0.iter().find(|invalid| invalid.field == field);
        invalid.map(|invalid| invalid.message.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &InvalidField> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The message about a field. A rule is the second half of a sentence; some have other words here.
fn message(field: FormField, code: &str, rule: &str) -> String {
    match code {
        "required" | "not_allowed" => field.missing.to_owned(),
        "invalid_email" => "That e‑mail address looks incomplete. Example: name@example.com".to_owned(),
        "invalid_phone" => "That phone number looks incomplete. Example: +44 20 7946 0000".to_owned(),
        _ => format!("{} {rule}.", field.called),
    }
}
