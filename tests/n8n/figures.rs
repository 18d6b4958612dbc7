//! How fast it is.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use black_box::{MANAGER, TestServer, until};

use crate::fixture::{Fixture, texts};

/// How often the loop is measured at rest.
const ROUNDS: usize = 21;
/// How many tickets come at once.
const MANY: usize = 100;

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// One ticket at a time: form → WhatsApp, and quoted reply → thread.
pub(crate) async fn at_rest(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let (mut out, mut back) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        let reference = server.open().await;
        let sent = fixture
            .twilio
            .wait_for_ticket(&reference, "", Duration::from_secs(30))
            .await;
        let took = sent.at - begun;
        server.wait_for_empty_outbox().await;
        let begun = Instant::now();
        let quote = [("OriginalRepliedMessageSid", sent.sid.as_str())];
        fixture.write(MANAGER, "On its way", &quote).await;
        assert_eq!(texts(&server.ticket(&reference).await)[1..], ["On its way"]);
        // The first one warms up.
        if round > 0 {
            out.push(took);
            back.push(begun.elapsed());
        }
    }
    println!(
        "       at rest, median of {ROUNDS}: form to WhatsApp {:.0?} (longest {:.0?}), reply to thread {:.0?} (longest {:.0?})",
        median(out.clone()),
        out.iter().max().unwrap(),
        median(back.clone()),
        back.iter().max().unwrap()
    );
    // Loose: a tenth of it is usual. It is the machine's load that may vary, not the order.
    let longest = median(out).max(median(back));
    assert!(longest < Duration::from_secs(2), "{longest:?} at rest");
    server.end().await;
}

/// Many tickets at once, at the server's own pace of four under way.
pub(crate) async fn many_at_once(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let begun = Instant::now();
    let mut references = Vec::new();
    for _ in 0..MANY {
        references.push(server.open().await);
    }
    println!("       {MANY} tickets opened in {:.1?}", begun.elapsed());
    arrive_once(fixture, &server, &references, Duration::from_mins(3)).await;
    let took = begun.elapsed();
    let pace = f64::from(u32::try_from(MANY).unwrap()) / took.as_secs_f64();
    println!("       all of them sent after {took:.1?}: {pace:.1} notifications a second");
    assert!(pace > 3.0, "{pace} a second");
    server.end().await;
}

/// n8n is killed for a minute while tickets are opened: each of them arrives, and none twice.
pub(crate) async fn away_for_a_minute(fixture: &mut Fixture) {
    let (_store, server) = fixture.server().await;
    let mut references = Vec::new();
    for _ in 0..4 {
        references.push(server.open().await);
    }
    // What Twilio has at the very moment of the kill may go twice: `failures::killed_while_sending`.
    server.wait_for_empty_outbox().await;
    fixture.n8n.kill().await;
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_mins(1) {
        references.push(server.open().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    fixture.n8n_works().await;
    let back = Instant::now();
    println!(
        "       {} tickets, n8n away for {:.0?}",
        references.len(),
        killed.elapsed()
    );
    arrive_once(fixture, &server, &references, Duration::from_mins(3)).await;
    println!("       all of them sent {:.1?} after it was back", back.elapsed());
    server.end().await;
}

/// Waits until every ticket was told, and asserts that none was sent twice.
async fn arrive_once(fixture: &Fixture, server: &TestServer, references: &[String], patience: Duration) {
    let times = || {
        let mut times: BTreeMap<String, usize> = references.iter().map(|reference| (reference.clone(), 0)).collect();
        for sent in fixture.twilio.sent() {
            times.entry(sent.ticket_ref()).and_modify(|count| *count += 1);
        }
        times
    };
    let all_sent = async || times().values().all(|count| *count > 0).then_some(());
    let missing = || times().into_iter().filter(|(_, count)| *count == 0).collect::<Vec<_>>();
    assert!(until(patience, all_sent).await.is_some(), "not sent: {:?}", missing());
    server.wait_for_empty_outbox().await;
    let twice: Vec<_> = times().into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
}
