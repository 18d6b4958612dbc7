//! Clarifying questions.

use ticket_domain::{
    Address, Choice, ControlKind, Question, QuestionKind, Status, Visibility,
    ports::{
        AnswerQuestion, AnswerResult, Existing, MergeQuestions, NewQuestion, RecordedControl, Remove, StatusUpdate,
        StoreUnmatched, StoredUnmatched,
    },
};

use super::{
    answers::{answer_now, picking},
    control_messages::control,
};
use crate::{
    Fixture,
    fixture::{With as _, append_to, asking, at, at_once, count, delivered, retry_at},
};

/// The newest open tickets come first, those of one moment in the order in which they were written, the last first.
pub async fn the_newest_open_tickets_are_to_choose_from(fixture: &Fixture) {
    let store = fixture.must();
    assert_eq!(store.open_tickets(5).await, []);
    let mut choices = Vec::new();
    for seconds in [3, 1, 4, 4, 2] {
        let mut opening = fixture.opening(at(seconds));
        opening.ticket.details.subject = format!("*Bottles* of {}, 🍾", fixture.number()).parse().unwrap();
        for status in [Status::Resolved, Status::Closed] {
            let mut ended = fixture.opening(at(seconds));
            ended.ticket.status = status;
            fixture.open(ended).await;
        }
        let opening = fixture.open(opening).await;
        choices.push(Choice {
            reference: opening.ticket.reference,
            name: opening.ticket.details.customer.name,
            subject: opening.ticket.details.subject,
            created_at: opening.ticket.created_at,
        });
    }
    let expected = [3, 2, 0, 4, 1].map(|place: usize| choices[place].clone());
    assert_eq!(store.open_tickets(5).await, expected);
    assert_eq!(store.open_tickets(255).await, expected);
    assert_eq!(store.open_tickets(2).await, expected[..2]);
    assert_eq!(store.open_tickets(0).await, []);
}

/// A question reads back as it was asked, to the one who was asked, newest first.
pub async fn a_question_reads_back_exactly(fixture: &Fixture) {
    let manager = fixture.manager();
    let mut asked = Vec::new();
    for (seconds, kind, count) in [
        (1, QuestionKind::Names, 5),
        (2, QuestionKind::Single, 1),
        (3, QuestionKind::Batch, 0),
    ] {
        let question = fixture.question(&manager, at(seconds)).with(|question| {
            question.kind = kind;
            question.choices = (0..count).map(|_| fixture.reference()).collect();
            question.text = "Flaschen: \"kaputt\" 🍾".into();
        });
        let message = fixture.message_from(&manager, at(seconds));
        fixture.stored(&message, asking(&question)).await;
        let kept = fixture
            .must()
            .unmatched_message(message.external_id.clone().unwrap())
            .await;
        assert_eq!(kept, Some(message));
        asked.insert(0, question);
    }
    let store = fixture.must();
    assert_eq!(store.questions_since(manager.clone(), at(1)).await, asked);
    assert_eq!(store.questions_since(manager.clone(), at(2)).await, asked[..2]);
    assert_eq!(store.questions_since(fixture.manager(), at(0)).await, []);
    assert_eq!(store.question(asked[1].id).await.as_ref(), Some(&asked[1]));
    assert_eq!(store.question(fixture.question(&manager, at(1)).id).await, None);
}

/// A message joins the open batch of its writer for two minutes, and no other question.
pub async fn a_batch_takes_more_for_two_minutes(fixture: &Fixture) {
    let (manager, other) = (fixture.manager(), fixture.manager());
    let (_, of_another) = fixture.asked(&other, at(0)).await;
    let (_, batch) = fixture.asked(&manager, at(0)).await;
    for seconds in [0, 120] {
        fixture.joined(&batch, at(seconds)).await;
    }
    fixture.joined(&of_another, at(60)).await;
    // About one message alone.
    for kind in [QuestionKind::Single, QuestionKind::Names] {
        let question = fixture.question(&manager, at(60)).with(|question| question.kind = kind);
        let message = fixture.message_from(&manager, at(60));
        fixture.stored(&message, asking(&question)).await;
    }
    fixture.joined(&batch, at(61)).await;
    let (_, next) = fixture.asked(&manager, at(121)).await;
    fixture.joined(&next, at(122)).await;
    answer_now(fixture, &next, None).await;
    fixture.asked(&manager, at(123)).await;
}

