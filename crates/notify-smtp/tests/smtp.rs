//! Mails against a scripted mail server on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use notify_smtp::{MailComposer, MailServer, MailSettings, SmtpNotifier};
use ticket_domain::{
    EventKind, MessageId, NotificationId, Payload, Timestamp,
    ports::{Clock, Composer, Delivering, DeliveryResult, Event, Failure, FailureKind, News, Notifier},
    testing::{MessageBuilder, TicketBuilder},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split},
    net::TcpListener,
};
use uuid::Uuid;

struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0 * 1_000_000).unwrap()
    }
}

/// What the server says to a command, instead of 250; to `greeting` when somebody connects, to `.` after a mail. `drop`
/// closes the connection; `hang` says nothing.
type Script = HashMap<&'static str, &'static str>;

/// A mail server.
struct Server {
    address: String,
    /// Every command; and every mail, whole.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(script: &[(&'static str, &'static str)]) -> Self {
        let script: Script = script.iter().copied().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let of_all = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, script.clone(), of_all.clone()));
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The mails, whole.
    fn mails(&self) -> Vec<String> {
        let heard = self.heard().into_iter();
        heard.filter(|said| said.contains("\r\n")).collect()
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite, script: Script, heard: Arc<Mutex<Vec<String>>>) {
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader);
    let mut said = "greeting".to_owned();
    loop {
        let verb = said.split([' ', ':']).next().unwrap().to_owned();
        let usual = match verb.as_str() {
            "greeting" => "220 mail.example ESMTP",
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 welcome",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        match *script.get(verb.as_str()).unwrap_or(&usual) {
            "drop" => return,
            "hang" => std::future::pending().await,
            answer => writer.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap(),
        }
        said.clear();
        if lines.read_line(&mut said).await.unwrap_or(0) == 0 {
            return;
        }
        said = said.trim_end().to_owned();
        heard.lock().unwrap().push(said.clone());
        if said == "DATA" && !script.contains_key("DATA") {
            writer.write_all(b"354 go on\r\n").await.unwrap();
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") && lines.read_line(&mut mail).await.unwrap_or(0) > 0 {}
            heard.lock().unwrap().push(mail);
            ".".clone_into(&mut said);
        }
    }
}

fn settings() -> MailSettings {
    MailSettings {
        from: "Acme Support <support@acme.example>".parse().unwrap(),
        reply_to: None,
        site_name: "Acme".into(),
        manager_name: None,
    }
}

fn notifier(url: &str, settings: MailSettings) -> SmtpNotifier {
    // Sun, 06 Nov 1994 08:49:37 GMT
    let clock = Arc::new(At(784_111_777));
    SmtpNotifier::new(MailServer::parse(&url.into()).unwrap(), settings, 2, None, clock).unwrap()
}

const REFERENCE: &str = "T-20250115-1234";
const URL: &str = "https://desk.example/ticket/T-20250115-1234?key=k%2B1";

fn payload(kind: EventKind, email: &str) -> Payload {
    let mut ticket = TicketBuilder::new(REFERENCE).build();
    ticket.details.customer.email = email.parse().unwrap();
    let event = Event {
        kind,
        ticket: &ticket,
        message: "spam spam",
        attachments: &[],
        ticket_url: URL,
    };
    let composer = MailComposer {
        hold: Duration::from_mins(1),
    };
    composer.compose(event).unwrap()
}

fn news(answers: &[&str], is_resolved: bool) -> News {
    News {
        answers: answers
            .iter()
            .map(|text| MessageBuilder::new(MessageId(Uuid::from_bytes([2; 16])), text).build())
            .collect(),
        is_resolved,
    }
}

async fn deliver(notifier: &SmtpNotifier, kind: EventKind, news: Option<&News>) -> DeliveryResult {
    let payload = payload(kind, "john@example.com");
    notifier
        .deliver(Delivering {
            id: NotificationId(Uuid::from_bytes([9; 16])),
            round: 0,
            event: kind,
            payload: &payload,
            news,
        })
        .await
}

const ID: &str = "09090909-0909-0909-0909-090909090909@acme.example";

