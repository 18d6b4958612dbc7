//! Receipts that came before their messages were known.

use ticket_domain::{ExternalId, MessageStatus, Receipt, Timestamp};

use super::receipts::{advance, refused, sent_notification};
use crate::{
    Fixture,
    fixture::{With as _, at},
};

fn receipt(external_id: &ExternalId, status: MessageStatus, heard: Timestamp) -> Receipt {
    Receipt {
        external_id: external_id.clone(),
        status,
        error_code: None,
        at: heard,
    }
}

/// Keeps a receipt, and forgets those of an hour ago.
async fn keep(fixture: &Fixture, receipt: &Receipt) {
    let forget_before = receipt.at.minus(std::time::Duration::from_hours(1));
    fixture.must().keep_receipt(receipt.clone(), forget_before).await;
}

/// In the order of their ids.
async fn early_receipts(fixture: &Fixture, since: Timestamp) -> Vec<Receipt> {
    let mut receipts = fixture.must().early_receipts(since, 1_000).await;
    receipts.sort_by(|one, other| one.external_id.as_str().cmp(other.external_id.as_str()));
    receipts
}

/// A receipt that came ahead of its message's answer is told once the message is known, as long as it is kept.
pub async fn a_kept_receipt_reads_back_exactly_once_its_message_is_known(fixture: &Fixture) {
    let ids: [ExternalId; 4] = std::array::from_fn(|_| fixture.external_id());
    let mut receipts = [
        MessageStatus::Failed,
        MessageStatus::Undelivered,
        MessageStatus::Sent,
        MessageStatus::Read,
    ]
    .into_iter()
    .zip((10..).zip(&ids))
    .map(|(status, (seconds, id))| receipt(id, status, at(seconds)))
    .collect::<Vec<_>>();
    (receipts[0].error_code, receipts[1].error_code) = (Some(63_016), Some(u32::MAX));
    for receipt in &receipts {
        keep(fixture, receipt).await;
    }
    assert_eq!(early_receipts(fixture, at(0)).await, []);
    for id in &ids[..3] {
        fixture.delivered(id, at(0)).await;
    }
    assert_eq!(early_receipts(fixture, at(0)).await, receipts[..3]);
    assert_eq!(early_receipts(fixture, at(11)).await, receipts[1..3]);
    assert_eq!(early_receipts(fixture, at(13)).await, []);
    assert_eq!(fixture.must().early_receipts(at(0), 2).await.len(), 2);
    assert_eq!(fixture.must().early_receipts(at(0), 0).await, []);

    let other = receipts[1].clone().with(|receipt| receipt.at = at(12));
    fixture.must().drop_receipt(other).await;
    assert_eq!(
        early_receipts(fixture, at(0)).await.len(),
        3,
        "only what was read is let go"
    );
    let told = sent_notification(fixture, &ids[1]).await.unwrap();
    assert_eq!(told.kept, Some(receipts[1].clone()));
    for _ in 0..2 {
        fixture.must().drop_receipt(receipts[1].clone()).await;
    }
    assert_eq!(sent_notification(fixture, &ids[1]).await.unwrap().kept, None);
    assert_eq!(
        early_receipts(fixture, at(0)).await,
        [receipts[0].clone(), receipts[2].clone()]
    );
    // What is written lets go of nothing: what was kept may say more.
    assert!(advance(fixture, &ids[0], &refused("backup"), at(20)).await);
    assert_eq!(early_receipts(fixture, at(0)).await.len(), 2);
    for receipt in [&receipts[0], &receipts[2]] {
        fixture.must().drop_receipt(receipt.clone()).await;
    }
    assert_eq!(early_receipts(fixture, at(0)).await, []);

    // An earlier message is known as well.
    keep(fixture, &receipts[0]).await;
    assert_eq!(early_receipts(fixture, at(0)).await, [receipts[0].clone()]);
}

/// Whatever the order in which receipts of one message come, the one that says most is kept; of two that say as much, the
/// first.
pub async fn the_receipt_that_says_most_stays(fixture: &Fixture) {
    let statuses = [
        MessageStatus::Queued,
        MessageStatus::Sent,
        MessageStatus::Failed,
        MessageStatus::Delivered,
    ];
    let mut expected = Vec::new();
    for first in 0..4 {
        for second in (0..4).filter(|second| *second != first) {
            let rest = (0..4).filter(|rest| ![first, second].contains(rest));
            let rest: Vec<usize> = rest.collect();
            for order in [[first, second, rest[0], rest[1]], [first, second, rest[1], rest[0]]] {
                let external_id = fixture.external_id();
                for (seconds, place) in (1..).zip(order) {
                    let receipt = receipt(&external_id, statuses[place], at(seconds));
                    keep(fixture, &receipt).await;
                    expected.extend((place == 3).then_some(receipt));
                }
                fixture.delivered(&external_id, at(0)).await;
            }
        }
    }
    assert_eq!(early_receipts(fixture, at(0)).await, expected);

    let external_id = fixture.external_id();
    let (failed, undelivered) = (MessageStatus::Failed, MessageStatus::Undelivered);
    for (seconds, status) in [(100, failed), (101, undelivered), (102, failed)] {
        keep(fixture, &receipt(&external_id, status, at(seconds))).await;
    }
    fixture.delivered(&external_id, at(0)).await;
    let first = receipt(&external_id, failed, at(100));
    assert_eq!(early_receipts(fixture, at(99)).await, [first]);
}

/// Each receipt that is kept makes the store forget more than one that is too old, so that they never pile up; what is
/// too old does not count against a new one.
pub async fn old_receipts_are_forgotten(fixture: &Fixture) {
    const HOUR: i64 = 3_600;
    let ids: Vec<ExternalId> = (0..12).map(|_| fixture.external_id()).collect();
    for id in &ids[..8] {
        keep(fixture, &receipt(id, MessageStatus::Read, at(0))).await;
    }
    let mut fresh = Vec::new();
    for id in &ids[7..] {
        let receipt = receipt(id, MessageStatus::Sent, at(HOUR + 1));
        keep(fixture, &receipt).await;
        fresh.push(receipt);
    }
    for id in &ids {
        fixture.delivered(id, at(0)).await;
    }
    assert_eq!(early_receipts(fixture, at(0)).await, fresh);

    // An hour to the microsecond is not too old yet.
    keep(
        fixture,
        &receipt(&fixture.external_id(), MessageStatus::Sent, at(2 * HOUR + 1)),
    )
    .await;
    assert_eq!(early_receipts(fixture, at(0)).await, fresh);
}
