//! `Debug` shows neither what people wrote nor what opens anything: whatever is formatted may end up in a log.

use crate::support::{CUSTOMER, reply, request};
use ticket_domain::{
    AccessKey, Choice, Content, Excerpt, IdempotencyKey, MediaUrl, Message, MessageId, NotificationId, Payload,
    Question, QuestionId, QuestionKind, SearchText, StrictText, TicketQuery, Timestamp,
    ports::Event,
    testing::{self, MessageBuilder, TicketBuilder},
    use_cases::{Ask, Credentials, OpenedTicket, ReceiveError, Received},
};
use uuid::Uuid;

/// Stands in every text and every secret.
const CANARY: &str = "canary";

fn shows_nothing(value: &dyn std::fmt::Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
        assert!(!shown.to_lowercase().contains(CANARY), "{shown}");
        assert!(!digits.contains(CUSTOMER.trim_start_matches('+')), "{shown}");
        // A key's bytes, as hexadecimal digits or one by one.
        assert!(!shown.contains("cacacaca") && !shown.contains("202, 202"), "{shown}");
    }
}

#[test]
fn debug_shows_no_text_and_no_secret() {
    let at = Timestamp::from_unix_micros(0).unwrap();
    let key = AccessKey::from_random([0xca; 16]);
    let mut asked = request("a canary sings");
    asked.details.customer.name = "Canary Jones".parse().unwrap();
    asked.details.customer.email = "canary@customer.example".parse().unwrap();
    asked.details.subject = "Canary".parse().unwrap();
    shows_nothing(&asked);
    let ticket = TicketBuilder::new("T-20250115-1234")
        .details(asked.details.clone())
        .build();
    shows_nothing(&ticket);
    shows_nothing(&key);
    let event = Event {
        kind: ticket_domain::EventKind::Created,
        ticket: &ticket,
        message: "a canary sings",
        attachments: &[],
        ticket_url: "https://desk.example/?key=canary",
    };
    shows_nothing(&event);
    shows_nothing(&Credentials {
        key: Some("canary"),
        is_operator: false,
    });
    shows_nothing(&OpenedTicket {
        id: ticket.id,
        reference: ticket.reference,
        url: "https://desk.example/?key=canary".into(),
        replayed: false,
    });
    let choice = Choice {
        reference: ticket.reference,
        name: ticket.details.customer.name.clone(),
        subject: ticket.details.subject.clone(),
        created_at: at,
    };
    let question = Question {
        id: QuestionId(Uuid::nil()),
        of: CUSTOMER.parse().unwrap(),
        kind: QuestionKind::Batch,
        choices: vec![ticket.reference],
        text: "1. Canary".into(),
        sent_at: at,
        asked_at: at,
        closed_at: None,
    };
    shows_nothing(&question);
    shows_nothing(&choice);
    shows_nothing(&Received {
        reference: None,
        message: Some(MessageId(Uuid::nil())),
        duplicate: false,
        notice: Some("Added to T-20250115-1234 – Canary".into()),
        undo: Some("canary".into()),
    });
    let ask = Ask {
        text: question.text,
        is_sent: true,
    };
    for error in [
        ReceiveError::NotNamed { ask: Some(ask.clone()) },
        ReceiveError::NotFound { ask: Some(ask) },
    ] {
        shows_nothing(&error);
    }
    let media: MediaUrl = "https://media.example/canary".parse().unwrap();
    shows_nothing(&StrictText(media.clone()));
    let content = Content::new("a canary sings".parse().unwrap(), Some(media)).unwrap();
    let message = Message {
        content,
        ..MessageBuilder::new(MessageId(Uuid::nil()), "a canary sings")
            .over_whatsapp(CUSTOMER.parse().unwrap())
            .build()
    };
    shows_nothing(&message);
    shows_nothing(&Excerpt::of(&message));
    shows_nothing(&reply(CUSTOMER, "a canary sings"));
    shows_nothing(&Payload(b"canary".as_slice().into()));
    shows_nothing(&testing::notification(NotificationId(Uuid::nil()), b"canary", at));
    shows_nothing(&TicketQuery {
        status: None,
        priority: None,
        awaiting: None,
        text: Some("canary".parse::<SearchText>().unwrap()),
        after: None,
        limit: 1,
    });
    shows_nothing(&"canary-0123456789".parse::<IdempotencyKey>().unwrap());
}
