//! Who answers, and how soon.

use std::time::Duration;

/// A sentence for customers: who answers, and how soon they usually do. `None` if neither is known.
pub fn who_answers(name: Option<&str>, usual: Option<Duration>) -> Option<String> {
    match (name, usual.map(span)) {
        (Some(name), Some(span)) => Some(format!("{name} usually answers within {span}.")),
        (Some(name), None) => Some(format!("{name} will answer you.")),
        (None, Some(span)) => Some(format!("We usually answer within {span}.")),
        (None, None) => None,
    }
}

/// A duration in words, rounded up: at most five minutes are "a few", then tens of minutes, hours and days are counted.
fn span(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    let hours = minutes.div_ceil(60);
    match (minutes, hours, hours.div_ceil(24)) {
        (..=5, ..) => "a few minutes".to_owned(),
        (..=50, ..) => format!("{} minutes", minutes.next_multiple_of(10)),
        (_, 1, _) => "an hour".to_owned(),
        (_, ..=23, _) => format!("{hours} hours"),
        (.., 1) => "a day".to_owned(),
        (.., days) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_up_to_what_people_say() {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        for (seconds, expected) in [
            (0, "a few minutes"),
            (5 * MINUTE, "a few minutes"),
            (5 * MINUTE + 1, "10 minutes"),
            (10 * MINUTE + 1, "20 minutes"),
            (50 * MINUTE, "50 minutes"),
            (50 * MINUTE + 1, "an hour"),
            (HOUR, "an hour"),
            (HOUR + 1, "2 hours"),
            (23 * HOUR, "23 hours"),
            (23 * HOUR + 1, "a day"),
            (24 * HOUR, "a day"),
            (24 * HOUR + 1, "2 days"),
            (10 * 24 * HOUR, "10 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn only_what_is_known_is_told() {
        let hour = Some(Duration::from_hours(1));
        for (name, usual, expected) in [
            (Some("Anna"), hour, Some("Anna usually answers within an hour.")),
            (Some("Anna"), None, Some("Anna will answer you.")),
            (None, hour, Some("We usually answer within an hour.")),
            (None, None, None),
        ] {
            assert_eq!(who_answers(name, usual).as_deref(), expected);
        }
    }
}
