//! The reference of a ticket: what people say, write and quote.

use std::{fmt, str::FromStr};

use time::Date;

/// `T-YYYYMMDD-XXXX`: the UTC day on which the ticket was opened, and 4 to 9 random digits.
///
/// Matching ignores case. The day is not checked against a calendar: a reference that no ticket has is simply not
/// found, whatever its digits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketRef {
    day: u32,
    digits: u8,
    number: u32,
}

/// A text that is not of the form `T-YYYYMMDD-XXXX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be of the form T-YYYYMMDD-XXXX")]
pub struct NotAReference;

impl TicketRef {
    /// The fewest digits that a reference ends with.
    pub const MIN_DIGITS: u8 = 4;
    /// The most: a billion tickets a day.
    pub const MAX_DIGITS: u8 = 9;

    /// How many digits a new reference gets when about `opened` tickets have been opened on its day.
    ///
    /// A width is left when a sixth of it is taken. A draw then hits a taken one at most every sixth time, which costs
    /// 1 / (1 − 1/6) = 1.2 draws at worst.
    pub fn digits_for(opened: u64) -> u8 {
        (Self::MIN_DIGITS..Self::MAX_DIGITS)
            .find(|digits| opened.saturating_mul(6) < 10_u64.pow(u32::from(*digits)))
            .unwrap_or(Self::MAX_DIGITS)
    }

    /// Makes a reference of a day and 64 random bits, all its digits equally likely.
    pub fn draw(day: Date, digits: u8, random: u64) -> Self {
        let digits = digits.clamp(Self::MIN_DIGITS, Self::MAX_DIGITS);
        let space = u128::from(10_u32.pow(u32::from(digits)));
        // The upper half of random × space: as even as 64 bits over at most 30 can be.
        let number = u32::try_from((u128::from(random) * space) >> 64).unwrap_or_default();
        let (year, month, date) = day.to_calendar_date();
        let day = year.unsigned_abs() * 10_000 + u32::from(u8::from(month)) * 100 + u32::from(date);
        Self { day, digits, number }
    }

    /// Reads a reference at the start of `text`, and says how many bytes it takes. What follows must not go on with it:
    /// `T-20250115-1234` does not stand at the start of `T-20250115-12345`, nor of `T-20250115-1234-5`.
    fn at_start(text: &str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let day = bytes.get(2..10)?;
        let tail = bytes.get(11..)?;
        let is_shaped = bytes[0].eq_ignore_ascii_case(&b'T')
            && bytes[1] == b'-'
            && bytes[10] == b'-'
            && day.iter().all(u8::is_ascii_digit);
        let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let width = u8::try_from(digits).ok()?;
        if !is_shaped || !(Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&width) {
            return None;
        }
        let length = 11 + digits;
        let mut rest = text[length..].chars();
        let goes_on = match rest.next() {
            Some('-') => rest.next().is_some_and(char::is_alphanumeric),
            Some(next) => next.is_alphanumeric(),
            None => false,
        };
        if goes_on {
            return None;
        }
        let day = text[2..10].parse().ok()?;
        let number = text[11..length].parse().ok()?;
        Some((
            Self {
                day,
                digits: width,
                number,
            },
            length,
        ))
    }
}

impl fmt::Display for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "T-{:08}-{:0width$}",
            self.day,
            self.number,
            width = usize::from(self.digits)
        )
    }
}

impl FromStr for TicketRef {
    type Err = NotAReference;

    fn from_str(raw: &str) -> Result<Self, NotAReference> {
        let raw = raw.trim();
        match Self::at_start(raw) {
            Some((reference, length)) if length == raw.len() => Ok(reference),
            _ => Err(NotAReference),
        }
    }
}

/// The different references that stand in a text, in order. One that is part of a longer word or number is none.
pub fn references_in(text: &str) -> Vec<TicketRef> {
    let mut found = Vec::new();
    let mut before = None;
    let mut skip_to = 0;
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        let starts_word = before.is_none_or(|c: char| !c.is_alphanumeric() && c != '-');
        before = Some(c);
        if !starts_word || !c.eq_ignore_ascii_case(&'t') {
            continue;
        }
        if let Some((reference, length)) = TicketRef::at_start(&text[at..]) {
            if !found.contains(&reference) {
                found.push(reference);
            }
            skip_to = at + length;
            before = Some('0');
        }
    }
    found
}

/// The same text with every reference but `own` written so that nobody reads it: with hyphens that only look the same.
/// That goes for whatever begins like one, since it may be cut off later.
pub(crate) fn hide_references(text: &str, own: Option<TicketRef>) -> String {
    let mut hidden = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(place) = text.as_bytes()[from..]
        .iter()
        .position(|byte| matches!(byte, b'T' | b't'))
    {
        let at = from + place;
        from = at + 1;
        let Some(length) = shaped_like_one(&text[at..]) else {
            continue;
        };
        let before = text[..at].chars().next_back();
        let starts_word = before.is_none_or(|c| !c.is_alphanumeric() && c != '-');
        if starts_word && TicketRef::at_start(&text[at..]).is_some_and(|(found, _)| Some(found) == own) {
            continue;
        }
        from = at + length;
        hidden.push_str(&text[copied..at]);
        hidden.push_str(&text[at..from].replace('-', NO_HYPHEN));
        copied = from;
    }
    hidden.push_str(&text[copied..]);
    hidden
}

/// Looks like a hyphen, and is none in a reference.
const NO_HYPHEN: &str = "\u{2011}";

