//! Reads how customers are mailed.

use std::time::Duration;

use notify_smtp::{MailServer, Mailbox};

use super::variables::Variables;

/// How customers are mailed.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// The mail server.
    pub(crate) server: MailServer,
    /// The sender.
    pub(crate) from: Mailbox,
    /// Where replies go. `None`: mails say to answer on the page.
    pub(crate) reply_to: Option<Mailbox>,
    /// How long an answer waits for more, and for the customer's open page to show it.
    pub(crate) hold: Duration,
}

/// The longest hold. A customer who waits for longer has given up.
const HOLD_MAX: Duration = Duration::from_hours(1);

const SERVER: &str = "SMTP_URL";
const FROM: &str = "MAIL_FROM";
const REPLY_TO: &str = "MAIL_REPLY_TO";
const HOLD: &str = "MAIL_HOLD";

pub(super) fn mail(vars: &mut Variables<'_>) -> Option<Mail> {
    let is_set = vars.is_set(SERVER);
    let server = vars.secret(SERVER).map(|url| MailServer::parse(&url));
    if let Some(Err(error)) = &server {
        vars.fault(SERVER, error.to_string());
    }
    let from = mailbox(vars, FROM);
    let reply_to = mailbox(vars, REPLY_TO);
    let hold = hold(vars);
    if !is_set {
        for variable in [FROM, REPLY_TO] {
            if vars.is_set(variable) {
                vars.warn(format!("{variable} is set without {SERVER}: customers get no e-mail"));
            }
        }
        return None;
    }
    if !vars.is_set(FROM) {
        vars.fault(
            FROM,
            format!("must be set when {SERVER} is, to an address such as Support <support@example.com>"),
        );
    }
    Some(Mail {
        server: server?.ok()?,
        from: from?,
        reply_to,
        hold,
    })
}

fn mailbox(vars: &mut Variables<'_>, variable: &str) -> Option<Mailbox> {
    vars.parsed(variable, "an address such as Support <support@example.com>")
}

/// Reads a time such as `60s` or `5m`.
fn hold(vars: &mut Variables<'_>) -> Duration {
    const DEFAULT: Duration = Duration::from_mins(1);
    let Some(text) = vars.text(HOLD) else { return DEFAULT };
    let (number, unit) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(seconds), _) => (seconds, 1),
        (None, Some(minutes)) => (minutes, 60),
        (None, None) => (text.as_str(), 1),
    };
    let hold = number.trim().parse::<u32>().ok();
    let hold = hold.map(|number| Duration::from_secs(u64::from(number) * unit));
    hold.filter(|hold| *hold <= HOLD_MAX).unwrap_or_else(|| {
        vars.fault(HOLD, "must be a time such as 60s or 5m, at most 60m");
        DEFAULT
    })
}
