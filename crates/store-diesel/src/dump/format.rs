//! The format of a dump: a header, a line for each row, and a trailer by which damage is found. `docs/dump-format.md`
//! describes it for people.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ticket_domain::{Timestamp, ports::StoreError};

use super::rows::{Row, Table};
use crate::types::Stored;

/// What the first line of every dump says it is.
const FORMAT: &str = "ticket-dump";

/// The version of the format. It rises when a program that knows only the version before would lose something by
/// ignoring what is new.
const VERSION: u32 = 1;

/// Level 3 takes half the time of the usual 6, for files that are a twelfth larger.
const LEVEL: Compression = Compression::new(3);

/// The longest line that is read, in bytes. The longest that is written is a tenth of it.
const LONGEST_LINE: u64 = 8 << 20;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 16;

/// How compressed files and SQLite databases begin.
const GZIP: &[u8] = &[0x1f, 0x8b];
const SQLITE: &[u8] = b"SQLite format 3\0";

/// How many rows each table has.
pub type Counts = BTreeMap<Table, u64>;

/// What a dump says of itself, first of all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    format: String,
    version: u32,
    created_at: Stored<Timestamp>,
    /// The version of the program that made it.
    program: String,
    /// The last migration of the database that it was made from.
    schema: String,
    /// How many rows follow.
    #[serde(default)]
    pub(super) rows: Counts,
}

impl Header {
    pub(super) fn new(created_at: Timestamp, schema: String, rows: Counts) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            created_at: Stored(created_at),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            rows,
        }
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    end: End,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// How many rows stand above.
    rows: Counts,
    /// SHA-256 of every byte above, in hexadecimal digits.
    sha256: String,
}

/// Why a dump can't be read, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file can't be read.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is an SQLite database: a store, or a backup made by a version before this format.
    #[error(
        "it is an SQLite database and not a backup of this format: `server copy --from sqlite://FILE --to …` reads it"
    )]
    Sqlite,
    /// It is something else.
    #[error("it is not a backup made by `server backup`: name another file")]
    Foreign,
    /// It was made by a newer version of this program.
    #[error(
        "it has version {0} of the format, and this program reads up to {VERSION}: use a newer version of the program"
    )]
    Newer(u32),
    /// It ends before its trailer.
    #[error("it was cut off after line {0}: use another backup, or fetch this one again")]
    CutOff(u64),
    /// Its bytes are not those that were written.
    #[error("it was damaged or changed: its checksum does not match. Use another backup, or fetch this one again")]
    Damaged,
    /// There is something after the trailer.
    #[error("it goes on after its last line: name a file with one whole backup")]
    GoesOn,
    /// A line is no row.
    #[error(
        "line {line} can't be read, from character {column} on: it was changed, or made by a newer version of the program"
    )]
    Line {
        /// The line, the first being 1.
        line: u64,
        /// The character, the first being 1.
        column: usize,
    },
    /// A value is none that the domain accepts.
    #[error("line {line}, the row with {key}, can't be used")]
    Row {
        /// The line, the first being 1.
        line: u64,
        /// The row's key.
        key: String,
        /// Which column, and why.
        #[source]
        source: StoreError,
    },
}

impl FormatError {
    /// What a failed read says of a dump, of which so many lines were read.
    fn of_read(error: io::Error, lines: u64) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff(lines),
            // gzip's own checks.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::Damaged,
            _ => Self::Read(error),
        }
    }
}

/// Writes a dump, line by line.
pub(super) struct Writer<W> {
    out: W,
    hash: Sha256,
    line: Vec<u8>,
    summary: Summary,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            hash: Sha256::new(),
            line: Vec::new(),
            summary: Summary::default(),
        };
        writer.line(header)?;
        Ok(writer)
    }

    /// Writes a row.
    pub(super) fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line(row)?;
        self.summary.add_line(row.table(), &self.line);
        Ok(())
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line)
    }

    /// Writes the trailer; gives what was written to, and what was written.
    pub(super) fn end(mut self) -> io::Result<(W, Summary)> {
        let end = End {
            rows: self.summary.rows(),
            sha256: hexadecimal(self.hash.clone()),
        };
        self.line(&Trailer { end })?;
        self.out.flush()?;
        Ok((self.out, self.summary))
    }
}

/// A writer that compresses what is written to `out`, as the reader expects it.
pub fn compressed<W: Write>(out: W) -> GzEncoder<W> {
    GzEncoder::new(out, LEVEL)
}

/// Reads a dump, line by line.
pub(super) struct Reader<'a> {
    lines: Lines<'a>,
    pub(super) header: Header,
    /// What was read so far.
    pub(super) summary: Summary,
}