/// How long what stands at the start of `text` is if it begins as the shortest reference does, whatever follows.
fn shaped_like_one(text: &str) -> Option<usize> {
    const SHAPE: &[u8] = b"T-dddddddd-dddd";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte.eq_ignore_ascii_case(other),
    };
    let start = text.as_bytes().get(..SHAPE.len())?;
    start.iter().zip(SHAPE).all(fits).then_some(SHAPE.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use time::macros::date;

    use super::*;

    fn reference(raw: &str) -> TicketRef {
        raw.parse().unwrap()
    }

    #[test]
    fn a_reference_reads_back_whatever_its_case() {
        for (raw, expected) in [
            ("T-20250115-1234", Ok("T-20250115-1234")),
            (" t-20250115-0001 ", Ok("T-20250115-0001")),
            ("T-20250115-000000001", Ok("T-20250115-000000001")),
            ("T-99999999-1234", Ok("T-99999999-1234")),
            ("T-20250115-123", Err(NotAReference)),
            ("T-20250115-1234567890", Err(NotAReference)),
            ("T-2025015-1234", Err(NotAReference)),
            ("X-20250115-1234", Err(NotAReference)),
            ("T-20250115-1234x", Err(NotAReference)),
            ("T-20250115-1234-5", Err(NotAReference)),
            ("T-20250115-1234 T-20250115-1234", Err(NotAReference)),
            ("T-٢٠٢٥٠١١٥-1234", Err(NotAReference)),
            ("", Err(NotAReference)),
        ] {
            assert_eq!(
                raw.parse::<TicketRef>().map(|r| r.to_string()),
                expected.map(str::to_owned),
                "{raw:?}"
            );
        }
        assert_ne!(reference("T-20250115-0123"), reference("T-20250115-00123"));
    }

    #[test]
    fn a_draw_covers_its_digits_from_the_first_to_the_last() {
        let day = date!(2025 - 01 - 15);
        assert_eq!(TicketRef::draw(day, 4, 0).to_string(), "T-20250115-0000");
        assert_eq!(TicketRef::draw(day, 4, u64::MAX).to_string(), "T-20250115-9999");
        assert_eq!(TicketRef::draw(day, 9, u64::MAX).to_string(), "T-20250115-999999999");
        assert_eq!(TicketRef::draw(day, 1, u64::MAX / 2).to_string(), "T-20250115-4999");
    }

    #[test]
    fn references_widen_when_a_sixth_is_taken() {
        for (opened, digits) in [
            (0, 4),
            (1_666, 4),
            (1_667, 5),
            (16_666, 5),
            (16_667, 6),
            (1_000_000, 7),
            (u64::MAX, 9),
        ] {
            assert_eq!(TicketRef::digits_for(opened), digits, "{opened}");
        }
    }

    #[test]
    fn up_to_a_million_tickets_a_day_cost_at_most_1_2_draws_each() {
        let day = date!(2025 - 01 - 15);
        let mut taken = HashSet::new();
        // splitmix64, so that every run draws the same.
        let mut state = 0_u64;
        let mut random = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        for hundred in 0..10_000 {
            let mut draws = 0;
            for opened in hundred * 100..hundred * 100 + 100 {
                let digits = TicketRef::digits_for(opened);
                while !taken.insert(TicketRef::draw(day, digits, random())) {
                    draws += 1;
                }
                draws += 1;
            }
            // 1.2 on average where a width is about to be left; four standard deviations of a hundred tickets above it.
            assert!(
                draws <= 140,
                "{draws} draws for a hundred tickets after {}",
                hundred * 100
            );
        }
    }

    #[test]
    fn texts_name_tickets_only_by_whole_references() {
        let a = reference("T-20250115-1234");
        let b = reference("T-20250115-12345");
        for (text, expected) in [
            ("done with T-20250115-1234.", vec![a]),
            ("*t-20250115-1234*", vec![a]),
            ("_T-20250115-1234_", vec![a]),
            ("https://desk.example/ticket/T-20250115-1234?key=1", vec![a]),
            ("T-20250115-1234 and T-20250115-1234 again", vec![a]),
            ("T-20250115-1234,T-20250115-12345", vec![a, b]),
            ("T-20250115-1234-", vec![a]),
            ("T-20250115-12345", vec![b]),
            ("T-20250115-1234-56", vec![]),
            ("T-20250115-1234٥", vec![]),
            ("xT-20250115-1234", vec![]),
            ("A-T-20250115-1234", vec![]),
            ("T-20250115-123", vec![]),
            ("ticket 20250115-1234", vec![]),
            ("🎫T-20250115-1234🎫", vec![a]),
            ("", vec![]),
        ] {
            assert_eq!(references_in(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched_without_a_panic(text in any::<String>()) {
            references_in(&text);
            let _ = text.parse::<TicketRef>();
        }

        #[test]
        fn near_references_are_searched_without_a_panic(text in "[Tt0-9٣é -]{0,40}") {
            for found in references_in(&text) {
                prop_assert!(text.to_uppercase().contains(&found.to_string()));
            }
        }

        #[test]
        fn a_drawn_reference_is_found_between_any_words(random in any::<u64>(), digits in 4_u8..=9, space in "[ \n.,:*_/(]") {
            let drawn = TicketRef::draw(date!(2025 - 06 - 30), digits, random);
            prop_assert_eq!(drawn.to_string().parse(), Ok(drawn));
            prop_assert_eq!(references_in(&format!("see{space}{drawn}{space}please")), vec![drawn]);
        }
    }
}