/// A message that comes again tells what was asked about it, and asks nothing.
pub async fn a_kept_message_tells_its_own_question(fixture: &Fixture) {
    let manager = fixture.manager();
    let silent = fixture.message_from(&manager, at(0));
    fixture.stored(&silent, None).await;
    let (message, question) = fixture.asked(&manager, at(1)).await;
    let part = fixture.joined(&question, at(2)).await;
    for (message, asked) in [(&silent, None), (&message, Some(&question)), (&part, Some(&question))] {
        let newer = fixture.question(&manager, at(5));
        for asking in [None, asking(&newer)] {
            let again = fixture.message_of(message.external_id.as_ref().unwrap(), at(5));
            let before = StoredUnmatched::AlreadyKnown(Existing::Unmatched(asked.cloned()));
            assert_eq!(fixture.keep(&again, asking).await, before);
        }
    }
    assert_eq!(fixture.open_question(&manager).await, Some(question));
    assert_eq!(fixture.unmatched().await, 3);
}

/// A manager's message to a thread leaves the question open.
pub async fn another_message_leaves_the_question_open(fixture: &Fixture) {
    let opening = fixture.opened(at(0)).await;
    let manager = fixture.manager();
    let (_, question) = fixture.asked(&manager, at(1)).await;
    fixture
        .added(append_to(&opening.ticket, fixture.message_from(&manager, at(2))))
        .await;
    assert_eq!(fixture.open_question(&manager).await, Some(question));
}

/// 100 messages of one manager at the same moment, such as a large album, and 20 of another: one question each.
pub async fn bare_messages_at_once_are_one_question(fixture: &Fixture) {
    for _ in 0..3 {
        let before = fixture.unmatched().await;
        let managers = [fixture.manager(), fixture.manager()];
        let storing = (0..120).map(|number| {
            let manager = &managers[usize::from(number % 6 == 5)];
            let keep = StoreUnmatched {
                message: fixture.message_from(manager, at(1)),
                asking: asking(&fixture.question(manager, at(1))),
            };
            fixture.must().store_unmatched(keep)
        });
        let stored = at_once(storing.collect::<Vec<_>>()).await;
        assert_eq!(count(&stored, &StoredUnmatched::Stored), 2, "{stored:?}");
        assert_eq!(fixture.unmatched().await, before + 120);

        let opening = fixture.opened(at(2)).await;
        for (manager, count) in managers.iter().zip([100, 20]) {
            let question = fixture.open_question(manager).await.unwrap();
            let picked = answer_now(fixture, &question, Some(&opening)).await;
            assert_eq!(picked.attached, count);
            assert_eq!(fixture.open_question(manager).await, None);
        }
        assert_eq!(fixture.unmatched().await, before);
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!((thread.messages.len(), thread.ticket.version), (121, 121));
    }
}

/// 20 copies of one message at the same moment, each with a question of its own: one is asked, and all are told it.
pub async fn equal_outside_ids_at_once_ask_one_question(fixture: &Fixture) {
    for round in 1..=5 {
        let manager = fixture.manager();
        let external_id = fixture.external_id();
        let answers = at_once((0..20).map(|_| {
            let message = fixture.message_of(&external_id, at(1));
            let asking = asking(&fixture.question(&manager, at(1)));
            fixture.must().store_unmatched(StoreUnmatched { message, asking })
        }))
        .await;
        let asked = fixture.open_question(&manager).await;
        assert!(asked.is_some());
        let before = StoredUnmatched::AlreadyKnown(Existing::Unmatched(asked));
        assert_eq!(
            (count(&answers, &StoredUnmatched::Stored), count(&answers, &before)),
            (1, 19),
            "{answers:?}"
        );
        assert_eq!(fixture.unmatched().await, round);
    }
}

/// What waits for an answer is what no answer was given to, of this person, since then.
pub async fn waiting_messages_are_those_without_an_answer(fixture: &Fixture) {
    let manager = fixture.manager();
    let (first, question) = fixture.asked(&manager, at(1)).await;
    let second = fixture.joined(&question, at(2)).await;
    let (_, left_aside) = fixture.asked(&manager, at(200)).await;
    answer_now(fixture, &left_aside, None).await;
    let (third, _) = fixture.asked(&manager, at(400)).await;
    fixture.asked(&fixture.manager(), at(400)).await;
    let store = fixture.must();
    let waiting = [first, second, third];
    assert_eq!(store.waiting_messages(manager.clone(), at(0)).await, waiting);
    assert_eq!(store.waiting_messages(manager.clone(), at(2)).await, waiting[2..]);
    let opening = fixture.opened(at(401)).await;
    answer_now(fixture, &question, Some(&opening)).await;
    assert_eq!(store.waiting_messages(manager, at(0)).await, waiting[2..]);
}

