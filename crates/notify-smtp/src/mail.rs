//! Writes mails.

use std::{str::FromStr, time::SystemTime};

use lettre::{
    Message,
    message::{
        Mailbox as LettreMailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ticket_domain::{NotificationId, TicketId, mail_thread};
use url::Host;
use uuid::Uuid;

use crate::words::Words;

/// A mail address with a name, as `Support <support@example.com>`, or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox(pub(crate) LettreMailbox);

/// The text is no mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as Support <support@example.com>")]
pub struct MailboxError;

impl Mailbox {
    /// The domain after the `@`.
    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(raw: &str) -> Result<Self, MailboxError> {
        if raw.contains(char::is_control) {
            return Err(MailboxError);
        }
        raw.trim().parse().map(Self).map_err(|_| MailboxError)
    }
}

/// What all mails have in common.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The sender.
    pub from: Mailbox,
    /// Where replies go. Without it, mails say to answer on the page.
    pub reply_to: Option<Mailbox>,
    /// The name of the site.
    pub site_name: String,
    /// Who answers.
    pub manager_name: Option<String>,
}

/// The customer's address is none that mail can be sent to.
#[derive(Debug)]
pub(crate) struct Unsendable;

/// Says that no person wrote it at this moment (RFC 3834), so that nothing answers it by itself.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
/// The same for Exchange, which does not know the former.
const SUPPRESS: HeaderName = HeaderName::new_from_ascii_str("X-Auto-Response-Suppress");
/// A link that stops the mails, as a button of the mail program (RFC 2369), by one click (RFC 8058).
const UNSUBSCRIBE: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe");
const UNSUBSCRIBE_POST: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");

/// The `Message-ID` of a notification, without the angle brackets: the same on every attempt.
pub(crate) fn message_id(id: NotificationId, settings: &MailSettings) -> String {
    format!("{id}@{}", settings.from.domain())
}

/// The id under which mail programs gather a ticket's mails. No mail has it itself.
fn thread_id(ticket: Uuid, settings: &MailSettings) -> String {
    format!("<{}@{}>", mail_thread(TicketId(ticket)), settings.from.domain())
}

/// Writes a mail to `to`, about a ticket or several. It is the same on every attempt, as long as the words are.
pub(crate) fn compose(
    id: NotificationId,
    to: &str,
    ticket: Option<Uuid>,
    words: &Words,
    settings: &MailSettings,
    date: SystemTime,
) -> Result<Message, Unsendable> {
    let to = with_ascii_domain(to).parse().map_err(|_| Unsendable)?;
    let raw = |name: HeaderName, value: &str| HeaderValue::new(name, value.to_owned());
    let mut mail = Message::builder()
        .from(settings.from.0.clone())
        .to(LettreMailbox::new(None, to))
        .subject(&words.subject)
        .date(date)
        .message_id(Some(format!("<{}>", message_id(id, settings))))
        .raw_header(raw(AUTO_SUBMITTED, "auto-generated"))
        .raw_header(raw(SUPPRESS, "All"));
    if let Some(reply_to) = &settings.reply_to {
        mail = mail.reply_to(reply_to.0.clone());
    }
    if let Some(ticket) = ticket {
        let thread = thread_id(ticket, settings);
        mail = mail.in_reply_to(thread.clone()).references(thread);
    }
    if let Some(url) = &words.unsubscribe {
        mail = mail
            .raw_header(raw(UNSUBSCRIBE, &format!("<{url}>")))
            .raw_header(raw(UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click"));
    }
    let parts = MultiPart::alternative()
        .boundary(format!("part-{}", id.0.simple()))
        .singlepart(part(ContentType::TEXT_PLAIN, words.text()))
        .singlepart(part(
            ContentType::TEXT_HTML,
            page(words, &settings.site_name).into_string(),
        ));
    mail.multipart(parts).map_err(|_| Unsendable)
}

/// The address with its domain as DNS has it (`xn--…`), which every mail server takes.
fn with_ascii_domain(address: &str) -> String {
    let encoded = |(local, domain)| Some(format!("{local}@{}", Host::parse(domain).ok()?));
    let encoded = address.rsplit_once('@').and_then(encoded);
    encoded.unwrap_or_else(|| address.to_owned())
}

fn part(kind: ContentType, body: String) -> SinglePart {
    SinglePart::builder().header(kind).body(body)
}

/// Mail programs read little CSS: everything that matters stands at the elements, and dark colours here.
const STYLE: &str = "
    :root { color-scheme: light dark; }
    @media (prefers-color-scheme: dark) {
        .page { background: #16181d !important; }
        .card { background: #22252c !important; color: #f0f1f4 !important; border-color: #3a3f4b !important; }
        .answer { background: #17352d !important; color: #f0f1f4 !important; }
        .site { color: #f0f1f4 !important; }
        .small, .small a { color: #a9b0bd !important; }
        .button { background: #58c9a9 !important; color: #06231b !important; }
    }";
const PAGE: &str = "margin:0;padding:24px 12px;background:#f3f4f6;";
const SITE: &str = "max-width:560px;margin:0 auto 12px;padding:0 24px;color:#1c2230;\
    font:600 16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;";
const CARD: &str = "max-width:560px;margin:0 auto;padding:28px 24px;background:#ffffff;color:#1c2230;border:1px solid #e2e5ea;\
    border-radius:12px;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;";
const ANSWER: &str =
    "margin:0 0 12px;padding:14px 16px;background:#e2f2ec;color:#1c2230;border-radius:10px;overflow-wrap:anywhere;";
const BUTTON: &str = "display:inline-block;padding:12px 20px;background:#0b6e5a;color:#ffffff;border-radius:8px;\
    text-decoration:none;font-weight:600;";
const SMALL: &str = "max-width:560px;margin:16px auto 0;padding:0 24px;color:#5a6372;\
    font:13px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;";

/// The mail as HTML.
fn page(words: &Words, site: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (words.subject) }
                style { (PreEscaped(STYLE)) }
            }
            body.page style=(PAGE) {
                p.site style=(SITE) { (site) }
                div.card style=(CARD) {
                    p style="margin:0 0 16px" { (words.lead) }
                    @for answer in &words.answers {
                        div.answer style=(ANSWER) dir="auto" { (lines(answer)) }
                    }
                    @for paragraph in &words.then {
                        p style="margin:16px 0" { (paragraph) }
                    }
                    @for (text, url) in &words.links {
                        p style="margin:20px 0 0" { a.button href=(url) style=(BUTTON) { (text) } }
                    }
                }
                p.small style=(SMALL) {
                    (words.footer)
                    @if let Some(url) = &words.unsubscribe {
                        br;
                        a href=(url) style="color:#5a6372" { "Stop e-mails about this request" }
                    }
                }
            }
        }
    }
}

/// A text with its line breaks.
fn lines(text: &str) -> Markup {
    html! {
        @for (number, line) in text.split('\n').enumerate() {
            @if number > 0 { br; }
            (line)
        }
    }
}
