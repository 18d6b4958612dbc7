//! Notifies customers by e-mail. [`MailComposer`] writes what a mail is about, [`SmtpNotifier`] writes the mail and hands it
//! to a mail server, and [`SmtpNotifier::greet`] tests the connection without a mail to anyone.

mod failure;
mod mail;
mod payload;
mod server;
mod smtp;
mod words;

pub use mail::{MailSettings, Mailbox};
pub use payload::MailComposer;
pub use server::{MailServer, MailServerError};
pub use smtp::{SetUpError, SmtpNotifier};