fn merge(fixture: &Fixture, manager: &Address, merged: &[&Question], seconds: i64) -> MergeQuestions {
    MergeQuestions {
        because: control(fixture, at(seconds)),
        question: fixture
            .question(manager, at(seconds))
            .with(|question| question.kind = QuestionKind::Names),
        notification: None,
        merged: merged.iter().map(|question| question.id).collect(),
    }
}

/// One question in the place of others covers what they were about, also through another, except what was answered.
pub async fn a_merged_question_covers_the_others(fixture: &Fixture) {
    let store = fixture.must();
    let (manager, opening, other) = (
        fixture.manager(),
        fixture.opened(at(0)).await,
        fixture.opened(at(0)).await,
    );
    let (_, answered) = fixture.asked(&manager, at(1)).await;
    answer_now(fixture, &answered, Some(&other)).await;
    let (first_message, first) = fixture.asked(&manager, at(2)).await;
    let (_, second) = fixture.asked(&manager, at(200)).await;
    let both = merge(fixture, &manager, &[&answered, &first, &second], 201);
    assert_eq!(store.merge_questions(both.clone()).await, None);
    assert_eq!(fixture.open_question(&manager).await.as_ref(), Some(&both.question));
    let closed = store.question(first.id).await.unwrap();
    assert_eq!(closed.closed_at, Some(at(201)));
    // The same message again merges nothing.
    let again = RecordedControl {
        kind: ControlKind::Unclear,
        ticket: None,
        reply: both.because.reply.clone(),
    };
    let repeated = merge(fixture, &manager, &[&both.question], 202)
        .with(|merge| merge.because.external_id.clone_from(&both.because.external_id));
    assert_eq!(store.merge_questions(repeated).await, Some(Existing::Control(again)));

    // Without a quote, what was merged is closed; quoted, it is answered by itself.
    let unquoted = picking(fixture, &first, Some(&other));
    assert_eq!(store.answer(unquoted).await, AnswerResult::Closed);
    let quoted = picking(fixture, &first, Some(&other)).with(|answer| answer.is_quoted = true);
    let AnswerResult::Answered(picked) = store.answer(quoted.clone()).await else {
        panic!("a quoted question is answered");
    };
    assert_eq!((picked.attached, picked.message), (1, Some(first_message.id)));

    let (_, third) = fixture.asked(&manager, at(400)).await;
    let all = merge(fixture, &manager, &[&both.question, &third], 401);
    assert_eq!(store.merge_questions(all.clone()).await, None);
    let picked = answer_now(fixture, &all.question, Some(&opening)).await;
    assert_eq!(picked.attached, 2);
    assert_eq!(fixture.unmatched().await, 0);
    assert_eq!(fixture.thread(opening.ticket.reference).await.messages.len(), 3);
    let again = quoted.with(|answer| answer.by = Some(fixture.external_id()));
    assert_eq!(store.answer(again).await, AnswerResult::Closed);
}

