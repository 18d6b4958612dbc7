//! Limits on callers.

use http_actix::{Rate, Rates};

use super::variables::Variables;

/// Default of `MAX_CONNECTIONS`, if the limit of open files permits it.
pub(crate) const MAX_CONNECTIONS: u32 = 10_000;

/// Open files reserved for everything else: the store, the notifier, and the process itself.
const OTHER_FILES: u64 = 256;

pub(super) fn rate_limits(vars: &mut Variables<'_>) -> bool {
    vars.word("RATE_LIMITS", &[("on", true), ("off", false)], true)
}

pub(super) fn rates(vars: &mut Variables<'_>) -> Rates {
    let usual = Rates::default();
    let mut rate = |variable: &str, usual: Rate| {
        let wanted = format!(
            "how many a minute, a slash, and how many at once, such as {usual}; RATE_LIMITS=off is for no limits at all"
        );
        vars.parsed(variable, &wanted).unwrap_or(usual)
    };
    Rates {
        creations: rate("RATE_LIMIT_CREATIONS", usual.creations),
        reads: rate("RATE_LIMIT_READS", usual.reads),
        misses: rate("RATE_LIMIT_MISSES", usual.misses),
        all_misses: rate("RATE_LIMIT_ALL_MISSES", usual.all_misses),
        wrong_keys: rate("RATE_LIMIT_WRONG_KEYS", usual.wrong_keys),
        messages: rate("RATE_LIMIT_MESSAGES", usual.messages),
    }
}

pub(super) fn max_customer_messages(vars: &mut Variables<'_>) -> u32 {
    vars.number("MAX_CUSTOMER_MESSAGES", 1, 1_000_000, 500)
}

pub(super) fn max_connections(vars: &mut Variables<'_>) -> Option<u32> {
    const VARIABLE: &str = "MAX_CONNECTIONS";
    vars.text(VARIABLE)?;
    Some(vars.number(VARIABLE, 16, 1_000_000, MAX_CONNECTIONS))
}

pub(super) fn connections_of_one(vars: &mut Variables<'_>) -> usize {
    vars.number("MAX_CONNECTIONS_PER_ADDRESS", 1, 1_000_000, 256) as usize
}

/// Returns how many of `set` connections fit into `files` open files.
pub(crate) fn with_room(wanted: u32, files: u64) -> usize {
    let room = files.saturating_sub(OTHER_FILES).max(files / 2).max(1);
    usize::try_from(u64::from(wanted).min(room)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (wanted, files, expected) in [
            (10_000, 1_048_576, 10_000),
            (10_000, 10_256, 10_000),
            (10_000, 4_096, 3_840),
            (10_000, 300, 150),
            (100, 4_096, 100),
            (10_000, u64::MAX, 10_000),
            (10_000, 0, 1),
        ] {
            assert_eq!(with_room(wanted, files), expected, "{wanted} {files}");
        }
    }
}
