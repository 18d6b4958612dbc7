//! What a customer writes by e-mail: the new words of a reply, and what shows that nobody wrote it.

use uuid::Uuid;

use crate::{TicketId, references_in};

/// The id in the `References` of every mail about a ticket, without the domain. Some mail services give mails another
/// `Message-ID`, but leave this.
pub fn mail_thread(ticket: TicketId) -> String {
    format!("ticket.{ticket}")
}

/// Returns the ticket in a mail's `References`.
pub fn mail_thread_in(references: &str) -> Option<TicketId> {
    let ids = references.split_whitespace();
    let threads = ids.filter_map(|id| id.trim_start_matches('<').strip_prefix("ticket."));
    threads
        .filter_map(|thread| thread.split('@').next()?.parse::<Uuid>().ok())
        .map(TicketId)
        .next()
}

/// Whether a mail with these headers was written by a program: an out-of-office reply, a bounce, a mailing list. Names are
/// compared without case.
pub fn is_automatic_mail<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    let mut headers = headers.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_lowercase()));
    headers.any(|(name, value)| match name.as_str() {
        // RFC 3834: `auto-generated`, `auto-replied`; and what older programs say instead.
        "auto-submitted" | "x-autoreply" | "x-autorespond" => !value.is_empty() && value != "no",
        "precedence" => matches!(value.as_str(), "bulk" | "junk" | "list" | "auto_reply"),
        "list-id" => !value.is_empty(),
        // A bounce has no sender who could be answered.
        "return-path" => value == "<>",
        _ => false,
    })
}

/// The words that a customer added to the mail that they reply to. What is quoted below them and a signature are cut; what
/// stands between quotes stays with them. A text of which nothing would be left stays whole.
pub fn new_words(text: &str) -> &str {
    let lines = Lines::of(text);
    let end = lines.end_of_new();
    let kept = text[..lines.start_of(end)].trim_end();
    if kept.trim().is_empty() { text } else { kept }
}

/// A text's lines, and where each begins.
struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    length: usize,
}

/// The most lines of what mail programs put before a quote, as "On Monday, Asha wrote:".
const ATTRIBUTION_MAX: usize = 3;

/// How many header lines (`From: …`, `Sent: …`) make a quoted mail.
const HEADERS_MIN: usize = 3;

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let begins = at;
            at += line.len();
            (begins, line.trim())
        });
        Self {
            lines: lines.collect(),
            length: text.len(),
        }
    }

    fn start_of(&self, line: usize) -> usize {
        self.lines.get(line).map_or(self.length, |(at, _)| *at)
    }

    fn line(&self, number: usize) -> &'a str {
        self.lines.get(number).map_or("", |(_, line)| line)
    }

    /// The number of the first line that is not the customer's own, up to the end.
    fn end_of_new(&self) -> usize {
        let all = self.lines.len();
        // RFC 3676: two hyphens and a blank, which some programs cut.
        let signature = (0..all).find(|number| self.line(*number) == "--");
        let quoted_mail = (0..all).find(|number| self.is_quoted_mail(*number));
        let end = [signature, quoted_mail].into_iter().flatten().min().unwrap_or(all);
        let end = self.without_quote(end);
        self.without_sent_from(end)
    }

    /// Whether the headers of a quoted mail begin here, as Outlook writes them in every language: `From: …` and further such
    /// lines, perhaps after a rule or "-----Original Message-----". One is the subject of our mail, with the reference.
    fn is_quoted_mail(&self, number: usize) -> bool {
        let is_rule =
            |line: &str| line.len() >= 5 && (line.starts_with("-----") || line.bytes().all(|byte| byte == b'_'));
        let mut first = number;
        if is_rule(self.line(number)) {
            first = (number + 1..self.lines.len())
                .find(|next| !self.line(*next).is_empty())
                .unwrap_or(number);
        }
        let headers = (first..self.lines.len()).map(|next| self.line(next));
        let headers: Vec<&str> = headers.take_while(|line| is_header(line)).collect();
        let names_ticket = headers.iter().any(|line| !references_in(line).is_empty());
        headers.len() >= HEADERS_MIN && names_ticket
    }

    /// Steps back over a quote that reaches to the line `end`, and over what introduces it.
    fn without_quote(&self, end: usize) -> usize {
        let back_over = |mut end: usize, is_in: &dyn Fn(&str) -> bool| {
            while end > 0 && is_in(self.line(end - 1)) {
                end -= 1;
            }
            end
        };
        let below = back_over(end, &str::is_empty);
        let quote = back_over(below, &|line| line.is_empty() || line.starts_with('>'));
        if quote == below || !(quote..below).any(|number| self.line(number).starts_with('>')) {
            return end;
        }
        let last = back_over(quote, &str::is_empty);
        let first = back_over(last, &|line| !line.is_empty()).max(last.saturating_sub(ATTRIBUTION_MAX));
        if !self.line(last.saturating_sub(1)).ends_with([':', '：']) {
            return last;
        }
        // As few lines as have a date or else an address: it may stand right below what the customer wrote.
        let shortest = |is_in: &dyn Fn(&str) -> bool| (first..last).rev().find(|number| is_in(self.line(*number)));
        let is_dated = |line: &str| {
            let mut words = line.split_whitespace().filter(|word| !word.contains('@'));
            words.any(|word| word.contains(|c: char| c.is_ascii_digit()))
        };
        let begins = shortest(&is_dated).or_else(|| shortest(&|line| line.contains('@')));
        begins.unwrap_or(last)
    }

    /// Steps back over "Sent from my phone" at the end.
    fn without_sent_from(&self, end: usize) -> usize {
        let last = (0..end).rev().find(|number| !self.line(*number).is_empty());
        match last {
            Some(last) if self.line(last).starts_with("Sent from my ") => last,
            _ => end,
        }
    }
}

