//! The source tree that the tests belong to.

use std::{fs, path::Path};

/// The root of the tree.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file of the tree.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Puts `text` into a page below `docs/`, between the two comments that name `part`; people write the rest of it.
pub fn write_into_page(page: &str, part: &str, text: &str) {
    let path = format!("docs/{page}");
    let page = read(&path);
    let (begin, end) = (format!("<!-- {part} begins -->\n"), format!("<!-- {part} ends -->"));
    let (before, rest) = page.split_once(&begin).expect("the beginning of the part");
    let (_, after) = rest.split_once(&end).expect("the end of the part");
    let page = format!("{before}{begin}{}\n{end}{after}", text.trim_end());
    fs::write(root().join(path), page).expect("a page that can be written");
}
