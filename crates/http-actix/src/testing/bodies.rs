//! Bodies that break one rule, or all of them.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;

use super::{Response, any_json, changed};

/// Sends `good` with one field changed at a time. Each is accepted, or its response lists one error of that field.
#[track_caller]
pub(crate) fn check_fields(
    good: &Value,
    cases: &[(&str, Option<Value>, Option<&str>)],
    send: impl Fn(&Value) -> Response,
) {
    for (field, value, expected) in cases {
        let answer = send(&changed(good.clone(), field, value.clone()));
        match expected {
            None => assert!(matches!(answer.status, 200 | 201), "{field} {value:?} {answer:?}"),
            Some(code) => assert_eq!(answer.field_errors(), [format!("{field} {code}")], "{field} {value:?}"),
        }
    }
}

/// Sends `good` with any JSON in `fields`, which must not fail, and bodies that break off after any bytes.
pub(crate) fn send_anything(good: &Value, fields: &[&str], send: impl Fn(Vec<u8>) -> Response) {
    let mut runner = TestRunner::deterministic();
    let values = prop::collection::vec(prop::option::of(any_json()), fields.len());
    let result = runner.run(&values, |values| {
        let given = fields
            .iter()
            .zip(values)
            .filter_map(|(field, value)| Some((field, value?)));
        let body = given.fold(good.clone(), |body, (field, value)| changed(body, field, Some(value)));
        prop_assert!(send(body.to_string().into()).status < 500);
        Ok(())
    });
    result.unwrap();
    let result = runner.run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
        for prefix in ["", "{", "{\"message\":", "{\"status\":"] {
            prop_assert_eq!(send([prefix.as_bytes(), &bytes].concat()).status, 400);
        }
        Ok(())
    });
    result.unwrap();
}
