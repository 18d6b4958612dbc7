//! What has to be reached.

/// A value that was measured, beside the one that it may not miss.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// What it is.
    pub(crate) what: String,
    /// What was measured.
    pub(crate) measured: f64,
    /// What it has to be.
    pub(crate) bound: Bound,
}

/// A bound and its unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// A ratio of at least so much.
    RatioFrom(f64),
    /// A ratio of at most so much.
    RatioTo(f64),
    /// Milliseconds, at most so many.
    MillisecondsTo(f64),
    /// MiB, at most so many.
    MebibytesTo(f64),
    /// MB, at most so many.
    MegabytesTo(f64),
    /// None at all.
    None,
}

impl Bar {
    /// Whether it is reached.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::RatioFrom(least) => self.measured >= least,
            Bound::None => self.measured < 1.0,
            Bound::RatioTo(most)
            | Bound::MillisecondsTo(most)
            | Bound::MebibytesTo(most)
            | Bound::MegabytesTo(most) => self.measured <= most,
        }
    }

    /// The row of a table.
    pub(crate) fn row(&self) -> String {
        let Self { what, measured, bound } = self;
        let met = if self.is_met() { "met" } else { "**not met**" };
        match bound {
            Bound::RatioFrom(least) => format!("| {what} | ≥ {least:.1} | {measured:.2} | {met} |"),
            Bound::RatioTo(most) => format!("| {what} | ≤ {most:.1} | {measured:.2} | {met} |"),
            Bound::MillisecondsTo(most) => format!("| {what} | ≤ {most:.0} ms | {measured:.0} ms | {met} |"),
            Bound::None => format!("| {what} | none | {measured:.0} | {met} |"),
            Bound::MebibytesTo(most) => format!("| {what} | ≤ {most:.0} MiB | {measured:.1} MiB | {met} |"),
            Bound::MegabytesTo(most) => format!("| {what} | ≤ {most:.0} MB | {measured:.1} MB | {met} |"),
        }
    }
}

/// The heading of a table of bars, and its rows.
pub(crate) fn table(bars: &[Bar]) -> String {
    let rows: Vec<String> = bars.iter().map(Bar::row).collect();
    format!("| what | bar | measured | |\n|-|-|-|-|\n{}\n", rows.join("\n"))
}
