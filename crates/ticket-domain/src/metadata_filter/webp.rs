//! WebP: chunks of a type, a length and data, within a RIFF file whose size comes first.

use super::{Format, Step};

#[derive(Default)]
pub(super) struct Webp {
    /// How many bytes of data are left of a chunk that is blanked.
    blanked: u64,
}

const HEAD: u64 = 12;
/// How many bytes the head of an extended file has; the first are its flags.
const EXTENDED: u64 = 10;
/// What the flags of an extended file say of EXIF and XMP.
const METADATA: u8 = 0x08 | 0x04;
/// A chunk that every reader skips.
const NOTHING: &[u8] = b"JUNK";

impl Format for Webp {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step {
        if position == 0 {
            return Step::Pass(HEAD);
        }
        if self.blanked > 0 {
            return Step::Blank(std::mem::take(&mut self.blanked));
        }
        let Some(head) = bytes.get(..8) else {
            return Step::Need(8);
        };
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let padded = length + length % 2;
        match &head[..4] {
            b"VP8X" if length == EXTENDED => match bytes.get(..18) {
                None => Step::Need(18),
                Some(chunk) => {
                    let mut chunk = chunk.to_vec();
                    chunk[8] &= !METADATA;
                    Step::Replace(chunk.len(), chunk)
                }
            },
            b"EXIF" | b"XMP " => {
                self.blanked = padded;
                Step::Replace(8, [NOTHING, &head[4..]].concat())
            }
            _ => Step::Pass(8 + padded),
        }
    }
}