/// The mail that arrives: its headers, unfolded, and its body as text.
async fn received(kind: EventKind, news: Option<&News>, settings: MailSettings) -> (String, String) {
    let server = Server::start(&[]).await;
    let notifier = notifier(&format!("smtp://{}", server.address), settings);
    let result = deliver(&notifier, kind, news).await;
    let external_id = Some(ID.parse().unwrap());
    assert_eq!(result, DeliveryResult::Accepted { external_id });
    let spoken = server.heard();
    assert!(
        spoken.contains(&"MAIL FROM:<support@acme.example>".to_owned()),
        "{spoken:?}"
    );
    assert!(spoken.contains(&"RCPT TO:<john@example.com>".to_owned()), "{spoken:?}");
    let [mail] = server.mails().try_into().unwrap();
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    // Soft line breaks of quoted-printable; the rest of it is readable.
    (
        head.replace("\r\n ", " "),
        body.replace("=\r\n", "").replace("=3D", "="),
    )
}

#[tokio::test]
async fn a_receipt_repeats_nothing_that_was_typed() {
    let (head, body) = received(EventKind::Created, None, settings()).await;
    for header in [
        "From: \"Acme Support\" <support@acme.example>",
        "To: john@example.com",
        &format!("Message-ID: <{ID}>"),
        "Auto-Submitted: auto-generated",
        "Date: Sun, 06 Nov 1994 08:49:37 +0000",
        "List-Unsubscribe: <https://desk.example/ticket/T-20250115-1234/mail?key=k%2B1>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "References: <ticket.01010101-0101-0101-0101-010101010101@acme.example>",
    ] {
        assert!(head.contains(header), "no {header} in {head}");
    }
    assert!(body.contains(REFERENCE) && body.contains(URL), "{body}");
    assert!(body.contains("multipart/alternative") || head.contains("multipart/alternative"));
    for typed in ["John", "Product", "Quality", "spam"] {
        assert!(
            !head.contains(typed) && !body.contains(typed),
            "{typed} in {head}\n{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_tells_what_the_team_wrote() {
    let answers = news(
        &[
            "First line.\n.hidden dot\n<b>Second</b> & last",
            "https://media.example/1",
        ],
        false,
    );
    let (head, body) = received(EventKind::Answered, Some(&answers), settings()).await;
    assert!(head.contains("Subject: Re: Your request T-20250115-1234"), "{head}");
    let (text, html) = body.split_once("text/html").unwrap();
    assert!(text.contains("We answered your request T-20250115-1234:"), "{text}");
    assert!(
        text.contains("<b>Second</b> & last") && text.contains("https://media.example/1"),
        "{text}"
    );
    // A line that begins with a dot has two on the wire.
    assert!(text.contains("\r\n..hidden dot"), "{text}");
    assert!(
        html.contains("First line.<br>.hidden dot<br>&lt;b&gt;Second&lt;/b&gt; &amp; last"),
        "{html}"
    );
    assert!(text.contains("We can't read replies to this e-mail."), "{text}");
    assert!(!text.contains("solved"), "{text}");
}

#[tokio::test]
async fn replies_go_where_they_are_read() {
    let replies = MailSettings {
        reply_to: Some("replies@acme.example".parse().unwrap()),
        manager_name: Some("Asha".into()),
        ..settings()
    };
    let both = news(&["Done."], true);
    let (head, body) = received(EventKind::Resolved, Some(&both), replies).await;
    assert!(head.contains("Reply-To: replies@acme.example"), "{head}");
    assert!(body.contains("Asha answered your request"), "{body}");
    assert!(body.contains("We've also marked your request as solved."), "{body}");
    assert!(body.contains("Reply to this e-mail, and we'll reopen it."), "{body}");
    let (_, body) = received(EventKind::Resolved, Some(&news(&[], true)), settings()).await;
    assert!(
        body.contains("We've marked your request T-20250115-1234 as solved."),
        "{body}"
    );
    assert!(body.contains("Write to us on the page, and we'll reopen it."), "{body}");
}

#[tokio::test]
async fn links_lead_to_every_ticket() {
    let links = [
        ("T-20250115-1234", "https://a.example/1"),
        ("T-20250116-1", "https://a.example/2"),
    ];
    let links: Vec<_> = links
        .iter()
        .filter_map(|(reference, url)| Some((reference.parse().ok()?, (*url).to_owned())))
        .collect();
    let composer = MailComposer { hold: Duration::ZERO };
    let payload = composer
        .compose_links(&"john@example.com".parse().unwrap(), &links)
        .unwrap();
    let server = Server::start(&[]).await;
    let notifier = notifier(&format!("smtp://{}", server.address), settings());
    let delivering = Delivering {
        id: NotificationId(Uuid::from_bytes([9; 16])),
        round: 0,
        event: EventKind::Links,
        payload: &payload,
        news: None,
    };
    assert!(matches!(
        notifier.deliver(delivering).await,
        DeliveryResult::Accepted { .. }
    ));
    let mail = server.mails().remove(0);
    assert!(
        mail.contains("https://a.example/1") && mail.contains("Your requests"),
        "{mail}"
    );
    assert!(
        !mail.contains("List-Unsubscribe") && !mail.contains("In-Reply-To"),
        "{mail}"
    );
}

#[tokio::test]
async fn a_failure_says_what_follows() {
    use FailureKind::{Permanent, Temporary};
    for (verb, answer, kind, reason) in [
        (
            "greeting",
            "421 4.3.2 shutting down",
            Temporary,
            "at present (421 4.3.2)",
        ),
        (
            "greeting",
            "554 5.7.1 go away",
            Temporary,
            "refused the mail (554 5.7.1)",
        ),
        ("greeting", "drop", Temporary, "broke off"),
        ("MAIL", "550 5.7.1 not your domain", Temporary, "MAIL_FROM"),
        (
            "RCPT",
            "451 4.7.1 greylisted john@example.com",
            Temporary,
            "at present (451 4.7.1)",
        ),
        (
            "RCPT",
            "550 5.1.1 <john@example.com> unknown",
            Permanent,
            "customer's address (550 5.1.1)",
        ),
        ("RCPT", "550 unknown", Permanent, "customer's address (550)"),
        ("DATA", "drop", Temporary, "broke off"),
        (".", "452 4.3.1 disk full", Temporary, "at present (452 4.3.1)"),
        (".", "drop", Temporary, "broke off"),
        (".", "554 5.6.0 no", Temporary, "refused the mail (554 5.6.0)"),
    ] {
        let server = Server::start(&[(verb, answer)]).await;
        let notifier = notifier(&format!("smtp://{}", server.address), settings());
        let failed = failure(deliver(&notifier, EventKind::Created, None).await);
        assert_eq!(failed.kind, kind, "{verb} {answer}: {failed:?}");
        assert!(failed.reason.contains(reason), "{verb} {answer}: {}", failed.reason);
        assert!(!failed.reason.contains('@'), "{}", failed.reason);
    }
}

#[track_caller]
fn failure(result: DeliveryResult) -> Failure {
    match result {
        DeliveryResult::Failed(failure) => failure,
        DeliveryResult::Accepted { .. } => panic!("accepted"),
    }
}

#[tokio::test]
async fn credentials_are_sent_and_their_refusal_is_told() {
    let server = Server::start(&[]).await;
    let url = format!("smtp://desk:pa%40ss@{}", server.address);
    notifier(&url, settings()).greet().await.unwrap();
    // `\0desk\0pa@ss`
    assert!(
        server.heard().contains(&"AUTH PLAIN AGRlc2sAcGFAc3M=".to_owned()),
        "{:?}",
        server.heard()
    );
    let server = Server::start(&[("AUTH", "535 5.7.8 wrong")]).await;
    let url = format!("smtp://desk:secret@{}", server.address);
    let reason = notifier(&url, settings()).greet().await.unwrap_err();
    assert!(
        reason.contains("SMTP_URL (535 5.7.8)") && !reason.contains("secret"),
        "{reason}"
    );
}

#[tokio::test]
async fn nothing_is_sent_without_encryption() {
    // A name of this machine that is not known as one: encryption is wanted.
    let server = Server::start(&[]).await;
    let port = server.address.rsplit_once(':').unwrap().1;
    let failed = notifier(&format!("smtp://0.0.0.0:{port}"), settings());
    let failed = failure(deliver(&failed, EventKind::Created, None).await);
    assert_eq!(failed.kind, FailureKind::Temporary);
    assert!(failed.reason.contains("STARTTLS"), "{}", failed.reason);
    assert!(
        !server.heard().iter().any(|said| said.starts_with("MAIL")),
        "{:?}",
        server.heard()
    );
}

#[tokio::test]
async fn a_server_with_another_certificate_gets_nothing() {
    let acceptor = native_tls::TlsAcceptor::new(self_signed()).unwrap();
    let acceptor = tokio_native_tls::TlsAcceptor::from(acceptor);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It fails: the client does not trust the certificate.
            drop(acceptor.accept(stream).await);
        }
    });
    let failed = notifier(&format!("smtps://{address}"), settings());
    let failed = failure(deliver(&failed, EventKind::Created, None).await);
    assert_eq!(failed.kind, FailureKind::Temporary);
    assert!(failed.reason.contains("certificate"), "{}", failed.reason);
}

