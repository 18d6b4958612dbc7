//! Whether a column holds what the domain accepts, and would write just so.

use std::{
    error::Error,
    fmt::{self, Display, Write as _},
    str::FromStr,
};

use ticket_domain::{NotAReference, TicketRef, ports::StoreError};

use crate::rows::{attachment_list, attachments};

/// A column whose values are those of a type of the domain.
pub(super) trait Check<T> {
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError>;
}

/// A stored text that its type would write differently, such as one with a blank at its end.
#[derive(Debug, thiserror::Error)]
#[error("would be written differently")]
struct WrittenDifferently;

impl<T> Check<T> for String
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Display,
{
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError> {
        let value: T = self
            .parse()
            .map_err(|error| StoreError::corrupt(table, column, error))?;
        let mut rest = Rest(self);
        if write!(rest, "{value}").is_ok() && rest.0.is_empty() {
            Ok(())
        } else {
            Err(StoreError::corrupt(table, column, WrittenDifferently))
        }
    }
}

impl<T> Check<T> for i64
where
    T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
{
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError> {
        let number = T::try_from(*self).map(drop);
        number.map_err(|error| StoreError::corrupt(table, column, error))
    }
}

impl<T, V: Check<T>> Check<T> for Option<V> {
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError> {
        self.as_ref().map_or(Ok(()), |value| value.check(table, column))
    }
}

/// A message's files.
pub(super) struct AttachmentList;

impl Check<AttachmentList> for String {
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError> {
        if attachment_list(&attachments(Some(self))?)? == *self {
            Ok(())
        } else {
            Err(StoreError::corrupt(table, column, WrittenDifferently))
        }
    }
}

/// A SHA-256 digest.
pub(super) struct Digest;

impl Check<Digest> for Vec<u8> {
    fn check(&self, table: &'static str, column: &'static str) -> Result<(), StoreError> {
        let digest = <&[u8; 32]>::try_from(self.as_slice()).map(drop);
        digest.map_err(|error| StoreError::corrupt(table, column, error))
    }
}

/// What of a text has not been written yet.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// A text that no type owns. Not every store can keep a NUL.
pub(super) struct AnyText(String);

/// A NUL character.
#[derive(Debug, thiserror::Error)]
#[error("must not contain a NUL character")]
pub(super) struct ContainsNul;

impl FromStr for AnyText {
    type Err = ContainsNul;

    fn from_str(text: &str) -> Result<Self, ContainsNul> {
        if text.contains('\0') {
            return Err(ContainsNul);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Display for AnyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// References of tickets, with a blank between two.
pub(super) struct Choices(Vec<TicketRef>);

impl FromStr for Choices {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        text.split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, reference) in self.0.iter().enumerate() {
            let blank = if at > 0 { " " } else { "" };
            write!(f, "{blank}{reference}")?;
        }
        Ok(())
    }
}
