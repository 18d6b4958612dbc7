use std::sync::Arc;

use super::*;

#[test]
fn failures_of_use_cases_have_their_status() {
    let failed = || StoreError::Failed(Arc::new(std::io::Error::other("SELECT secret")));
    for (problem, status, code) in [
        (Problem::from(OpenError::KeyReused), 422, "idempotency_key_reused"),
        (OpenError::Store(failed()).into(), 500, "storage_unavailable"),
        (AddError::NotFound.into(), 404, "ticket_not_found"),
        (AddError::NotAllowed.into(), 401, "unauthorized"),
        (AddError::KeyReused.into(), 422, "idempotency_key_reused"),
        (AddError::Store(failed()).into(), 500, "storage_unavailable"),
        (OperateError::NoSuchTicket.into(), 404, "ticket_not_found"),
        (OperateError::NoSuchMessage.into(), 404, "not_found"),
        (
            OperateError::InAnotherThread("T-20250115-1234".parse().unwrap()).into(),
            409,
            "already_attached",
        ),
        (OperateError::Store(failed()).into(), 500, "storage_unavailable"),
        (ReceiveError::NotNamed { ask: None }.into(), 400, "ticket_not_named"),
        (ReceiveError::NotFound { ask: None }.into(), 404, "ticket_not_found"),
        (ReceiveError::Store(failed()).into(), 500, "storage_unavailable"),
        (failed().into(), 500, "storage_unavailable"),
        (
            StoreError::Unavailable(Arc::new(std::io::Error::other("x"))).into(),
            500,
            "storage_unavailable",
        ),
        (
            StoreError::corrupt("tickets", "email", std::io::Error::other("x")).into(),
            500,
            "storage_unavailable",
        ),
    ] {
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(
            (body["status"].as_u64(), body["code"].as_str()),
            (Some(status), Some(code))
        );
        assert_eq!(body["type"], format!("/docs#{code}"));
        assert_eq!(body["ok"], false);
        assert!(body.get("errors").is_none() && body.get("ask").is_none());
        assert!(!body.to_string().contains("SELECT"), "{body}");
    }
}

#[test]
fn words_of_an_error_become_a_sentence() {
    assert_eq!(sentence(&AddError::NotFound), "There is no such ticket.");
}

#[test]
fn what_is_asked_is_told_to_the_caller_and_to_no_log() {
    let ask = || Some("1. T-20250115-1234 – Secret".into());
    for (error, code) in [
        (ReceiveError::NotNamed { ask: ask() }, "ticket_not_named"),
        (ReceiveError::NotFound { ask: ask() }, "ticket_not_found"),
    ] {
        let problem = Problem::from(error);
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(
            (body["code"].as_str(), body["ask"].as_str()),
            (Some(code), ask().as_deref())
        );
        let logged = format!("{problem} {problem:?}");
        assert!(!logged.contains("Secret") && !logged.contains("T-20250115"), "{logged}");
    }
}
