use super::*;

#[test]
fn an_error_becomes_a_sentence() {
    assert_eq!(sentence(&AddError::NotFound), "There is no such ticket.");
}

#[test]
fn a_clarifying_question_is_sent_and_not_logged() {
    let ask = || {
        Some(Ask {
            text: "1. T-20250115-1234 – Secret".into(),
            is_sent: true,
        })
    };
    for (error, code) in [
        (ReceiveError::NotNamed { ask: ask() }, "ticket_not_named"),
        (ReceiveError::NotFound { ask: ask() }, "ticket_not_found"),
    ] {
        let problem = Problem::from(error);
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(
            (body["code"].as_str(), body["ask"].as_str(), &body["questionSent"]),
            (Some(code), Some(&*ask().unwrap().text), &serde_json::json!(true))
        );
        let logged = format!("{problem} {problem:?}");
        assert!(!logged.contains("Secret") && !logged.contains("T-20250115"), "{logged}");
    }
}
