//! Any JSON that a caller may send, for properties that must hold whatever comes.

use proptest::prelude::*;
use serde_json::Value;

/// Any value: now and then one that looks like what a field is for.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[+0-9 ()]{0,18}|[a-z]{1,9}@[a-z.]{1,9}|high|low|T-[0-9]{8}-[0-9]{4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
