//! What customers are mailed: once for everything that they have not seen, and nothing that was taken back.

use std::time::Duration;

use ticket_domain::{
    Actor, EventKind, Message, Notification, NotificationId, NotificationState, Recipient, Sender, Status, Ticket,
    TicketPatch, Visibility,
    ports::{AttemptOutcome, Claim, Claimed, EraseStats, News, Purge, RecordResult, Remove, UpdateTicket},
};

use super::erasing::erase;
use crate::{
    Fixture,
    fixture::{With as _, append_to, at, at_once, dead, delivered, retry_at},
};

/// How long these digests wait.
const HOLD: i64 = 60;

/// A digest of what happens at `seconds`.
fn digest(fixture: &Fixture, event: EventKind, seconds: i64) -> Notification {
    fixture.notification(event, at(seconds)).with(|notification| {
        notification.recipient = Recipient::Customer;
        notification.due_at = at(seconds + HOLD);
    })
}

fn claim_at(fixture: &Fixture, seconds: i64) -> Claim {
    fixture
        .claim_at(at(seconds))
        .with(|claim| claim.recipient = Recipient::Customer)
}

async fn claim(fixture: &Fixture, seconds: i64) -> Vec<Claimed> {
    fixture.must().claim(claim_at(fixture, seconds), 10).await
}

/// Answers a ticket, and gives the message and its digest.
async fn answered(fixture: &Fixture, ticket: &Ticket, seconds: i64) -> (Message, NotificationId) {
    let (message, digest) = (
        fixture.message(at(seconds)),
        digest(fixture, EventKind::Answered, seconds),
    );
    let id = digest.id;
    let append = append_to(ticket, message.clone()).with(|append| append.notifications = vec![digest]);
    fixture.added(append).await;
    (message, id)
}

/// Sets a ticket's status, and gives the digest.
async fn set_status(fixture: &Fixture, ticket: &Ticket, status: Status, seconds: i64) -> NotificationId {
    let digest = digest(fixture, EventKind::Resolved, seconds);
    let id = digest.id;
    let update = UpdateTicket {
        ticket: ticket.id,
        patch: TicketPatch {
            status: Some(status),
            priority: None,
        },
        at: at(seconds),
        by: Actor::Manager,
        entries: [fixture.note(at(seconds)).id, fixture.note(at(seconds)).id],
        notifications: Vec::from_iter((status == Status::Resolved).then_some(digest)),
    };
    fixture.must().change(update).await;
    id
}

async fn is_stored(fixture: &Fixture, id: NotificationId) -> bool {
    fixture.must().notification(id).await.is_some()
}

fn telling(answers: &[&Message]) -> News {
    News {
        answers: answers.iter().map(|message| (*message).clone()).collect(),
        is_resolved: false,
    }
}

/// What is answered while a digest waits is told by that one; what comes later, by the next.
pub async fn a_burst_of_answers_is_one_digest(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (first, digest) = answered(fixture, &ticket, 1).await;
    let (second, joined) = answered(fixture, &ticket, 2).await;
    assert!(!is_stored(fixture, joined).await);
    assert_eq!(store.news(digest).await, telling(&[&first, &second]));
    assert_eq!(claim(fixture, HOLD).await, []);

    let claimed = claim(fixture, 1 + HOLD).await;
    assert_eq!(claimed[0].id, digest);
    let (third, next) = answered(fixture, &ticket, 2 + HOLD).await;
    let (fourth, joined) = answered(fixture, &ticket, 3 + HOLD).await;
    assert!(is_stored(fixture, next).await && !is_stored(fixture, joined).await);
    // Whether or not it gets through, it tells no more.
    fixture.settled(&claimed[0], retry_at(at(70 + HOLD))).await;
    assert_eq!(store.news(digest).await, telling(&[&first, &second]));
    assert_eq!(store.news(next).await, telling(&[&third, &fourth]));
    // It goes out after the first.
    assert_eq!(claim(fixture, 65 + HOLD).await, []);
    let claimed = claim(fixture, 70 + HOLD).await;
    assert_eq!(claimed[0].id, digest);
    fixture.settled(&claimed[0], delivered(at(70 + HOLD), None)).await;
    assert_eq!(claim(fixture, 70 + HOLD).await[0].id, next);
}