/// The notification of a question is of no ticket, and is sent when it is due. What it was sent as leads to the question,
/// and an answer takes it back.
pub async fn a_question_is_sent_and_found_by_its_quote(fixture: &Fixture) {
    let store = fixture.must();
    let manager = fixture.manager();
    let ask = async |seconds: i64| {
        let question = fixture.question(&manager, at(seconds));
        let notification = fixture
            .question_notification(at(seconds))
            .with(|notification| notification.due_at = at(seconds + 2));
        let asking = NewQuestion {
            question: question.clone(),
            notification: Some(notification.clone()),
            restated: None,
        };
        fixture
            .stored(&fixture.message_from(&manager, at(seconds)), Some(asking))
            .await;
        (question, notification)
    };
    let (question, notification) = ask(10).await;
    assert_eq!(fixture.claim(at(11)).await, []);
    let claimed = fixture.claim(at(12)).await.remove(0);
    assert_eq!((claimed.id, claimed.ticket), (notification.id, None));
    let external_id = fixture.external_id();
    let outcome = delivered(at(13), Some(&external_id));
    store.record_attempt(claimed.id, claimed.lease, outcome).await;
    assert_eq!(store.quoted_question(external_id.clone()).await, Some(question));
    assert_eq!(fixture.quoted(&external_id).await, None);
    assert_eq!(store.quoted_question(fixture.external_id()).await, None);

    let (unsent, notification) = ask(200).await;
    let record = store.notification(notification.id).await.unwrap();
    assert_eq!(record.reference, None);
    assert_eq!(store.undelivered(9).await.len(), 1);
    // Also if an attempt failed before, but not if it was sent and reported as failed: that one may be quoted.
    let claimed = fixture.claim_only(notification.id, at(202)).await;
    fixture.settled(&claimed, retry_at(at(300))).await;
    answer_now(fixture, &unsent, None).await;
    assert_eq!(store.notification(notification.id).await, None);
    let (refused, notification) = ask(400).await;
    let claimed = fixture.claim_only(notification.id, at(402)).await;
    let external_id = fixture.external_id();
    fixture.settled(&claimed, delivered(at(403), Some(&external_id))).await;
    let again = StatusUpdate::Retry {
        due: at(700),
        reason: "try again".into(),
    };
    assert!(store.advance(external_id.clone(), again, at(404)).await);
    answer_now(fixture, &refused, None).await;
    let quoted = store.quoted_question(external_id).await.map(|question| question.id);
    assert_eq!(quoted, Some(refused.id));
    assert_eq!(fixture.claim(at(999)).await, []);
}

/// The last answer of a manager is a message that named its ticket, or all that an answer to a question attached; only what
/// is public, theirs and recent.
pub async fn the_last_published_answer_is_found_whole(fixture: &Fixture) {
    let store = fixture.must();
    let (manager, one, other) = (
        fixture.manager(),
        fixture.opened(at(0)).await,
        fixture.opened(at(0)).await,
    );
    let last = async |since: i64| {
        store
            .last_published(manager.clone(), vec![manager.clone()], at(since))
            .await
    };
    assert_eq!(last(0).await, None);
    let written = fixture.message_from(&manager, at(10));
    fixture.added(append_to(&one.ticket, written.clone())).await;
    fixture
        .added(append_to(
            &other.ticket,
            fixture.message_from(&fixture.manager(), at(11)),
        ))
        .await;
    let note = fixture
        .message_from(&manager, at(11))
        .with(|message| message.visibility = Visibility::Internal);
    fixture.added(append_to(&other.ticket, note)).await;
    assert_eq!(last(10).await, Some((one.ticket.reference, vec![written.id])));
    assert_eq!(last(11).await, None);

    let (first, question) = fixture.asked(&manager, at(20)).await;
    let second = fixture.joined(&question, at(21)).await;
    let wide = merge(fixture, &manager, &[&question], 22);
    store.merge_questions(wide.clone()).await;
    // The answer comes 60 s after the beginning.
    let picked = answer_now(fixture, &wide.question, Some(&other)).await;
    assert_eq!(picked.attached, 2);
    let whole = Some((other.ticket.reference, vec![first.id, second.id]));
    assert_eq!(last(60).await, whole);
    let later = fixture.message_from(&manager, at(70));
    fixture.added(append_to(&one.ticket, later.clone())).await;
    assert_eq!(last(60).await, Some((one.ticket.reference, vec![later.id])));
    let remove = Remove {
        ticket: one.ticket.id,
        messages: vec![(later.id, fixture.note(at(71)))],
        because: None,
    };
    store.remove(remove).await;
    assert_eq!(last(60).await, whole);

    // A question that was merged is answered later, by a quote.
    let (quoted, early) = fixture.asked(&manager, at(100)).await;
    store.merge_questions(merge(fixture, &manager, &[&early], 101)).await;
    let late = AnswerQuestion {
        is_quoted: true,
        at: at(200),
        ..picking(fixture, &early, Some(&one))
    };
    store.answer(late).await;
    let late = Some((one.ticket.reference, vec![quoted.id]));
    assert_eq!(last(200).await, late);
    // They may write from several addresses.
    let elsewhere = fixture.message_from(&fixture.manager(), at(210));
    fixture.added(append_to(&one.ticket, elsewhere.clone())).await;
    let from = vec![elsewhere.from.clone().unwrap(), manager.clone()];
    let last = store.last_published(manager.clone(), from, at(200)).await;
    assert_eq!(last, Some((one.ticket.reference, vec![elsewhere.id])));
}
