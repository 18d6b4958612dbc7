//! What a file is, by its content.

use super::enums::string_enum;

string_enum! {
    /// The type of a file. Its word is the media type.
    FileType {
        /// A JPEG picture.
        Jpeg = "image/jpeg",
        /// A PNG picture.
        Png = "image/png",
        /// A WebP picture or sticker.
        Webp = "image/webp",
        /// A GIF picture.
        Gif = "image/gif",
        /// A HEIC picture, as iPhones take them.
        Heic = "image/heic",
        /// An MP4, `QuickTime` or 3GPP video.
        Mp4 = "video/mp4",
        /// A `WebM` video.
        Webm = "video/webm",
        /// An Ogg recording, as WhatsApp's voice notes are.
        Ogg = "audio/ogg",
        /// An AMR recording.
        Amr = "audio/amr",
        /// An MPEG-4 recording.
        M4a = "audio/mp4",
        /// An MP3 recording.
        Mp3 = "audio/mpeg",
        /// A PDF document.
        Pdf = "application/pdf",
        /// A text, whatever it means: also HTML, SVG and programs.
        Text = "text/plain",
        /// A contact.
        VCard = "text/vcard",
        /// A Word document.
        Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        /// An Excel workbook.
        Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        /// A `PowerPoint` presentation.
        Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        /// An `OpenDocument` text.
        Odt = "application/vnd.oasis.opendocument.text",
        /// An `OpenDocument` spreadsheet.
        Ods = "application/vnd.oasis.opendocument.spreadsheet",
        /// An `OpenDocument` presentation.
        Odp = "application/vnd.oasis.opendocument.presentation",
        /// A document of an older Office.
        Ole = "application/x-ole-storage",
        /// Anything else.
        Other = "application/octet-stream",
    }
}

/// How people see a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A picture.
    Picture,
    /// A video.
    Video,
    /// A recording.
    Audio,
    /// A contact.
    Contact,
    /// A document, or anything else.
    Document,
}

impl FileType {
    /// How many bytes of a file tell its type.
    pub const HEAD: usize = 8 * 1024;

    /// Tells the type of a file by its first [`HEAD`](Self::HEAD) bytes, or by all if it has fewer. Its name tells nothing.
    pub fn detect(head: &[u8]) -> Self {
        match head {
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => of_brand(head),
            [0x1a, 0x45, 0xdf, 0xa3, ..] if contains(&head[..head.len().min(64)], b"webm") => Self::Webm,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [b'#', b'!', b'A', b'M', b'R', ..] => Self::Amr,
            [b'I', b'D', b'3', ..] => Self::Mp3,
            // A frame of layer III.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Self::Mp3,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            [b'P', b'K', 3, 4, ..] => of_archive(head),
            [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => Self::Ole,
            _ if !is_text(head) => Self::Other,
            _ if head
                .trim_ascii_start()
                .get(..11)
                .is_some_and(|begin| begin.eq_ignore_ascii_case(b"BEGIN:VCARD")) =>
            {
                Self::VCard
            }
            _ => Self::Text,
        }
    }

    /// Whether forms take such files. Others are kept if they come by WhatsApp.
    pub fn is_accepted(self) -> bool {
        self != Self::Other
    }

    /// Whether browsers show or play it. Everything else is only ever a download.
    pub fn is_shown(self) -> bool {
        let is_medium = matches!(self.kind(), FileKind::Picture | FileKind::Video | FileKind::Audio);
        is_medium && self != Self::Heic
    }

    /// How people see it.
    pub fn kind(self) -> FileKind {
        match self {
            Self::Jpeg | Self::Png | Self::Webp | Self::Gif | Self::Heic => FileKind::Picture,
            Self::Mp4 | Self::Webm => FileKind::Video,
            Self::Ogg | Self::Amr | Self::M4a | Self::Mp3 => FileKind::Audio,
            Self::VCard => FileKind::Contact,
            Self::Pdf
            | Self::Text
            | Self::Docx
            | Self::Xlsx
            | Self::Pptx
            | Self::Odt
            | Self::Ods
            | Self::Odp
            | Self::Ole
            | Self::Other => FileKind::Document,
        }
    }

    /// The extensions that fit, the usual one first. Empty: any.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Png => &["png"],
            Self::Webp => &["webp"],
            Self::Gif => &["gif"],
            Self::Heic => &["heic", "heif"],
            Self::Mp4 => &["mp4", "m4v", "mov", "3gp", "3gpp"],
            Self::Webm => &["webm"],
            Self::Ogg => &["ogg", "oga", "opus"],
            Self::Amr => &["amr"],
            Self::M4a => &["m4a", "m4b"],
            Self::Mp3 => &["mp3"],
            Self::Pdf => &["pdf"],
            Self::Text => &["txt", "csv", "log", "md"],
            Self::VCard => &["vcf"],
            Self::Docx => &["docx", "docm", "dotx"],
            Self::Xlsx => &["xlsx", "xlsm", "xltx"],
            Self::Pptx => &["pptx", "pptm", "ppsx"],
            Self::Odt => &["odt", "ott"],
            Self::Ods => &["ods", "ots"],
            Self::Odp => &["odp", "otp"],
            Self::Ole => &["doc", "xls", "ppt", "msg"],
            Self::Other => &[],
        }
    }
}

