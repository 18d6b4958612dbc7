//! Problems that many operations may answer, for their descriptions.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};

macro_rules! problems {
    ($($(#[$doc:meta])+ $name:ident { $($status:literal => $description:literal,)+ })+) => {
        $(
            $(#[$doc])+
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$(($status, $description)),+]
                        .map(|(status, description)| (status.to_string(), Response::new(description).into()))
                        .into()
                }
            }
        )+
    };
}

problems! {
    /// Of operations that read a JSON body of at most 64 KiB.
    BodyProblems {
        400 => "`validation_failed`: the body is not a JSON object, or fields are invalid.",
        408 => "`request_timeout`",
        413 => "`payload_too_large`: more than 64 KiB.",
        415 => "`unsupported_media_type`",
    }

    /// Of operations for operators. Those that write say what a failure of the store means for them.
    OperatorProblems {
        401 => "`unauthorized`: the operator token is missing or wrong.",
        429 => "`rate_limited`: too many wrong tokens.",
        500 => "`storage_unavailable` or `internal`",
    }

    /// Of operations for n8n.
    InboundProblems {
        401 => "`unauthorized`: `x-api-key` is missing or wrong.",
        429 => "`rate_limited`: too many wrong keys.",
    }
}
