//! Ages and durations in words.

use std::time::Duration;

use maud::{Markup, html};
use ticket_domain::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration in its largest unit: `less than a minute`, `5 min`, `3 h`, `2 days`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..MINUTE => "less than a minute".to_owned(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ if seconds < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", seconds / DAY),
    }
}

/// The age of `at`: `now`, `5 min`, `3 h`, `2 days`, and after 30 days its date. The script updates it (`time[data-age]`) in
/// the same words.
pub(super) fn age(at: Timestamp, now: Timestamp) -> Markup {
    let since = now.since(at);
    let iso = at.to_string();
    let words = if since.as_secs() < MINUTE {
        "now".to_owned()
    } else if since.as_secs() < 31 * DAY {
        span(since)
    } else {
        iso.get(..10).unwrap_or_default().to_owned()
    };
    html! { time datetime=(iso) data-age { (words) } }
}

/// The duration since `at`. The script updates it too.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) data-age="span" { (span(now.since(at))) } }
}

/// The duration until `at`.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    span(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_one_number_and_its_unit() {
        let now = Timestamp::from_unix_micros(1_736_937_000_000_000).unwrap();
        for (seconds, expected) in [
            (0, "now"),
            (59, "now"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (86_399, "23 h"),
            (86_400, "1 day"),
            (172_799, "1 day"),
            (172_800, "2 days"),
            (31 * 86_400 - 1, "30 days"),
            (31 * 86_400, "2024-12-15"),
        ] {
            let at = now.minus(Duration::from_secs(seconds));
            let markup = age(at, now).into_string();
            assert_eq!(markup, format!("<time datetime=\"{at}\" data-age>{expected}</time>"));
        }
        let later = now.plus(Duration::from_secs(90));
        assert!(age(later, now).into_string().ends_with(">now</time>"));
        assert_eq!(until(later, now), "1 min");
        assert_eq!(until(now, later), "less than a minute");
        assert!(
            since(now, now)
                .into_string()
                .ends_with("\"span\">less than a minute</time>")
        );
        assert!(since(now, later).into_string().ends_with("\"span\">1 min</time>"));
    }
}
