use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    Choice, Content, MessageBody, Priority, Question, QuestionId, QuestionKind, Reason, Status, Subject, Timestamp,
    Typed, references_in,
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
        attachments: &[],
        ticket_url: URL,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
}

fn choice(number: u32, name: &str, subject: &str) -> Choice {
    Choice {
        reference: format!("T-20250115-{number:04}").parse().unwrap(),
        name: name.parse().unwrap(),
        subject: subject.parse().unwrap(),
        created_at: at(0),
    }
}

fn asked(kind: QuestionKind, choices: &[Choice]) -> Question {
    Question {
        id: QuestionId(Uuid::nil()),
        of: "+919655716000".parse().unwrap(),
        kind,
        choices: choices.iter().map(|choice| choice.reference).collect(),
        text: "Which ticket?".into(),
        sent_at: at(0),
        asked_at: at(0),
        closed_at: None,
    }
}

/// Every text that a manager reads, by the occasion.
fn every_text() -> Vec<(&'static str, String)> {
    let (pressing, plain) = (asha(Priority::Urgent), asha(Priority::Medium));
    let broken = "I received damaged bottles in my last order.";
    let choices = [
        choice(1234, "Asha Rao", "Damaged bottles"),
        choice(5678, "Ben Doe", "Wrong invoice"),
    ];
    let [bottles, _] = &choices;
    let buttons = Button::OF_NOTIFICATIONS.map(button);
    let [about, size, days] = ["We send you new ones.", "Which size?", "Two days"].map(str::to_owned);
    let (about, waiting, now) = ([about], [size, days], at(2 * 3_600));
    let (by_number_asked, by_name_asked) = (
        asked(QuestionKind::Batch, &choices),
        asked(QuestionKind::Names, &choices),
    );
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
        ("The buttons", buttons.join("\n")),
        (
            "A message names no ticket",
            by_number(Reason::NoHint, &about, &choices, &[], now),
        ),
        (
            "A message names no ticket, and none is open",
            by_number(Reason::NoHint, &about, &[], &[], now),
        ),
        (
            "A message names no ticket, and earlier ones still wait",
            by_number(Reason::NoHint, &about, &choices, &waiting, now),
        ),
        (
            "A number after the time for it: what waits is asked about again",
            by_number(Reason::NoHint, &waiting, &choices, &[], now),
        ),
        (
            "A message names several tickets",
            by_number(Reason::Contradicting, &about, &choices, &[], now),
        ),
        (
            "A message names a ticket that does not exist",
            by_number(Reason::NoSuchTicket, &about, &choices, &[], now),
        ),
        ("Another message of a batch whose question is sent", joins_batch()),
        (
            "A number that could be meant for several questions",
            by_name(&waiting, &choices),
        ),
        (
            "A number that is not in the list",
            no_selection(&by_number_asked, Some(Typed::Number(9)), &choices),
        ),
        (
            "A reference that no ticket has",
            no_selection(&by_number_asked, Typed::parse("T-20250115-0000"), &choices),
        ),
        (
            "Words that select nothing",
            no_selection(&by_number_asked, None, &choices),
        ),
        (
            "Words that select nothing, where a name is asked for",
            no_selection(&by_name_asked, None, &choices),
        ),
        ("A number where nothing was asked", nothing_asked()),
        ("The second answer to a question", answered_before()),
        ("The answer to a question", notice(Some(bottles), 1, &[])),
        (
            "The answer to a question about several messages",
            notice(Some(bottles), 3, &[]),
        ),
        (
            "The answer to a question while earlier messages still wait",
            notice(Some(bottles), 1, &waiting[..1]),
        ),
        (
            "The answer to a question whose messages joined a ticket already",
            notice(Some(bottles), 0, &[]),
        ),
        ("The answer `0`", notice(None, 1, &[])),
    ]
}

/// What is said of commands and buttons.
fn every_answer_to_a_command() -> Vec<(&'static str, String)> {
    let plain = asha(Priority::Medium);
    let choices = [
        choice(1234, "Asha Rao", "Damaged bottles"),
        choice(5678, "Ben Doe", "Wrong invoice"),
    ];
    let ([bottles, _], now) = (&choices, at(2 * 3_600));
    vec![
        ("`/help`", help()),
        ("Another word after `/`", unknown_command()),
        ("A command that names no ticket, or two", command_needs_ticket()),
        (
            "A command with a reference that no ticket has",
            no_such_ticket("T-20250115-0000".parse().unwrap()),
        ),
        ("`/resolve` with words or a picture", command_takes_no_words()),
        ("`/resolve`, or the button", status_set(bottles, Status::Resolved)),
        ("`/reopen`", status_set(bottles, Status::Open)),
        ("`/note` and a text", noted(bottles)),
        ("`/note` without a text, or the button", note_needs_text()),
        ("`/list`", open_tickets(&choices, now)),
        (
            "`/list` where more are open",
            open_tickets(&vec![bottles.clone(); 6], now),
        ),
        ("`/list` without an open ticket", open_tickets(&[], now)),
        (
            "The button under the confirmation of an answer",
            button(Button::Undo).into(),
        ),
        ("`/undo`, or the button", undone(bottles)),
        ("`/undo`, or the button, with nothing to take back", nothing_to_undo()),
        ("A button that the server didn't make", unknown_button()),
        ("Nothing but emoji to a ticket", reaction("👍", Some(&plain))),
        ("Nothing but emoji", reaction("👍", None)),
    ]
}

