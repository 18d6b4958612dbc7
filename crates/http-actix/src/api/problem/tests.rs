use super::*;

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
