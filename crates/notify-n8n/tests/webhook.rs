//! The webhook adapter against real sockets on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use notify_n8n::{Inbound, N8nWebhook, Probed, Receiver, SetUpError};
use ticket_domain::{
    EventKind, NotificationId, Payload, Timestamp,
    ports::{Clock, Delivering, DeliveryResult, Failure, FailureKind, Notifier},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use uuid::Uuid;

struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0 * 1_000_000).unwrap()
    }
}

/// Sun, 06 Nov 1994 08:49:37 GMT
const NOW: i64 = 784_111_777;

fn receiver(address: &str) -> Receiver {
    Receiver {
        created: format!("http://{address}/webhook/created?token=in-the-url")
            .parse()
            .unwrap(),
        updated: format!("http://{address}/webhook/updated").parse().unwrap(),
        secret: "the-shared-secret".to_owned().into(),
    }
}

async fn deliver_to(address: &str, event: EventKind) -> DeliveryResult {
    deliver_round(address, event, 0).await
}

async fn deliver_round(address: &str, event: EventKind, round: u16) -> DeliveryResult {
    let webhook = N8nWebhook::new(receiver(address), Arc::new(At(NOW))).unwrap();
    let payload = Payload(b"{\"event\":\"x\"}".as_slice().into());
    webhook
        .deliver(Delivering {
            id: NotificationId(Uuid::from_bytes([9; 16])),
            round,
            event,
            payload: &payload,
            news: None,
        })
        .await
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&request).ends_with("\"}") {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the request ended early");
        request.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(request).unwrap()
}

/// Answers one request with these bytes and closes; gives back the request.
async fn one_answer(bytes: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        // The client may have had enough before all of it is written.
        let _ = stream.write_all(&bytes).await;
        request
    });
    (address, served)
}

async fn answer_to(head: &str, body: &str) -> DeliveryResult {
    let bytes = format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let (address, served) = one_answer(bytes.into_bytes()).await;
    let answer = deliver_to(&address, EventKind::Created).await;
    served.await.unwrap();
    answer
}

fn accepted(id: Option<&str>) -> DeliveryResult {
    DeliveryResult::Accepted {
        external_id: id.map(|id| id.parse().unwrap()),
    }
}

