//! Everything that a store keeps, on its way into another store: a source that is read once, a target that takes all of
//! it or nothing, and the rows that go between them. Unlike the other ports these block: they belong to a command that
//! does nothing else.

mod records;
mod tally;
mod trail;

use std::{
    fmt::{self, Display, Write as _},
    ops::ControlFlow,
    str::FromStr,
};

pub use records::{
    EarlierId, Rows, Seat, StoredKey, StoredMessage, StoredNotification, StoredQuestion, StoredTicket, Table,
    handed_back,
};
pub use tally::{TableTally, Tally};
pub use trail::{ActColumns, NotAnAct, StoredEntry};

use super::{Source, StoreError};

/// A store from which everything is read. While it lives nobody else uses the store, so what is read is one state of it.
pub trait TransferSource: Send {
    /// How many rows a table has.
    fn count(&mut self, table: Table) -> Result<u64, TransferError>;

    /// Gives every row once, table by table in the order of [`Table::ALL`], until `take` breaks off.
    fn read(&mut self, take: &mut dyn FnMut(Rows) -> ControlFlow<()>) -> Result<(), TransferError>;
}

/// A store that was found empty, and takes everything or nothing: what was written is there for others only after
/// [`commit`](Self::commit), and gone if this ends without. Nobody else writes to it meanwhile.
pub trait TransferTarget {
    /// Writes rows.
    fn write(&mut self, rows: Rows) -> Result<(), TransferError>;

    /// Makes what is derived of the rows (indexes, search) once all are written, and checks what they refer to.
    fn complete(&mut self, tell: &mut dyn FnMut(Step)) -> Result<(), TransferError>;

    /// Gives every row as it stands in the target now.
    fn read_back(&mut self, take: &mut dyn FnMut(Rows)) -> Result<(), TransferError>;

    /// Makes it last.
    fn commit(self) -> Result<(), TransferError>;
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many more rows of the table are written.
    Written(Table, u64),
    /// The words by which tickets are found are being gathered.
    GatheringWords,
    /// An index is being made: which one, the first being 1, of how many.
    Indexing(u32, u32),
    /// What rows refer to is being checked.
    CheckingReferences,
    /// So many more rows of the table were read back.
    ReadBack(Table, u64),
    /// It is being made to last.
    Committing,
}

/// Why a transfer came to nothing. The target is as it was before, but for [`Unsure`](Self::Unsure).
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A row of the source, or one that was read back, holds what no value type accepts, or would be written otherwise.
    #[error("{table}.{column} of the row with {row} holds a value that can't be copied")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row, in words of that store.
        row: Box<str>,
        /// Why the value is refused.
        #[source]
        source: Source,
    },
    /// The source can't be read.
    #[error("the source can't be read")]
    Source(#[source] Source),
    /// The target can't be written or read back.
    #[error("the target failed")]
    Target(#[source] Source),
    /// What was read back is not what was read.
    #[error(
        "{table} in the target is not what it is in the source: {written} of {read} rows were read back, or other bytes"
    )]
    Differs {
        /// The table.
        table: Table,
        /// Rows that the source has.
        read: u64,
        /// Rows that the target has.
        written: u64,
    },
    /// Nobody heard whether the target took it.
    #[error("the connection broke while everything was being committed")]
    Unsure(#[source] Source),
    /// It was called off before it was committed.
    #[error("it was interrupted")]
    CalledOff,
    /// The part that reads broke off.
    #[error("the part that reads broke off")]
    BrokeOff,
}

impl TransferError {
    /// A store's error about one row.
    pub fn of_row(error: StoreError, row: impl Into<Box<str>>, otherwise: fn(Source) -> Self) -> Self {
        match error {
            StoreError::Corrupt { table, column, source } => Self::Corrupt {
                table,
                column,
                row: row.into(),
                source,
            },
            StoreError::Unavailable(source) | StoreError::Failed(source) => otherwise(source),
        }
    }
}

/// A stored text that its type would write otherwise, such as one with a blank at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("would be written otherwise")]
pub struct WrittenOtherwise;

/// A character that not every store can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must not contain a NUL")]
pub struct HoldsNul;

/// As [`parse`](super::parse), and refuses what would not be written again to the letter.
pub fn parse_exactly<T>(table: &'static str, column: &'static str, raw: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Display,
{
    let value: T = super::parse(table, column, raw)?;
    let mut rest = Rest(raw);
    if write!(rest, "{value}").is_ok() && rest.0.is_empty() {
        Ok(value)
    } else {
        Err(StoreError::corrupt(table, column, WrittenOtherwise))
    }
}

/// A text that no value type owns, if every store can keep it.
pub fn free_text(table: &'static str, column: &'static str, raw: String) -> Result<Box<str>, StoreError> {
    if raw.contains('\0') {
        return Err(StoreError::corrupt(table, column, HoldsNul));
    }
    Ok(raw.into_boxed_str())
}

/// What of a text has not been written yet.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
