//! Managers' answers that come at the same moment as others, or as messages.

use ticket_domain::ports::{
    AnswerQuestion, AnswerResult, Appended, ChoiceResult, Existing, StoreUnmatched, StoredUnmatched,
};

use super::answers::{choice, picking};
use crate::{
    Fixture,
    fixture::{With as _, append_to, asking, at, at_once, count, keep_silently},
};

async fn at_once_answered(fixture: &Fixture, pickings: Vec<AnswerQuestion>) -> Vec<AnswerResult> {
    at_once(pickings.into_iter().map(|picking| fixture.must().answer(picking))).await
}

/// 20 copies of one answer at the same moment: one does it, and all tell the same.
pub async fn twins_of_an_answer_are_one(fixture: &Fixture) {
    for _ in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
        fixture.joined(&question, at(2)).await;
        let picking = picking(fixture, &question, Some(&opening));
        let answers = at_once_answered(fixture, vec![picking.clone(); 20]).await;
        let Some(Existing::Answer(picked)) = fixture.must().known(picking.by.unwrap()).await else {
            panic!("it is an answer");
        };
        assert_eq!(picked.attached, 2);
        let (now, before) = (
            AnswerResult::Answered(picked.clone()),
            AnswerResult::AlreadyKnown(Existing::Answer(picked)),
        );
        assert_eq!(
            (count(&answers, &now), count(&answers, &before)),
            (1, 19),
            "{answers:?}"
        );
        assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, 3);
    }
}

/// 20 different answers to one question at the same moment: one is taken.
pub async fn different_answers_at_once_are_one(fixture: &Fixture) {
    for _ in 0..5 {
        let openings = [fixture.opened(at(0)).await, fixture.opened(at(0)).await];
        let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
        let pickings = (0..20).map(|number| picking(fixture, &question, openings.get(number % 3)));
        let answers = at_once_answered(fixture, pickings.collect()).await;
        let picked: Vec<&ChoiceResult> = answers
            .iter()
            .filter_map(|answer| match answer {
                AnswerResult::Answered(picked) => Some(picked),
                _ => None,
            })
            .collect();
        let closed = count(&answers, &AnswerResult::Closed);
        assert_eq!((picked.len(), closed), (1, 19), "{answers:?}");
        for opening in &openings {
            let is_picked = picked[0].to == Some(choice(opening));
            let thread = fixture.thread(opening.ticket.reference).await;
            assert_eq!(thread.messages.len(), if is_picked { 2 } else { 1 });
        }
    }
}

/// One outside id that answers two questions at the same moment answers one.
pub async fn one_answer_at_once_is_to_one_question(fixture: &Fixture) {
    for _ in 0..5 {
        let opening = fixture.opened(at(0)).await;
        let by = fixture.external_id();
        let mut pickings = Vec::new();
        for _ in 0..4 {
            let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
            pickings.push(picking(fixture, &question, Some(&opening)).with(|question| question.by = Some(by.clone())));
        }
        let answers = at_once_answered(fixture, pickings).await;
        let Some(Existing::Answer(picked)) = fixture.must().known(by).await else {
            panic!("it is an answer");
        };
        let (now, before) = (
            AnswerResult::Answered(picked.clone()),
            AnswerResult::AlreadyKnown(Existing::Answer(picked)),
        );
        assert_eq!((count(&answers, &now), count(&answers, &before)), (1, 3), "{answers:?}");
        assert_eq!(fixture.thread(opening.ticket.reference).await.ticket.version, 2);
    }
}

/// An answer among further parts at the same moment: each part is brought along, or asked about by itself.
pub async fn parts_that_come_as_the_answer_does_are_not_lost(fixture: &Fixture) {
    for _ in 0..10 {
        let before = usize::try_from(fixture.unmatched().await).unwrap();
        let opening = fixture.opened(at(0)).await;
        let (_, question) = fixture.asked(&fixture.manager(), at(1)).await;
        let picking = picking(fixture, &question, Some(&opening));
        let results = at_once((0..12).map(|number| {
            let store = fixture.must();
            let picking = picking.clone();
            let keep = StoreUnmatched {
                message: fixture.message_from(&question.of, at(2)),
                asking: asking(&fixture.question(&question.of, at(2))),
            };
            async move {
                if number == 6 {
                    (None, Some(store.answer(picking).await))
                } else {
                    (Some(store.store_unmatched(keep).await), None)
                }
            }
        }))
        .await;
        let is_joined = |kept: &Option<StoredUnmatched>| matches!(kept, Some(StoredUnmatched::Joined(joined)) if joined.id == question.id);
        let kept = results.iter().filter(|(kept, _)| is_joined(kept)).count();
        let Some(AnswerResult::Answered(picked)) = &results[6].1 else {
            panic!("the question is open: {results:?}");
        };
        assert_eq!(usize::try_from(picked.attached).unwrap(), kept + 1);
        assert_eq!(usize::try_from(fixture.unmatched().await).unwrap(), before + 11 - kept);
        let thread = fixture.thread(opening.ticket.reference).await;
        assert_eq!(thread.messages.len(), kept + 2);
    }
}