/// Whether a line is `Word: text`, or `*Word:* text` as text made of HTML has it.
fn is_header(line: &str) -> bool {
    let line = line.trim_start_matches(['*', '>', ' ']);
    line.split_once(':').is_some_and(|(name, value)| {
        let name = name.trim_end_matches('*').trim();
        let is_name = name.chars().next().is_some_and(char::is_uppercase) && name.chars().count() <= 16;
        is_name && !name.contains(char::is_whitespace) && !value.starts_with("//") && !value.trim().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_below_is_cut() {
        for (mail, words) in [
            (
                "Thanks, that works.\n\nOn Mon, Jan 13, 2025 at 9:01 AM Acme <a@b.example> wrote:\n> We answered\n> your request",
                "Thanks, that works.",
            ),
            (
                "Thanks.\nOn Mon, 13 Jan 2025, Acme Support\n<a@b.example> wrote:\n\n> quoted\n>\n> more\n\n",
                "Thanks.",
            ),
            (
                "Danke!\r\n\r\nAm 13.01.25 um 09:01 schrieb Acme:\r\n> zitiert\r\n",
                "Danke!",
            ),
            (
                "ありがとう\n\n2025年1月13日(月) 9:01 Acme <a@b.example>：\n> 引用",
                "ありがとう",
            ),
            ("No attribution\n\n> only a quote", "No attribution"),
            (
                "Two paragraphs.\n\nThe second: it stays\n\n> quote",
                "Two paragraphs.\n\nThe second: it stays",
            ),
            (
                "Fine\n\n________________________________\nFrom: Acme <a@b.example>\nSent: Monday\nTo: John\nSubject: Re: Your request T-20250115-1234\n\nWe answered",
                "Fine",
            ),
            (
                "Gut\n\n-----Ursprüngliche Nachricht-----\nVon: Acme\nGesendet: Montag\nAn: John\nBetreff: Re: T-20250115-1234\n\nText",
                "Gut",
            ),
            (
                "Bien\n\n*De :* Acme\n*Envoyé :* lundi\n*À :* John\n*Objet :* Re: T-20250115-1234\n\nTexte",
                "Bien",
            ),
            ("Works now\n-- \nJohn Doe\nGalactic President\n\n> quote", "Works now"),
            (
                "Works now\n\nSent from my iPhone\n\nOn 13 Jan 2025, Acme wrote:\n> quote",
                "Works now",
            ),
            ("Sent from my iPhone\n", "Sent from my iPhone\n"),
        ] {
            assert_eq!(new_words(mail), words, "{mail}");
        }
    }

    #[test]
    fn what_the_customer_wrote_stays() {
        for mail in [
            "Hello\n> which colour?\nblue\n> which size?\nlarge",
            "My address:\nName: John Doe\nStreet: 1 Main St.\nCity: Springfield",
            "-----\nEmail: john@example.com\nOrder: 12\nSize: L\nColour: red",
            "-- what a pity --\nStill broken",
            "I sent it on 13 Jan:\nwhere is it?",
            "See https://a.example/x and\nhttps://b.example/y",
            "> only a quote",
            "",
            "a > b\nc",
        ] {
            assert_eq!(new_words(mail), mail, "{mail}");
        }
    }

    #[test]
    fn programs_are_told_from_people() {
        let is_automatic = |name, value| is_automatic_mail([("Subject", "Re: x"), (name, value)].into_iter());
        for (name, value) in [
            ("Auto-Submitted", "auto-replied"),
            ("auto-submitted", "auto-generated (rejected)"),
            ("Precedence", "bulk"),
            ("PRECEDENCE", "auto_reply"),
            ("X-Autoreply", "yes"),
            ("List-Id", "<news.example>"),
            ("Return-Path", "<>"),
        ] {
            assert!(is_automatic(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("Auto-Submitted", "no"),
            ("Precedence", "normal"),
            ("X-Autoreply", ""),
            ("Return-Path", "<john@example.com>"),
            ("X-Auto-Response-Suppress", "All"),
        ] {
            assert!(!is_automatic(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn references_lead_to_their_ticket() {
        let ticket = TicketId(Uuid::from_u128(7));
        let thread = mail_thread(ticket);
        for references in [
            format!("<{thread}@desk.example>"),
            format!("<a@b>\r\n\t<{thread}@desk.example> <c@d>"),
            format!("{thread}@desk.example"),
        ] {
            assert_eq!(mail_thread_in(&references), Some(ticket), "{references}");
        }
        for references in ["", "<a@b>", "<ticket.7@desk.example>", "ticket."] {
            assert_eq!(mail_thread_in(references), None, "{references}");
        }
    }
}
