//! HEIC: boxes. One of them, `meta`, says where in the file each item lies; those that are metadata become zeros.

use std::{collections::HashMap, ops::Range};

use super::{Format, Step};

#[derive(Default)]
pub(super) struct Heic {
    /// What to blank, in order. None before `meta`.
    metadata: Option<Vec<Metadata>>,
}

/// A part of the file that is metadata.
struct Metadata {
    place: Range<u64>,
    /// Whether it is the beginning of EXIF.
    is_exif: bool,
}

/// EXIF that says nothing, since some readers refuse zeros: where TIFF begins, and TIFF without an entry.
const EMPTY: &[u8] = b"\0\0\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0";

impl Metadata {
    /// What it begins with instead.
    fn begin(&self) -> &'static [u8] {
        let has_room = self.place.end - self.place.start >= EMPTY.len() as u64;
        if self.is_exif && has_room { EMPTY } else { &[] }
    }
}

impl Format for Heic {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step {
        if let Some(metadata) = &self.metadata {
            let next = metadata.iter().find(|part| part.place.end > position);
            return match next {
                Some(part) if part.place.start == position && !part.begin().is_empty() => {
                    Step::Replace(part.begin().len(), part.begin().to_vec())
                }
                Some(Metadata { place, .. }) if place.start <= position => Step::Blank(place.end - position),
                Some(Metadata { place, .. }) => Step::Pass(place.start - position),
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
        for part in &metadata {
            let within = |at: u64| usize::try_from(at.saturating_sub(position)).unwrap_or(size).min(size);
            let blanked = &mut blanked[within(part.place.start)..within(part.place.end)];
            blanked.fill(0);
            if let Some(begin) = blanked.get_mut(..part.begin().len()) {
                begin.copy_from_slice(part.begin());
            }
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

/// The items that are metadata: EXIF, and XMP, whose type is a media type. `meta` lies at `position`.
fn places(meta: &[u8], position: u64) -> Vec<Metadata> {
    // Version and flags come before the boxes within.
    let within = |name: &[u8; 4]| Boxes(meta.get(12..).unwrap_or_default()).find(|(found, _)| found == name);
    let (Some((_, information)), Some((_, locations))) = (within(b"iinf"), within(b"iloc")) else {
        return Vec::new();
    };
    let data = within(b"idat").map(|(_, data)| position + (data.as_ptr() as u64 - meta.as_ptr() as u64));
    let mut parts = Vec::new();
    // What can't be read to its end has told what it could.
    let _ = extents(locations, &items(information), data, &mut parts);
    parts.sort_unstable_by_key(|part: &Metadata| part.place.start);
    parts
}

/// The items that are metadata, and whether they are EXIF.
fn items(information: &[u8]) -> HashMap<u64, bool> {
    let length = if information.first() == Some(&0) { 2 } else { 4 };
    let entries = Boxes(information.get(4 + length..).unwrap_or_default());
    let item = |entry: &[u8]| {
        let mut reader = Reader(entry.get(4..)?);
        let id = reader.number(if entry.first() == Some(&2) { 2 } else { 4 })?;
        reader.number(2)?;
        match reader.0.get(..4)? {
            b"Exif" => Some((id, true)),
            b"mime" => Some((id, false)),
            _ => None,
        }
    };
    entries.filter_map(|(_, entry)| item(entry)).collect()
}

/// Adds the places of these items. `data` is where the box lies that may hold items itself.
fn extents(locations: &[u8], items: &HashMap<u64, bool>, data: Option<u64>, parts: &mut Vec<Metadata>) -> Option<()> {
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
        for extent in 0..reader.number(2)? {
            if version > 0 {
                reader.number(index_size)?;
            }
            let (offset, length) = (reader.number(offset_size)?, reader.number(length_size)?);
            let from = if is_in_data { data } else { Some(0) };
            if let (Some(is_exif), Some(from)) = (items.get(&id), from) {
                let start = from.saturating_add(base).saturating_add(offset);
                parts.push(Metadata {
                    place: start..start.saturating_add(length),
                    is_exif: *is_exif && extent == 0,
                });
            }
        }
    }
    Some(())
}
