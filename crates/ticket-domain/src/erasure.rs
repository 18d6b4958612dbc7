//! Personal data: whose it is, and what replaces it after erasure.

use std::str::FromStr;

use crate::{
    Address, Content, Customer, Email, EmailError, Message, MessageBody, Phone, PhoneError, Sender, Ticket,
    ValidationError,
};

/// Identifies a person by e-mail address, phone number or WhatsApp user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// An e-mail address. ASCII case does not matter.
    Email(Email),
    /// A phone number, in any of its [spellings](Phone::spellings).
    Phone(Phone),
    /// A WhatsApp user id.
    UserId(Address),
}

/// Why a text is not a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// It contains `@` and is not an address.
    #[error("{0}")]
    Email(EmailError),
    /// It contains no `@` and is not a number.
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
        } else if let Some(id) = Address::lenient(raw).filter(Address::is_user_id) {
            Ok(Self::UserId(id))
        } else {
            raw.parse().map(Self::Phone).map_err(ContactError::Phone)
        }
    }
}

impl Contact {
    /// Whether it belongs to this customer.
    pub fn is_of(&self, customer: &Customer) -> bool {
        match self {
            Self::Email(email) => email.as_str().eq_ignore_ascii_case(customer.email.as_str()),
            Self::Phone(phone) => phone.is_called_as(&customer.phone),
            Self::UserId(_) => false,
        }
    }
}

/// Replaces erased data. Each constant is a valid value of its type, so that erased rows are read like others; none
/// identifies anyone.
#[derive(Debug, Clone, Copy)]
pub struct Redaction;

impl Redaction {
    /// Replaces names, subjects and texts.
    pub const TEXT: &str = "[erased]";
    /// Replaces phone numbers. Without `+` it never identifies anyone.
    pub const PHONE: &str = "0100000";
    /// Replaces e-mail addresses: the domain never exists (RFC 2606, 2).
    pub const EMAIL: &str = "erased@erased.invalid";

    /// Erases the ticket's personal data and raises its version.
    pub fn ticket(ticket: &mut Ticket) {
        ticket.details = ticket.details.redacted();
        ticket.version += 1;
    }

    /// Erases the message's content, and where it came from unless that is a manager's.
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
    /// Whether the customer was erased. All redactions must be present, because a customer may have entered one of them.
    pub fn is_erased(&self) -> bool {
        self.details == self.details.redacted()
    }
}

impl Message {
    /// Whether it contains nothing to erase.
    pub fn says_nothing(&self) -> bool {
        let is_known = self.from.is_some() && self.sender != Sender::Manager;
        !is_known && self.content.media().is_none() && self.content.body().as_str() == Redaction::TEXT
    }

    /// Whether it was erased while unmatched.
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
        let user_id = "US.13491208655302741918";
        assert_eq!(parsed(user_id), Ok(Contact::UserId(user_id.parse().unwrap())));
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
