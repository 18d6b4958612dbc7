//! One key is one ticket.

use ticket_domain::ports::{ExistingTicket, OpenResult, Opening, TicketLookup};

use crate::{
    Fixture,
    fixture::{With as _, at, at_once, later, place_of},
};

fn precedent(opening: &Opening) -> OpenResult {
    OpenResult::AlreadyOpened(ExistingTicket {
        digest: opening.idempotency.as_ref().unwrap().digest,
        id: opening.ticket.id,
        reference: opening.ticket.reference,
        access_key: opening.ticket.keys.customer.clone(),
    })
}

/// An opening at `seconds` under the same key as `first`, of another request.
fn again(fixture: &Fixture, first: &Opening, seconds: i64) -> Opening {
    let of_first = first.idempotency.as_ref().unwrap();
    let of_its_own = fixture.idempotency(at(seconds + 100));
    Opening {
        idempotency: Some(of_its_own.with(|idempotency| idempotency.key = of_first.key.clone())),
        ..fixture.opening(at(seconds))
    }
}

async fn opened_with_key(fixture: &Fixture, seconds: i64) -> Opening {
    let opening = fixture
        .opening(at(seconds))
        .with(|opening| opening.idempotency = Some(fixture.idempotency(at(seconds + 100))));
    fixture.open(opening).await
}

async fn assert_absent(fixture: &Fixture, opening: &Opening) {
    let store = fixture.must();
    let by_reference = TicketLookup::Reference(opening.ticket.reference);
    assert_eq!(store.find(by_reference).await, None);
    assert_eq!(store.notification(opening.notifications[0].id).await, None);
}

/// A used key is answered with what it opened, digest and all, however the request differs; nothing is written.
pub async fn a_used_key_answers_the_first_ticket_and_writes_nothing(fixture: &Fixture) {
    let first = opened_with_key(fixture, 0).await;
    let other = opened_with_key(fixture, 0).await;
    let vitals = fixture.vitals(later()).await;

    for _ in 0..2 {
        let second = again(fixture, &first, 99);
        let answer = fixture.must().open(second.clone()).await;
        assert_eq!(answer, precedent(&first));
        assert_absent(fixture, &second).await;
    }
    let answer = fixture.must().open(again(fixture, &other, 1)).await;
    assert_eq!(answer, precedent(&other));
    assert_eq!(fixture.vitals(later()).await, vitals);
}

/// A repetition is told its ticket even if it drew a reference that is taken.
pub async fn a_used_key_goes_before_a_taken_reference(fixture: &Fixture) {
    let first = opened_with_key(fixture, 0).await;
    let taken = fixture.opened(at(0)).await;
    for reference in [first.ticket.reference, taken.ticket.reference] {
        let mut second = again(fixture, &first, 1);
        second.ticket.reference = reference;
        assert_eq!(fixture.must().open(second).await, precedent(&first));
    }
}

/// From its end on a key opens another ticket, and then stands for that one.
pub async fn a_key_ends_at_its_time_and_opens_another_ticket(fixture: &Fixture) {
    let first = opened_with_key(fixture, 0).await;
    let second = again(fixture, &first, 100);
    fixture.open(second.clone()).await;

    let third = again(fixture, &first, 199);
    assert_eq!(fixture.must().open(third).await, precedent(&second));
    // Both tickets exist.
    fixture.thread(first.ticket.reference).await;
    fixture.thread(second.ticket.reference).await;

    let fourth = again(fixture, &first, 500);
    fixture.open(fourth).await;
}

/// An opening whose reference was taken may come again under its key.
pub async fn a_refused_opening_leaves_its_key_free(fixture: &Fixture) {
    let taken = fixture.opened(at(0)).await;
    let mut opening = fixture
        .opening(at(0))
        .with(|opening| opening.idempotency = Some(fixture.idempotency(at(100))));
    let reference = opening.ticket.reference;
    opening.ticket.reference = taken.ticket.reference;
    let answer = fixture.must().open(opening.clone()).await;
    assert_eq!(answer, OpenResult::ReferenceTaken);

    opening.ticket.reference = reference;
    fixture.open(opening).await;
}

/// 20 requests with one key at the same moment: one opens, and all others are told its ticket.
pub async fn equal_keys_at_once_make_one_ticket(fixture: &Fixture) {
    for round in 0..5 {
        let idempotency = fixture.idempotency(at(1_000));
        let openings: Vec<Opening> = (0..20)
            .map(|_| {
                fixture
                    .opening(at(round))
                    .with(|opening| opening.idempotency = Some(idempotency.clone()))
            })
            .collect();
        let waiting = fixture.vitals(later()).await.waiting;
        let answers = at_once(openings.clone().into_iter().map(|opening| fixture.must().open(opening))).await;

        let winner = place_of(&answers, &OpenResult::Opened);
        let told = precedent(&openings[winner]);
        for (number, answer) in answers.iter().enumerate() {
            if number != winner {
                assert_eq!(*answer, told);
                assert_absent(fixture, &openings[number]).await;
            }
        }
        fixture.thread(openings[winner].ticket.reference).await;
        assert_eq!(fixture.vitals(later()).await.waiting, waiting + 1);
    }
}