/// A digest leaves out what was seen, what was taken back, notes, and what the customer wrote.
pub async fn a_digest_tells_what_is_news(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (first, digest) = answered(fixture, &ticket, 1).await;
    let (second, _) = answered(fixture, &ticket, 2).await;
    let customers = fixture.message(at(3)).with(|message| message.sender = Sender::Customer);
    fixture.added(append_to(&ticket, customers)).await;
    let note = fixture
        .message(at(3))
        .with(|message| message.visibility = Visibility::Internal);
    fixture.added(append_to(&ticket, note)).await;
    let (third, _) = answered(fixture, &ticket, 4).await;
    assert_eq!(store.news(digest).await, telling(&[&first, &second, &third]));

    assert!(store.seen(ticket.id, first.id).await);
    assert!(!store.seen(ticket.id, first.id).await);
    assert_eq!(store.news(digest).await, telling(&[&second, &third]));
    let remove = Remove {
        ticket: ticket.id,
        messages: vec![(second.id, fixture.note(at(5)))],
        because: None,
    };
    store.remove(remove).await;
    assert_eq!(store.news(digest).await, telling(&[&third]));
    // Who wrote into another ticket saw nothing of this one.
    let (elsewhere, _) = answered(fixture, &fixture.opened(at(0)).await.ticket, 5).await;
    assert!(!store.seen(ticket.id, elsewhere.id).await);
    assert!(store.seen(ticket.id, third.id).await);
    assert!(!store.seen(ticket.id, first.id).await);
    assert!(store.news(digest).await.is_empty());
}

/// Who wants no mails is told nothing, until they want some again.
pub async fn nothing_is_told_to_whoever_wants_no_mail(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (first, digest) = answered(fixture, &ticket, 1).await;
    store.set_unsubscribed(ticket.id, true).await;
    assert!(store.news(digest).await.is_empty());
    store.set_unsubscribed(ticket.id, false).await;
    assert_eq!(store.news(digest).await, telling(&[&first]));
}

/// A resolution joins an answer that waits, or an answer joins it; it is told only while it holds.
pub async fn a_resolution_is_told_while_it_holds(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (first, digest) = answered(fixture, &ticket, 1).await;
    let joined = set_status(fixture, &ticket, Status::Resolved, 2).await;
    assert!(!is_stored(fixture, joined).await);
    assert_eq!(fixture.record(digest).await.event, EventKind::Resolved);
    let both = telling(&[&first]).with(|news| news.is_resolved = true);
    assert_eq!(store.news(digest).await, both);
    set_status(fixture, &ticket, Status::Open, 3).await;
    assert_eq!(store.news(digest).await, telling(&[&first]));

    let ticket = fixture.opened(at(4)).await.ticket;
    let digest = set_status(fixture, &ticket, Status::Resolved, 5).await;
    // It is resolved already: nobody is told twice.
    let again = set_status(fixture, &ticket, Status::Resolved, 6).await;
    assert!(is_stored(fixture, digest).await && !is_stored(fixture, again).await);
    assert_eq!(
        store.news(digest).await,
        telling(&[]).with(|news| news.is_resolved = true)
    );
    let (second, joined) = answered(fixture, &ticket, 7).await;
    assert!(!is_stored(fixture, joined).await);
    let both = telling(&[&second]).with(|news| news.is_resolved = true);
    assert_eq!(store.news(digest).await, both);
}

/// A digest that has nothing to tell goes, and with it nothing else.
pub async fn a_digest_without_news_is_dropped(fixture: &Fixture) {
    let ticket = fixture.opened(at(0)).await.ticket;
    let (_, digest) = answered(fixture, &ticket, 1).await;
    let claimed = claim(fixture, 1 + HOLD).await;
    let lost = Claimed {
        lease: fixture.lease(),
        ..claimed[0].clone()
    };
    assert_eq!(
        fixture.record_attempt(&lost, AttemptOutcome::Dropped).await,
        RecordResult::LeaseLost
    );
    assert!(is_stored(fixture, digest).await);
    fixture.settled(&claimed[0], AttemptOutcome::Dropped).await;
    assert!(!is_stored(fixture, digest).await);
    // The next answer has a digest of its own.
    let (message, next) = answered(fixture, &ticket, 2 + HOLD).await;
    assert_eq!(fixture.must().news(next).await, telling(&[&message]));
}

/// What waits for its time is neither a probe nor released by a success elsewhere.
pub async fn a_digest_waits_for_its_time(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (_, digest) = answered(fixture, &ticket, 1).await;
    let probe = claim_at(fixture, 2).with(|claim| claim.until = at(3));
    assert_eq!(store.claim_probe(probe, at(0)).await, None);
    assert_eq!(store.release_waiting(Recipient::Customer, at(2)).await, 0);
    let due = at(1 + HOLD);
    assert_eq!(fixture.record(digest).await.state, NotificationState::Waiting { due });
    // Its time has come, but the receiver asked for a pause.
    assert_eq!(store.postpone(Recipient::Customer, at(500)).await, 1);
    let probe = claim_at(fixture, 2 + HOLD);
    assert_eq!(store.claim_probe(probe, at(0)).await.unwrap().id, digest);
}

