//! Removes what pictures tell beside what they show: places, times, devices, comments.
//!
//! Nothing is decoded. A picture passes byte by byte, and what is not its image is left out: in JPEG everything but the
//! image, its colours and its orientation; in PNG texts, times and EXIF; in GIF comments and XMP. Where lengths or places of
//! other parts come first, in WebP and HEIC, it is overwritten instead. What follows the end of a picture is left
//! out. A file that is no such picture, or breaks off, passes as far as it can be understood.

mod gif;
mod heic;
mod jpeg;
mod png;
mod webp;

use bytes::Bytes;

use crate::FileType;

/// Removes the metadata of a picture while it passes. Other files pass as they are. Takes at most some hundred KiB of memory.
pub struct MetadataFilter(Option<Machine>);

/// What a format does with its next bytes.
enum Step {
    /// So many bytes stay.
    Pass(u64),
    /// So many bytes are left out.
    Drop(u64),
    /// So many bytes become zeros.
    Blank(u64),
    /// These bytes come in the place of so many.
    Replace(usize, Vec<u8>),
    /// At least so many bytes are needed to decide.
    Need(usize),
    /// Everything else is left out.
    End,
}

/// A format: decides by the bytes that come next what becomes of them. `position` is their place in the file.
trait Format: Send {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step;
}

struct Machine {
    format: Box<dyn Format>,
    /// What is not decided yet.
    pending: Vec<u8>,
    /// Where `pending` begins in the file.
    position: u64,
    /// What becomes of the next bytes.
    step: Step,
}

/// The most bytes that a format may ask for: more is passed as it is.
const MOST: usize = 256 * 1024;

impl MetadataFilter {
    /// For a file of this type.
    #[must_use]
    pub fn new(file_type: FileType) -> Self {
        let format: Box<dyn Format> = match file_type {
            FileType::Jpeg => Box::<jpeg::Jpeg>::default(),
            FileType::Png => Box::<png::Png>::default(),
            FileType::Gif => Box::<gif::Gif>::default(),
            FileType::Webp => Box::<webp::Webp>::default(),
            FileType::Heic => Box::<heic::Heic>::default(),
            _ => return Self(None),
        };
        Self(Some(Machine {
            format,
            pending: Vec::new(),
            position: 0,
            step: Step::Pass(0),
        }))
    }

    /// Takes the next piece of the file, and returns what stays of it. It may be less or a little more, as earlier bytes may
    /// have waited to be understood. What still waits at the end of a file that breaks off is left out.
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        match &mut self.0 {
            None => piece,
            Some(machine) => {
                machine.pending.extend_from_slice(&piece);
                machine.run().into()
            }
        }
    }
}

impl Machine {
    fn run(&mut self) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.pending.len());
        let mut used = 0;
        loop {
            let rest = &self.pending[used..];
            let take = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).min(rest.len());
            let took = match &mut self.step {
                Step::End => {
                    used = self.pending.len();
                    break;
                }
                Step::Pass(count) if *count > 0 => {
                    let took = take(*count);
                    kept.extend_from_slice(&rest[..took]);
                    *count -= took as u64;
                    took
                }
                Step::Blank(count) if *count > 0 => {
                    let took = take(*count);
                    kept.resize(kept.len() + took, 0);
                    *count -= took as u64;
                    took
                }
                Step::Drop(count) if *count > 0 => {
                    let took = take(*count);
                    *count -= took as u64;
                    took
                }
                Step::Replace(count, by) => {
                    let (took, by) = (*count, std::mem::take(by));
                    kept.extend(by);
                    self.step = Step::Pass(0);
                    took
                }
                Step::Need(count) if rest.len() < *count => break,
                _ => {
                    self.step = match self.format.next(rest, self.position + used as u64) {
                        Step::Need(count) if count > MOST => Step::Pass(u64::MAX),
                        Step::Replace(count, _) if count > rest.len() => Step::Need(count),
                        step => step,
                    };
                    continue;
                }
            };
            used += took;
            if took == 0 && used == self.pending.len() {
                break;
            }
        }
        self.pending.drain(..used);
        self.position += used as u64;
        kept
    }
}

/// The orientation in the TIFF structure of EXIF, if it says one: 1 to 8.
fn orientation(tiff: &[u8]) -> Option<u8> {
    const ORIENTATION: u64 = 0x0112;
    let is_big = match tiff.get(..2)? {
        b"MM" => true,
        b"II" => false,
        _ => return None,
    };
    let number = |at: usize, length: usize| {
        let bytes = tiff.get(at..at.checked_add(length)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if is_big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        })
    };
    let directory = usize::try_from(number(4, 4)?).ok()?;
    let count = usize::try_from(number(directory, 2)?).ok()?;
    let entries = (0..count).map(|entry| directory.saturating_add(2).saturating_add(12 * entry));
    let mut found = entries.take_while(|at| number(*at, 12).is_some() || number(*at, 2).is_some());
    let at = found.find(|at| number(*at, 2) == Some(ORIENTATION))?;
    let value = u8::try_from(number(at.checked_add(8)?, 2)?).ok()?;
    (1..=8).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests;
