//! Clarifying questions to managers.

use ticket_domain::{
    Address, Choice, Question, QuestionId, Reason, Status,
    ports::{Append, Appended, Existing, Opening, Precondition, QuestionUpdate, StoreUnmatched, StoredUnmatched},
};

use crate::{
    Fixture,
    fixture::{With as _, anew, append_to, at, at_once, count, place_of},
};

/// A message of `manager`, to be added to the ticket, which ends the manager's question.
fn ending(fixture: &Fixture, opening: &Opening, manager: &Address) -> Append {
    Append {
        ends_question_of: Some(manager.clone()),
        idempotency: None,
        note: None,
        ..append_to(&opening.ticket, fixture.message_from(manager, at(9)))
    }
}

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
            subject: opening.ticket.details.subject,
        });
    }
    let expected = [3, 2, 0, 4, 1].map(|place: usize| choices[place].clone());
    assert_eq!(store.open_tickets(5).await, expected);
    assert_eq!(store.open_tickets(255).await, expected);
    assert_eq!(store.open_tickets(2).await, expected[..2]);
    assert_eq!(store.open_tickets(0).await, []);
}

/// A question reads back as it was asked, to the one who was asked.
pub async fn a_question_reads_back_exactly(fixture: &Fixture) {
    for (reason, count) in [
        (Reason::NoHint, 5),
        (Reason::Contradicting, 1),
        (Reason::NoSuchTicket, 0),
    ] {
        let choices: Vec<Choice> = (0..count)
            .map(|_| Choice {
                reference: fixture.reference(),
                subject: "Flaschen: \"kaputt\" 🍾".parse().unwrap(),
            })
            .collect();
        let manager = fixture.manager();
        assert_eq!(fixture.open_question(&manager).await, None);
        let id = QuestionId(fixture.uuid());
        let question = Question::new(id, manager.clone(), reason, &choices, at(1));
        let message = fixture.message_from(&manager, at(1));
        fixture.stored(&message, anew(&question, None)).await;
        assert_eq!(fixture.open_question(&manager).await, Some(question));
        assert_eq!(fixture.open_question(&fixture.manager()).await, None);
        let kept = fixture
            .store()
            .unmatched_message(message.external_id.clone().unwrap())
            .await;
        assert_eq!(kept.unwrap(), Some(message));
    }
}

/// Each further part asks again, from which the time to answer counts; it never counts from earlier.
pub async fn a_question_is_asked_again(fixture: &Fixture) {
    let manager = fixture.manager();
    let (_, question) = fixture.asked(&manager, at(0)).await;
    for (seconds, last) in [(5, 5), (3, 5), (7, 7)] {
        fixture.asked_again(&question, at(seconds)).await;
        let again = question.clone().with(|question| question.asked_at = at(last));
        assert_eq!(fixture.open_question(&manager).await, Some(again));
    }
    assert_eq!(fixture.unmatched().await, 4);
}

/// A question may take the place of whichever is open, also where many do so at once: the last one is open.
pub async fn a_question_may_take_any_place(fixture: &Fixture) {
    let manager = fixture.manager();
    for round in 0..10 {
        let asks = (0..20).map(|_| {
            let message = fixture.message_from(&manager, at(round));
            let asking = QuestionUpdate::Ask {
                question: fixture.question(&manager, at(round)),
                instead_of: Precondition::AnyQuestion,
            };
            let store = fixture.must();
            async move { store.store_unmatched(StoreUnmatched { message, asking }).await }
        });
        for kept in at_once(asks.collect::<Vec<_>>()).await {
            assert_eq!(kept, StoredUnmatched::Stored);
        }
        assert!(fixture.open_question(&manager).await.is_some());
    }
    assert_eq!(fixture.unmatched().await, 200);
}