#[tokio::test]
async fn nobody_listening_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failed = failure(
        deliver(
            &notifier(&format!("smtp://{address}"), settings()),
            EventKind::Created,
            None,
        )
        .await,
    );
    assert_eq!(failed.kind, FailureKind::Temporary);
    assert!(failed.reason.contains("could not be reached"), "{}", failed.reason);
}

#[tokio::test]
async fn connections_are_kept() {
    let server = Server::start(&[]).await;
    let notifier = notifier(&format!("smtp://{}", server.address), settings());
    for _ in 0..5 {
        assert!(matches!(
            deliver(&notifier, EventKind::Created, None).await,
            DeliveryResult::Accepted { .. }
        ));
    }
    let greetings = server.heard().iter().filter(|said| said.starts_with("EHLO")).count();
    // As many as there may be at most.
    assert!(greetings <= 2, "{greetings}");
    assert_eq!(server.mails().len(), 5);
}

#[tokio::test]
async fn addresses_in_any_script_are_sent_to_if_the_server_can() {
    let server = Server::start(&[]).await;
    let notifier = notifier(&format!("smtp://{}", server.address), settings());
    let send = async |email: &str| {
        let payload = payload(EventKind::Created, email);
        let delivering = Delivering {
            id: NotificationId(Uuid::from_bytes([9; 16])),
            round: 0,
            event: EventKind::Created,
            payload: &payload,
            news: None,
        };
        notifier.deliver(delivering).await
    };
    assert!(matches!(
        send("zoe@bücher.example").await,
        DeliveryResult::Accepted { .. }
    ));
    let spoken = server.heard();
    assert!(
        spoken.contains(&"RCPT TO:<zoe@xn--bcher-kva.example>".to_owned()),
        "{spoken:?}"
    );
    let failed = failure(send("zoë@example.com").await);
    assert_eq!(failed.kind, FailureKind::Permanent);
    assert!(failed.reason.contains("beyond ASCII"), "{}", failed.reason);
}

#[tokio::test]
async fn an_unreadable_payload_is_given_up() {
    let server = Server::start(&[]).await;
    let notifier = notifier(&format!("smtp://{}", server.address), settings());
    for bytes in [
        &b"{}"[..],
        b"{\"to\":\"john@example.com\",\"ticket\":null,\"links\":[]}",
        b"x",
    ] {
        let delivering = Delivering {
            id: NotificationId(Uuid::from_bytes([9; 16])),
            round: 0,
            event: EventKind::Created,
            payload: &Payload(bytes.into()),
            news: None,
        };
        let failed = failure(notifier.deliver(delivering).await);
        assert_eq!(
            (failed.kind, &*failed.reason),
            (FailureKind::Permanent, "the stored mail is unreadable")
        );
    }
}
fn self_signed() -> native_tls::Identity {
    use openssl::{
        asn1::Asn1Time,
        hash::MessageDigest,
        pkey::PKey,
        rsa::Rsa,
        x509::{X509Builder, X509NameBuilder},
    };
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut certificate = X509Builder::new().unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = certificate.build().to_pem().unwrap();
    native_tls::Identity::from_pkcs8(&certificate, &key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}
