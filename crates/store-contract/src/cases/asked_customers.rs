//! Questions to customers, who are asked once a day.

use ticket_domain::{
    Message, QuestionKind,
    ports::{AnswerQuestion, AnswerResult, ChoiceResult, Confirmed, EraseTarget, Existing, StoredUnmatched},
};

use super::{
    answers::{answer_now, choice, picking},
    attaching::{attach, to},
    erasing::act,
};
use crate::{
    Fixture,
    fixture::{With as _, asking, at},
};

/// What a customer writes within a day joins their question, and stays unmatched until each message joins by itself. What
/// they confirmed is found from then on, until they are erased.
pub async fn a_customer_is_asked_once_a_day_and_confirms(fixture: &Fixture) {
    let store = fixture.must();
    let (opening, customer) = (fixture.open(fixture.opening(at(0))).await, fixture.manager());
    let of_customer = |seconds: i64| {
        fixture
            .question(&customer, at(seconds))
            .with(|question| question.kind = QuestionKind::Customer)
    };
    // A question to a manager is another one.
    fixture.asked(&customer, at(0)).await;
    let (first, question) = (fixture.message_from(&customer, at(0)), of_customer(0));
    fixture.stored(&first, asking(&question)).await;
    let second = fixture.message_from(&customer, at(86_400));
    let joined = fixture.keep(&second, asking(&of_customer(86_400))).await;
    assert_eq!(joined, StoredUnmatched::Joined(question.clone()));
    for (message, asked) in [(&first, Some(question.clone())), (&second, None)] {
        let again = fixture.keep(message, None).await;
        assert_eq!(again, StoredUnmatched::AlreadyKnown(Existing::Unmatched(asked)));
    }
    assert_eq!(store.confirmed(customer.clone(), at(0)).await, None);

    let answer = AnswerQuestion {
        join_as: None,
        ..picking(fixture, &question, Some(&opening))
    };
    let answered = store.answer(answer.clone()).await;
    let picked = ChoiceResult {
        of: customer.clone(),
        to: Some(choice(&opening)),
        attached: 0,
        message: Some(first.id),
    };
    assert_eq!(answered, AnswerResult::Answered(picked));
    let confirmed = |unmatched: &[&Message]| {
        Some(Confirmed {
            ticket: opening.ticket.reference,
            unmatched: unmatched.iter().map(|message| (*message).clone()).collect(),
        })
    };
    assert_eq!(
        store.confirmed(customer.clone(), answer.at).await,
        confirmed(&[&first, &second])
    );
    attach(fixture, &to(fixture, &opening.ticket, first.id, 61)).await;
    assert_eq!(
        store.confirmed(customer.clone(), answer.at).await,
        confirmed(&[&second])
    );
    assert_eq!(store.confirmed(customer.clone(), at(61)).await, None);
    assert_eq!(store.confirmed(fixture.manager(), at(0)).await, None);

    // What crosses the answer joins it too, and nobody is asked again that day.
    let crossing = fixture.message_from(&customer, at(80_000));
    let StoredUnmatched::Joined(closed) = fixture.keep(&crossing, asking(&of_customer(80_000))).await else {
        panic!("they have answered today")
    };
    assert_eq!((closed.id, closed.closed_at), (question.id, Some(answer.at)));
    let last = confirmed(&[&crossing, &second]);
    assert_eq!(store.confirmed(customer.clone(), answer.at).await, last);

    // Whoever left everything aside has confirmed nothing.
    let third = fixture.message_from(&customer, at(90_000));
    let none = of_customer(90_000);
    fixture.stored(&third, asking(&none)).await;
    answer_now(fixture, &none, None).await;
    assert_eq!(store.confirmed(customer.clone(), at(0)).await, last);

    act(fixture, EraseTarget::Messages(vec![second.id, crossing.id, third.id])).await;
    assert_eq!(store.confirmed(customer.clone(), at(0)).await, None);
    for question in [question, none] {
        let forgotten = store.question(question.id).await.unwrap();
        assert_eq!((forgotten.of.as_str(), &*forgotten.text), ("[erased]", "[erased]"));
    }
}
