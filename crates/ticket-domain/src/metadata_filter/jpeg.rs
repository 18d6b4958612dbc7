//! JPEG: markers, segments with a length, and the coded image between them.

use super::{Format, Step, orientation};

#[derive(Default)]
pub(super) struct Jpeg {
    is_in_scan: bool,
    is_over: bool,
    has_orientation: bool,
}

const ICC: &[u8] = b"ICC_PROFILE\0";
const EXIF: &[u8] = b"Exif\0\0";

impl Format for Jpeg {
    fn next(&mut self, bytes: &[u8], _: u64) -> Step {
        if self.is_over {
            return Step::End;
        }
        if self.is_in_scan {
            // A coded 0xff has a zero or a restart marker behind it.
            let marker = bytes.iter().position(|byte| *byte == 0xff);
            match (marker, marker.and_then(|at| bytes.get(at + 1))) {
                (None, _) if bytes.is_empty() => return Step::Need(1),
                (None, _) => return Step::Pass(bytes.len() as u64),
                (Some(0), None) => return Step::Need(2),
                (Some(at), None) => return Step::Pass(at as u64),
                (Some(at), Some(0 | 0xd0..=0xd7)) => return Step::Pass(at as u64 + 2),
                (Some(at), Some(0xff)) => return Step::Pass(at as u64 + 1),
                (Some(at), Some(_)) => {
                    self.is_in_scan = false;
                    return Step::Pass(at as u64);
                }
            }
        }
        let [first, marker, ..] = bytes else {
            return Step::Need(2);
        };
        match (*first, *marker) {
            (0xff, 0xff) => Step::Drop(1),
            (0xff, 0x01 | 0xd0..=0xd8) => Step::Pass(2),
            (0xff, 0xd9) => {
                self.is_over = true;
                Step::Pass(2)
            }
            (0xff, marker) => self.segment(marker, bytes),
            // Decoders look for the next marker too.
            _ => Step::Drop(1),
        }
    }
}

impl Jpeg {
    fn segment(&mut self, marker: u8, bytes: &[u8]) -> Step {
        let Some(length) = bytes.get(2..4) else {
            return Step::Need(4);
        };
        let size = 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let content = |prefix: &[u8]| bytes.get(4..4 + prefix.len());
        match marker {
            0xda => {
                self.is_in_scan = true;
                Step::Pass(size as u64)
            }
            0xe1 if bytes.len() < size => Step::Need(size),
            0xe1 => {
                let tiff = bytes[..size].get(4..).and_then(|content| content.strip_prefix(EXIF));
                match tiff.and_then(orientation) {
                    Some(orientation @ 2..) if !self.has_orientation => {
                        self.has_orientation = true;
                        Step::Replace(size, with_orientation(orientation))
                    }
                    _ => Step::Drop(size as u64),
                }
            }
            0xe2 if size >= 4 + ICC.len() && content(ICC).is_none() => Step::Need(4 + ICC.len()),
            0xe2 if content(ICC) == Some(ICC) => Step::Pass(size as u64),
            0xe2..=0xed | 0xef | 0xfe => Step::Drop(size as u64),
            _ => Step::Pass(size as u64),
        }
    }
}

/// EXIF with nothing but an orientation.
fn with_orientation(orientation: u8) -> Vec<u8> {
    let mut segment = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    segment.extend([orientation, 0, 0, 0, 0, 0, 0]);
    segment
}
