//! A question that is not sent yet says more when another message joins it.

use ticket_domain::{
    Question, QuestionKind,
    ports::{NewQuestion, StoredUnmatched},
};

use crate::{
    Fixture,
    fixture::{With as _, asking, at},
};

/// The question, with other words and one more ticket to choose.
fn restated(fixture: &Fixture, question: &Question) -> Question {
    let choices = [question.choices.clone(), vec![fixture.reference()]].concat();
    question.clone().with(|question| {
        question.text = "Which ticket are both for?".into();
        question.choices = choices;
    })
}

/// The notification is replaced with the question, as long as nobody has claimed it.
pub async fn a_question_says_more_until_it_is_sent(fixture: &Fixture) {
    let store = fixture.must();
    let manager = fixture.manager();
    let question = fixture
        .question(&manager, at(0))
        .with(|question| question.sent_at = at(2));
    let notification = fixture.question_notification(at(2));
    let first = NewQuestion {
        notification: Some(notification.clone()),
        ..asking(&question).unwrap()
    };
    fixture
        .stored(&fixture.message_from(&manager, at(0)), Some(first))
        .await;
    let (both, payload) = (
        restated(fixture, &question),
        fixture.question_notification(at(1)).payload,
    );
    let join = async |restated: Option<&Question>| {
        let another = NewQuestion {
            restated: restated.map(|restated| (restated.clone(), Some(payload.clone()))),
            ..asking(&fixture.question(&manager, at(1))).unwrap()
        };
        fixture
            .keep(&fixture.message_from(&manager, at(1)), Some(another))
            .await
    };
    // Another question was expected.
    let other = restated(fixture, &fixture.question(&manager, at(0)));
    for expected in [None, Some(&other)] {
        assert_eq!(join(expected).await, StoredUnmatched::Joined(question.clone()));
    }
    assert_eq!(join(Some(&both)).await, StoredUnmatched::Joined(both.clone()));
    assert_eq!(store.question(question.id).await.as_ref(), Some(&both));

    let claimed = fixture.claim_only(notification.id, at(2)).await;
    assert_eq!(claimed.payload, payload);
    let three = restated(fixture, &both);
    assert_eq!(join(Some(&three)).await, StoredUnmatched::Joined(both));
}

/// A customer's question has no notification.
pub async fn a_customers_question_says_more_until_it_is_answered(fixture: &Fixture) {
    let customer = fixture.manager();
    let question = fixture
        .question(&customer, at(0))
        .with(|question| question.kind = QuestionKind::Customer);
    fixture
        .stored(&fixture.message_from(&customer, at(0)), asking(&question))
        .await;
    let listing = restated(fixture, &question);
    let join = async |restated: &Question| {
        let another = fixture
            .question(&customer, at(9))
            .with(|question| question.kind = QuestionKind::Customer);
        let another = NewQuestion {
            restated: Some((restated.clone(), None)),
            ..asking(&another).unwrap()
        };
        fixture
            .keep(&fixture.message_from(&customer, at(9)), Some(another))
            .await
    };
    assert_eq!(join(&listing).await, StoredUnmatched::Joined(listing.clone()));
    super::answers::answer_now(fixture, &listing, None).await;
    let more = restated(fixture, &listing);
    let StoredUnmatched::Joined(closed) = join(&more).await else {
        panic!("they have answered today")
    };
    assert_eq!((closed.choices, closed.text), (listing.choices, listing.text));
}
