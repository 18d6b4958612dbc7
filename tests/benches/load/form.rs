//! What customers send in, different each time and all about as long.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

/// How many there are; then they begin anew, which the server takes as new tickets.
const FORMS: u32 = 1_000;

/// The form of this number.
pub(crate) fn form(number: u32) -> Value {
    json!({
        "customerName": format!("Zoë Quuxley {number:04}"),
        "customerPhone": format!("+1555000{number:04}"),
        "customerEmail": format!("zoe.quuxley.{number:04}@customer.example"),
        "subject": format!("Order {number:04} came damaged"),
        "message": format!(
            "I received damaged bottles in my last order, number {number:04}.\nTwo of the six were broken and the box was \
             wet. Could you send new ones before the weekend, or give me the money back? Thank you very much."
        ),
        "priority": "high",
    })
}

/// Writes them into a file, a line each.
pub(crate) fn write_all(file: &Path) {
    let lines = (0..FORMS).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", form(number)).unwrap();
        text
    });
    fs::write(file, lines).unwrap();
}
