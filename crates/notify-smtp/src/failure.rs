//! What follows when a mail server does not take a mail.

use lettre::transport::smtp;
use ticket_domain::ports::{Failure, FailureKind};

/// Returns what a failed attempt means. A server's own words are left out: they often repeat the address.
pub(crate) fn failure(error: &smtp::Error) -> Failure {
    let (kind, reason) = match error.status() {
        Some(code) => refused(code.into(), enhanced(&error.to_string()).as_deref()),
        None if error.is_client() && error.to_string().contains("SMTPUTF8") => (
            FailureKind::Permanent,
            "the mail server can't send to the customer's address: it has letters beyond ASCII before the @".into(),
        ),
        None => (FailureKind::Temporary, unreachable(error)),
    };
    Failure {
        reason: reason.into(),
        kind,
        retry_after: None,
    }
}

/// Why a server could not be spoken with.
fn unreachable(error: &smtp::Error) -> String {
    if error.is_timeout() {
        return "the mail server did not answer in time".into();
    }
    // lettre calls it a connection error where the connection is encrypted from the start.
    if error.is_tls() || error.to_string().contains("certificate") {
        return "no encrypted connection to the mail server: its certificate must be valid for the host in SMTP_URL"
            .into();
    }
    if error.is_client() {
        return "the mail server does not offer what SMTP_URL asks for: STARTTLS, or a way to sign in".into();
    }
    if error.is_response() {
        return "the mail server broke off, or does not speak SMTP".into();
    }
    "the mail server could not be reached, or closed the connection".into()
}

/// What an answer means: its code, and its enhanced status such as `5.1.1` (RFC 3463) if it has one.
fn refused(code: u16, enhanced: Option<&str>) -> (FailureKind, String) {
    let shown = match enhanced {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_string(),
    };
    let is_of =
        |classes: [&str; 2]| enhanced.is_some_and(|status| classes.iter().any(|class| status.starts_with(class)));
    match code {
        530 | 534 | 535 | 538 => (
            FailureKind::Temporary,
            format!("the mail server refused the user or password in SMTP_URL ({shown})"),
        ),
        400..=499 => (
            FailureKind::Temporary,
            format!("the mail server does not take the mail at present ({shown})"),
        ),
        // By RFC 3463 these are about the address (X.1) and the mailbox (X.2). Without them, these codes mean so.
        500..=599 if is_of(["5.1.", "5.2."]) || enhanced.is_none() && (550..=553).contains(&code) => (
            FailureKind::Permanent,
            format!("the mail server refused the customer's address ({shown})"),
        ),
        // It may be the sender, the server's own address or its policy. The owner can change that.
        _ => (
            FailureKind::Temporary,
            format!("the mail server refused the mail ({shown}): it may not let you send from MAIL_FROM"),
        ),
    }
}

/// The first enhanced status in an answer.
fn enhanced(answer: &str) -> Option<String> {
    let mut words = answer.split(|c: char| !c.is_ascii_digit() && c != '.');
    let is_status = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        let is_number = |part: &&str| (1..=3).contains(&part.len());
        matches!(parts[..], ["4" | "5", ..]) && parts.len() == 3 && parts.iter().all(is_number)
    };
    words.find(is_status).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_ends_a_mail() {
        use FailureKind::{Permanent, Temporary};
        for (answer, kind, reason) in [
            ("451 4.7.1 Greylisted, come back", Temporary, "at present (451 4.7.1)"),
            ("421 busy", Temporary, "at present (421)"),
            ("452 4.2.2 mailbox full", Temporary, "at present (452 4.2.2)"),
            ("550 5.1.1 <a@b.example>: unknown", Permanent, "address (550 5.1.1)"),
            ("550 no such user a.b@c.example", Permanent, "address (550)"),
            ("553 5.1.3 bad address", Permanent, "address (553 5.1.3)"),
            ("552 5.2.2 quota", Permanent, "address (552 5.2.2)"),
            ("550 5.7.1 relaying denied", Temporary, "MAIL_FROM"),
            ("554 5.7.1 blocked from 192.0.2.1", Temporary, "MAIL_FROM"),
            ("535 5.7.8 bad credentials", Temporary, "SMTP_URL (535 5.7.8)"),
            ("530 5.7.0 authentication required", Temporary, "SMTP_URL"),
        ] {
            let code: u16 = answer[..3].parse().unwrap();
            let (is, why) = refused(code, enhanced(&answer[3..]).as_deref());
            assert_eq!(is, kind, "{answer}");
            assert!(why.contains(reason), "{answer}: {why}");
            assert!(!why.contains('@') && !why.contains("192"), "{why}");
        }
    }
}