/// An ISO base media file, by the brand that it says to be best for.
fn of_brand(head: &[u8]) -> FileType {
    match head.get(8..12).unwrap_or_default() {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => FileType::Heic,
        // Also of AVIF, which says so among the others.
        b"mif1" | b"msf1" if !contains(&head[..head.len().min(64)], b"avif") => FileType::Heic,
        b"M4A " | b"M4B " => FileType::M4a,
        [b'i', b's', b'o', _]
        | [b'm', b'p', b'4', _]
        | [b'3', b'g', b'p' | b'2' | b'g' | b'r' | b's', _]
        | b"avc1"
        | b"dash"
        | b"M4V "
        | b"mmp4"
        | b"MSNV"
        | b"qt  " => FileType::Mp4,
        _ => FileType::Other,
    }
}

/// A ZIP archive, by its first entries. The names of an Office document begin with its folders; an `OpenDocument` says what it
/// is in its first entry, which is not compressed.
fn of_archive(head: &[u8]) -> FileType {
    const ENTRY: &[u8] = b"PK\x03\x04";
    let entries = head
        .windows(ENTRY.len())
        .enumerate()
        .filter(|(_, window)| *window == ENTRY);
    for (at, _) in entries {
        let name = head.get(at + 30..).unwrap_or_default();
        for (begin, file_type) in [
            (&b"word/"[..], FileType::Docx),
            (b"xl/", FileType::Xlsx),
            (b"ppt/", FileType::Pptx),
            (b"mimetypeapplication/vnd.oasis.opendocument.text", FileType::Odt),
            (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", FileType::Ods),
            (
                b"mimetypeapplication/vnd.oasis.opendocument.presentation",
                FileType::Odp,
            ),
        ] {
            if name.starts_with(begin) {
                return file_type;
            }
        }
    }
    FileType::Other
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether it is UTF-8, or UTF-16 that says so, without control characters. The last character may be cut.
fn is_text(head: &[u8]) -> bool {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
    let unit = |pair: &[u8], is_big: bool| match pair {
        [first, second] if is_big => u16::from_be_bytes([*first, *second]),
        [first, second] => u16::from_le_bytes([*first, *second]),
        _ => u16::from(b' '),
    };
    match head {
        [] => false,
        [0xfe, 0xff, rest @ ..] | [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest.chunks(2).map(|pair| unit(pair, head[0] == 0xfe)).collect();
            let mut characters = char::decode_utf16(units).peekable();
            let mut is_text = true;
            while let Some(character) = characters.next() {
                let is_last = characters.peek().is_none();
                is_text &= character.map_or(is_last, |c| !is_odd(c));
            }
            is_text
        }
        _ => match std::str::from_utf8(head) {
            Ok(text) => !text.contains(is_odd),
            Err(error) if error.error_len().is_none() && head.len() >= FileType::HEAD => {
                let whole = std::str::from_utf8(&head[..error.valid_up_to()]);
                whole.is_ok_and(|text| !text.contains(is_odd))
            }
            Err(_) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        [&b"PK\x03\x04"[..], &[0; 26], name.as_bytes()].concat()
    }

    #[test]
    fn the_content_tells_what_a_file_is() {
        let archive = |names: &[&str]| names.iter().flat_map(|name| entry(name)).collect::<Vec<_>>();
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe1\x00\x10Exif"[..], FileType::Jpeg),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FileType::Png),
            (b"GIF89a", FileType::Gif),
            (b"RIFF\x24\0\0\0WEBPVP8X", FileType::Webp),
            (b"RIFF\x24\0\0\0WAVEfmt ", FileType::Other),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", FileType::Heic),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", FileType::Heic),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", FileType::Other),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", FileType::Mp4),
            (b"\0\0\0\x18ftyp3gp4\0\0\0\0isom3gp4", FileType::Mp4),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", FileType::Mp4),
            (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", FileType::M4a),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", FileType::Webm),
            (
                b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska",
                FileType::Other,
            ),
            (b"OggS\0\x02", FileType::Ogg),
            (b"#!AMR\n", FileType::Amr),
            (b"ID3\x04\0", FileType::Mp3),
            (b"\xff\xfb\x90\x64", FileType::Mp3),
            (b"%PDF-1.7", FileType::Pdf),
            (&archive(&["[Content_Types].xml", "word/document.xml"]), FileType::Docx),
            (
                &archive(&["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"]),
                FileType::Xlsx,
            ),
            (&archive(&["ppt/presentation.xml"]), FileType::Pptx),
            (
                &archive(&["mimetypeapplication/vnd.oasis.opendocument.text"]),
                FileType::Odt,
            ),
            (&archive(&["holiday/photo.jpg"]), FileType::Other),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType::Ole),
            (b"begin:vcard\r\nVERSION:3.0", FileType::VCard),
            ("na\u{ef}ve\n".as_bytes(), FileType::Text),
            (b"\xff\xfeh\0i\0", FileType::Text),
            (b"<svg onload=alert(1)>", FileType::Text),
            (b"<!DOCTYPE html><script>", FileType::Text),
            (b"MZ\x90\0\x03", FileType::Other),
            (b"\x7fELF\x02", FileType::Other),
            (b"", FileType::Other),
            (b"na\xefve", FileType::Other),
        ] {
            assert_eq!(FileType::detect(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_character_that_the_head_cuts_is_a_text_still() {
        let mut long = "a".repeat(FileType::HEAD - 1).into_bytes();
        long.push(0xc3);
        assert_eq!(FileType::detect(&long), FileType::Text);
    }

    #[test]
    fn only_what_browsers_play_safely_is_shown() {
        let shown: Vec<&str> = FileType::ALL
            .iter()
            .filter(|t| t.is_shown())
            .map(|t| t.as_str())
            .collect();
        assert!(
            shown
                .iter()
                .all(|word| word.starts_with("image/") || word.starts_with("video/") || word.starts_with("audio/"))
        );
        assert!(!FileType::Heic.is_shown());
    }

    proptest! {
        #[test]
        fn anything_has_a_type(head in proptest::collection::vec(any::<u8>(), 0..64)) {
            FileType::detect(&head);
            for magic in [&b"PK\x03\x04"[..], b"\0\0\0\0ftyp", b"\xff\xfe", b"\x1a\x45\xdf\xa3"] {
                FileType::detect(&[magic, &head].concat());
            }
        }
    }
}
