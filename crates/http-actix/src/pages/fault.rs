//! What is wrong with a field, in words for whoever fills it in. The rules themselves are the domain's.

use std::str::FromStr;

use ticket_domain::ValidationError;

use crate::pages::form_data::FormData;

/// A field of a form, as people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// What it is called in the form's data, and the id of its control.
    pub(crate) name: &'static str,
    /// What stands above it.
    pub(crate) label: &'static str,
    /// What a sentence about it begins with.
    pub(crate) called: &'static str,
    /// What is said if nothing was filled in.
    pub(crate) missing: &'static str,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: Field,
    pub(crate) words: String,
}

/// Everything that is wrong with a form, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ValidationErrors(Vec<FieldError>);

impl ValidationErrors {
    /// Reads a field. What is wrong with it is noted.
    pub(crate) fn take<T: FromStr<Err: ValidationError>>(&mut self, field: Field, form: &FormData) -> Option<T> {
        match form.get(field.name).parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(field, words(field, &error));
                None
            }
        }
    }

    pub(crate) fn note(&mut self, field: Field, words: impl Into<String>) {
        let words = words.into();
        self.0.push(FieldError { field, words });
    }

    /// What is wrong with this field.
    pub(crate) fn of(&self, field: Field) -> Option<&str> {
        let fault = self.0.iter().find(|fault| fault.field == field);
        fault.map(|fault| fault.words.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A rule's own words are a sentence's second half. Some rules are better put otherwise to somebody who fills in a form.
pub(crate) fn words(field: Field, error: &dyn ValidationError) -> String {
    match error.code() {
        "required" => field.missing.to_owned(),
        "invalid_email" => "This is not a whole e‑mail address. One looks like name@example.com.".to_owned(),
        "invalid_phone" => "This is not a phone number. One looks like +44 20 7946 0000.".to_owned(),
        "control_character" => format!(
            "{} holds characters that can't be shown. Please type it again rather than paste it.",
            field.called
        ),
        _ => format!("{} {error}.", field.called),
    }
}
