//! Numbers and user ids of the same person.

use ticket_domain::ports::KnownContact;

use crate::{Fixture, fixture::at};

fn contact(user_id: &str, phone: &str, seconds: i64) -> KnownContact {
    KnownContact {
        user_id: user_id.parse().unwrap(),
        phone: phone.parse().unwrap(),
        seen_at: at(seconds),
    }
}

/// A pair is found from both sides, and a user id has the number that it came with last.
pub async fn a_number_and_a_user_id_lead_to_each_other(fixture: &Fixture) {
    let store = &fixture.must();
    let known = |address: &str| store.contacts_of(address.parse().unwrap());
    let (first, second) = (contact("US.1", "+15550001111", 0), contact("US.2", "+15550001111", 1));
    let other = contact("BR.3", "+5511987654321", 2);
    for pair in [&second, &first, &other, &first] {
        store.learn(pair.clone()).await;
    }
    let both = vec![first.clone(), second.clone()];
    for address in ["US.1", "US.2", "+15550001111"] {
        assert_eq!(known(address).await, both, "{address}");
    }
    assert_eq!(known("BR.3").await, [other]);
    for nobody in ["us.1", "15550001111", "+551187654321", "US"] {
        assert_eq!(known(nobody).await, [], "{nobody}");
    }

    let moved = contact("US.1", "+15550002222", 3);
    store.learn(moved.clone()).await;
    assert_eq!(known("US.1").await, [moved]);
    assert_eq!(known("+15550001111").await, [second]);
}

/// What is forgotten is a number's, or what was not seen for long.
pub async fn pairs_are_forgotten_by_number_and_by_age(fixture: &Fixture) {
    let store = fixture.must();
    for pair in [
        contact("US.1", "+15550001111", 0),
        contact("US.2", "+15550001111", 5),
        contact("US.3", "+15550003333", 1),
        contact("US.4", "+15550004444", 2),
    ] {
        store.learn(pair).await;
    }
    store.forget("+15550001111".parse().unwrap()).await;
    assert_eq!(store.forget_unseen(at(2)).await, 1);
    assert_eq!(store.forget_unseen(at(2)).await, 0);
    for (user_id, left) in [("US.1", 0), ("US.2", 0), ("US.3", 0), ("US.4", 1)] {
        assert_eq!(
            store.contacts_of(user_id.parse().unwrap()).await.len(),
            left,
            "{user_id}"
        );
    }
}
