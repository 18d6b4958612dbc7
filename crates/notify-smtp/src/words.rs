//! What mails say.

use ticket_domain::{EventKind, ports::News};

use crate::{mail::MailSettings, payload::MailPayload};

/// A mail, before it is text or HTML.
pub(crate) struct Words {
    /// The subject. It is the same for all mails of a ticket, so that mail programs show them as one conversation. It repeats
    /// nothing that the customer wrote: anybody may have entered this address.
    pub(crate) subject: String,
    /// What stands first.
    pub(crate) lead: String,
    /// What the team wrote.
    pub(crate) answers: Vec<String>,
    /// What follows from it, a paragraph each.
    pub(crate) then: Vec<String>,
    /// The links, each with its words.
    pub(crate) links: Vec<(String, String)>,
    /// The small print.
    pub(crate) footer: String,
    /// The link that stops the mails about the ticket.
    pub(crate) unsubscribe: Option<String>,
}

impl Words {
    /// Writes a mail; `None` if its payload names no ticket.
    /// `who_answers` is a sentence about it, for a new ticket.
    pub(crate) fn new(
        event: EventKind,
        payload: &MailPayload,
        news: &News,
        who_answers: Option<String>,
        settings: &MailSettings,
    ) -> Option<Self> {
        let first = payload.links.first()?;
        let site = &settings.site_name;
        let reference = &first.reference;
        let link = |words: &str| vec![(words.to_owned(), first.url.clone())];
        let footer = format!("You get this e-mail because someone entered your address on the contact form of {site}.");
        let subject = format!("Your request {reference} – {site}");
        let unsubscribe = Some(first.unsubscribe());
        let words = match event {
            EventKind::Links => Self {
                subject: format!("Your requests – {site}"),
                lead: "You asked for the links to your open requests. Here they are:".into(),
                answers: Vec::new(),
                then: Vec::new(),
                links: payload
                    .links
                    .iter()
                    .map(|link| (format!("Request {}", link.reference), link.url.clone()))
                    .collect(),
                footer: "If you didn't ask for this, just ignore it: nobody but you got the links.".into(),
                unsubscribe: None,
            },
            EventKind::Answered | EventKind::Resolved => {
                let is_resolved = news.is_resolved;
                let back = match (&settings.reply_to, is_resolved) {
                    (Some(_), true) => "Still a problem? Reply to this e-mail, and we'll reopen it.",
                    (None, true) => "Still a problem? Write to us on the page, and we'll reopen it.",
                    (Some(_), false) => "To answer, just reply to this e-mail, or write on the page.",
                    (None, false) => "To answer, open the page. We can't read replies to this e-mail.",
                };
                let solved = (is_resolved && !news.answers.is_empty())
                    .then(|| "We've also marked your request as solved.".to_owned());
                Self {
                    subject: format!("Re: {subject}"),
                    lead: if news.answers.is_empty() {
                        format!("We've marked your request {reference} as solved.")
                    } else {
                        let who = settings.manager_name.as_deref().unwrap_or("We");
                        format!("{who} answered your request {reference}:")
                    },
                    answers: news.answers.iter().map(|answer| answer.content.as_text()).collect(),
                    then: solved.into_iter().chain([back.to_owned()]).collect(),
                    links: link("Open the conversation"),
                    footer,
                    unsubscribe,
                }
            }
            EventKind::Created | EventKind::Updated | EventKind::Attachment | EventKind::Question => Self {
                subject,
                lead: format!("We've got your request. Its number is {reference}."),
                answers: Vec::new(),
                then: who_answers
                    .into_iter()
                    .chain([
                        "You can follow it and add to it on your private page. We'll e-mail you when we answer.".into(),
                    ])
                    .collect(),
                links: link("Open your request"),
                footer: format!("{footer} If it wasn't you, just ignore it."),
                unsubscribe,
            },
        };
        Some(words)
    }

    /// Writes a mail to the owner, that says that mails arrive.
    pub(crate) fn probe(settings: &MailSettings) -> Self {
        Self {
            subject: format!("Test – {}", settings.site_name),
            lead: "E-mail to your customers works: this test was sent by your ticket server.".into(),
            answers: Vec::new(),
            then: Vec::new(),
            links: Vec::new(),
            footer: "You get this e-mail because someone ran `server check --probe --mail` with your address.".into(),
            unsubscribe: None,
        }
    }

    /// The mail as plain text.
    pub(crate) fn text(&self) -> String {
        let mut parts = vec![self.lead.clone()];
        parts.extend(self.answers.iter().cloned());
        parts.extend(self.then.iter().cloned());
        parts.extend(self.links.iter().map(|(words, url)| format!("{words}:\n{url}")));
        let mut footer = vec![format!("-- \n{}", self.footer)];
        footer.extend(
            self.unsubscribe
                .iter()
                .map(|url| format!("Stop e-mails about this request: {url}")),
        );
        parts.push(footer.join("\n"));
        parts.join("\n\n") + "\n"
    }
}
