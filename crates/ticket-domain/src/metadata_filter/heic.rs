//! HEIC: boxes. One of them, `meta`, says where in the file each item lies; those that are metadata become zeros.

use std::{collections::HashSet, ops::Range};

use super::{Format, Step};

#[derive(Default)]
pub(super) struct Heic {
    /// Places in the file to blank, in order. None before `meta`.
    metadata: Option<Vec<Range<u64>>>,
}

impl Format for Heic {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step {
        if let Some(metadata) = &self.metadata {
            return match metadata.iter().find(|range| range.end > position) {
                Some(range) if range.start <= position => Step::Blank(range.end - position),
                Some(range) => Step::Pass(range.start - position),
                None => Step::Pass(u64::MAX),
            };
        }
        let Some(found) = Boxes(bytes).head() else {
            return Step::Need(16);
        };
        if found.name != *b"meta" {
            return Step::Pass(found.size.unwrap_or(u64::MAX));
        }
        let Some(size) = found.size.and_then(|size| usize::try_from(size).ok()) else {
            return Step::Pass(u64::MAX);
        };
        let Some(meta) = bytes.get(..size) else {
            return Step::Need(size);
        };
        let mut blanked = meta.to_vec();
        let metadata = places(meta, position);
        for range in &metadata {
            let within = |at: u64| usize::try_from(at.saturating_sub(position)).unwrap_or(size).min(size);
            blanked[within(range.start)..within(range.end)].fill(0);
        }
        self.metadata = Some(metadata);
        Step::Replace(size, blanked)
    }
}

/// The head of a box.
struct Head {
    name: [u8; 4],
    /// How many bytes the box has; `None`: all that follow.
    size: Option<u64>,
    /// How many of them are its head.
    length: usize,
}

/// Boxes, one after the other.
struct Boxes<'a>(&'a [u8]);

impl Boxes<'_> {
    fn head(&self) -> Option<Head> {
        let (size, name) = (self.0.get(..4)?, self.0.get(4..8)?);
        let (size, length) = match Reader(size).number(4)? {
            0 => (None, 8),
            1 => (Some(Reader(self.0.get(8..16)?).number(8)?), 16),
            size => (Some(size), 8),
        };
        // Smaller than its own head is none.
        let size = size.map(|size| size.max(length as u64));
        Some(Head {
            name: name.try_into().ok()?,
            size,
            length,
        })
    }
}

impl<'a> Iterator for Boxes<'a> {
    /// The name of a box, and what is in it.
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.head()?;
        let size = head
            .size
            .map_or(self.0.len(), |size| usize::try_from(size).unwrap_or(usize::MAX));
        let (this, rest) = self.0.split_at_checked(size.max(head.length))?;
        self.0 = rest;
        Some((head.name, &this[head.length..]))
    }
}

/// Reads numbers, the most significant byte first.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self, length: usize) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// Where the items lie in the file that are metadata: EXIF, and XMP, whose type is a media type. `meta` lies at `position`.
fn places(meta: &[u8], position: u64) -> Vec<Range<u64>> {
    // Version and flags come before the boxes within.
    let within = |name: &[u8; 4]| Boxes(meta.get(12..).unwrap_or_default()).find(|(found, _)| found == name);
    let (Some((_, information)), Some((_, locations))) = (within(b"iinf"), within(b"iloc")) else {
        return Vec::new();
    };
    let data = within(b"idat").map(|(_, data)| position + (data.as_ptr() as u64 - meta.as_ptr() as u64));
    let mut ranges = Vec::new();
    // What can't be read to its end has told what it could.
    let _ = extents(locations, &items(information), data, &mut ranges);
    ranges.sort_unstable_by_key(|range| range.start);
    ranges
}

/// The items that are metadata.
fn items(information: &[u8]) -> HashSet<u64> {
    let length = if information.first() == Some(&0) { 2 } else { 4 };
    let entries = Boxes(information.get(4 + length..).unwrap_or_default());
    let item = |entry: &[u8]| {
        let mut reader = Reader(entry.get(4..)?);
        let id = reader.number(if entry.first() == Some(&2) { 2 } else { 4 })?;
        reader.number(2)?;
        matches!(reader.0.get(..4)?, b"Exif" | b"mime").then_some(id)
    };
    entries.filter_map(|(_, entry)| item(entry)).collect()
}

/// Adds the places of these items. `data` is where the box lies that may hold items itself.
fn extents(locations: &[u8], items: &HashSet<u64>, data: Option<u64>, ranges: &mut Vec<Range<u64>>) -> Option<()> {
    let version = *locations.first()?;
    let mut reader = Reader(locations.get(4..)?);
    let sizes = usize::try_from(reader.number(2)?).ok()?;
    let [offset_size, length_size, base_size, index_size] = [12, 8, 4, 0].map(|shift| sizes >> shift & 15);
    let id_size = if version < 2 { 2 } else { 4 };
    for _ in 0..reader.number(id_size)? {
        let id = reader.number(id_size)?;
        let is_in_data = version > 0 && reader.number(2)? & 15 == 1;
        reader.number(2)?;
        let base = reader.number(base_size)?;
        for _ in 0..reader.number(2)? {
            if version > 0 {
                reader.number(index_size)?;
            }
            let (offset, length) = (reader.number(offset_size)?, reader.number(length_size)?);
            let from = if is_in_data { data } else { Some(0) };
            if let (true, Some(from)) = (items.contains(&id), from) {
                let start = from.saturating_add(base).saturating_add(offset);
                ranges.push(start..start.saturating_add(length));
            }
        }
    }
    Some(())
}
