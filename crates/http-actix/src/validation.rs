//! Fields of a request, from JSON or a form. Each is parsed on its own, so that one response lists all errors.

use std::{convert::Infallible, str::FromStr};

use garde::{Path, Report, Validate};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};
use ticket_domain::{TicketRef, ValidationError};
use utoipa::ToSchema;

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The name of the field in the request.
    #[schema(example = "customerEmail")]
    pub(crate) field: String,
    /// A stable word for the error.
    #[schema(example = "invalid_email")]
    pub(crate) code: String,
    /// The rule, for readers.
    #[schema(example = "must be an e-mail address such as name@example.com")]
    pub(crate) message: String,
}

/// The content of a field. Reading it never fails; garde reports errors. `BLANK_IS_MISSING`: whether a blank
/// text counts as absent.
pub(crate) enum Field<T: FromStr, const BLANK_IS_MISSING: bool = false> {
    /// Absent or null.
    Missing,
    /// A boolean, a list, anything but a text or a number.
    NotText,
    /// A text that its type rejects.
    Bad(T::Err),
    /// A value.
    Good(T),
}

/// A field whose blank text counts as absent.
pub(crate) type LenientField<T> = Field<T, true>;

impl<T: FromStr, const BLANK_IS_MISSING: bool> Field<T, BLANK_IS_MISSING> {
    /// The value, if there is one.
    pub(crate) fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Missing | Self::NotText | Self::Bad(_) => None,
        }
    }

    /// Parses a text.
    pub(crate) fn parsed(text: &str) -> Self {
        text.parse().map_or_else(Self::Bad, Self::Good)
    }

    /// Whether it is absent or null, or blank where that counts as absent.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Reads a JSON value.
    pub(crate) fn read(value: &Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::String(text) if BLANK_IS_MISSING && text.trim().is_empty() => Self::Missing,
            Value::String(text) => Self::parsed(text),
            Value::Number(number) if is_exact(number) => Self::parsed(&number.to_string()),
            _ => Self::NotText,
        }
    }
}

/// Whether a number still has the digits that it was written with. Larger ones were rounded.
fn is_exact(number: &Number) -> bool {
    /// 2⁵³, below which a double has every whole number.
    const SAFE: f64 = 9_007_199_254_740_992.0;
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.abs() < SAFE)
}

/// An absent field is a missing one.
impl<T: FromStr, const BLANK_IS_MISSING: bool> Default for Field<T, BLANK_IS_MISSING> {
    fn default() -> Self {
        Self::Missing
    }
}

impl<'de, T: FromStr, const BLANK_IS_MISSING: bool> Deserialize<'de> for Field<T, BLANK_IS_MISSING> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An option, so that serde reads a field that is not there as none, without an attribute.
        let value = Option::<Value>::deserialize(deserializer)?;
        Ok(value.map_or(Self::Missing, |value| Self::read(&value)))
    }
}

/// The rule behind garde's `dive`: a field that is given holds a value of its type.
///
/// The report's path leads through the field to the code, such as `customer_email.invalid_email`.
impl<T: FromStr<Err: ValidationError>, const BLANK_IS_MISSING: bool> Validate for Field<T, BLANK_IS_MISSING> {
    type Context = ();

    fn validate_into(&self, (): &(), field: &mut dyn FnMut() -> Path, report: &mut Report) {
        let (code, error) = match self {
            Self::Missing | Self::Good(_) => return,
            Self::NotText => ("not_text", garde::Error::new("must be a text")),
            Self::Bad(error) => (error.code(), garde::Error::new(error)),
        };
        report.append(field().join(code), error);
    }
}

/// The code of a missing field. Rules for this, such as [`present`], report at the path of the field itself.
const MISSING: &str = "required";

/// A garde rule: the field is given.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes its context so")]
pub(crate) fn present<T: FromStr, const BLANK_IS_MISSING: bool>(
    field: &Field<T, BLANK_IS_MISSING>,
    (): &(),
) -> garde::Result {
    match field {
        Field::Missing => Err(garde::Error::new("must be given")),
        Field::NotText | Field::Bad(_) | Field::Good(_) => Ok(()),
    }
}

/// Validates a request. The errors come in the order of its fields; none if it is valid.
pub(crate) fn field_errors<R: Validate<Context = ()>>(request: &R) -> Vec<FieldError> {
    let report = request.validate().err();
    let errors = report.iter().flat_map(Report::iter);
    errors
        .map(|(path, error)| {
            let path = path.to_string();
            let (field, code) = path.split_once('.').unwrap_or((&path, MISSING));
            FieldError {
                field: camel_case(field),
                code: code.to_owned(),
                message: error.message().to_owned(),
            }
        })
        .collect()
}

/// A field's name in JSON.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut chars = word.chars();
        name.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(chars.as_str());
        name
    })
}

/// A ticket reference, or another text: no ticket has it, so it is not an error of the field.
pub(crate) struct AnyReference(pub(crate) Option<TicketRef>);

impl FromStr for AnyReference {
    type Err = Infallible;

    fn from_str(raw: &str) -> Result<Self, Infallible> {
        Ok(Self(raw.parse().ok()))
    }
}

/// A word in upper or lower case.
pub(crate) struct AnyCase<T>(pub(crate) T);

impl<T: FromStr> FromStr for AnyCase<T> {
    type Err = T::Err;

    fn from_str(raw: &str) -> Result<Self, T::Err> {
        raw.trim().to_lowercase().parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use ticket_domain::{Email, Subject};

    use super::*;

    fn kind<const BLANK_IS_MISSING: bool>(json: &str) -> &'static str {
        match serde_json::from_str(json).unwrap() {
            Field::<Subject, BLANK_IS_MISSING>::Missing => "missing",
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
            ("12", "good", "good"),
            ("-1.5", "good", "good"),
            ("18446744073709551615", "good", "good"),
            ("18446744073709551616", "not text", "not text"),
            ("true", "not text", "not text"),
            ("[\"words\"]", "not text", "not text"),
            ("{}", "not text", "not text"),
        ] {
            assert_eq!(
                (kind::<false>(json), kind::<true>(json)),
                (expected, if_blank_is_missing),
                "{json}"
            );
        }
    }

    #[derive(Validate)]
    struct Request {
        #[garde(custom(present), dive)]
        customer_email: Field<Email>,
        #[garde(dive)]
        subject: Field<Subject>,
    }

    fn errors(customer_email: Field<Email>, subject: Field<Subject>) -> Vec<(String, String, String)> {
        let request = Request {
            customer_email,
            subject,
        };
        let errors = field_errors(&request).into_iter();
        errors.map(|error| (error.field, error.code, error.message)).collect()
    }

    #[test]
    fn an_error_names_the_field_the_code_and_the_rule() {
        let error = |field: &str, code: &str, message: &str| (field.to_owned(), code.to_owned(), message.to_owned());
        assert_eq!(
            errors(Field::parsed("john.example.com"), Field::NotText),
            [
                error(
                    "customerEmail",
                    "invalid_email",
                    "must be an e-mail address such as name@example.com"
                ),
                error("subject", "not_text", "must be a text"),
            ]
        );
        assert_eq!(
            errors(Field::Missing, Field::Missing),
            [error("customerEmail", "required", "must be given")]
        );
        assert_eq!(errors(Field::parsed("john@example.com"), Field::parsed("Bottles")), []);
    }

    #[test]
    fn names_are_in_camel_case() {
        assert_eq!(camel_case("replied_to_external_id"), "repliedToExternalId");
        assert_eq!(camel_case("from"), "from");
    }
}