/// Answers, other messages and messages that join otherwise, of four managers at the same moment and all
/// about the same two tickets: everything ends, and every message is in one thread or kept.
pub async fn answers_and_messages_at_once_end(fixture: &Fixture) {
    for _ in 0..5 {
        let openings = [fixture.opened(at(0)).await, fixture.opened(at(0)).await];
        let before = fixture.unmatched().await;
        let mut appends = Vec::new();
        let mut pickings = Vec::new();
        for number in 0..4 {
            let (here, there) = (&openings[number % 2], &openings[(number + 1) % 2]);
            let manager = fixture.manager();
            let (first, question) = fixture.asked(&manager, at(1)).await;
            fixture.joined(&question, at(2)).await;
            pickings.push(picking(fixture, &question, Some(here)));
            let again = fixture.message_of(first.external_id.as_ref().unwrap(), at(3));
            // Joins by somebody else's word, and so does not take its turn at the question.
            appends.push(append_to(&there.ticket, again));
            appends.push(append_to(&there.ticket, fixture.message_from(&manager, at(3))));
        }
        let answering = at_once(pickings.into_iter().map(|picking| fixture.must().answer(picking)));
        let appending = at_once(appends.into_iter().map(|append| fixture.must().append(append)));
        let (answered, appended) = tokio::join!(answering, appending);

        let attached = answered.iter().map(|answer| match answer {
            AnswerResult::Answered(picked) => u64::from(picked.attached),
            AnswerResult::Closed => 0,
            other @ AnswerResult::AlreadyKnown(_) => panic!("{other:?}"),
        });
        let attached: u64 = attached.sum();
        let is_written = |appended: &&Appended| !matches!(appended, Appended::AlreadyStored { .. });
        let joined = appended
            .iter()
            .filter(|appended| matches!(appended, Appended::Joined(_)));
        let joined = joined.count() as u64;
        let written = appended.iter().filter(is_written).count() as u64;
        assert_eq!(fixture.unmatched().await, before + 8 - attached - joined);
        let mut in_threads = 0;
        for opening in &openings {
            let thread = fixture.thread(opening.ticket.reference).await;
            assert_eq!(thread.messages.len() as u64, u64::from(thread.ticket.version));
            in_threads += thread.messages.len() as u64 - 1;
        }
        assert_eq!(in_threads, attached + written, "{answered:?} {appended:?}");
    }
}

/// Whatever comes first under an outside id, it is that and nothing else.
pub async fn an_outside_id_is_an_answer_or_a_message_and_never_both(fixture: &Fixture) {
    for round in 0..40 {
        let opening = fixture.opened(at(round)).await;
        let (_, question) = fixture.asked(&fixture.manager(), at(round)).await;
        let picking = picking(fixture, &question, Some(&opening));
        let twins = [(); 2].map(|()| fixture.message_of(picking.by.as_ref().unwrap(), at(round)));
        let turns = (0..3).map(|number| {
            let (store, picking) = (fixture.must(), picking.clone());
            let [appended, kept] = twins.clone();
            let append = append_to(&opening.ticket, appended);
            async move {
                match number {
                    0 => matches!(store.answer(picking).await, AnswerResult::Answered(_)),
                    1 => store.append(append).await == Appended::Added,
                    _ => store.store_unmatched(keep_silently(kept)).await == StoredUnmatched::Stored,
                }
            }
        });
        let results = at_once(turns).await;
        // What was kept first may join the thread after: then both are that one message.
        assert_eq!(results.iter().filter(|was_first| **was_first).count(), 1, "{results:?}");
    }
}
