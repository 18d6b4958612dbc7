//! Repairs JSON that was cut in the middle of a character.

use std::borrow::Cow;

/// Replaces everything that isn't text: bytes that aren't UTF-8 by U+FFFD, and by a control character, which texts leave out,
/// halves of surrogate pairs, which `JSON.stringify` writes for a text that was cut in the middle of an emoji. Everything else
/// stays as it is.
pub(crate) fn repair_json(json: &[u8]) -> Cow<'_, [u8]> {
    let mut json = match String::from_utf8_lossy(json) {
        Cow::Borrowed(_) => Cow::Borrowed(json),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let mut at = 0;
    while let Some(rest) = json.get(at..) {
        let Some(offset) = rest.iter().position(|byte| *byte == b'\\') else {
            break;
        };
        let escape = rest.get(offset..).unwrap_or_default();
        let is_low = |unit| matches!(unit, Some(0xDC00..=0xDFFF));
        let (length, is_half) = match unit(escape) {
            Some(0xD800..=0xDBFF) if escape.get(UNIT..).is_some_and(|next| is_low(unit(next))) => (2 * UNIT, false),
            Some(0xD800..=0xDFFF) => (UNIT, true),
            // A backslash escapes whatever comes next, another backslash as well.
            _ => (2, false),
        };
        at += offset;
        if is_half && let Some(half) = json.to_mut().get_mut(at..at + UNIT) {
            half.copy_from_slice(REPLACEMENT);
        }
        at += length;
    }
    json
}

/// The escape of U+0000. It is as long as what it replaces, so that the positions in a parser's errors stay right.
const REPLACEMENT: &[u8; UNIT] = br"\u0000";
/// Length of the escape of a UTF-16 unit, in bytes.
const UNIT: usize = 6;

/// The UTF-16 unit whose escape `json` starts with.
fn unit(json: &[u8]) -> Option<u32> {
    let digits: &[u8; 4] = json.strip_prefix(br"\u")?.first_chunk()?;
    digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_json;

    #[test]
    fn only_what_is_not_text_is_replaced() {
        for (json, expected) in [
            (&br"cut \ud83d"[..], br"cut \u0000".as_slice()),
            (br"\ude00 alone", br"\u0000 alone"),
            (br"\uD83D\uD83D\uDE00", br"\u0000\uD83D\uDE00"),
            (br"\ude00\ud83d", br"\u0000\u0000"),
            (br"\ud83d \ude00", br"\u0000 \u0000"),
            (br"\ud83d\n\udE00", br"\u0000\n\u0000"),
            (br"\ud83d\\ude00", br"\u0000\\ude00"),
            (br"\uDBFF\uDC00", br"\uDBFF\uDC00"),
            (br"\uD800\uDFFF", br"\uD800\uDFFF"),
            (
                br"\ud83d\ude00 \uD83D\uDE00 \ud83D\uDe00",
                br"\ud83d\ude00 \uD83D\uDE00 \ud83D\uDe00",
            ),
            (br"\ud7ff\ue000\u005cud83d", br"\ud7ff\ue000\u005cud83d"),
            (br"\\ud83d \\\\ud83d", br"\\ud83d \\\\ud83d"),
            (br"\\\ud83d", br"\\\u0000"),
            (br"\Ud83d \ud83 \ud83g \u+83d", br"\Ud83d \ud83 \ud83g \u+83d"),
            (br"ud83d", br"ud83d"),
            (br"\ud83d\u", br"\u0000\u"),
            (br"\", br"\"),
            (b"", b""),
            (b"a\xff\xfeb", "a\u{fffd}\u{fffd}b".as_bytes()),
            (b"\xff\\ud83d\xf0\x9f\x98", "\u{fffd}\\u0000\u{fffd}".as_bytes()),
            ("\\é\\ud83d 🦊".as_bytes(), "\\é\\u0000 🦊".as_bytes()),
        ] {
            let shown = String::from_utf8_lossy(json);
            assert_eq!(
                String::from_utf8_lossy(&repair_json(json)),
                String::from_utf8_lossy(expected),
                "{shown}"
            );
        }
    }

    /// The same JSON with everything beyond ASCII as escapes. Only texts have such characters.
    fn escaped(json: &str) -> String {
        json.chars().fold(String::new(), |mut escaped, char| {
            if char.is_ascii() {
                escaped.push(char);
            } else {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").unwrap();
                }
            }
            escaped
        })
    }

    /// Units of UTF-16, halves of pairs and what looks like escapes among them.
    fn any_unit() -> impl Strategy<Value = u16> {
        prop_oneof![
            any::<u16>(),
            0xD7FE_u16..=0xE001,
            prop::sample::select("\\ud83e\"".encode_utf16().collect::<Vec<_>>()),
        ]
    }

    proptest! {
        #[test]
        fn sound_json_stays_as_it_is(value in any_json()) {
            for json in [value.to_string(), escaped(&value.to_string())] {
                prop_assert!(matches!(repair_json(json.as_bytes()), Cow::Borrowed(same) if same == json.as_bytes()), "{json}");
            }
        }

        #[test]
        fn every_text_of_utf_16_becomes_what_it_can_be(units in prop::collection::vec((any_unit(), 0..3), 0..40)) {
            let mut json = String::from("\"");
            for (unit, style) in &units {
                match (u8::try_from(*unit).map(char::from), style) {
                    (Ok(mark @ ('\\' | '"')), 0) => json.extend(['\\', mark]),
                    (Ok(char), 0) if char.is_ascii() && !char.is_control() => json.push(char),
                    (_, 1) => write!(json, "\\u{unit:04X}").unwrap(),
                    _ => write!(json, "\\u{unit:04x}").unwrap(),
                }
            }
            json.push('"');
            let units: Vec<u16> = units.iter().map(|(unit, _)| *unit).collect();
            let read: String = serde_json::from_slice(&repair_json(json.as_bytes())).unwrap();
            let expected: String = char::decode_utf16(units).map(|char| char.unwrap_or('\0')).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_become_text(parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..4),
                prop::sample::select(vec![&b"\\"[..], b"\\u", b"\\ud83d", b"\\uDE00", b"d8", b"\xed\xa0\xbd"])
                    .prop_map(<[u8]>::to_vec),
            ],
            0..20,
        )) {
            let bytes = parts.concat();
            let once = repair_json(&bytes).into_owned();
            prop_assert!(std::str::from_utf8(&once).is_ok());
            prop_assert!(matches!(repair_json(&once), Cow::Borrowed(_)));
        }
    }
}
