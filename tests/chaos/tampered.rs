//! An audit that notices nothing would pass everything. So before the experiments, a store is tampered with, and the
//! audit has to count exactly that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use black_box::{Engine, FakeN8n, Reaction, ReceivedMail, http_client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

use crate::{
    audit::{Repeats, audit},
    clients::Clients,
    fixture::Fixture,
};

/// How long a response takes to break off.
const STALLS: Duration = Duration::from_millis(300);

/// Fails unless the audit notices a lost, a duplicated and a misplaced message, and a stray notification.
pub(crate) async fn is_noticed() {
    let fixture = Fixture::new(Engine::Sqlite).await;
    let server = fixture.start().await;
    // A notification that n8n rejects and gets again.
    fixture.n8n.then(Reaction::status(500));
    let load = fixture.load(20, 20);
    sleep(Duration::from_secs(2)).await;
    load.end().await;
    assert!(fixture.clients.drained(Duration::from_secs(30)).await);
    let as_it_fails = Repeats::AsTheyFail(Vec::new());
    let once = Repeats::OnceFor(Vec::new());
    counts(&fixture, &as_it_fails, [0, 0, 0]).await;
    counts(&fixture, &once, [0, 1, 0]).await;

    let managers = |number: &&u32| matches!(*number % 5, 0 | 4);
    let numbers: Vec<u32> = fixture
        .clients
        .expected()
        .messages
        .keys()
        .filter(managers)
        .copied()
        .collect();
    let [lost, doubled, misplaced, ..] = numbers[..] else {
        panic!("too few messages: {numbers:?}");
    };
    fixture.store.execute(&format!(
        "DELETE FROM messages WHERE external_id = 'SM-chaos-{lost}';
             INSERT INTO messages (id, ticket_id, seq, sender, channel, body, created_at)
                 SELECT randomblob(16), ticket_id, 1000, sender, channel, body, created_at
                 FROM messages WHERE external_id = 'SM-chaos-{doubled}';
             UPDATE messages SET seq = 1001, ticket_id = (SELECT id FROM tickets WHERE id <> messages.ticket_id LIMIT 1)
                 WHERE external_id = 'SM-chaos-{misplaced}'"
    ));
    // n8n accepted this one.
    let taken = fixture.n8n.received().remove(1);
    tell(&fixture, taken.id(), &taken.body).await;
    let stray = String::from_utf8(taken.body.clone()).expect("a text");
    let stray = stray.replace(&taken.ticket_ref(), "T-20200101-0000");
    tell(&fixture, "stray", stray.as_bytes()).await;

    counts(&fixture, &as_it_fails, [1, 2, 1]).await;
    counts(&fixture, &once, [1, 3, 1]).await;
    // A repeat is allowed only if the response may have been lost.
    let (while_it_answered, later) = (taken.at, Instant::now());
    counts(&fixture, &Repeats::AsTheyFail(vec![while_it_answered]), [1, 1, 1]).await;
    counts(&fixture, &Repeats::AsTheyFail(vec![later]), [1, 2, 1]).await;
    // A notification that n8n never accepted is lost, however often it was sent.
    fixture.n8n.then(Reaction::status(500));
    tell(&fixture, "refused", stray.as_bytes()).await;
    let (counts, faults) = audit(&fixture.clients, &fixture.n8n, None, &as_it_fails).await;
    assert_eq!(counts.lost, 2, "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains("T-20200101-0000")),
        "{faults:?}"
    );
    server.stop().await;
    is_noticed_in_mails().await;
    is_slow().await;
}

/// Fails unless the audit notices a mail that is missing, repeated, told under two ids, or about another ticket.
async fn is_noticed_in_mails() {
    let fixture = Fixture::mailing(Engine::Sqlite).await;
    let server = fixture.start().await;
    fixture.clients.form().await;
    fixture.clients.form().await;
    fixture.clients.message().await;
    assert!(fixture.clients.drained(Duration::from_secs(30)).await);
    let mails = fixture.mails().expect("mails");
    let answer = mails.iter().position(|mail| mail.header("Subject").starts_with("Re: "));
    let answer = mails[answer.expect("an answer")].clone();
    let receipts = mails.iter().filter(|mail| mail.id() != answer.id());
    let renamed = |name: &str, value: &str| {
        let mut mail = answer.clone();
        let header = mail.headers.iter_mut().find(|(other, _)| other == name);
        value.clone_into(&mut header.expect("this header").1);
        mail
    };
    let other = receipts
        .clone()
        .find(|mail| mail.header("References") != answer.header("References"));
    let elsewhere = renamed(
        "Subject",
        &format!("Re: {}", other.expect("another ticket").header("Subject")),
    );
    let with = |more: &[&ReceivedMail]| {
        let mut mails: Vec<ReceivedMail> = receipts.clone().cloned().collect();
        mails.extend(more.iter().copied().cloned());
        mails
    };
    for (mails, wanted) in [
        (with(&[&answer]), [0, 0, 0]),
        (with(&[]), [1, 0, 0]),
        (with(&[&answer, &answer]), [0, 1, 0]),
        (with(&[&answer, &renamed("Message-ID", "<other>")]), [0, 1, 0]),
        (with(&[&elsewhere]), [0, 0, 1]),
    ] {
        let once = Repeats::OnceFor(Vec::new());
        let (counts, faults) = audit(&fixture.clients, &fixture.n8n, Some(&mails), &once).await;
        assert_eq!([counts.lost, counts.doubled, counts.misplaced], wanted, "{faults:?}");
    }
    server.stop().await;
}

/// Fails unless the audit counts these numbers of lost, duplicated and misplaced.
async fn counts(fixture: &Fixture, repeats: &Repeats, wanted: [usize; 3]) {
    let (counts, faults) = audit(&fixture.clients, &fixture.n8n, None, repeats).await;
    let counted = [counts.lost, counts.doubled, counts.misplaced];
    assert_eq!(counted, wanted, "{repeats:?}: {faults:?}");
}

/// Fails unless the time of a request counts to its end, also if the response breaks off or never comes.
async fn is_slow() {
    for sent in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let clients = Clients::new(Arc::new(FakeN8n::start()));
        clients.go_to(&[listener.local_addr().expect("an address")]);
        let asking = clients.get("/");
        let answering = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.read_u8().await.expect("a request");
            stream.write_all(sent.as_bytes()).await.expect("a connection");
            sleep(STALLS).await;
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer, None);
        let slowest = clients.expected().slowest.clone();
        assert!(slowest.0 >= STALLS, "{slowest:?} after {sent:?}");
    }
}

/// Sends n8n a notification like the server.
async fn tell(fixture: &Fixture, id: &str, body: &[u8]) {
    let request = http_client(STALLS * 100)
        .post(fixture.n8n.url())
        .header("webhook-id", id)
        .body(body.to_vec());
    request.send().await.expect("an answer");
}
