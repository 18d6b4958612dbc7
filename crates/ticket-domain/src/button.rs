//! The buttons on messages to managers, and what a tap on one carries.

use std::{fmt::Write as _, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{AccessKeys, Recipient, Ticket, TicketRef, values::string_enum};

string_enum! {
    /// A button on a message to a manager.
    Button {
        /// Marks the ticket as resolved.
        Resolve = "resolve",
        /// Asks for an internal note.
        Note = "note",
        /// Takes back the last answer to the ticket.
        Undo = "undo",
    }
}

impl Button {
    /// The buttons on the notification of a ticket.
    pub const OF_NOTIFICATIONS: [Self; 2] = [Self::Resolve, Self::Note];

    /// Returns what a tap on this button carries: `resolve.T-20250115-1234.` and 64 hexadecimal digits that prove that the
    /// server made it for this ticket, button and recipient. It stays valid as long as the ticket has its keys.
    pub fn payload(self, ticket: &Ticket, recipient: Recipient) -> String {
        let mac = mac(self, ticket.reference, recipient, &ticket.keys);
        format!("{self}.{}.{mac}", ticket.reference)
    }
}

/// A tap on a button, as its payload claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The button.
    pub button: Button,
    /// The ticket.
    pub reference: TicketRef,
    mac: Box<str>,
}

/// The payload is of no button of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the payload of a button")]
pub struct NotATap;

impl FromStr for Tap {
    type Err = NotATap;

    fn from_str(raw: &str) -> Result<Self, NotATap> {
        let mut parts = raw.trim().splitn(3, '.');
        let mut part = || parts.next().ok_or(NotATap);
        Ok(Self {
            button: part()?.parse().map_err(|_| NotATap)?,
            reference: part()?.parse().map_err(|_| NotATap)?,
            mac: part()?.into(),
        })
    }
}

impl Tap {
    /// Whether the server made the payload, for a notification to `recipient` of the ticket that has these keys. Compares in
    /// constant time.
    pub fn is_genuine(&self, recipient: Recipient, keys: &AccessKeys) -> bool {
        let expected = mac(self.button, self.reference, recipient, keys);
        self.mac.as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

/// HMAC-SHA256 in hexadecimal digits, by the key that is in no link of the customer's.
fn mac(button: Button, reference: TicketRef, recipient: Recipient, keys: &AccessKeys) -> String {
    // A block of HMAC is 64 bytes long.
    let mut key = [0; 64];
    key[..32].copy_from_slice(&Sha256::digest(keys.reader.as_str()));
    let mac = Hmac::<Sha256>::new((&key).into())
        .chain_update(format!("button.{button}.{reference}.{recipient}"))
        .finalize();
    mac.into_bytes().iter().fold(String::new(), |mut digits, byte| {
        // Writing to a text does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Status, testing::TicketBuilder};

    #[test]
    fn a_tap_is_of_one_button_ticket_and_recipient() {
        let ticket = TicketBuilder::new("T-20250115-1234").build();
        let other = TicketBuilder::new("T-20250115-1235").build();
        let payload = Button::Resolve.payload(&ticket, Recipient::Manager);
        assert!(payload.starts_with("resolve.T-20250115-1234."), "{payload}");
        // List rows of WhatsApp carry at most 200 characters.
        assert!(payload.len() < 200);
        let tap: Tap = payload.parse().unwrap();
        assert_eq!((tap.button, tap.reference), (Button::Resolve, ticket.reference));
        assert!(tap.is_genuine(Recipient::Manager, &ticket.keys));
        // It outlives every change of the ticket.
        let mut later = ticket.clone();
        (later.status, later.version) = (Status::Closed, 9);
        assert!(tap.is_genuine(Recipient::Manager, &later.keys));

        assert!(!tap.is_genuine(Recipient::Customer, &ticket.keys));
        let (_, mac) = payload.rsplit_once('.').unwrap();
        for forged in [
            format!("note.T-20250115-1234.{mac}"),
            format!("resolve.T-20250115-1235.{mac}"),
            format!("{payload}0"),
            payload[..payload.len() - 1].to_owned(),
            "resolve.T-20250115-1234.".to_owned(),
        ] {
            let tap: Tap = forged.parse().unwrap();
            let keys = if tap.reference == other.reference {
                &other.keys
            } else {
                &ticket.keys
            };
            assert!(!tap.is_genuine(Recipient::Manager, keys), "{forged}");
        }
        for foreign in [
            "",
            "Resolve",
            "resolve",
            "resolve.T-20250115-1234",
            "reopen.T-20250115-1234.0",
            "resolve.x.0",
        ] {
            assert_eq!(foreign.parse::<Tap>(), Err(NotATap), "{foreign}");
        }
    }
}
