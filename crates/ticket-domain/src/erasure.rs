//! Whose data is given back or erased, and what is left in its place.

use std::str::FromStr;

use crate::{
    Content, Customer, Email, EmailError, Message, MessageBody, Phone, PhoneError, Sender, Ticket, ValidationError,
};

/// By what a person is known: an address or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// An e-mail address. Neither case of ASCII counts.
    Email(Email),
    /// A number. Whether it is written with its `+` does not count.
    Phone(Phone),
}

/// Why a text is no contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// It has an `@` and is no address.
    #[error("{0}")]
    Email(EmailError),
    /// It has none and is no number.
    #[error("{0}; an e-mail address has an @")]
    Phone(PhoneError),
}

impl ValidationError for ContactError {
    fn code(&self) -> &'static str {
        match self {
            Self::Email(error) => error.code(),
            Self::Phone(error) => error.code(),
        }
    }
}

impl FromStr for Contact {
    type Err = ContactError;

    fn from_str(raw: &str) -> Result<Self, ContactError> {
        if raw.contains('@') {
            raw.parse().map(Self::Email).map_err(ContactError::Email)
        } else {
            raw.parse().map(Self::Phone).map_err(ContactError::Phone)
        }
    }
}

impl Contact {
    /// Whether it is this customer's.
    pub fn is_of(&self, customer: &Customer) -> bool {
        match self {
            Self::Email(email) => email.as_str().eq_ignore_ascii_case(customer.email.as_str()),
            Self::Phone(phone) => phone.is_called_as(&customer.phone),
        }
    }
}

/// What stands in the place of everything that was erased. Each is a value of its type, so that what is erased is read as
/// everything else; none leads to anybody.
#[derive(Debug, Clone, Copy)]
pub struct Redaction;

impl Redaction {
    /// In the place of names, subjects and texts.
    pub const TEXT: &str = "[erased]";
    /// In the place of numbers. Without `+` it is never anybody's.
    pub const PHONE: &str = "0100000";
    /// In the place of addresses: a domain that never exists (RFC 2606, 2).
    pub const EMAIL: &str = "erased@erased.invalid";

    /// The ticket without anybody in it, one version later.
    pub fn ticket(ticket: &mut Ticket) {
        ticket.details = ticket.details.redacted();
        ticket.version += 1;
    }

    /// The message without what it said, and without the number that it came from unless that is a manager's.
    pub fn message(message: &mut Message) {
        if let Ok(content) = Content::new(MessageBody::lenient(Self::TEXT), None) {
            message.content = content;
        }
        if message.sender != Sender::Manager {
            message.from = None;
        }
    }
}

impl Ticket {
    /// Whether its customer was erased: nothing that says who it is is left. One of the words alone may be the customer's
    /// own.
    pub fn is_erased(&self) -> bool {
        self.details == self.details.redacted()
    }
}

impl Message {
    /// Whether there is nothing in it to erase.
    pub fn says_nothing(&self) -> bool {
        let is_known = self.from.is_some() && self.sender != Sender::Manager;
        !is_known && self.content.media().is_none() && self.content.body().as_str() == Redaction::TEXT
    }

    /// Whether it waits for its ticket no more, being erased: every other message that is kept has the number that it
    /// came from.
    pub fn is_erased(&self) -> bool {
        self.from.is_none() && self.content.body().as_str() == Redaction::TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn customer(phone: &str, email: &str) -> Customer {
        Customer {
            name: "Zoë".parse().unwrap(),
            phone: phone.parse().unwrap(),
            email: email.parse().unwrap(),
        }
    }

    #[test]
    fn a_contact_is_an_address_or_a_number() {
        let parsed = |raw: &str| raw.parse::<Contact>();
        assert_eq!(
            parsed(" zoe@customer.example "),
            Ok(Contact::Email("zoe@customer.example".parse().unwrap()))
        );
        assert_eq!(
            parsed("00 1 (234) 567-890"),
            Ok(Contact::Phone("+1234567890".parse().unwrap()))
        );
        assert_eq!(parsed("zoe@"), Err(ContactError::Email(EmailError::NotAnAddress)));
        assert_eq!(parsed("zoe"), Err(ContactError::Phone(PhoneError::NotANumber)));
        assert_eq!(parsed(""), Err(ContactError::Phone(PhoneError::Empty)));
    }

    #[test]
    fn a_customer_is_known_by_either() {
        let zoe = customer("1234567890", "Zoe@customer.example");
        for (contact, is_hers) in [
            ("zoe@CUSTOMER.example", true),
            ("zoe@customer.exampl", false),
            ("+1234567890", true),
            ("1234567890", true),
            ("+11234567890", false),
        ] {
            assert_eq!(contact.parse::<Contact>().unwrap().is_of(&zoe), is_hers, "{contact}");
        }
    }

    #[test]
    fn what_is_left_is_read_as_everything_else_and_is_nobodys() {
        let left = testing::details().redacted();
        let texts: Vec<&str> = left.fields().map(|(_, text)| text).collect();
        let [text, phone, email] = [Redaction::TEXT, Redaction::PHONE, Redaction::EMAIL];
        assert_eq!(texts, [text, phone, email, text, "medium"]);
        assert!(!left.customer.phone.is_international());
        assert_eq!(MessageBody::lenient(Redaction::TEXT).as_str(), Redaction::TEXT);
    }
}
