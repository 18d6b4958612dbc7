//! Parses and validates the fields of requests, of JSON and of forms, so that a response lists every invalid field at once.

use std::str::FromStr;

use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use ticket_domain::ValidationError;
use utoipa::ToSchema;

/// One field's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The field, as it is called in the request.
    #[schema(example = "customerEmail")]
    pub(crate) field: String,
    /// A stable word for the fault.
    #[schema(example = "invalid_email")]
    pub(crate) code: String,
    /// The rule, for people.
    #[schema(example = "must be an e-mail address such as name@example.com")]
    pub(crate) message: String,
}

/// All invalid fields of a request.
#[derive(Debug, Default)]
pub(crate) struct ValidationErrors(pub(crate) Vec<FieldError>);

/// What a field holds. Reading one never fails; whether what it holds will do is for its rule to say.
pub(crate) enum Field<T: FromStr> {
    /// Nothing: absent or null.
    Missing,
    /// A number, a list, anything but a text.
    NotText,
    /// A text that its type refuses.
    Bad(T::Err),
    /// A value.
    Good(T),
}

impl<T: FromStr> Field<T> {
    /// The value, if there is one.
    pub(crate) fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Missing | Self::NotText | Self::Bad(_) => None,
        }
    }

    /// The value of a field that [`check`] found to hold one.
    pub(crate) fn checked(self) -> Result<T, ValidationErrors> {
        self.good().ok_or_else(ValidationErrors::default)
    }

    fn read(value: Value, blank_is_missing: bool) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::String(text) if blank_is_missing && text.trim().is_empty() => Self::Missing,
            Value::String(text) => Self::parsed(&text),
            _ => Self::NotText,
        }
    }

    /// What a text holds.
    pub(crate) fn parsed(text: &str) -> Self {
        text.parse().map_or_else(Self::Bad, Self::Good)
    }
}

/// An absent field is a missing one.
impl<T: FromStr> Default for Field<T> {
    fn default() -> Self {
        Self::Missing
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::read(value, false))
    }
}

/// Reads a field whose blank text means that there is none.
pub(crate) fn blank_is_missing<'de, T, D>(deserializer: D) -> Result<Field<T>, D::Error>
where
    T: FromStr,
    D: Deserializer<'de>,
{
    Value::deserialize(deserializer).map(|value| Field::read(value, true))
}

/// A garde rule: the field must hold a value.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes its context so")]
pub(crate) fn required<T: FromStr<Err: ValidationError>>(field: &Field<T>, context: &()) -> garde::Result {
    match field {
        Field::Missing => Err(fault("required", "must be given")),
        other => optional(other, context),
    }
}

/// A garde rule: the field may be missing, and holds a value if it is not.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes its context so")]
pub(crate) fn optional<T: FromStr<Err: ValidationError>>(field: &Field<T>, (): &()) -> garde::Result {
    match field {
        Field::Missing | Field::Good(_) => Ok(()),
        Field::NotText => Err(fault("not_text", "must be a text")),
        Field::Bad(error) => Err(fault(error.code(), error)),
    }
}

/// A garde rule: the field must name something. Whether that exists is found out later.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes its context so")]
pub(crate) fn named<T: FromStr>(field: &Field<T>, (): &()) -> garde::Result {
    match field {
        Field::Missing => Err(fault("required", "must be given")),
        Field::NotText => Err(fault("not_text", "must be a text")),
        Field::Bad(_) | Field::Good(_) => Ok(()),
    }
}

/// Stands between code and message in garde's errors, which have room for one text only.
const BETWEEN: char = '\u{1f}';

/// An error with a code.
pub(crate) fn fault(code: &str, message: impl std::fmt::Display) -> garde::Error {
    garde::Error::new(format!("{code}{BETWEEN}{message}"))
}

/// Walks a request and tells every fault in it, after those that were found `elsewhere`.
pub(crate) fn check<R: Validate<Context = ()>>(
    request: &R,
    elsewhere: impl IntoIterator<Item = FieldError>,
) -> Result<(), ValidationErrors> {
    let mut errors: Vec<FieldError> = elsewhere.into_iter().collect();
    if let Err(report) = request.validate() {
        errors.extend(faults(&report));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ValidationErrors(errors))
}

fn faults(report: &garde::Report) -> impl Iterator<Item = FieldError> {
    report.iter().map(|(path, error)| {
        let text = error.message();
        let (code, message) = text.split_once(BETWEEN).unwrap_or(("invalid", text));
        FieldError {
            field: camel_case(&path.to_string()),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    })
}

/// A field's name as JSON has it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut chars = word.chars();
        name.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(chars.as_str());
        name
    })
}

#[cfg(test)]
mod tests {
    use ticket_domain::Subject;

    use super::*;

    fn kind(json: &str, blank: bool) -> &'static str {
        match Field::<Subject>::read(serde_json::from_str(json).unwrap(), blank) {
            Field::Missing => "missing",
            Field::NotText => "not text",
            Field::Bad(_) => "bad",
            Field::Good(_) => "good",
        }
    }

    #[test]
    fn any_json_value_is_one_of_four_things() {
        for (json, expected, if_blank_is_missing) in [
            ("null", "missing", "missing"),
            ("\"words\"", "good", "good"),
            ("\" \"", "bad", "missing"),
            ("\"\"", "bad", "missing"),
            ("12", "not text", "not text"),
            ("true", "not text", "not text"),
            ("[\"words\"]", "not text", "not text"),
            ("{}", "not text", "not text"),
        ] {
            assert_eq!(
                (kind(json, false), kind(json, true)),
                (expected, if_blank_is_missing),
                "{json}"
            );
        }
    }

    #[test]
    fn names_are_in_camel_case() {
        assert_eq!(camel_case("replied_to_external_id"), "repliedToExternalId");
        assert_eq!(camel_case("from"), "from");
    }
}
