//! How values look in a dump: ids as text, times as RFC 3339, bytes as text where they are text.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use ticket_domain::Timestamp;
use uuid::Uuid;

use crate::types::Stored;

macro_rules! as_text {
    ($($type:ty),+) => {$(
        impl Serialize for Stored<$type> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for Stored<$type> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                <$type>::from_str(&text).map(Self).map_err(D::Error::custom)
            }
        }
    )+};
}
as_text!(Uuid, Timestamp);

/// Bytes: a string if they are UTF-8, else `{"base64": "…"}`.
pub(super) mod bytes {
    use std::borrow::Cow;

    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Bytes<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Encoded { base64: String },
    }

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text.into()),
            Err(_) => Bytes::Encoded {
                base64: BASE64_STANDARD.encode(bytes),
            },
        };
        bytes.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match Bytes::deserialize(deserializer)? {
            Bytes::Text(text) => Ok(text.into_owned().into_bytes()),
            Bytes::Encoded { base64 } => BASE64_STANDARD.decode(base64).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Payload(#[serde(with = "bytes")] Vec<u8>);

    #[test]
    fn values_are_readable_and_come_back() {
        let id = Stored(Uuid::from_u128(7));
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            "\"00000000-0000-0000-0000-000000000007\""
        );
        assert_eq!(
            serde_json::from_str::<Stored<Uuid>>("\"00000000-0000-0000-0000-000000000007\"").unwrap(),
            id
        );
        let at = Stored(Timestamp::from_unix_micros(1_736_937_000_000_001).unwrap());
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, "\"2025-01-15T10:30:00.000001Z\"");
        assert_eq!(serde_json::from_str::<Stored<Timestamp>>(&text).unwrap(), at);
        for (bytes, json) in [
            (b"{\"a\":1}".to_vec(), r#""{\"a\":1}""#),
            (vec![], "\"\""),
            (vec![0, 0xff, b'{'], r#"{"base64":"AP97"}"#),
        ] {
            let payload = Payload(bytes);
            assert_eq!(serde_json::to_string(&payload).unwrap(), json);
            assert_eq!(serde_json::from_str::<Payload>(json).unwrap(), payload);
        }
        for broken in ["7", "{\"base64\":\"?\"}", "{\"base32\":\"\"}"] {
            assert!(serde_json::from_str::<Payload>(broken).is_err(), "{broken}");
        }
        for broken in ["\"2025-01-15\"", "\"2025-02-30T10:30:00.000001Z\"", "1736937000"] {
            assert!(serde_json::from_str::<Stored<Timestamp>>(broken).is_err(), "{broken}");
        }
    }
}

/// The same for a column that may be null.
pub(super) mod optional_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Bytes(#[serde(with = "super::bytes")] Vec<u8>);

    #[expect(clippy::ref_option, reason = "as serde passes it")]
    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Bytes).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Bytes>::deserialize(deserializer)?.map(|Bytes(bytes)| bytes))
    }
}
