//! `POST /api/ticket/inbound/status`: n8n reports the delivery status of a message to a manager.

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

use crate::api::{
    body::{Body, Document},
    deadline::with_timeout,
    keys::InboundCaller,
    problem::Problem,
    schemas::MessageStatusSchema,
    success::success,
};
use crate::validation::{LenientField, present};

/// Twilio's statuses of a message that it has not passed on to WhatsApp yet.
pub(crate) const IN_BETWEEN: &[&str] = &["accepted", "scheduled", "sending"];

/// The delivery status of a message. A blank field counts as absent.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageStatusReport, example = json!({
    "externalId": "SM1234567890abcdef",
    "status": "undelivered",
    "errorCode": 63016
}))]
pub(crate) struct StatusReport {
    /// The message's external id, such as Twilio's `MessageSid`, with which the workflow answered the notification. At
    /// most 128 characters.
    #[garde(custom(present), dive)]
    #[schema(value_type = String, max_length = 128, example = "SM1234567890abcdef")]
    external_id: LenientField<ExternalId>,
    /// The status, in Twilio's words.
    #[garde(custom(present), dive)]
    #[schema(value_type = MessageStatusSchema)]
    status: LenientField<TwilioStatus>,
    #[serde(default, deserialize_with = "number_or_digits")]
    #[garde(dive)]
    #[schema(schema_with = error_code_schema, required = false)]
    error_code: LenientField<ErrorCode>,
}

fn error_code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::String, Type::Null]))
        .description(Some(
            "Twilio's error code: a number, or its digits as a text. 0 counts as absent.",
        ))
        .minimum(Some(0))
        .maximum(Some(u32::MAX))
        .pattern(Some(r"^\s*0*[0-9]{0,9}\s*$"))
        .examples([json!(63_016)])
        .build()
}

impl Document for StatusReport {
    /// The message, its status, and Twilio's error code if there is an error.
    type Parsed = (ExternalId, MessageStatus, Option<u32>);

    fn parsed(self) -> Option<Self::Parsed> {
        let TwilioStatus(status) = self.status.good()?;
        let error_code = self.error_code.good().map(|ErrorCode(code)| code);
        Some((self.external_id.good()?, status, error_code.filter(|code| *code != 0)))
    }
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

/// Twilio's error code, 0 without an error.
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

/// Reads a number, or a text of digits: Twilio sends forms, in which everything is text.
fn number_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LenientField<ErrorCode>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() || value.is_string() {
        return Ok(LenientField::read(&value));
    }
    // Only a whole number is written in digits. `63016.0` is one as well.
    let written = value.to_string();
    Ok(LenientField::parsed(written.strip_suffix(".0").unwrap_or(&written)))
}

/// The recorded report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportedStatus {
    /// Whether a message has this id. If not, the report is kept for ten minutes: it may have overtaken the response that
    /// names the message.
    #[schema(example = true)]
    known: bool,
}

/// Report the delivery status of a message
///
/// For Twilio's status callbacks. A ticket's `delivery.state` goes from `sent` to `delivered` to `read` and never back,
/// in whichever order the reports arrive.
///
/// What follows `failed` and `undelivered` depends on `errorCode`:
///
/// - 63016: the message is sent again as a template.
/// - 21211, 21610, 21614, 63003, 63013, 63014, 63024, 63032: this number can't be reached. The message is sent to the
///   second number, `AGENT_PHONE_BACKUP`. Without one the notification is dead, and `delivery.state` becomes `failed`.
/// - Any other code, and none: the failure is temporary. The message is sent again on the retry schedule, with a new
///   `webhook-id`, and `delivery.state` becomes `waiting`. For 20003, 21617, 63007 and 63051 the log says what to repair.
#[utoipa::path(
    post,
    path = "/api/ticket/inbound/status",
    tag = "n8n",
    request_body = StatusReport,
    responses(
        (status = 200, description = "The status was recorded.", body = ReportedStatus),
        (status = 500, description = "`storage_unavailable` or `internal`: most likely nothing was stored. Repeat the request."),
    )
)]
pub(crate) async fn report_status(
    _: InboundCaller,
    Body((external_id, status, error_code)): Body<StatusReport>,
    receipts: Data<ReportReceipt>,
) -> Result<HttpResponse, Problem> {
    let reported = with_timeout(receipts.report(external_id, status, error_code)).await?;
    log_reported(&reported);
    Ok(success(ReportedStatus {
        known: reported != Reported::Unknown,
    }))
}

/// Logs for operators that a message was refused after it had been accepted. It is not another attempt: the attempt was
/// counted when the message was accepted.
pub fn log_reported(reported: &Reported) {
    match reported {
        Reported::Unknown | Reported::Nothing | Reported::Further(..) => {}
        Reported::Retrying {
            id,
            event,
            due,
            reason,
            to_repair: None,
        } => {
            tracing::warn!(notification = %id, %event, %due, %reason, "notification failed after it was accepted");
        }
        Reported::Retrying {
            id,
            event,
            due,
            reason,
            to_repair: Some(to_repair),
        } => {
            tracing::error!(
                notification = %id, %event, %due, %reason, to_repair,
                "notification fails until its owner acts"
            );
        }
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
