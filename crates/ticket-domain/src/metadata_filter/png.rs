//! PNG: chunks of a length, a type, data and a checksum.

use super::{Format, Step};

#[derive(Default)]
pub(super) struct Png {
    is_over: bool,
}

const SIGNATURE: u64 = 8;

impl Format for Png {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step {
        if self.is_over {
            return Step::End;
        }
        if position == 0 {
            return Step::Pass(SIGNATURE);
        }
        let Some(head) = bytes.get(..8) else {
            return Step::Need(8);
        };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let size = u64::from(length) + 12;
        match &head[4..] {
            b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" | b"tIME" => Step::Drop(size),
            name => {
                self.is_over = name == b"IEND";
                Step::Pass(size)
            }
        }
    }
}
