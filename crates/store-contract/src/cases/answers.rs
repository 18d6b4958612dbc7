//! Managers' answers to what they were asked.

use ticket_domain::{
    Choice, Message, Question, Sender, Status, Thread, Ticket,
    ports::{AnswerQuestion, AnswerResult, Appended, ChoiceResult, Existing, Opening, StoredUnmatched},
};

use crate::{
    Fixture,
    fixture::{With as _, append_to, asking, at, keep_silently},
};

/// An answer under a new outside id; without a ticket an operator is to see to it.
pub(super) fn picking(fixture: &Fixture, question: &Question, to: Option<&Opening>) -> AnswerQuestion {
    AnswerQuestion {
        question: question.id,
        is_quoted: false,
        by: Some(fixture.external_id()),
        ticket: to.map(|opening| opening.ticket.id),
        join_as: Some(Sender::Manager),
        at: at(60),
        notifications: Vec::new(),
    }
}

async fn answer(fixture: &Fixture, picking: &AnswerQuestion) -> AnswerResult {
    fixture.must().answer(picking.clone()).await
}

/// Answers a question, which must be open.
pub(super) async fn answer_now(fixture: &Fixture, question: &Question, to: Option<&Opening>) -> ChoiceResult {
    match answer(fixture, &picking(fixture, question, to)).await {
        AnswerResult::Answered(picked) => picked,
        other => panic!("expected `Now`, got {other:?}"),
    }
}

pub(super) fn choice(opening: &Opening) -> Choice {
    Choice {
        reference: opening.ticket.reference,
        name: opening.ticket.details.customer.name.clone(),
        subject: opening.ticket.details.subject.clone(),
        created_at: opening.ticket.created_at,
    }
}

fn as_manager(message: &Message) -> Message {
    message.clone().with(|message| message.sender = Sender::Manager)
}

/// Everything that was asked about joins the picked ticket behind what is there, in the order in which it came, with the
/// sender it has proved to have. Each message raises the version; the status stays.
pub async fn an_answer_brings_everything_to_its_ticket(fixture: &Fixture) {
    let mut opening = fixture.opening(at(0));
    opening.ticket.status = Status::Resolved;
    let opening = fixture.open(opening).await;
    let manager = fixture.manager();
    let question = fixture.question(&manager, at(10));
    let first = fixture
        .message_from(&manager, at(10))
        .with(|message| message.sender = Sender::Agent);
    fixture.stored(&first, asking(&question)).await;
    let third = fixture.joined(&question, at(12)).await;
    // Written last, though it came before.
    let second = fixture.joined(&question, at(11)).await;
    // Not asked about, or by another question.
    let silent = fixture.message_from(&manager, at(10));
    fixture.must().store_unmatched(keep_silently(silent)).await;
    let (_, of_another) = fixture.asked(&fixture.manager(), at(10)).await;
    let meanwhile = fixture.message(at(20));
    let append = append_to(&opening.ticket, meanwhile.clone());
    fixture.added(append).await;

    let picking = picking(fixture, &question, Some(&opening));
    let expected = ChoiceResult {
        of: manager.clone(),
        to: Some(choice(&opening)),
        attached: 3,
        message: Some(first.id),
    };
    assert_eq!(
        answer(fixture, &picking).await,
        AnswerResult::Answered(expected.clone())
    );
    let by = picking.by.clone().unwrap();
    assert_eq!(fixture.must().known(by.clone()).await, Some(Existing::Answer(expected)));
    assert_eq!(fixture.must().known(fixture.external_id()).await, None);
    assert_eq!(fixture.open_question(&manager).await, None);
    assert_eq!(fixture.open_question(&of_another.of).await, Some(of_another));
    assert_eq!(fixture.unmatched().await, 2);

    let reference = opening.ticket.reference;
    let Thread { ticket, messages, .. } = fixture.thread(reference).await;
    let joined = [&first, &second, &third].map(as_manager);
    assert_eq!(messages, [[opening.message, meanwhile].as_slice(), &joined].concat());
    let changed = Ticket {
        version: 5,
        updated_at: at(60),
        ..opening.ticket
    };
    assert_eq!(ticket, changed);
    assert_eq!(fixture.quoted(&third.external_id.unwrap()).await, Some(reference));
    // The answer itself is no message.
    assert_eq!(fixture.quoted(&by).await, None);
    assert_eq!(fixture.must().unmatched_message(by).await, None);
}

/// The same answer again writes nothing and tells what it did; another one finds the question closed.
pub async fn a_question_is_answered_once(fixture: &Fixture) {
    let (opening, other) = (fixture.opened(at(0)).await, fixture.opened(at(0)).await);
    let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
    let first = picking(fixture, &question, Some(&opening));
    let AnswerResult::Answered(picked) = answer(fixture, &first).await else {
        panic!("the question is open");
    };
    let again = first.with(|question| question.ticket = Some(other.ticket.id));
    assert_eq!(
        answer(fixture, &again).await,
        AnswerResult::AlreadyKnown(Existing::Answer(picked))
    );
    let another = picking(fixture, &question, Some(&other));
    let nameless = another.clone().with(|question| question.by = None);
    for late in [another, nameless] {
        assert_eq!(answer(fixture, &late).await, AnswerResult::Closed);
    }
    let unasked = fixture.question(&question.of, at(2));
    let to_nothing = picking(fixture, &unasked, Some(&other));
    assert_eq!(answer(fixture, &to_nothing).await, AnswerResult::Closed);
    assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, 2);
    assert_eq!(fixture.thread(other.ticket.reference).await.ticket, other.ticket);
}

