//! Rows in the format of `COPY … (FORMAT binary)`: as many fields as there are columns, each with its length before it.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.4>
//!
//! diesel's own reader of it takes a NULL for the end of the row (2.3), and its writer knows no `FREEZE`.

use std::{
    fmt::Display,
    io::{self, BufRead},
    str::FromStr,
    sync::Arc,
};

use ticket_domain::{
    Timestamp,
    ports::{
        StoreError,
        transfer::{free_text, parse_exactly},
    },
};
use uuid::Uuid;

/// Signature, flags, and the length of a header extension: none.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In the place of the number of fields: there are no more rows.
const TRAILER: i16 = -1;

/// In the place of a field's length.
const NULL: i32 = -1;

/// From 1970 to 2000, where Postgres begins to count microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// A number that Postgres can't keep in four bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a number is too large")]
pub(super) struct TooLarge;

/// Rows to be sent.
pub(super) struct Sheet(Vec<u8>);

impl Sheet {
    pub(super) fn new() -> Self {
        Self(HEADER.to_vec())
    }

    /// The whole of it.
    pub(super) fn finished(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&TRAILER.to_be_bytes());
        self.0
    }

    /// Begins a row of so many columns.
    pub(super) fn row(&mut self, columns: i16) {
        self.0.extend_from_slice(&columns.to_be_bytes());
    }

    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        // At most 16 bytes.
        let length = i32::try_from(N).unwrap_or(NULL);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(&bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let length = i32::try_from(bytes.len()).map_err(|_| TooLarge)?;
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), TooLarge> {
        self.bytes(text.as_bytes())
    }

    pub(super) fn maybe_text(&mut self, text: Option<&str>) -> Result<(), TooLarge> {
        match text {
            Some(text) => self.text(text)?,
            None => self.null(),
        }
        Ok(())
    }

    fn null(&mut self) {
        self.0.extend_from_slice(&NULL.to_be_bytes());
    }

    pub(super) fn id(&mut self, id: Uuid) {
        self.fixed(*id.as_bytes());
    }

    pub(super) fn maybe_id(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.id(id),
            None => self.null(),
        }
    }

    pub(super) fn integer(&mut self, number: u32) -> Result<(), TooLarge> {
        let number = i32::try_from(number).map_err(|_| TooLarge)?;
        self.fixed(number.to_be_bytes());
        Ok(())
    }

    pub(super) fn maybe_integer(&mut self, number: Option<u32>) -> Result<(), TooLarge> {
        match number {
            Some(number) => self.integer(number)?,
            None => self.null(),
        }
        Ok(())
    }

    pub(super) fn big(&mut self, number: i64) {
        self.fixed(number.to_be_bytes());
    }

    pub(super) fn maybe_big(&mut self, number: Option<u64>) -> Result<(), TooLarge> {
        match number {
            Some(number) => self.big(i64::try_from(number).map_err(|_| TooLarge)?),
            None => self.null(),
        }
        Ok(())
    }

    pub(super) fn moment(&mut self, moment: Timestamp) {
        self.big(moment.unix_micros() - EPOCH);
    }

    pub(super) fn maybe_moment(&mut self, moment: Option<Timestamp>) {
        match moment {
            Some(moment) => self.moment(moment),
            None => self.null(),
        }
    }

    pub(super) fn truth(&mut self, truth: bool) {
        self.fixed([u8::from(truth)]);
    }
}

/// Rows that come in. Columns are asked for in their order.
pub(super) struct Reader<R> {
    table: &'static str,
    input: R,
    field: Vec<u8>,
}