/// Answers at once, and workers that claim meanwhile: each answer is told once.
pub async fn answers_at_once_are_each_told_once(fixture: &Fixture) {
    let ticket = fixture.opened(at(0)).await.ticket;
    let mut told: Vec<Message> = Vec::new();
    let mut written: Vec<Message> = Vec::new();
    for round in 0..6 {
        let seconds = round * 100;
        let answers = at_once((0..8).map(|_| {
            let (message, digest) = (
                fixture.message(at(seconds)),
                // Due at once, so that a claim comes in between.
                digest(fixture, EventKind::Answered, seconds).with(|digest| digest.due_at = at(seconds)),
            );
            let (store, claim) = (fixture.store(), claim_at(fixture, seconds + 1));
            let append = append_to(&ticket, message.clone()).with(|append| append.notifications = vec![digest]);
            async move {
                store.append(append).await.unwrap();
                (message, store.claim(claim, 1).await.unwrap())
            }
        }));
        let mut claimed = Vec::new();
        for (message, one) in answers.await {
            written.push(message);
            claimed.extend(one);
        }
        loop {
            for one in &claimed {
                told.extend(fixture.must().news(one.id).await.answers);
                fixture.settled(one, delivered(at(seconds + 2), None)).await;
            }
            claimed = claim(fixture, seconds + 3).await;
            if claimed.is_empty() {
                break;
            }
        }
    }
    let sorted = |mut messages: Vec<Message>| {
        messages.sort_by_key(|message| message.id.0);
        messages
    };
    assert_eq!(sorted(told), sorted(written));
}

/// Links are mailed once an hour to an address, whatever its case.
pub async fn links_are_sent_once_an_hour(fixture: &Fixture) {
    let (store, opening) = (fixture.must(), fixture.opened(at(0)).await);
    let mut other = fixture.opening(at(0));
    other.ticket.details.customer.email = "Other@Example.com".parse().unwrap();
    let other = fixture.open(other).await;
    let mut same = fixture.opening(at(0));
    same.ticket.details.customer.email = "other@example.com".parse().unwrap();
    let same = fixture.open(same).await;
    let hour = Duration::from_hours(1);
    let request = |about: &Ticket, seconds: i64| {
        let links = digest(fixture, EventKind::Links, seconds).with(|links| links.due_at = at(seconds));
        let since = at(seconds).minus(hour);
        let (id, sent) = (links.id, store.request(about.id, links, since));
        async move { (id, sent.await) }
    };
    let (first, true) = request(&other.ticket, 10).await else {
        panic!("the first was not stored")
    };
    assert_eq!(fixture.record(first).await.reference, Some(other.ticket.reference));
    assert!(!request(&other.ticket, 11).await.1);
    assert!(!request(&same.ticket, 3_609).await.1);
    assert!(request(&opening.ticket, 12).await.1);
    assert!(request(&same.ticket, 3_611).await.1);
    // They wait for nothing of the ticket, and nothing waits for them.
    let (_, answer) = answered(fixture, &other.ticket, 3_700).await;
    let links = claim(fixture, 3_620).await;
    assert_eq!((links.len(), links[0].id), (3, first));
    for link in &links {
        fixture.settled(link, delivered(at(3_621), None)).await;
    }
    assert_eq!(claim(fixture, 3_760).await[0].id, answer);
    // No ticket keeps them.
    let purge = Purge {
        after: None,
        settled_before: at(5_000),
        limit: 500,
    };
    assert_eq!(store.purge(purge).await.gone, 3);
}

/// Mails hold the customer's address, also those about no message.
pub async fn the_mails_of_an_erased_ticket_go_with_it(fixture: &Fixture) {
    let store = fixture.must();
    let opening = fixture.opened(at(0)).await;
    let links = digest(fixture, EventKind::Links, 1);
    let resolution = set_status(fixture, &opening.ticket, Status::Resolved, 1).await;
    assert!(store.request(opening.ticket.id, links.clone(), at(0)).await);
    let removed = erase(fixture, &[&opening.ticket], 300).await;
    assert_eq!((removed.tickets, removed.cancelled), (1, 3));
    for id in [resolution, links.id] {
        assert!(store.current_message(id).await.unwrap().payload.is_erased());
    }
    assert_eq!(fixture.vitals(at(60)).await.waiting, 0);
    // There is nothing left to do.
    assert_eq!(erase(fixture, &[&opening.ticket], 300).await, EraseStats::default());
}

/// A digest that failed for good is sent again with what is news then.
pub async fn a_dead_digest_can_be_sent_again(fixture: &Fixture) {
    let (store, ticket) = (fixture.must(), fixture.opened(at(0)).await.ticket);
    let (first, digest) = answered(fixture, &ticket, 1).await;
    let claimed = claim(fixture, 1 + HOLD).await;
    fixture.settled(&claimed[0], dead(at(2 + HOLD))).await;
    let (second, next) = answered(fixture, &ticket, 3 + HOLD).await;
    store.redeliver(digest, fixture.note(at(4 + HOLD)), None).await;
    assert_eq!(store.news(digest).await, telling(&[&first]));
    assert_eq!(store.news(next).await, telling(&[&second]));
}
