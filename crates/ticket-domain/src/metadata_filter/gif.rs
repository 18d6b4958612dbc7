//! GIF: a head, then images and extensions of blocks that each say their length.

use super::{Format, Step};

#[derive(Default)]
pub(super) struct Gif {
    blocks: Option<Blocks>,
    is_over: bool,
}

/// What becomes of the blocks up to the empty one.
#[derive(Clone, Copy)]
enum Blocks {
    Stay,
    Go,
}

/// Applications whose extensions are about the image: how often it repeats, and its colours.
const KEPT: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

/// How many bytes a table of colours takes, by the flags that announce it.
fn table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

impl Format for Gif {
    fn next(&mut self, bytes: &[u8], position: u64) -> Step {
        if self.is_over {
            return Step::End;
        }
        if position == 0 {
            let Some(flags) = bytes.get(10) else {
                return Step::Need(11);
            };
            return Step::Pass(13 + table(*flags));
        }
        let Some(first) = bytes.first() else {
            return Step::Need(1);
        };
        if let Some(blocks) = self.blocks {
            let size = u64::from(*first) + 1;
            self.blocks = Some(blocks).filter(|_| *first > 0);
            return match blocks {
                Blocks::Stay => Step::Pass(size),
                Blocks::Go => Step::Drop(size),
            };
        }
        match first {
            b',' => {
                let Some(flags) = bytes.get(9) else {
                    return Step::Need(10);
                };
                self.blocks = Some(Blocks::Stay);
                // The size of the codes follows.
                Step::Pass(10 + table(*flags) + 1)
            }
            b'!' => {
                let Some(label) = bytes.get(1) else {
                    return Step::Need(2);
                };
                let is_kept = match label {
                    0xfe => false,
                    0xff => match bytes.get(3..14) {
                        Some(application) => KEPT.contains(&application),
                        None => return Step::Need(14),
                    },
                    _ => true,
                };
                if is_kept {
                    self.blocks = Some(Blocks::Stay);
                    Step::Pass(2)
                } else {
                    self.blocks = Some(Blocks::Go);
                    Step::Drop(2)
                }
            }
            _ => {
                self.is_over = true;
                Step::Pass(1)
            }
        }
    }
}
