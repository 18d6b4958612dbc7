//! Reads mails: headers and parts, decoded.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A word such as `=?utf-8?b?w6k=?=`, with what separates it from another one.
static ENCODED_WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)=\?utf-8\?(b|q)\?([^?]*)\?=(\s+(=\?))?").expect("a pattern"));

/// Headers, in their order.
pub(crate) type Headers = Vec<(String, String)>;

/// The headers, unfolded and decoded, and the body.
pub(crate) fn split(mail: &str) -> (Headers, &str) {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap_or((mail, ""));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        (name.to_owned(), decoded_words(value))
    };
    (head.split("\r\n").map(header).collect(), body)
}

fn decoded_words(value: &str) -> String {
    let mut value = value.to_owned();
    // White space between two encoded words is none.
    while ENCODED_WORD.is_match(&value) {
        let decoded = ENCODED_WORD.replace(&value, |found: &Captures<'_>| {
            let bytes = if found[1].eq_ignore_ascii_case("b") {
                openssl::base64::decode_block(&found[2]).expect("base64")
            } else {
                quoted_printable(&found[2].replace('_', " "))
            };
            let next = found.get(4).map_or("", |next| next.as_str());
            String::from_utf8(bytes).expect("UTF-8") + next
        });
        value = decoded.into_owned();
    }
    value
}

/// The decoded text of the first part of this type.
pub(crate) fn part(headers: &Headers, body: &str, kind: &str) -> Option<String> {
    let header = |name: &str| {
        let mut headers = headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    };
    let content_type = header("Content-Type");
    if let Some((_, rest)) = content_type.split_once("boundary=\"") {
        let boundary = format!("--{}", rest.split('"').next()?);
        let mut parts = body.split(boundary.as_str()).skip(1);
        return parts.find_map(|part| {
            let (headers, body) = split(part.strip_prefix("\r\n")?);
            self::part(&headers, body, kind)
        });
    }
    if !content_type.starts_with(kind) {
        return None;
    }
    let bytes = match header("Content-Transfer-Encoding") {
        "base64" => openssl::base64::decode_block(&body.replace("\r\n", "")).expect("base64"),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    let text = String::from_utf8(bytes).expect("UTF-8");
    Some(text.replace("\r\n", "\n"))
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let mut pieces = text.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).expect("two digits");
        bytes.push(u8::from_str_radix(code, 16).expect("hexadecimal digits"));
        bytes.extend(rest.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mail = "Subject: Re: =?utf-8?b?w6k=?=\r\n =?utf-8?q?_=C3=A9?= end\r\nContent-Type: multipart/alternative;\r\n \
            boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: \
            quoted-printable\r\n\r\na=C3=A9 so=\r\nft\r\nb\r\n--x\r\nContent-Type: text/html\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nPGI+\r\nw6k=\r\n--x--\r\n";
        let (headers, body) = split(mail);
        assert_eq!(headers[0], ("Subject".into(), "Re: é é end".into()));
        assert_eq!(part(&headers, body, "text/plain").unwrap(), "aé soft\nb\n");
        assert_eq!(part(&headers, body, "text/html").unwrap(), "<b>é");
    }
}
