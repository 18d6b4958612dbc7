//! What customers read of the company on its pages.

use ticket_domain::Phone;

use super::{parts::international, variables::Variables};

/// Maximum length of a name in characters, so that it fits on a phone's screen.
const NAME_MAX: usize = 60;

pub(super) fn site_name(vars: &mut Variables<'_>) -> String {
    name(vars, "SITE_NAME").unwrap_or_else(|| "Support".into())
}

pub(super) fn manager_name(vars: &mut Variables<'_>) -> Option<String> {
    name(vars, "MANAGER_NAME")
}

pub(super) fn whatsapp_number(vars: &mut Variables<'_>) -> Option<Phone> {
    const VARIABLE: &str = "WHATSAPP_NUMBER";
    let text = vars.text(VARIABLE)?;
    let number = international(&text);
    if number.is_none() {
        vars.fault(
            VARIABLE,
            "must be one number such as +14155238886, with + and country code",
        );
    }
    number
}

fn name(vars: &mut Variables<'_>, variable: &str) -> Option<String> {
    let name = vars.text(variable)?;
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        vars.fault(variable, format!("must be one line of at most {NAME_MAX} characters"));
    }
    Some(name)
}
