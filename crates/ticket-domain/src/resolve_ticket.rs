//! Which ticket a message belongs to, and who is speaking: certain, or not at all.

use crate::{Address, Person, Sender, Ticket};

/// The addresses of the people who answer tickets.
#[derive(Debug, Clone, Default)]
pub struct Managers {
    addresses: Vec<Address>,
    are_asked: bool,
}

impl Managers {
    /// These numbers or WhatsApp user ids. Only numbers with their country code ever match.
    pub fn new(addresses: Vec<Address>) -> Self {
        Self {
            addresses,
            are_asked: true,
        }
    }

    /// These addresses, which nobody chose: whoever writes from them is a manager, and is told nothing of any ticket.
    pub fn only_recognised(addresses: Vec<Address>) -> Self {
        Self {
            addresses,
            are_asked: false,
        }
    }

    /// Whether one of them is given by something else than a number.
    pub fn have_user_ids(&self) -> bool {
        self.addresses.iter().any(|address| address.phone().is_none())
    }

    /// Whether this is one of them.
    pub fn include(&self, person: &Person) -> bool {
        self.addresses.iter().any(|manager| person.has(manager))
    }

    /// Where to send questions to a person: to a number if one is known, since WhatsApp doesn't deliver to a user id. `None`
    /// if they are none of these, or are not asked.
    pub fn asked_at(&self, person: &Person) -> Option<Address> {
        let mut own = self.addresses.iter().filter(|manager| person.has(manager));
        let first = own.clone().next().filter(|_| self.are_asked)?;
        let number = own
            .find(|address| address.phone().is_some())
            .or_else(|| person.number());
        Some(number.unwrap_or(first).clone())
    }
}

/// What one hint at a ticket led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// There is no such hint, or it says nothing.
    None,
    /// It is a reference that no ticket has.
    NoSuchTicket,
    /// It names this ticket.
    Ticket(Box<Ticket>),
}

/// What the references in a message's text led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// None, or exactly one.
    One(Match),
    /// Two or more different ones.
    Several,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketMatch {
    /// This ticket, and its writer is this to it.
    Certain(Box<Ticket>, Sender),
    /// Nothing names a ticket, or what does is at odds.
    Uncertain,
    /// A ticket was named that does not exist.
    NotFound,
}

