//! Names of files.

use std::str::FromStr;

use super::{FileKind, FileType, TextError, redacted_debug, text_value};
use crate::sanitize;

/// The name of a file as people see it: one line of 1–120 characters without a folder, without anything that can't be seen,
/// and not hidden by a leading dot. It names nothing on our side.
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(Box<str>);

impl FileName {
    /// The most characters that it may have.
    pub const MAX: usize = 120;

    /// The longest extension that stays when a name is cut.
    const MAX_EXTENSION: usize = 8;

    /// Makes a name of anything, with an extension that fits the type: `photo.exe` of a JPEG becomes `photo.exe.jpg`.
    pub fn lenient(raw: &str, file_type: FileType) -> Self {
        let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
        let without_control: String = last.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let words: Vec<&str> = without_control.split_whitespace().collect();
        let name = sanitize::visible(&words.join(" "));
        let is_edge = |c: char| c == '.' || c.is_whitespace();
        let name = name.trim_matches(is_edge);
        let is_extension = |text: &str| {
            !text.is_empty()
                && text.len() <= Self::MAX_EXTENSION
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if is_extension(extension) => (stem, Some(extension)),
            _ => (name, None),
        };
        let fitting = file_type.extensions();
        let fits = |extension: &&str| {
            fitting.is_empty() || fitting.iter().any(|fitting| fitting.eq_ignore_ascii_case(extension))
        };
        let (stem, extension) = match extension.filter(fits) {
            Some(extension) => (stem, Some(extension)),
            None => (name, fitting.first().copied()),
        };
        let room = Self::MAX - Self::MAX_EXTENSION - 1;
        let stem: String = stem.chars().take(room).collect();
        // What was cut may leave an edge, or half of what joins two signs.
        let stem = sanitize::visible(&stem);
        let stem = match stem.trim_matches(is_edge) {
            "" => match file_type.kind() {
                FileKind::Picture => "photo",
                FileKind::Video => "video",
                FileKind::Audio => "recording",
                FileKind::Contact => "contact",
                FileKind::Document => "document",
            },
            stem => stem,
        };
        let name = extension.map_or_else(|| stem.to_owned(), |extension| format!("{stem}.{extension}"));
        Self(name.into())
    }
}

impl FromStr for FileName {
    type Err = TextError;

    fn from_str(raw: &str) -> Result<Self, TextError> {
        let is_unfit = |c: char| c.is_control() || matches!(c, '/' | '\\');
        match raw.chars().count() {
            0 => Err(TextError::Empty),
            length if length > Self::MAX => Err(TextError::TooLong { max: Self::MAX }),
            _ if raw.contains(is_unfit) || raw.starts_with('.') => Err(TextError::ControlCharacter),
            _ => Ok(Self(raw.into())),
        }
    }
}

redacted_debug!(FileName);
text_value!(FileName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_that_people_can_see_and_that_fits() {
        let long = "a".repeat(4_000);
        for (raw, file_type, expected) in [
            ("IMG_0001.JPG", FileType::Jpeg, "IMG_0001.JPG".to_owned()),
            ("../../etc/passwd", FileType::Text, "passwd.txt".into()),
            ("C:\\Users\\me\\bill.pdf", FileType::Pdf, "bill.pdf".into()),
            ("photo.exe", FileType::Jpeg, "photo.exe.jpg".into()),
            ("page.html", FileType::Text, "page.html.txt".into()),
            (
                "a\r\nSet-Cookie: x=1.png",
                FileType::Png,
                "a Set-Cookie: x=1.png".into(),
            ),
            ("\u{202e}gpj.exe", FileType::Jpeg, "gpj.exe.jpg".into()),
            (".htaccess", FileType::Text, "htaccess.txt".into()),
            ("..", FileType::Png, "photo.png".into()),
            ("\u{200b}", FileType::Ogg, "recording.ogg".into()),
            ("", FileType::VCard, "contact.vcf".into()),
            ("Rechnung März.pdf", FileType::Pdf, "Rechnung März.pdf".into()),
            ("no extension", FileType::Webp, "no extension.webp".into()),
            ("archive.zip", FileType::Other, "archive.zip".into()),
            ("blob", FileType::Other, "blob".into()),
            (&long, FileType::Png, format!("{}.png", "a".repeat(111))),
        ] {
            assert_eq!(FileName::lenient(raw, file_type).as_str(), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_of_anything_is_a_name(raw in "\\PC{0,200}|[./\\\\ \u{0}-\u{2f}\u{200d}\u{202e}a-z]{0,40}") {
            for file_type in FileType::ALL {
                let name = FileName::lenient(&raw, *file_type);
                prop_assert_eq!(name.as_str().parse::<FileName>(), Ok(name));
            }
        }
    }
}
