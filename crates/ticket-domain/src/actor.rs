//! Actors: who made a change.

use std::{fmt, str::FromStr};

use crate::{ActorKind, UnknownWord, ValidationError};

/// An operator's name: 1–40 bytes of letters and digits of any script, `.`, `-` and `_`. It is stored inline, so that
/// [`AuditStamp`](crate::AuditStamp) is `Copy`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OperatorName {
    bytes: [u8; OperatorName::MAX],
    length: usize,
}

impl OperatorName {
    /// Maximum length in bytes of UTF-8.
    pub const MAX: usize = 40;

    /// The name itself.
    pub fn as_str(&self) -> &str {
        // The bytes were copied from a valid text.
        str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Debug for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why a name is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperatorNameError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// More than [`OperatorName::MAX`] bytes.
    #[error("must be at most {} bytes long", OperatorName::MAX)]
    TooLong,
    /// Something other than letters, digits, `.`, `-` and `_`.
    #[error("must consist of letters, digits, '.', '-' and '_'")]
    NotAllowed,
}

impl ValidationError for OperatorNameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl FromStr for OperatorName {
    type Err = OperatorNameError;

    fn from_str(raw: &str) -> Result<Self, OperatorNameError> {
        let name = raw.trim();
        if name.is_empty() {
            return Err(OperatorNameError::Empty);
        }
        if !name.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c)) {
            return Err(OperatorNameError::NotAllowed);
        }
        let mut bytes = [0; Self::MAX];
        let place = bytes.get_mut(..name.len()).ok_or(OperatorNameError::TooLong)?;
        place.copy_from_slice(name.as_bytes());
        Ok(Self {
            bytes,
            length: name.len(),
        })
    }
}

/// Who makes a change. The caller of a use case passes it, and the audit log records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A ticket's customer.
    Customer,
    /// A manager who replied from their phone.
    Manager,
    /// Someone with an operator token, with the token's name if it has one, or someone at the command line.
    Operator(Option<OperatorName>),
    /// The server itself, such as its retention job.
    Program,
}

impl Actor {
    /// The kind of actor.
    pub fn kind(self) -> ActorKind {
        match self {
            Self::Customer => ActorKind::Customer,
            Self::Manager => ActorKind::Manager,
            Self::Operator(_) => ActorKind::Operator,
            Self::Program => ActorKind::Program,
        }
    }

    /// The actor's name, if the actor is an operator who has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Operator(Some(name)) => Some(name.as_str()),
            Self::Operator(None) | Self::Customer | Self::Manager | Self::Program => None,
        }
    }
}

/// An actor without a name.
impl From<ActorKind> for Actor {
    fn from(kind: ActorKind) -> Self {
        match kind {
            ActorKind::Customer => Self::Customer,
            ActorKind::Manager => Self::Manager,
            ActorKind::Operator => Self::Operator(None),
            ActorKind::Program => Self::Program,
        }
    }
}

/// The stored text: the kind, then a colon and the name if there is one.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        self.name().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

/// Why a stored text is not an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// The kind is unknown.
    #[error(transparent)]
    Kind(#[from] UnknownWord),
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] OperatorNameError),
}

impl FromStr for Actor {
    type Err = ActorError;

    fn from_str(raw: &str) -> Result<Self, ActorError> {
        let operator = raw.strip_prefix(ActorKind::Operator.as_str());
        match operator.and_then(|rest| rest.strip_prefix(':')) {
            Some(name) => Ok(Self::Operator(Some(name.parse()?))),
            None => Ok(raw.parse::<ActorKind>()?.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::actors;

    #[test]
    fn every_actor_reads_back() {
        for actor in actors() {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert_eq!(Actor::Operator(None).to_string(), "operator");
        assert_eq!(Actor::Operator("Zoë".parse().ok()).to_string(), "operator:Zoë");
        for wrong in ["", "Operator", "operator:", "operator:a b", "customer:zoe"] {
            assert!(wrong.parse::<Actor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_short_and_plain() {
        let name = |raw: &str| raw.parse::<OperatorName>().map(|name| name.as_str().to_owned());
        assert_eq!(name(" Zoë_M.-1 "), Ok("Zoë_M.-1".to_owned()));
        assert_eq!(name(&"ü".repeat(20)), Ok("ü".repeat(20)));
        assert_eq!(name(&"ü".repeat(21)), Err(OperatorNameError::TooLong));
        assert_eq!(name(" "), Err(OperatorNameError::Empty));
        for wrong in ["a b", "a:b", "a,b", "a\nb", "<b>", "a\u{202e}b"] {
            assert_eq!(name(wrong), Err(OperatorNameError::NotAllowed), "{wrong}");
        }
    }
}