impl<'a> Reader<'a> {
    /// Begins to read a dump, compressed or not.
    pub(super) fn open(input: impl Read + 'a) -> Result<Self, FormatError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
            version: u32,
        }
        let mut lines = Lines::of(input)?;
        let Some(line) = lines.next()? else {
            return Err(FormatError::CutOff(0));
        };
        match serde_json::from_slice::<Format>(line) {
            Ok(Format { format, version }) if format == FORMAT => {
                if version > VERSION {
                    return Err(FormatError::Newer(version));
                }
            }
            _ => return Err(FormatError::Foreign),
        }
        let header = serde_json::from_slice(line).map_err(|error| lines.unreadable(&error))?;
        lines.keep();
        Ok(Self {
            lines,
            header,
            summary: Summary::default(),
        })
    }

    /// The next row, checked; nothing after the last one, when the trailer was right.
    pub(super) fn next(&mut self) -> Result<Option<Row>, FormatError> {
        let read = self.lines.count;
        let line = self.lines.next()?.ok_or(FormatError::CutOff(read))?;
        let row: Row = match serde_json::from_slice(line) {
            Ok(row) => row,
            Err(error) => {
                return match serde_json::from_slice(line) {
                    Ok(Trailer { end }) => self.end(&end).map(|()| None),
                    Err(_) => Err(self.lines.unreadable(&error)),
                };
            }
        };
        row.check().map_err(|source| FormatError::Row {
            line: self.lines.count,
            key: row.key(),
            source,
        })?;
        self.lines.keep();
        self.summary.add(&row).map_err(FormatError::Read)?;
        Ok(Some(row))
    }

    fn end(&mut self, end: &End) -> Result<(), FormatError> {
        if end.sha256 != hexadecimal(self.lines.hash.clone()) || end.rows != self.summary.rows() {
            return Err(FormatError::Damaged);
        }
        match self.lines.next()? {
            None => Ok(()),
            Some(_) => Err(FormatError::GoesOn),
        }
    }
}

/// The lines of a dump.
struct Lines<'a> {
    input: Box<dyn BufRead + 'a>,
    hash: Sha256,
    line: Vec<u8>,
    /// How many were read.
    count: u64,
}

impl<'a> Lines<'a> {
    fn of(input: impl Read + 'a) -> Result<Self, FormatError> {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let mut beginning = Vec::new();
        let read = (&mut input).take(SQLITE.len() as u64).read_to_end(&mut beginning);
        read.map_err(FormatError::Read)?;
        if beginning == SQLITE {
            return Err(FormatError::Sqlite);
        }
        let is_compressed = beginning.starts_with(GZIP);
        let whole = io::Cursor::new(beginning).chain(input);
        Ok(Self {
            input: if is_compressed {
                Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
            } else {
                Box::new(whole)
            },
            hash: Sha256::new(),
            line: Vec::new(),
            count: 0,
        })
    }

    /// The next line, without its end; nothing at the end of the dump.
    fn next(&mut self) -> Result<Option<&[u8]>, FormatError> {
        self.line.clear();
        let mut input = (&mut self.input).take(LONGEST_LINE);
        let read = input.read_until(b'\n', &mut self.line);
        if read.map_err(|error| FormatError::of_read(error, self.count))? == 0 {
            return Ok(None);
        }
        self.count += 1;
        match self.line.strip_suffix(b"\n") {
            Some(line) => Ok(Some(line)),
            None => Err(FormatError::CutOff(self.count - 1)),
        }
    }

    /// Takes the line that was read last into the checksum.
    fn keep(&mut self) {
        self.hash.update(&self.line);
    }

    /// The line that was read last is not what it should be. JSON's own words would show what customers wrote.
    fn unreadable(&self, error: &serde_json::Error) -> FormatError {
        FormatError::Line {
            line: self.count,
            column: error.column(),
        }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// What a dump holds, in a few bytes: how many rows each table has, and a sum by which two dumps are told apart, in
/// whichever order their rows come: that of the rows' SHA-256 digests, each taken as four numbers of 64 bits. A row that
/// is changed by one bit, missing or there twice changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    tables: BTreeMap<Table, (u64, [u64; 4])>,
}

impl Summary {
    /// How many rows each table has.
    pub fn rows(&self) -> Counts {
        self.tables.iter().map(|(table, (rows, _))| (*table, *rows)).collect()
    }

    /// The first table of which `other` holds something else.
    pub fn difference(&self, other: &Self) -> Option<Table> {
        let differs = |table: &Table| self.tables.get(table) != other.tables.get(table);
        Table::ALL.iter().copied().find(differs)
    }

    /// Counts the row that stands in a line.
    fn add_line(&mut self, table: Table, line: &[u8]) {
        let digest = Sha256::digest(line);
        let (rows, sum) = self.tables.entry(table).or_default();
        *rows += 1;
        let (parts, _) = digest.as_chunks::<8>();
        for (sum, part) in sum.iter_mut().zip(parts) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*part));
        }
    }

    /// Counts a row.
    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        self.add_line(row.table(), &line);
        Ok(())
    }
}
