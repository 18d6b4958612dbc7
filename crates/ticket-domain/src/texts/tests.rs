use proptest::prelude::*;

use super::*;
use crate::{
    Choice, Priority, Reason, Subject, references_in,
    testing::{TicketBuilder, details},
};

const URL: &str = "https://desk.example/ticket/T-20250115-1234";

fn asha(priority: Priority) -> Ticket {
    TicketBuilder::new("T-20250115-1234")
        .customer_name("Asha Rao")
        .customer_email("asha@example.com")
        .subject("Damaged bottles")
        .priority(priority)
        .build()
}

fn event<'a>(kind: EventKind, ticket: &'a Ticket, message: &'a str) -> Event<'a> {
    Event {
        kind,
        ticket,
        message,
        ticket_url: URL,
    }
}

fn choice(number: u32, subject: &str) -> Choice {
    Choice {
        reference: format!("T-20250115-{number:04}").parse().unwrap(),
        subject: subject.parse().unwrap(),
    }
}

/// Every text that a manager reads, by the occasion.
fn every_text() -> Vec<(&'static str, String)> {
    let (pressing, plain) = (asha(Priority::Urgent), asha(Priority::Medium));
    let broken = "I received damaged bottles in my last order.";
    let choices = [choice(1234, "Damaged bottles"), choice(5678, "Wrong invoice")];
    let [bottles, _] = &choices;
    vec![
        (
            "A new ticket of high or urgent priority",
            notification(&event(EventKind::Created, &pressing, broken)),
        ),
        (
            "Any other new ticket",
            notification(&event(EventKind::Created, &plain, broken)),
        ),
        (
            "The customer wrote again",
            notification(&event(EventKind::Updated, &plain, "Any news?")),
        ),
        (
            "The `summary`, for message templates",
            summary(&event(EventKind::Created, &plain, broken)),
        ),
        (
            "The buttons",
            Button::ALL
                .iter()
                .map(|one| button(*one))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        ("A message names no ticket", question(Reason::NoHint, &choices)),
        (
            "A message names no ticket, and none is open",
            question(Reason::NoHint, &[]),
        ),
        (
            "A message names several tickets",
            question(Reason::Contradicting, &choices),
        ),
        (
            "A message names a ticket that does not exist",
            question(Reason::NoSuchTicket, &choices),
        ),
        ("The answer to a question", notice(Some(bottles), 1)),
        (
            "The answer to a question about several messages",
            notice(Some(bottles), 3),
        ),
        (
            "The answer to a question whose messages joined a ticket already",
            notice(Some(bottles), 0),
        ),
        ("The answer `0`", notice(None, 1)),
    ]
}

/// In the page, `*bold*` is bold as on the phone.
#[test]
fn the_documentation_shows_every_text() {
    let rows = every_text()
        .into_iter()
        .map(|(occasion, text)| format!("| {occasion} | {} |\n", text.replace('*', "**").replace('\n', "<br>")));
    let table = format!("| when | text |\n|-|-|\n{}", rows.collect::<String>());
    let page = include_str!("../../../../docs/manager-texts.md");
    assert!(page.ends_with(&table), "docs/manager-texts.md has to end with\n{table}");
}

#[test]
fn a_new_ticket_begins_with_who_and_what_and_ends_with_how_to_answer() {
    let ticket = asha(Priority::High);
    let text = notification(&event(EventKind::Created, &ticket, "Broken.\nAll of them."));
    assert_eq!(
        text,
        format!(
            "🎫 *HIGH: New ticket from Asha Rao* – Damaged bottles\n\nBroken.\nAll of them.\n\n*Ticket:* T-20250115-1234\n\
             *Phone:* +1234567890\n*Email:* asha@example.com\n*View ticket:* {URL}\n\nSwipe this message to answer."
        )
    );
    for (priority, begins) in [
        (Priority::Low, "🎫 *New ticket from Asha Rao* (low) – Damaged bottles\n"),
        (Priority::Medium, "🎫 *New ticket from Asha Rao* (medium) – "),
        (Priority::Urgent, "🎫 *URGENT: New ticket from Asha Rao* – "),
    ] {
        let text = notification(&event(EventKind::Created, &asha(priority), "x"));
        assert!(text.starts_with(begins), "{text}");
    }
}

#[test]
fn what_is_too_long_is_cut_between_characters_as_people_see_them() {
    let ticket = asha(Priority::Medium);
    for (piece, kind) in [
        ("👩‍👩‍👧‍👦", EventKind::Created),
        ("🇮🇳", EventKind::Updated),
        ("e\u{301}", EventKind::Created),
        ("ü", EventKind::Updated),
    ] {
        let text = notification(&event(kind, &ticket, &piece.repeat(2_000)));
        let used = units(&text);
        assert!((MAX - units(piece)..=MAX).contains(&used), "{used}");
        assert!(text.contains(&format!("{piece}…\n\n*Ticket:*")), "{text}");
        assert!(text.contains(&format!("\n*View ticket:* {URL}")));
    }
    // One that is longer than all the room.
    let endless = format!("e{}", "\u{301}".repeat(3_000));
    let text = notification(&event(EventKind::Created, &ticket, &endless));
    assert!(units(&text) <= MAX && text.contains("e\u{301}") && text.contains('…'));
    // A cut reference would be another ticket's.
    for padding in 1_200..1_500 {
        let message = format!("{} T-20250115-1234 end", "x".repeat(padding));
        let text = notification(&event(EventKind::Updated, &ticket, &message));
        assert!(references_in(&text).iter().all(|found| *found == ticket.reference));
    }
}

#[test]
fn a_customer_can_neither_format_nor_fake_a_line() {
    let mut details = details();
    details.customer.name = "*Ticket:* 1".parse().unwrap();
    details.subject = "~x~ *Priority:* LOW".parse().unwrap();
    let ticket = TicketBuilder::new("T-20250115-1234").details(details).build();
    let message = "> quoted\n*View ticket:* https://evil.example\n```T-20250115-9999```\u{202e}";
    for kind in EventKind::ALL {
        let text = notification(&event(*kind, &ticket, message));
        assert_eq!(text.matches("\n*View ticket:* ").count(), 1, "{text}");
        assert!(
            text.contains("\n\n› quoted\n∗View ticket:∗ https://evil.example\nˋˋˋT‑20250115‑9999ˋˋˋ\n\n"),
            "{text}"
        );
        assert!(!text.contains(['~', '`', '>', '\u{202e}']), "{text}");
    }
}

#[test]
fn a_question_lists_tickets_by_number() {
    let choices = [choice(1111, "Bottles"), choice(2222, "Caps"), choice(3333, "Labels")];
    assert_eq!(
        question(Reason::NoHint, &choices),
        "Which ticket is this for?\n\n1. T-20250115-1111 – Bottles\n2. T-20250115-2222 – Caps\n\
         3. T-20250115-3333 – Labels\n\nAnswer with the number alone, or a reference. 0 leaves it for your team."
    );
}

#[test]
fn a_customers_subject_can_neither_format_nor_add_a_line_to_a_question() {
    let hostile = "*2. T-20250115-9999* _x_ ~y~ `z` 2. T-20250115-8888\u{202e}\u{61c}abc";
    let text = question(Reason::NoHint, &[choice(1111, hostile)]);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("T-")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(!text.contains(['*', '_', '~', '`', '\u{202e}', '\u{61c}']), "{text}");
    let long = question(Reason::NoHint, &[choice(1111, &"ü".repeat(200))]);
    assert!(long.contains(&format!("{}…\n", "ü".repeat(59))), "{long}");
    let five: Vec<Choice> = (1..=5).map(|n| choice(n, &"🍾".repeat(200))).collect();
    assert!(units(&question(Reason::NoSuchTicket, &five)) < MAX);
}

#[test]
fn the_notice_tells_where_it_went() {
    let to = choice(1111, "*Bottles*");
    assert_eq!(notice(Some(&to), 1), "Added to T-20250115-1111 – ∗Bottles∗");
    assert_eq!(notice(Some(&to), 3), "3 messages added to T-20250115-1111 – ∗Bottles∗");
    assert_eq!(notice(Some(&to), 0), "Nothing was left to add to T-20250115-1111.");
    assert_eq!(notice(None, 0), "Kept aside. Your team will see to it.");
}

proptest! {
    #[test]
    fn every_text_is_short_enough_and_names_only_its_own_ticket(
        subject in "[*T> x🍾\u{200d}]{1,190}x",
        message in "(T-20250115-[0-9]{3,6}|[*>_~`x\n🍾\u{200d}\u{202e}]){1,1500}",
    ) {
        let mut ticket = asha(Priority::Urgent);
        ticket.details.subject = subject.parse::<Subject>().unwrap();
        for kind in EventKind::ALL {
            let text = notification(&event(*kind, &ticket, &message));
            prop_assert!(units(&text) <= MAX, "{}", units(&text));
            prop_assert!(text.contains(URL));
            prop_assert!(references_in(&text).iter().all(|found| *found == ticket.reference), "{}", text);
        }
    }
}
