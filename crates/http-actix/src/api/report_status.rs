//! `POST /api/ticket/inbound/status`: n8n hands over what WhatsApp says of a message that went to a manager.

use std::str::FromStr;

use actix_web::{HttpResponse, web::Data};
use garde::Validate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use ticket_domain::{
    ExternalId, MessageStatus, UnknownWord, ValidationError,
    use_cases::{ReportReceipt, Reported},
};
use utoipa::{
    ToSchema,
    openapi::{
        Object, ObjectBuilder,
        schema::{SchemaType, Type},
    },
};

use crate::{
    api::{
        body::{Body, Document},
        keys::InboundCaller,
        patience::in_time,
        problem::Problem,
        schemas::MessageStatusWord,
    },
    validation::{Field, blank_is_missing, check, optional, required},
};

/// Twilio's words for a message that it has and WhatsApp has not.
pub(crate) const IN_BETWEEN: &[&str] = &["accepted", "scheduled", "sending"];

/// What WhatsApp says of a message. A blank field counts as absent.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageStatusReport, example = json!({
    "externalId": "SM1234567890abcdef",
    "status": "undelivered",
    "errorCode": 63016
}))]
pub(crate) struct StatusReport {
    /// The message's id outside, such as Twilio's `MessageSid`: the one that the workflow answered with when it took
    /// the notification. At most 128 characters.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(required))]
    #[schema(value_type = String, required = true, max_length = 128, example = "SM1234567890abcdef")]
    external_id: Field<ExternalId>,
    /// How far it got, as Twilio words it.
    #[serde(default, deserialize_with = "blank_is_missing")]
    #[garde(custom(required))]
    #[schema(value_type = MessageStatusWord, required = true, example = "undelivered")]
    status: Field<TwilioStatus>,
    #[serde(default, deserialize_with = "number_or_digits")]
    #[garde(custom(optional))]
    #[schema(schema_with = error_code_schema, required = false)]
    error_code: Field<ErrorCode>,
}

fn error_code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::String, Type::Null]))
        .description(Some(
            "Why it failed, as Twilio numbers it: a number, or its digits as a text. 0 counts as absent.",
        ))
        .minimum(Some(0))
        .maximum(Some(u32::MAX))
        .pattern(Some(r"^\s*0*[0-9]{0,9}\s*$"))
        .examples([json!(63_016)])
        .build()
}

impl Document for StatusReport {
    const MAX_BYTES: usize = 64 * 1024;
}

struct TwilioStatus(MessageStatus);

impl FromStr for TwilioStatus {
    type Err = UnknownWord;

    fn from_str(raw: &str) -> Result<Self, UnknownWord> {
        if IN_BETWEEN.contains(&raw) {
            return Ok(Self(MessageStatus::Queued));
        }
        raw.parse().map(Self)
    }
}

/// A number of Twilio's, 0 where there is no error.
struct ErrorCode(u32);

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("must be a whole number from 0 to {}", u32::MAX)]
struct NotANumber;

impl ValidationError for NotANumber {
    fn code(&self) -> &'static str {
        "not_a_number"
    }
}

impl FromStr for ErrorCode {
    type Err = NotANumber;

    fn from_str(raw: &str) -> Result<Self, NotANumber> {
        let digits = raw.trim();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotANumber);
        }
        digits.parse().map(Self).map_err(|_| NotANumber)
    }
}

/// Reads a number, or a text of digits: Twilio sends forms, where everything is text.
fn number_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field<ErrorCode>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => Field::Missing,
        Value::String(text) if text.trim().is_empty() => Field::Missing,
        Value::String(text) => Field::parsed(&text),
        // As it is written, which only a whole number's digits survive. `63016.0` is one as well.
        other => {
            let written = other.to_string();
            Field::parsed(written.strip_suffix(".0").unwrap_or(&written))
        }
    })
}

impl StatusReport {
    /// The report with every fault of it told at once.
    fn checked(self) -> Result<(ExternalId, MessageStatus, Option<u32>), Problem> {
        check(&self, None)?;
        let (Field::Good(external_id), Field::Good(TwilioStatus(status))) = (self.external_id, self.status) else {
            return Err(Problem::fields(Vec::new()));
        };
        let error_code = self.error_code.good().map(|ErrorCode(code)| code);
        Ok((external_id, status, error_code.filter(|code| *code != 0)))
    }
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportedStatus {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// Whether a message of this id is known. If not, the report is kept for ten minutes, since it may have overtaken
    /// the answer that names the message.
    #[schema(example = true)]
    known: bool,
}

/// Hand over how far a message got
///
/// For Twilio's status callbacks. A ticket's `delivery.state` goes from `sent` to `delivered` to `read`, and never
/// backwards, in whichever order the reports come.
///
/// A message that was `failed` or `undelivered` goes out again another way: with error 63016 as a template, else to the
/// second number, `AGENT_PHONE_BACKUP`. Where there is no other way, the notification is given up, and
/// `delivery.state` becomes `failed`.
#[utoipa::path(
    post,
    path = "/api/ticket/inbound/status",
    tag = "n8n",
    operation_id = "reportStatus",
    request_body = StatusReport,
    security(("inboundKey" = [])),
    responses(
        (status = 200, description = "It is taken down.", body = ReportedStatus),
        (
            status = 400,
            description = "`validation_failed`: the body is no JSON object, or fields are at fault."
        ),
        (status = 401, description = "`unauthorized`: `x-api-key` is missing or wrong."),
        (status = 408, description = "`request_timeout`"),
        (status = 413, description = "`payload_too_large`: more than 64 KiB."),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`rate_limited`: too many wrong keys."),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored; it may be repeated."),
    )
)]
pub(crate) async fn report_status(
    _: InboundCaller,
    body: Body<StatusReport>,
    receipts: Data<ReportReceipt>,
) -> Result<HttpResponse, Problem> {
    let (external_id, status, error_code) = body.0.checked()?;
    let reported = in_time(receipts.report(external_id, status, error_code)).await?;
    log_reported(&reported);
    Ok(HttpResponse::Ok().json(ReportedStatus {
        ok: true,
        known: reported != Reported::Unknown,
    }))
}

/// Logs what an operator has to know of a receipt, at once or caught up with: that a message was refused after it had
/// been taken. It is not counted as a try: the try was counted when the message was taken.
pub fn log_reported(reported: &Reported) {
    match reported {
        Reported::Unknown | Reported::Nothing | Reported::Further(..) => {}
        Reported::Diverted {
            id,
            event,
            route,
            reason,
        } => {
            tracing::warn!(notification = %id, %event, %route, %reason, "notification refused; it goes another way");
        }
        Reported::Dead { id, event, reason } => {
            tracing::error!(notification = %id, %event, %reason, "notification given up");
        }
    }
}

#[cfg(test)]
mod tests;