/// A question takes the place of the one that the caller knew to be open, and of no other. Otherwise nothing is written.
pub async fn a_question_takes_only_the_place_that_is_known(fixture: &Fixture) {
    let manager = fixture.manager();
    let (_, first) = fixture.asked(&manager, at(0)).await;
    let second = fixture.question(&manager, at(1));
    let message = fixture.message_from(&manager, at(1));
    fixture.stored(&message, anew(&second, Some(&first))).await;
    assert_eq!(fixture.open_question(&manager).await, Some(second.clone()));

    let third = fixture.question(&manager, at(2));
    let never_asked = fixture.question(&manager, at(0));
    for asking in [
        anew(&third, Some(&first)),
        anew(&third, None),
        anew(&third, Some(&never_asked)),
        QuestionUpdate::Extend(first.id),
        QuestionUpdate::Extend(never_asked.id),
    ] {
        let message = fixture.message_from(&manager, at(2));
        assert_eq!(fixture.keep(&message, asking).await, StoredUnmatched::QuestionChanged);
        let external_id = message.external_id.unwrap();
        assert_eq!(fixture.must().unmatched_message(external_id).await, None);
    }
    assert_eq!(fixture.unmatched().await, 2);
    assert_eq!(fixture.open_question(&manager).await.as_ref(), Some(&second));

    let nobody_asked = fixture.manager();
    let message = fixture.message_from(&nobody_asked, at(3));
    for of_another in [&first, &second] {
        let asking = anew(&fixture.question(&nobody_asked, at(3)), Some(of_another));
        assert_eq!(fixture.keep(&message, asking).await, StoredUnmatched::QuestionChanged);
    }
    assert_eq!(fixture.open_question(&nobody_asked).await, None);
    assert_eq!(fixture.open_question(&manager).await, Some(second));
    assert_eq!(fixture.unmatched().await, 2);
}

/// A message that comes again tells what was asked about it, though that may be closed by now, and asks nothing.
pub async fn a_kept_message_tells_its_own_question(fixture: &Fixture) {
    let manager = fixture.manager();
    let silent = fixture.message_from(&manager, at(0));
    fixture.stored(&silent, QuestionUpdate::None).await;
    let (message, first) = fixture.asked(&manager, at(1)).await;
    let part = fixture.asked_again(&first, at(2)).await;
    let first = first.with(|question| question.asked_at = at(2));
    let second = fixture.question(&manager, at(3));
    let other = fixture.message_from(&manager, at(3));
    fixture.stored(&other, anew(&second, Some(&first))).await;

    let ended = [false, true];
    for has_ended in ended {
        if has_ended {
            let opening = fixture.opened(at(4)).await;
            let append = ending(fixture, &opening, &manager);
            fixture.added(append).await;
        }
        let open = fixture.open_question(&manager).await;
        assert_eq!(open.is_none(), has_ended);
        for (message, asked) in [
            (&silent, None),
            (&message, Some(&first)),
            (&part, Some(&first)),
            (&other, Some(&second)),
        ] {
            let newer = fixture.question(&manager, at(5));
            for asking in [
                QuestionUpdate::None,
                QuestionUpdate::Extend(second.id),
                anew(&newer, open.as_ref()),
            ] {
                let again = fixture.message_of(message.external_id.as_ref().unwrap(), at(5));
                let before = StoredUnmatched::AlreadyKnown(Existing::Unmatched(asked.cloned()));
                assert_eq!(fixture.keep(&again, asking).await, before);
            }
        }
        assert_eq!(fixture.open_question(&manager).await, open);
        assert_eq!(fixture.unmatched().await, 4);
    }
}