fn failed(reason: &str, kind: FailureKind, retry_after: Option<u64>) -> DeliveryResult {
    DeliveryResult::Failed(Failure {
        reason: reason.into(),
        kind,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

#[test]
fn debug_shows_no_secret() {
    let receiver = Receiver {
        created: "https://user:canary@n8n.example/webhook/canary?token=canary"
            .parse()
            .unwrap(),
        ..receiver("n8n.example")
    };
    for shown in [format!("{receiver:?}"), format!("{receiver:#?}")] {
        assert!(
            !["canary", "in-the-url", "the-shared-secret"]
                .iter()
                .any(|secret| shown.contains(secret)),
            "{shown}"
        );
        assert!(shown.contains("n8n.example"), "{shown}");
    }
}

#[tokio::test]
async fn a_request_carries_the_key_the_id_the_time_and_the_bytes() {
    for (event, path) in [
        (EventKind::Created, "POST /webhook/created?token=in-the-url HTTP/1.1"),
        (EventKind::Updated, "POST /webhook/updated HTTP/1.1"),
    ] {
        let (address, served) = one_answer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        assert_eq!(deliver_to(&address, event).await, accepted(None));
        let request = served.await.unwrap();
        let lines: Vec<&str> = request.split("\r\n").collect();
        assert_eq!(lines[0], path);
        for header in [
            "content-type: application/json",
            "x-api-key: the-shared-secret",
            "webhook-id: 09090909-0909-0909-0909-090909090909",
            "webhook-timestamp: 784111777",
        ] {
            assert!(lines.contains(&header), "{header} in {request}");
        }
        assert_eq!(lines.last(), Some(&"{\"event\":\"x\"}"));
    }
}

#[tokio::test]
async fn a_message_that_took_the_place_of_another_has_another_id() {
    let (address, served) = one_answer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    assert_eq!(deliver_round(&address, EventKind::Created, 2).await, accepted(None));
    let request = served.await.unwrap();
    assert!(
        request.contains("webhook-id: 09090909-0909-0909-0909-090909090909.2\r\n"),
        "{request}"
    );
}

/// What a probe makes of an answer with this head and body.
async fn probe_of(head: &str, body: &str) -> Probed {
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (address, served) = one_answer(answer.into_bytes()).await;
    let webhook = N8nWebhook::new(receiver(&address), Arc::new(At(NOW))).unwrap();
    let probed = webhook.probe(EventKind::Updated, Uuid::from_bytes([7; 16])).await;
    let request = served.await.unwrap();
    assert!(request.starts_with("POST /webhook/updated "), "{request}");
    assert!(request.contains("x-api-key: the-shared-secret\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"event\":\"probe\"}"), "{request}");
    probed
}

#[tokio::test]
async fn a_probe_says_how_far_it_got() {
    let workflow = |inbound| Probed::Workflow(inbound);
    let unreachable = |reason: &str| workflow(Inbound::Unreachable(reason.into()));
    for (head, body, expected) in [
        (
            "200 OK",
            r#"{"ok":true,"probe":true,"inbound":{"status":400}}"#,
            workflow(Inbound::AnswerResult(400)),
        ),
        (
            "200 OK",
            r#"[{"ok":true,"probe":true,"inbound":{"status":"401"}}]"#,
            workflow(Inbound::AnswerResult(401)),
        ),
        (
            "200 OK",
            "{\"probe\":true,\"inbound\":{\"status\":null,\"detail\":\"ECONN\\nREFUSED\"}}",
            unreachable("ECONNREFUSED"),
        ),
        (
            "200 OK",
            r#"{"probe":true}"#,
            unreachable("the workflow does not say why"),
        ),
        ("200 OK", r#"{"ok":true,"externalId":"SM1"}"#, Probed::Foreign),
        ("200 OK", "", Probed::Foreign),
        ("202 Accepted", "thanks", Probed::Foreign),
        ("401 Unauthorized", "", Probed::KeyRefused),
        ("403 Forbidden", "", Probed::KeyRefused),
        ("404 Not Found", "{}", Probed::NoWorkflow),
        ("500 Internal Server Error", "{}", Probed::WorkflowFailed(500)),
        ("302 Found", "", Probed::Refused(302)),
        ("410 Gone", "", Probed::Refused(410)),
    ] {
        assert_eq!(probe_of(head, body).await, expected, "{head} {body}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook = N8nWebhook::new(receiver(&closed.to_string()), Arc::new(At(NOW))).unwrap();
    let Probed::Unreachable(reason) = webhook.probe(EventKind::Created, Uuid::nil()).await else {
        panic!("nobody listens there");
    };
    assert!(reason.contains("refused") && !reason.contains("token"), "{reason}");
}

#[tokio::test]
async fn an_answer_may_tell_the_id_of_the_message() {
    let long = format!("{{\"externalId\":\"{}\"}}", "x".repeat(129));
    for (body, id) in [
        (r#"{"externalId":"SM1"}"#, Some("SM1")),
        (r#"{"messageSid":"SM2"}"#, Some("SM2")),
        (r#"{"sid":"SM3","status":"queued"}"#, Some("SM3")),
        (r#"{"externalId":null,"sid":"SM4"}"#, Some("SM4")),
        (r#"{"externalId":" ","messageSid":"SM5"}"#, Some("SM5")),
        (r#"{"externalId":7}"#, None),
        (r#"["SM6"]"#, None),
        ("", None),
        ("not JSON", None),
        (long.as_str(), None),
    ] {
        assert_eq!(answer_to("200 OK", body).await, accepted(id), "{body}");
    }
    assert_eq!(
        answer_to("202 Accepted", r#"{"sid":"SM7"}"#).await,
        accepted(Some("SM7"))
    );
}

#[tokio::test]
async fn at_most_64_kib_of_an_answer_are_read() {
    let padding = " ".repeat(64 * 1024 - 14);
    assert_eq!(
        answer_to("200 OK", &format!("{padding}{{\"sid\":\"SM1\"}}")).await,
        accepted(Some("SM1"))
    );
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(8 << 20));
    let (address, served) = one_answer(endless.into_bytes()).await;
    assert_eq!(deliver_to(&address, EventKind::Created).await, accepted(None));
    served.await.unwrap();
}

#[tokio::test]
async fn what_is_not_2xx_is_a_failure_and_says_what_follows() {
    use FailureKind::{Permanent, Temporary, Throttled};
    for (head, expected) in [
        ("400 Bad Request", failed("answered HTTP 400", Temporary, None)),
        ("403 Forbidden", failed("answered HTTP 403", Temporary, None)),
        ("404 Not Found", failed("answered HTTP 404", Temporary, None)),
        ("410 Gone", failed("answered HTTP 410", Permanent, None)),
        ("429 Too Many Requests", failed("answered HTTP 429", Throttled, None)),
        (
            "429 Too Many Requests\r\nretry-after: 7",
            failed("answered HTTP 429", Throttled, Some(7)),
        ),
        (
            "500 Error\r\nretry-after: Sun, 06 Nov 1994 08:50:07 GMT",
            failed("answered HTTP 500", Temporary, Some(30)),
        ),
        (
            "503 Away\r\nretry-after: Sun, 06 Nov 1994 08:49:07 GMT",
            failed("answered HTTP 503", Temporary, Some(0)),
        ),
        (
            "503 Away\r\nretry-after: soon",
            failed("answered HTTP 503", Temporary, None),
        ),
    ] {
        assert_eq!(answer_to(head, r#"{"sid":"SM1"}"#).await, expected, "{head}");
    }
}

#[tokio::test]
async fn twilios_code_is_told_and_what_its_owner_must_repair() {
    use FailureKind::{Permanent, Temporary};
    for (head, body, expected, kind) in [
        (
            "502 Bad Gateway",
            "{\"twilioCode\":63018}",
            "answered HTTP 502; Twilio error 63018",
            Temporary,
        ),
        (
            "410 Gone",
            "{\"twilioCode\":63003}",
            "answered HTTP 410; Twilio error 63003",
            Permanent,
        ),
        (
            "502 Bad Gateway",
            "{\"twilioCode\":20003}",
            "answered HTTP 502; Twilio error 20003: correct account SID and auth token in n8n's Twilio credential",
            Temporary,
        ),
        (
            "502 Bad Gateway",
            "{\"twilioCode\":null}",
            "answered HTTP 502",
            Temporary,
        ),
        (
            "502 Bad Gateway",
            "{\"twilioCode\":\"x\"}",
            "answered HTTP 502",
            Temporary,
        ),
    ] {
        assert_eq!(answer_to(head, body).await, failed(expected, kind, None), "{body}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = target.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let head = format!("{status} Elsewhere\r\nlocation: http://{location}/stolen");
        let expected = failed(
            &format!("answered HTTP {status}; redirects are not followed"),
            FailureKind::Temporary,
            None,
        );
        assert_eq!(answer_to(&head, "").await, expected);
    }
    let nobody = tokio::time::timeout(Duration::from_millis(100), target.accept()).await;
    assert!(nobody.is_err(), "the redirect was followed");
}

fn reason(answer: DeliveryResult) -> String {
    match answer {
        DeliveryResult::Failed(Failure {
            reason,
            kind: FailureKind::Temporary,
            retry_after: None,
        }) => reason.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_or_talks_nonsense_is_a_failure_without_the_address() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let refused = reason(deliver_to(&closed, EventKind::Created).await);
    assert!(refused.contains("refused"), "{refused}");

    let (address, served) = one_answer(b"220 smtp.example ready\r\n".to_vec()).await;
    let nonsense = reason(deliver_to(&address, EventKind::Created).await);
    served.await.unwrap();

    let (address, served) = one_answer(Vec::new()).await;
    let hung_up = reason(deliver_to(&address, EventKind::Created).await);
    served.await.unwrap();

    for reason in [refused, nonsense, hung_up] {
        assert!(
            !reason.contains("token") && !reason.contains("webhook") && !reason.contains("secret"),
            "{reason}"
        );
        assert!(reason.chars().count() <= 300, "{reason}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_after_15_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let (reason, ()) = tokio::join!(
        async { reason(deliver_to(&address, EventKind::Created).await) },
        async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
        }
    );
    assert_eq!(reason, "no answer within 15 s");
    assert!((14..20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_answer_that_began_with_2xx_is_a_success() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(deliver_to(&address, EventKind::Created), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
            .await
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    assert_eq!(answer, accepted(None));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_secret_that_is_no_header_value_is_refused() {
    let mut receiver = receiver("127.0.0.1:1");
    receiver.secret = "line\nbreak".to_owned().into();
    assert!(matches!(
        N8nWebhook::new(receiver, Arc::new(At(NOW))),
        Err(SetUpError::Secret)
    ));
}

/// A certificate for this machine that nobody has signed but itself.
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

#[tokio::test]
async fn a_receiver_whose_certificate_is_not_trusted_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = native_tls::TlsAcceptor::new(self_signed()).unwrap();
    let acceptor = tokio_native_tls::TlsAcceptor::from(acceptor);
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_ok()
    });
    let mut receiver = receiver("unused.example");
    receiver.created = format!("https://localhost:{port}/webhook/created").parse().unwrap();
    let webhook = N8nWebhook::new(receiver, Arc::new(At(NOW))).unwrap();
    let payload = Payload(b"{}".as_slice().into());
    let delivering = Delivering {
        id: NotificationId(Uuid::from_bytes([9; 16])),
        round: 0,
        event: EventKind::Created,
        payload: &payload,
        news: None,
    };
    let reason = reason(webhook.deliver(delivering).await);
    assert!(
        reason.starts_with("the receiver's certificate is not trusted ("),
        "{reason}"
    );
    // With TLS 1.3 the server may take the handshake for ended; what counts is that no request came.
    let _ = served.await.unwrap();
}
