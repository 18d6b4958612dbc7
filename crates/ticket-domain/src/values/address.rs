//! Who sent a message, as another system names them.

use std::str::FromStr;

use super::{Email, Phone, redacted_debug, text_value};
use crate::{Customer, sanitize};

/// Where a message came from: a phone number, a WhatsApp user id such as `US.13491208655302741918`, an e-mail address, or
/// an id that only the other system can read, such as `103000000000001@lid`. Phone numbers have the form of [`Phone`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(Box<str>);

/// Why a stored text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no text.
    #[error("must not be empty")]
    Empty,
    /// More than 254 characters.
    #[error("must be at most {} characters long", Address::MAX)]
    TooLong,
    /// NUL or another control character.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl Address {
    /// The most characters that are kept, which is what an e-mail address may have. WhatsApp's user ids have up to 131.
    pub const MAX: usize = Email::MAX;

    /// Makes an address of anything: without `whatsapp:` before it, without control characters and invisible ones, and
    /// cut if it is too long. `None` if nothing is left.
    pub fn lenient(raw: &str) -> Option<Self> {
        const SCHEME: &str = "whatsapp:";
        let is_seen = |c: &char| !c.is_control() && !sanitize::is_invisible(*c);
        let seen: String = raw.chars().filter(is_seen).collect();
        let seen = seen.trim();
        let bare = match seen.split_at_checked(SCHEME.len()) {
            Some((scheme, bare)) if scheme.eq_ignore_ascii_case(SCHEME) => bare.trim_start(),
            _ => seen,
        };
        if let Ok(phone) = bare.parse::<Phone>() {
            return Some(phone.into());
        }
        let kept: String = bare.chars().take(Self::MAX).collect();
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// Whether it has the form of WhatsApp's user ids: a country code, a dot, and up to 128 letters and digits.
    pub fn is_user_id(&self) -> bool {
        self.0.split_once('.').is_some_and(|(country, id)| {
            let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
            is_country && (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    }

    /// The phone number, if it is one.
    pub fn phone(&self) -> Option<Phone> {
        self.0.parse().ok()
    }

    /// What addresses of the same person have in common; `None` for a number without country code, which many people
    /// share.
    pub fn canonical(&self) -> Option<Self> {
        match (self.phone(), self.0.parse::<Email>()) {
            (Some(phone), _) => phone.is_international().then(|| phone.canonical().into()),
            (None, Ok(_)) => Some(Self(self.0.to_ascii_lowercase().into())),
            (None, Err(_)) => Some(self.clone()),
        }
    }

    /// Whether both identify the same person.
    pub fn identifies(&self, other: &Self) -> bool {
        self.canonical().is_some_and(|known| other.canonical() == Some(known))
    }
}

impl From<Phone> for Address {
    fn from(phone: Phone) -> Self {
        Self(phone.as_str().into())
    }
}

impl From<Email> for Address {
    fn from(email: Email) -> Self {
        Self(email.as_str().into())
    }
}

/// Reads a stored address.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(raw: &str) -> Result<Self, AddressError> {
        if raw.is_empty() {
            Err(AddressError::Empty)
        } else if raw.chars().nth(Self::MAX).is_some() {
            Err(AddressError::TooLong)
        } else if raw.contains(char::is_control) {
            Err(AddressError::ControlCharacter)
        } else {
            Ok(Self(raw.into()))
        }
    }
}

redacted_debug!(Address);
text_value!(Address);

/// Every address that is known to be one person's. Nothing is known of a person without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person(Vec<Address>);

impl Person {
    /// The person of these addresses.
    pub fn new(addresses: impl IntoIterator<Item = Address>) -> Self {
        Self(addresses.into_iter().collect())
    }

    /// Whether this address is theirs.
    pub fn has(&self, address: &Address) -> bool {
        self.0.iter().any(|own| own.identifies(address))
    }

    /// Whether they are this customer, by number or e-mail address.
    pub fn is(&self, customer: &Customer) -> bool {
        self.has(&customer.phone.clone().into()) || self.has(&customer.email.clone().into())
    }

    /// Their number with its country code, as it was given.
    pub fn number(&self) -> Option<&Address> {
        let is_number = |address: &&Address| address.phone().is_some_and(|phone| phone.is_international());
        self.0.iter().find(is_number)
    }

    /// Their canonical numbers.
    pub fn numbers(&self) -> impl Iterator<Item = Phone> {
        let numbers = self.0.iter().filter_map(Address::phone);
        numbers.filter(Phone::is_international).map(|phone| phone.canonical())
    }

    /// Every address that messages of theirs may come from: numbers in each of their spellings.
    pub fn spellings(&self) -> Vec<Address> {
        let spellings = self
            .0
            .iter()
            .flat_map(|own| match own.phone().filter(Phone::is_international) {
                Some(phone) => phone
                    .spellings()
                    .into_iter()
                    .filter(Phone::is_international)
                    .map(Address::from)
                    .collect(),
                None => vec![own.clone()],
            });
        let mut addresses: Vec<Address> = spellings.collect();
        addresses.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        addresses.dedup();
        addresses
    }

    /// The one address under which a person is known: their number if there is one, otherwise another.
    pub fn key(&self) -> Option<Address> {
        let numbers = self.0.iter().filter(|own| own.phone().is_some());
        numbers.chain(&self.0).find_map(Address::canonical)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_sender_has_an_address_but_a_blank_one() {
        let long = "x".repeat(Address::MAX);
        for (raw, expected) in [
            ("whatsapp:+91 96557-16000", Some("+919655716000")),
            (" WhatsApp: 0049.30.1234567", Some("+49301234567")),
            ("15550000001", Some("15550000001")),
            ("whatsapp:US.13491208655302741918", Some("US.13491208655302741918")),
            ("103000000000001@lid", Some("103000000000001@lid")),
            ("messenger:1234", Some("messenger:1234")),
            ("\u{202a}Jane@example.com\u{202c}\u{7}", Some("Jane@example.com")),
            ("山田", Some("山田")),
            (&format!("{long}yz"), Some(&*long)),
            ("", None),
            (" \u{200b}\0", None),
            ("whatsapp: ", None),
        ] {
            let address = Address::lenient(raw);
            assert_eq!(address.as_ref().map(Address::as_str), expected, "{raw:?}");
        }
    }

    #[test]
    fn an_address_identifies_one_person() {
        let address = |raw: &str| Address::lenient(raw).unwrap();
        for (one, other, expected) in [
            ("+1 234 567 890", "whatsapp:+1234567890", true),
            ("+55 11 8765-4321", "+55 11 98765-4321", true),
            ("US.134", "whatsapp:US.134", true),
            ("US.134", "US.135", false),
            ("Jane@example.com", "jane@EXAMPLE.com", true),
            ("1@lid", "1@LID", false),
            // Without its country code a number is nobody's.
            ("1234567890", "1234567890", false),
            ("+1234567890", "1234567890", false),
        ] {
            assert_eq!(address(one).identifies(&address(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_person_is_known_by_a_number_if_there_is_one() {
        let key = |addresses: &[&str]| {
            let person = Person::new(addresses.iter().filter_map(|raw| Address::lenient(raw)));
            person.key().map(|key| key.to_string())
        };
        assert_eq!(key(&["US.134", "+1234567890"]).as_deref(), Some("+1234567890"));
        assert_eq!(key(&["1234567890", "US.134"]).as_deref(), Some("US.134"));
        assert_eq!(key(&["1234567890"]), None);
        assert_eq!(key(&[]), None);
    }

    proptest! {
        #[test]
        fn what_lenient_makes_is_read_again_and_stays(raw in any::<String>()) {
            if let Some(address) = Address::lenient(&raw) {
                prop_assert_eq!(&address.as_str().parse::<Address>().unwrap(), &address);
            }
        }
    }
}
