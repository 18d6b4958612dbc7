//! Erasing what people were asked.

use ticket_domain::{
    Message, Question, QuestionKind, Redaction, Ticket,
    ports::{EraseStats, Existing, NewQuestion, StoredUnmatched},
};

use super::{answers::answer_now, erasing::erase};
use crate::{
    Fixture,
    fixture::{With as _, asking, at, keep_silently},
};

/// A manager is asked whether a message of theirs is for this ticket.
async fn asked(fixture: &Fixture, about: &Ticket, seconds: i64) -> (Message, Question) {
    let manager = fixture.manager();
    let question = fixture
        .question(&manager, at(seconds))
        .with(|question| question.choices = vec![about.reference]);
    let message = fixture.message_from(&manager, at(seconds));
    let asking = NewQuestion {
        question: question.clone(),
        notification: Some(fixture.question_notification(at(seconds))),
        restated: None,
    };
    fixture.stored(&message, Some(asking)).await;
    (message, question)
}

/// What managers were asked shows subjects, so it goes too, and only that.
pub async fn questions_about_an_erased_ticket_are_closed(fixture: &Fixture) {
    let store = fixture.must();
    let (one, other) = (fixture.opened(at(0)).await.ticket, fixture.opened(at(0)).await.ticket);
    let (message, first) = asked(fixture, &one, 1).await;
    let (_, untouched) = asked(fixture, &other, 1).await;
    erase(fixture, &[&one], 300).await;
    assert_eq!(fixture.open_question(&first.of).await, None);
    assert_eq!(fixture.open_question(&untouched.of).await.as_ref(), Some(&untouched));
    let twin = fixture.message_of(&message.external_id.unwrap(), at(2));
    let known = store.store_unmatched(keep_silently(twin)).await;
    let StoredUnmatched::AlreadyKnown(Existing::Unmatched(Some(question))) = known else {
        panic!("{known:?}");
    };
    assert_eq!(&*question.text, Redaction::TEXT);

    // One that was put together before, and is asked after it.
    let (_, late) = asked(fixture, &one, 51).await;
    let removed = erase(fixture, &[&one], 300).await;
    assert_eq!(removed, EraseStats::default());
    assert_eq!(fixture.open_question(&late.of).await, None);
}

/// What a manager wrote is quoted by the question about it, and by those that say that it waits. None of them is left with
/// the ticket that it joined, whatever they list.
pub async fn questions_that_quote_an_erased_message_go(fixture: &Fixture) {
    let store = fixture.must();
    let (one, other) = (fixture.opened(at(0)).await, fixture.opened(at(0)).await);
    let (_, first) = fixture.asked(&fixture.manager(), at(1)).await;
    let manager = first.of.clone();
    let ask = async |of, seconds| {
        let question = fixture.question(&of, at(seconds)).with(|question| {
            question.kind = QuestionKind::Single;
            question.choices = vec![other.ticket.reference];
        });
        let message = fixture.message_from(&of, at(seconds));
        let notification = fixture.question_notification(at(seconds));
        let asking = NewQuestion {
            notification: Some(notification.clone()),
            ..asking(&question).unwrap()
        };
        fixture.stored(&message, Some(asking)).await;
        (question.id, notification.id)
    };
    let (quoting, notification) = ask(manager.clone(), 1 + 86_400).await;
    let (later, _) = ask(manager.clone(), 2 + 86_400).await;
    let (of_another, _) = ask(fixture.manager(), 3).await;
    answer_now(fixture, &first, Some(&one)).await;
    erase(fixture, &[&one.ticket], 300).await;
    for (id, is_left) in [(first.id, false), (quoting, false), (later, true), (of_another, true)] {
        let question = store.question(id).await.unwrap();
        assert_eq!(&*question.text != Redaction::TEXT, is_left, "{question:?}");
        assert_eq!(question.of == manager, id != of_another, "a manager stays known");
    }
    let told = store.current_message(notification).await.unwrap();
    assert!(told.payload.is_erased());
}