/// What customers are told on WhatsApp.
fn every_text_for_customers() -> Vec<(&'static str, String)> {
    let form = "https://desk.example";
    let choices = [
        choice(1234, "Asha Rao", "Damaged bottles"),
        choice(5678, "Asha Rao", "Wrong invoice"),
    ];
    let [bottles, _] = &choices;
    vec![
        (
            "A message without a reference from the number of one open ticket",
            which_of_yours(&choices[..1], form),
        ),
        ("From the number of several", which_of_yours(&choices, form)),
        ("From any other number", which_of_yours(&[], form)),
        ("The answer that it is about a ticket", confirmed(Some(bottles), form)),
        ("The answer `0`", confirmed(None, form)),
        ("A number that is not in the list", none_of_yours(9, 1)),
    ]
}

/// In the page, `*bold*` is bold as on the phone.
#[test]
fn the_documentation_shows_every_text() {
    let table = |texts: Vec<(&str, String)>| {
        let rows = texts
            .into_iter()
            .map(|(occasion, text)| format!("| {occasion} | {} |\n", text.replace('*', "**").replace('\n', "<br>")));
        format!("| when | text |\n|-|-|\n{}", rows.collect::<String>())
    };
    let managers = [every_text(), every_answer_to_a_command()].concat();
    let page = include_str!("../../../../docs/whatsapp-texts.md");
    for table in [table(managers), table(every_text_for_customers())] {
        assert!(page.contains(&table), "docs/whatsapp-texts.md has to have\n{table}");
    }
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
fn a_customers_words_can_neither_format_nor_add_a_line_to_a_question() {
    let hostile = "*2. T-20250115-9999* _x_ ~y~ `z` 2. T-20250115-8888\u{202e}\u{61c}abc\n3. x";
    let one_line = hostile.replace('\n', " ");
    let list = |about: &str, name: &str, subject: &str| {
        by_number(
            Reason::NoHint,
            &[about.to_owned()],
            &[choice(1111, name, subject)],
            &[],
            at(60),
        )
    };
    let text = list(hostile, &one_line, &one_line);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(
        text.lines()
            .any(|line| line.starts_with("1. ") && line.ends_with(" (1 min)")),
        "{text}"
    );
    assert!(!text.contains(['*', '_', '~', '`', '\u{202e}', '\u{61c}']), "{text}");
    assert!(references_in(&text).is_empty(), "{text}");
    let asked = which_of_yours(&[choice(1111, "Zoë", &one_line)], "https://desk.example");
    assert_eq!((asked.lines().count(), asked.matches('*').count()), (1, 2), "{asked}");
    assert!(!asked.contains(['_', '~', '`', '\u{202e}', '\u{61c}']), "{asked}");
    let long = list("x", "Zoë", &"ü".repeat(200));
    assert!(long.contains(&format!("{}… (1 min)\n", "ü".repeat(59))), "{long}");
    let five: Vec<Choice> = (1..=5)
        .map(|n| choice(n, &"🍾".repeat(200), &"🍾".repeat(200)))
        .collect();
    let waiting = ["🍾".repeat(900), "x".into()];
    assert!(units(&by_number(Reason::NoSuchTicket, &waiting, &five, &waiting, at(0))) < MAX);
}

#[test]
fn a_question_says_that_there_is_an_attachment() {
    let url = || Some("https://media.example/1".parse().unwrap());
    for (text, media, expected) in [
        ("Like this", None, "Like this"),
        ("Like this", url(), "📎 Like this"),
        ("", url(), "📎 attachment"),
    ] {
        let content = Content::new(MessageBody::lenient(text), media).unwrap();
        assert_eq!(preview(&content), expected);
    }
}

/// What is asked for selects the ticket that it stands for.
#[test]
fn a_name_that_selects_no_ticket_is_replaced_by_the_reference() {
    let long = "Maria ".repeat(10);
    for (names, expected) in [
        (["Asha Rao", "Ben Doe"], "“Asha Rao” or “Ben Doe”"),
        (
            ["Asha Rao", "asha  rao"],
            "“T-20250115-0001” (Caps) or “T-20250115-0002” (Caps)",
        ),
        (["2", "🍾"], "“T-20250115-0001” (Caps) or “T-20250115-0002” (Caps)"),
        (
            [&long, "Asha *Rao* Lee"],
            "“T-20250115-0001” (Caps) or “T-20250115-0002” (Caps)",
        ),
    ] {
        let choices = [choice(1, names[0], "Caps"), choice(2, names[1], "Caps")];
        let text = by_name(&["x".to_owned()], &choices);
        assert!(text.contains(&format!("Reply {expected}, or 0")), "{text}");
    }
}

#[test]
fn a_list_says_for_how_long_a_ticket_has_been_open() {
    let choice = choice(1234, "Asha Rao", "Bottles");
    for (seconds, age) in [
        (59, "now"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
    ] {
        assert_eq!(row(&choice, at(seconds)), format!("Asha Rao – Bottles ({age})"));
    }
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
