//! A mail server that refuses, is late or silent, breaks off, or is away.

use std::time::Duration;

use black_box::{Engine, MailReaction, Response, on_both_stores, until};
use serde_json::{Value, json};

use crate::mail::{Desk, TIMEOUT, address};

on_both_stores!(a_failing_mail_server_loses_nothing);

/// Later than the 15 s that the server waits.
const LATE: MailReaction = MailReaction::AcceptAfter(Duration::from_secs(16));

async fn a_failing_mail_server_loses_nothing(engine: Engine) {
    let desk = Desk::start(engine).await;
    tokio::join!(
        a_mail_is_repeated(
            &desk,
            "greylisted",
            MailReaction::Refuse("451 4.7.1 greylisted, come back"),
            1
        ),
        a_mail_is_repeated(&desk, "ignored", MailReaction::Hang, 1),
        a_mail_is_repeated(&desk, "slow", MailReaction::AcceptAfter(Duration::from_secs(2)), 0),
        a_cut_repeats_a_mail_once(&desk, "cut", MailReaction::DropAfterData),
        a_cut_repeats_a_mail_once(&desk, "late", LATE),
        an_unknown_address_is_given_up(&desk),
    );
    an_outage_is_waited_out(&desk).await;
    desk.end().await;
}

/// Whatever is the first answer, the mail arrives once.
async fn a_mail_is_repeated(desk: &Desk, name: &str, first: MailReaction, refused: usize) {
    desk.smtp.then(&address(name), first);
    let opened = desk.open_and_receive(name).await;
    desk.server.wait_for_empty_outbox().await;
    assert_eq!(desk.smtp.refused(&opened.address), refused, "{name}");
    assert_eq!(desk.smtp.to(&opened.address).len(), 1, "{name}");
}

/// The mail was taken, which the server did not learn.
async fn a_cut_repeats_a_mail_once(desk: &Desk, name: &str, first: MailReaction) {
    desk.smtp.then(&address(name), first);
    let opened = desk.open(name).await;
    desk.mails(&opened, 2).await;
    desk.server.wait_for_empty_outbox().await;
    let [first, second] = desk.smtp.to(&opened.address).try_into().unwrap();
    assert_eq!((first.id(), &first.text), (second.id(), &second.text));
}

async fn an_unknown_address_is_given_up(desk: &Desk) {
    desk.smtp
        .then(&address("unknown"), MailReaction::Refuse("550 5.1.1 no such user"));
    let opened = desk.open("unknown").await;
    let is_it = |one: &Value| one["ticketRef"] == *opened.reference && one["state"] == "dead";
    let dead = desk.undelivered(is_it).await;
    assert_eq!(
        (&dead["recipient"], &dead["event"]),
        (&json!("customer"), &json!("ticket.created"))
    );
    assert!(
        dead["lastError"]
            .as_str()
            .unwrap()
            .contains("customer's address (550 5.1.1)"),
        "{dead}"
    );
    let told = until(TIMEOUT, async || (desk.told(&opened) == 1).then_some(()));
    assert!(told.await.is_some(), "the manager was not told");
    assert_eq!(
        (desk.smtp.refused(&opened.address), desk.smtp.to(&opened.address).len()),
        (1, 0)
    );
    let again = format!("/api/notifications/{}/redeliver", dead["id"].as_str().unwrap());
    let queued: Response = desk.server.send_as_operator("POST", &again, &json!({})).await;
    assert_eq!((queued.status, &queued.json()["queued"]), (200, &json!(true)));
    desk.mails(&opened, 1).await;
}

async fn an_outage_is_waited_out(desk: &Desk) {
    desk.smtp.go_away().await;
    let opened = desk.open("away").await;
    let has_failed = |one: &Value| one["ticketRef"] == *opened.reference && one["failures"] != 0;
    let waiting = desk.undelivered(has_failed).await;
    assert_eq!(waiting["recipient"], "customer");
    assert!(
        waiting["lastError"].as_str().unwrap().contains("could not be reached"),
        "{waiting}"
    );
    desk.server.wait_for_delivery(&opened.reference, "sent").await;
    desk.smtp.come_back();
    desk.mails(&opened, 1).await;
    desk.server.wait_for_empty_outbox().await;
    assert_eq!((desk.told(&opened), desk.smtp.to(&opened.address).len()), (1, 1));
}
