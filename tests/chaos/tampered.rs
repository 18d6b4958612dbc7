//! An audit that notices nothing would pass everything. So before anything is broken, a store is tampered with, and the
//! audit has to count exactly what was done to it.

use std::time::Duration;

use black_box::Engine;
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tokio::time::sleep;

use crate::{
    audit::{Repeats, audit},
    stage::Stage,
};

/// Fails unless the audit notices a lost, a doubled and a misplaced message, and what n8n should not have been told.
pub(crate) async fn is_noticed() {
    let stage = Stage::new(Engine::Sqlite).await;
    let desk = stage.start().await;
    let load = stage.load(20, 20);
    sleep(Duration::from_secs(2)).await;
    load.end().await;
    assert!(stage.clients.settled(Duration::from_secs(30)).await);
    let once = Repeats::OnceFor(Vec::new());
    let (sound, faults) = audit(&stage.clients, &stage.n8n, &once).await;
    assert_eq!((sound.lost, sound.doubled, sound.misplaced), (0, 0, 0), "{faults:?}");

    let managers = |number: &&u32| matches!(*number % 5, 0 | 4);
    let numbers: Vec<u32> = stage
        .clients
        .ledger()
        .messages
        .keys()
        .filter(managers)
        .copied()
        .collect();
    let [lost, doubled, misplaced, ..] = numbers[..] else {
        panic!("too few messages: {numbers:?}");
    };
    let file = stage.place.file();
    let mut store = SqliteConnection::establish(file.to_str().expect("a path")).expect("a connection");
    store
        .batch_execute(&format!(
            "PRAGMA busy_timeout = 5000;
             DELETE FROM messages WHERE external_id = 'SM-chaos-{lost}';
             INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
                 SELECT randomblob(16), ticket_id, 1000, sender, channel, body, created_at
                 FROM messages WHERE external_id = 'SM-chaos-{doubled}';
             UPDATE messages SET seq = 1001, ticket_id = (SELECT id FROM tickets WHERE id <> messages.ticket_id LIMIT 1)
                 WHERE external_id = 'SM-chaos-{misplaced}'"
        ))
        .expect("SQL that runs");
    let first = stage.n8n.received().remove(0);
    tell(&stage, first.id(), &first.body).await;
    let stray = String::from_utf8(first.body.clone()).expect("a text");
    let stray = stray.replace(&first.ticket_ref(), "T-20200101-0000");
    tell(&stage, "stray", stray.as_bytes()).await;

    let (counts, faults) = audit(&stage.clients, &stage.n8n, &once).await;
    assert_eq!((counts.lost, counts.doubled, counts.misplaced), (1, 2, 1), "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains("T-20200101-0000")),
        "{faults:?}"
    );
    desk.stop().await;
}

/// Tells n8n something, as the server would.
async fn tell(stage: &Stage, id: &str, body: &[u8]) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .post(stage.n8n.url())
        .header("webhook-id", id)
        .body(body.to_vec());
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}