/// Without an outside id an answer is taken as well.
pub async fn an_answer_needs_no_outside_id(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    for version in 2..=3 {
        let (message, question) = fixture.asked(&fixture.manager(), at(1)).await;
        let nameless = picking(fixture, &question, Some(&opening)).with(|question| question.by = None);
        let picked = ChoiceResult {
            of: question.of.clone(),
            to: Some(choice(&opening)),
            attached: 1,
            message: Some(message.id),
        };
        assert_eq!(answer(fixture, &nameless).await, AnswerResult::Answered(picked));
        assert_eq!(answer(fixture, &nameless).await, AnswerResult::Closed);
        assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, version);
    }
}

/// An answer may leave everything to an operator: it stays kept.
pub async fn an_answer_can_leave_everything_aside(fixture: &Fixture) {
    let manager = fixture.manager();
    let (message, question) = fixture.asked(&manager, at(1)).await;
    fixture.joined(&question, at(2)).await;
    let aside = picking(fixture, &question, None);
    let picked = ChoiceResult {
        of: manager.clone(),
        to: None,
        attached: 0,
        message: Some(message.id),
    };
    assert_eq!(answer(fixture, &aside).await, AnswerResult::Answered(picked.clone()));
    assert_eq!(
        answer(fixture, &aside).await,
        AnswerResult::AlreadyKnown(Existing::Answer(picked))
    );
    assert_eq!(fixture.open_question(&manager).await, None);
    assert_eq!(fixture.unmatched().await, 2);
    let opening = fixture.opened(at(3)).await;
    let late = picking(fixture, &question, Some(&opening));
    assert_eq!(answer(fixture, &late).await, AnswerResult::Closed);
}

/// What joined a ticket otherwise meanwhile stays there, and does not count.
pub async fn what_has_a_ticket_already_is_left_where_it_is(fixture: &Fixture) {
    let (there, here) = (fixture.opened(at(0)).await, fixture.opened(at(0)).await);
    let join = async |message: &Message| {
        let again = fixture.message_of(message.external_id.as_ref().unwrap(), at(5));
        let append = append_to(&there.ticket, again);
        assert_eq!(fixture.must().append(append).await, Appended::Joined(message.id));
    };
    let (first, question) = fixture.asked(&fixture.manager(), at(1)).await;
    let second = fixture.joined(&question, at(2)).await;
    join(&first).await;
    let picked = answer_now(fixture, &question, Some(&here)).await;
    assert_eq!((picked.attached, picked.message), (1, Some(first.id)));
    let messages = fixture.thread(here.ticket.reference).await.messages;
    assert_eq!(messages, [here.message.clone(), second]);

    let (only, question) = fixture.asked(&fixture.manager(), at(3)).await;
    join(&only).await;
    let before = fixture.thread(here.ticket.reference).await;
    let picked = answer_now(fixture, &question, Some(&here)).await;
    assert_eq!((picked.attached, picked.to), (0, Some(choice(&here))));
    assert_eq!(fixture.thread(here.ticket.reference).await, before);
    assert_eq!(fixture.thread(there.ticket.reference).await.ticket.version, 3);
}

/// An outside id that is a message's is no answer: the question stays open, and the message is told.
pub async fn a_message_is_no_answer(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let written = fixture.message_of(&fixture.external_id(), at(0));
    let append = append_to(&opening.ticket, written.clone());
    fixture.must().append(append).await;
    let silent = fixture.message_of(&fixture.external_id(), at(0));
    fixture.stored(&silent, None).await;
    let manager = fixture.manager();
    let (asked, question) = fixture.asked(&manager, at(1)).await;

    let in_thread = Existing::InThread {
        id: written.id,
        of: opening.ticket.reference,
    };
    for (message, known) in [
        (&written, in_thread),
        (&silent, Existing::Unmatched(None)),
        (&asked, Existing::Unmatched(Some(question.clone()))),
    ] {
        let no_answer =
            picking(fixture, &question, Some(&opening)).with(|question| question.by.clone_from(&message.external_id));
        assert_eq!(answer(fixture, &no_answer).await, AnswerResult::AlreadyKnown(known));
    }
    assert_eq!(fixture.open_question(&manager).await, Some(question));
    assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, 2);
}

/// An answer is not a message: its outside id is neither kept nor written into a thread.
pub async fn an_answer_is_no_message(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
    let picking = picking(fixture, &question, Some(&opening));
    let AnswerResult::Answered(picked) = answer(fixture, &picking).await else {
        panic!("the question is open");
    };
    let again = fixture.message_of(picking.by.as_ref().unwrap(), at(2));
    let kept = fixture.keep(&again, None).await;
    assert_eq!(kept, StoredUnmatched::AlreadyKnown(Existing::Answer(picked.clone())));
    let appended = fixture.must().append(append_to(&opening.ticket, again)).await;
    assert_eq!(appended, Appended::NoMessage(Existing::Answer(picked)));
    assert_eq!(fixture.thread(opening.ticket.reference).await.messages.len(), 2);
    assert_eq!(fixture.unmatched().await, 0);
}
