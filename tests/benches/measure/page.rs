//! The page of `docs/` that figures are written into: each command replaces its own part and leaves the rest, which
//! people write.

use std::{fs, path::PathBuf};

/// A file below `docs/`.
pub(crate) fn docs(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(name)
}

/// Puts `text` into a page below `docs/`, between the two comments that name `part`.
pub(crate) fn put(page: &str, part: &str, text: &str) {
    let path = docs(page);
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part} begins -->\n"), format!("<!-- {part} ends -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    fs::write(path, format!("{before}{begin}{}\n{end}{after}", text.trim_end())).unwrap();
}