/// Weighs what is known: `named` by the caller, `quoted` by the writer, and what stands `in_text`.
///
/// Managers choose freely. A quote or a text from the ticket's own customer names that customer's ticket only; from
/// anyone else it names nothing, and neither does a text from an e-mail address, which anybody can write as. The caller's
/// word counts for everybody: a stranger is heard as an agent.
pub fn resolve_ticket(
    from: &Person,
    managers: &Managers,
    named: Match,
    quoted: Match,
    in_text: TextMatch,
) -> TicketMatch {
    let is_manager = managers.include(from);
    let may_name = |ticket: &Ticket| is_manager || from.is(&ticket.details.customer);
    let certain = |ticket: Box<Ticket>| {
        let sender = if is_manager {
            Sender::Manager
        } else if from.is(&ticket.details.customer) {
            Sender::Customer
        } else {
            Sender::Agent
        };
        TicketMatch::Certain(ticket, sender)
    };

    // A quoted id that nobody knows tells nothing, and neither does a quote by somebody who may not name that ticket.
    let quoted = match quoted {
        Match::Ticket(ticket) if may_name(&ticket) => Some(ticket),
        _ => None,
    };
    match (named, quoted, in_text) {
        (Match::NoSuchTicket, _, _) => TicketMatch::NotFound,
        (Match::Ticket(named), Some(quoted), _) if named.id != quoted.id => TicketMatch::Uncertain,
        (Match::Ticket(ticket), _, _) | (Match::None, Some(ticket), _) => certain(ticket),
        (Match::None, None, TextMatch::One(Match::Ticket(ticket)))
            if is_manager || from.has(&ticket.details.customer.phone.clone().into()) =>
        {
            certain(ticket)
        }
        (Match::None, None, TextMatch::One(Match::NoSuchTicket)) if is_manager => TicketMatch::NotFound,
        (Match::None, None, _) => TicketMatch::Uncertain,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        TicketId, TicketRef,
        testing::{TicketBuilder, moment},
    };

    const MANAGER: &str = "+919655716000";
    const CUSTOMER_OF_A: &str = "+1111111111";
    const CUSTOMER_OF_B: &str = "+2222222222";
    const STRANGER: &str = "+3333333333";

    fn ticket(name: u8, phone: &str) -> Box<Ticket> {
        let reference = TicketRef::draw(moment().date(), 4, u64::from(name) << 56);
        let ticket = TicketBuilder::with_id(TicketId(Uuid::from_bytes([name; 16])), reference);
        Box::new(ticket.customer_phone(phone).build())
    }

    /// A clue in one letter: a ticket `A`, `B` or `L` (whose customer left a number without country code), `?` for a
    /// reference that does not exist, `-` for none, `*` for several.
    fn clue(letter: char) -> Match {
        match letter {
            '-' => Match::None,
            '?' => Match::NoSuchTicket,
            'A' => Match::Ticket(ticket(b'A', CUSTOMER_OF_A)),
            'B' => Match::Ticket(ticket(b'B', CUSTOMER_OF_B)),
            'L' => Match::Ticket(ticket(b'L', "4444444444")),
            other => unreachable!("{other}"),
        }
    }

    fn decide(from: &str, clues: &str) -> String {
        let managers = Managers::new(vec!["+15550000000".parse().unwrap(), MANAGER.parse().unwrap()]);
        let mut letters = clues.chars();
        let mut next = || letters.next().unwrap();
        let (named, quoted) = (clue(next()), clue(next()));
        let in_text = match next() {
            '*' => TextMatch::Several,
            letter => TextMatch::One(clue(letter)),
        };
        let from = Person::new(Address::lenient(from));
        match resolve_ticket(&from, &managers, named, quoted, in_text) {
            TicketMatch::Certain(ticket, sender) => format!("{} {sender}", char::from(ticket.id.0.as_bytes()[0])),
            TicketMatch::Uncertain => "not named".into(),
            TicketMatch::NotFound => "not found".into(),
        }
    }

    #[test]
    fn the_table_of_cases() {
        // Clues in the order: named by the caller, quoted, in the text.
        for (from, clues, expected) in [
            // The caller names it: whoever writes.
            (MANAGER, "A--", "A manager"),
            (CUSTOMER_OF_A, "A--", "A customer"),
            (CUSTOMER_OF_B, "A--", "A agent"),
            (STRANGER, "A--", "A agent"),
            (MANAGER, "?--", "not found"),
            (STRANGER, "?--", "not found"),
            (MANAGER, "?A-", "not found"),
            (MANAGER, "?-A", "not found"),
            (MANAGER, "A-B", "A manager"),
            (MANAGER, "A-*", "A manager"),
            (MANAGER, "A-?", "A manager"),
            // A quote.
            (MANAGER, "-A-", "A manager"),
            (MANAGER, "-AB", "A manager"),
            (MANAGER, "-A*", "A manager"),
            (CUSTOMER_OF_A, "-A-", "A customer"),
            (CUSTOMER_OF_B, "-A-", "not named"),
            (STRANGER, "-A-", "not named"),
            (MANAGER, "-?-", "not named"),
            (MANAGER, "-?A", "A manager"),
            // Both.
            (MANAGER, "AA-", "A manager"),
            (MANAGER, "AB-", "not named"),
            (MANAGER, "ABA", "not named"),
            (MANAGER, "A?-", "A manager"),
            (STRANGER, "AB-", "A agent"),
            (CUSTOMER_OF_A, "BA-", "not named"),
            (CUSTOMER_OF_A, "AB-", "A customer"),
            // The text.
            (MANAGER, "--A", "A manager"),
            (MANAGER, "--?", "not found"),
            (MANAGER, "--*", "not named"),
            (MANAGER, "---", "not named"),
            (CUSTOMER_OF_A, "--A", "A customer"),
            (CUSTOMER_OF_A, "--B", "not named"),
            (CUSTOMER_OF_A, "-BA", "A customer"),
            (CUSTOMER_OF_A, "--?", "not named"),
            (CUSTOMER_OF_A, "--*", "not named"),
            (STRANGER, "--A", "not named"),
            (STRANGER, "--?", "not named"),
            (STRANGER, "---", "not named"),
            // Without its country code a number is nobody's.
            ("4444444444", "-L-", "not named"),
            ("4444444444", "--L", "not named"),
            ("4444444444", "L--", "L agent"),
            ("919655716000", "--A", "not named"),
            // Several managers.
            ("+1 555 000-0000", "-B-", "B manager"),
            // Other senders.
            ("John@example.com", "-A-", "A customer"),
            ("jane@example.com", "-A-", "not named"),
            ("john@example.com", "--A", "not named"),
            ("103000000000001@lid", "-A-", "not named"),
            ("103000000000001@lid", "A--", "A agent"),
            ("", "-A-", "not named"),
            ("", "A--", "A agent"),
        ] {
            assert_eq!(decide(from, clues), expected, "{from} {clues}");
        }
    }
}