/// A manager's message to a thread ends the question, also where it had been kept; a repetition of it does not.
pub async fn another_message_ends_the_question(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let manager = fixture.manager();
    let append = ending(fixture, &opening, &manager);
    fixture.added(append.clone()).await;

    let (_, question) = fixture.asked(&manager, at(1)).await;
    assert!(matches!(
        store.append(append).await,
        Appended::AlreadyStored { of: Some(_), .. }
    ));
    let of_another = ending(fixture, &opening, &fixture.manager());
    let of_a_customer = append_to(&opening.ticket, fixture.message_from(&manager, at(2)));
    for append in [of_another, of_a_customer] {
        fixture.added(append).await;
    }
    assert_eq!(fixture.open_question(&manager).await, Some(question));

    let append = ending(fixture, &opening, &manager);
    fixture.added(append).await;
    assert_eq!(fixture.open_question(&manager).await, None);

    // One that was kept is not said anew.
    let (kept, question) = fixture.asked(&manager, at(3)).await;
    let mut append = ending(fixture, &opening, &manager);
    append.message.external_id.clone_from(&kept.external_id);
    assert_eq!(store.append(append).await, Appended::Joined(kept.id));
    assert_eq!(fixture.open_question(&manager).await, Some(question));
}

/// What is not written ends nothing.
pub async fn a_message_to_no_ticket_leaves_the_question_open(fixture: &Fixture) {
    let manager = fixture.manager();
    let (_, question) = fixture.asked(&manager, at(0)).await;
    let lost = ending(fixture, &fixture.opening(at(0)), &manager);
    assert!(fixture.store().append(lost).await.is_err());
    assert_eq!(fixture.open_question(&manager).await, Some(question));
}

/// Keeps a bare message as [`ReceiveReply`](ticket_domain::ReceiveReply) does: looks again as long as the question moves.
fn keep_bare(fixture: &Fixture, manager: &Address) -> impl Future<Output = StoredUnmatched> + Send + use<> {
    let store = fixture.must();
    let message = fixture.message_from(manager, at(1));
    let question = fixture.question(manager, at(1));
    let manager = manager.clone();
    async move {
        for _ in 0..16 {
            let open = store.question(manager.clone()).await;
            let asking = match open {
                Some(open) => QuestionUpdate::Extend(open.id),
                None => anew(&question, None),
            };
            let message = message.clone();
            match store.store_unmatched(StoreUnmatched { message, asking }).await {
                StoredUnmatched::QuestionChanged => {}
                kept => return kept,
            }
        }
        StoredUnmatched::QuestionChanged
    }
}

/// 100 messages of one manager at the same moment, such as a large album, and 20 of another: one question each.
pub async fn bare_messages_at_once_are_one_question(fixture: &Fixture) {
    for _ in 0..3 {
        let before = fixture.unmatched().await;
        let managers = [fixture.manager(), fixture.manager()];
        let keeping = (0..120).map(|number| keep_bare(fixture, &managers[usize::from(number % 6 == 5)]));
        assert_eq!(at_once(keeping).await, vec![StoredUnmatched::Stored; 120]);
        assert_eq!(fixture.unmatched().await, before + 120);

        let opening = fixture.opened(at(2)).await;
        for (manager, count) in managers.iter().zip([100, 20]) {
            let question = fixture.open_question(manager).await.unwrap();
            let picked = super::answers::answer_now(fixture, &question, Some(&opening)).await;
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
            let asking = anew(&fixture.question(&manager, at(1)), None);
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

/// Ten questions at the same moment in the place of one: one takes it, and the others write nothing.
pub async fn one_question_at_once_takes_a_place(fixture: &Fixture) {
    for _ in 0..5 {
        let manager = fixture.manager();
        let (_, first) = fixture.asked(&manager, at(0)).await;
        let before = fixture.unmatched().await;
        let questions: Vec<Question> = (0..10).map(|_| fixture.question(&manager, at(1))).collect();
        let answers = at_once(questions.clone().into_iter().map(|question| {
            let message = fixture.message_from(&manager, at(1));
            let asking = anew(&question, Some(&first));
            fixture.must().store_unmatched(StoreUnmatched { message, asking })
        }))
        .await;
        let winner = place_of(&answers, &StoredUnmatched::Stored);
        let moved = answers
            .iter()
            .filter(|answer| **answer == StoredUnmatched::QuestionChanged);
        assert_eq!(moved.count(), 9, "{answers:?}");
        assert_eq!(fixture.open_question(&manager).await.as_ref(), questions.get(winner));
        assert_eq!(fixture.unmatched().await, before + 1);
    }
}