/// What is missing from a row, or is no value of its type.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Malformed {
    #[error("must not be null")]
    Null,
    #[error("has another length than its type")]
    WrongLength,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is not the format that was asked for")]
    NotTheFormat,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(table: &'static str, mut input: R) -> Result<Self, StoreError> {
        let mut header = [0; HEADER.len()];
        input.read_exact(&mut header).map_err(broken)?;
        if header != HEADER {
            return Err(StoreError::Failed(Arc::new(Malformed::NotTheFormat)));
        }
        Ok(Self {
            table,
            input,
            field: Vec::new(),
        })
    }

    /// Whether there is another row, of so many columns.
    pub(super) fn has_row(&mut self, columns: i16) -> Result<bool, StoreError> {
        let mut count = [0; 2];
        self.input.read_exact(&mut count).map_err(broken)?;
        match i16::from_be_bytes(count) {
            TRAILER => {
                // The end of the stream too, so that the connection can be used again.
                io::copy(&mut self.input, &mut io::sink()).map_err(broken)?;
                Ok(false)
            }
            count if count == columns => Ok(true),
            _ => Err(StoreError::Failed(Arc::new(Malformed::NotTheFormat))),
        }
    }

    fn corrupt(&self, column: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
        StoreError::corrupt(self.table, column, error)
    }

    /// Reads the next field; false if it is NULL.
    fn next(&mut self) -> Result<bool, StoreError> {
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(broken)?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(length)) else {
            return Ok(false);
        };
        self.field.resize(length, 0);
        self.input.read_exact(&mut self.field).map_err(broken)?;
        Ok(true)
    }

    /// A field that must not be NULL.
    fn present<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column, Malformed::Null))
    }

    /// A field of always the same length.
    fn fixed<const N: usize>(&mut self, column: &'static str) -> Result<Option<[u8; N]>, StoreError> {
        if !self.next()? {
            return Ok(None);
        }
        let bytes = self.field.as_slice().try_into();
        bytes
            .map(Some)
            .map_err(|_| self.corrupt(column, Malformed::WrongLength))
    }

    fn words(&mut self, column: &'static str) -> Result<Option<&str>, StoreError> {
        if !self.next()? {
            return Ok(None);
        }
        let words = std::str::from_utf8(&self.field);
        words.map(Some).map_err(|_| self.corrupt(column, Malformed::NotUtf8))
    }

    pub(super) fn bytes(&mut self, column: &'static str) -> Result<Box<[u8]>, StoreError> {
        let bytes = self.next()?.then(|| self.field.as_slice().into());
        self.present(column, bytes)
    }

    pub(super) fn maybe_text<T>(&mut self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Display,
    {
        let table = self.table;
        let words = self.words(column)?;
        words.map(|words| parse_exactly(table, column, words)).transpose()
    }

    pub(super) fn text<T>(&mut self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Display,
    {
        let value = self.maybe_text(column)?;
        self.present(column, value)
    }

    pub(super) fn maybe_free_text(&mut self, column: &'static str) -> Result<Option<Box<str>>, StoreError> {
        let table = self.table;
        let words = self.words(column)?;
        words
            .map(|words| free_text(table, column, words.to_owned()))
            .transpose()
    }

    pub(super) fn free_text(&mut self, column: &'static str) -> Result<Box<str>, StoreError> {
        let words = self.maybe_free_text(column)?;
        self.present(column, words)
    }

    pub(super) fn maybe_id(&mut self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        Ok(self.fixed(column)?.map(Uuid::from_bytes))
    }

    pub(super) fn id(&mut self, column: &'static str) -> Result<Uuid, StoreError> {
        let id = self.maybe_id(column)?;
        self.present(column, id)
    }

    pub(super) fn maybe_integer<T>(&mut self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<i32, Error: std::error::Error + Send + Sync + 'static>,
    {
        let number = self.fixed(column)?.map(i32::from_be_bytes);
        let number = number.map(T::try_from).transpose();
        number.map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn integer<T>(&mut self, column: &'static str) -> Result<T, StoreError>
    where
        T: TryFrom<i32, Error: std::error::Error + Send + Sync + 'static>,
    {
        let number = self.maybe_integer(column)?;
        self.present(column, number)
    }

    pub(super) fn maybe_big<T>(&mut self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        let number = self.fixed(column)?.map(i64::from_be_bytes);
        let number = number.map(T::try_from).transpose();
        number.map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn big(&mut self, column: &'static str) -> Result<i64, StoreError> {
        let number = self.fixed(column)?.map(i64::from_be_bytes);
        self.present(column, number)
    }

    pub(super) fn maybe_moment(&mut self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let micros = self.fixed(column)?.map(i64::from_be_bytes);
        let moment = micros.map(|micros| Timestamp::from_unix_micros(micros.saturating_add(EPOCH)));
        moment.transpose().map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn moment(&mut self, column: &'static str) -> Result<Timestamp, StoreError> {
        let moment = self.maybe_moment(column)?;
        self.present(column, moment)
    }

    pub(super) fn truth(&mut self, column: &'static str) -> Result<bool, StoreError> {
        let byte = self.fixed(column)?.map(|[byte]: [u8; 1]| byte != 0);
        self.present(column, byte)
    }
}

fn broken(error: io::Error) -> StoreError {
    StoreError::Failed(Arc::new(error))
}
