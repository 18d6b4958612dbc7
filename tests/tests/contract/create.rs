//! `POST /api/ticket`.

use std::collections::HashSet;

use black_box::{Engine, N8n, OPERATOR_TOKEN, TempStore, TestServer, on_both_stores, ticket};
use futures_util::future::join_all;
use serde_json::{Value, json};

on_both_stores!(
    a_form_makes_a_ticket,
    every_field_has_two_sides,
    texts_come_back_as_they_were_written,
    bodies_that_are_no_form_are_refused,
    the_same_key_makes_one_ticket,
    many_forms_at_once_make_as_many_tickets,
    callers_are_limited_each_by_its_address,
);

async fn a_form_makes_a_ticket(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reply = desk.create(&ticket()).await;
    assert_eq!(reply.status, 201);
    let body = reply.json();
    let reference = body["ticketRef"].as_str().unwrap();
    assert_eq!(body["ok"], json!(true));
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!(reply.header("location"), format!("/api/ticket/{reference}"));
    let (head, digits) = reference.split_at(11);
    assert!(head.starts_with("T-20") && head.ends_with('-'), "{reference}");
    assert!(
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "{reference}"
    );
    let url = body["ticketUrl"].as_str().unwrap();
    let key = url
        .strip_prefix(&format!("https://desk.example/ticket/{reference}?key="))
        .unwrap();
    assert!(key.len() >= 22, "128 bits take 22 characters at least: {key}");
    assert_eq!(desk.ticket(reference).await["ticket"]["id"], body["ticketId"]);
    assert!(desk.stop().await.success());
}

async fn every_field_has_two_sides(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let good: Vec<(&str, Value)> = vec![
        ("customerName", json!("x")),
        ("customerName", json!("é".repeat(200))),
        ("customerPhone", json!("1234567")),
        ("customerPhone", json!("+123456789012345")),
        ("customerPhone", json!("00 49 (30) 1234-567")),
        ("customerEmail", json!("a@b.example")),
        ("subject", json!("字".repeat(200))),
        ("message", json!("é".repeat(5_000))),
        ("message", json!("tab\tand\nline")),
        ("priority", json!(null)),
        ("priority", json!("low")),
        ("priority", json!("medium")),
        ("priority", json!("urgent")),
        ("somethingElse", json!({"is": ["ignored"]})),
    ];
    for (field, value) in good {
        let mut form = ticket();
        form[field] = value;
        assert_eq!(desk.create(&form).await.status, 201, "{field}");
    }
    let bad: Vec<(&str, Value)> = vec![
        ("customerName", json!("")),
        ("customerName", json!("  \t ")),
        ("customerName", json!("é".repeat(201))),
        ("customerName", json!("a\nb")),
        ("customerName", json!("a\u{0}b")),
        ("customerName", json!(7)),
        ("customerName", json!(["x"])),
        ("customerName", json!(null)),
        ("customerPhone", json!("123456")),
        ("customerPhone", json!("1234567890123456")),
        ("customerPhone", json!("+1 555 CALL")),
        ("customerEmail", json!("nobody")),
        ("customerEmail", json!(format!("{}@b.example", "a".repeat(254)))),
        ("subject", json!("x".repeat(201))),
        ("subject", json!("one\r\ntwo")),
        ("message", json!("é".repeat(5_001))),
        ("message", json!("bell \u{7}")),
        ("message", json!(true)),
        ("priority", json!("HIGH")),
        ("priority", json!("")),
        ("priority", json!(1)),
    ];
    for (field, value) in bad {
        let mut form = ticket();
        form[field] = value.clone();
        let reply = desk.create(&form).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "validation_failed"),
            "{field}: {value}"
        );
        assert_eq!(reply.faulty_fields(), [field], "{value}");
        let error = &reply.json()["errors"][0];
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
    }
    let all = desk.create(&json!({ "priority": 3 })).await;
    let mut fields = all.faulty_fields();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "customerEmail",
            "customerName",
            "customerPhone",
            "message",
            "priority",
            "subject"
        ]
    );
    assert!(desk.stop().await.success());
}

async fn texts_come_back_as_they_were_written(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let mut form = ticket();
    form["customerName"] = json!("  علي 山田 👩‍👩‍👧‍👦 O'Brien \\ \"q\" <b> %s $1 ");
    form["subject"] = json!("Привет — naïve \u{202e}rtl\u{202c} ﷽");
    form["message"] = json!("one\r\ntwo\rthree\n\n'; DROP TABLE tickets; --\n");
    form["customerPhone"] = json!("0049 (30) 123.45-67");
    form.as_object_mut().unwrap().remove("priority");
    let reference = desk.create(&form).await.json()["ticketRef"]
        .as_str()
        .unwrap()
        .to_owned();
    let thread = desk.ticket(&reference).await;
    assert_eq!(
        thread["ticket"]["customerName"],
        "علي 山田 👩‍👩‍👧‍👦 O'Brien \\ \"q\" <b> %s $1"
    );
    assert_eq!(thread["ticket"]["subject"], "Привет — naïve \u{202e}rtl\u{202c} ﷽");
    assert_eq!(thread["ticket"]["customerPhone"], "+49301234567");
    assert_eq!(thread["ticket"]["priority"], "medium");
    assert_eq!(
        thread["messages"][0]["body"],
        "one\ntwo\nthree\n\n'; DROP TABLE tickets; --"
    );
    assert!(desk.stop().await.success());
}

async fn bodies_that_are_no_form_are_refused(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let json_type = ("content-type", "application/json");
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let reply = desk.send("POST", "/api/ticket", headers, Some(body)).await;
        (reply.status, reply.problem())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"x\"",
        "[]",
        "{\"customerName\": \"\\ud800\"}",
        "{} {}",
        "\u{feff}{}",
    ] {
        assert_eq!(
            post(&[json_type], body.into()).await,
            refused(400, "validation_failed"),
            "{body}"
        );
    }
    let as_array = json!(["A", "+15550001111", "a@b.example", "s", "m", "low"]);
    assert_eq!(
        post(&[json_type], as_array.to_string().into()).await,
        refused(400, "validation_failed")
    );
    assert_eq!(
        post(&[json_type], vec![b'{', 0xff, b'}']).await,
        refused(400, "validation_failed")
    );
    let form = ticket().to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let headers = [("content-type", content_type)];
        assert_eq!(
            post(&headers, form.clone().into()).await,
            refused(415, "unsupported_media_type"),
            "{content_type}"
        );
    }
    assert_eq!(
        post(&[], form.clone().into()).await,
        refused(415, "unsupported_media_type")
    );
    let with_charset = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(
        desk.send("POST", "/api/ticket", &with_charset, Some(form.into()))
            .await
            .status,
        201
    );

    let mut fits = ticket();
    fits["padding"] = json!("");
    fits["padding"] = json!("x".repeat(64 * 1024 - fits.to_string().len()));
    assert_eq!(fits.to_string().len(), 64 * 1024);
    assert_eq!(desk.create(&fits).await.status, 201);
    assert_eq!(
        post(&[json_type], format!("{fits} ").into()).await,
        refused(413, "payload_too_large")
    );
    assert!(desk.stop().await.success());
}

async fn the_same_key_makes_one_ticket(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let key = ("idempotency-key", "a form's key ~ 1");
    let first = desk.post("/api/ticket", &[key], &ticket()).await;
    let again = desk.post("/api/ticket", &[key], &ticket()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        (&first.text, first.header("location")),
        (&again.text, again.header("location"))
    );
    assert_eq!(
        (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
        ("", "true")
    );

    let mut other = ticket();
    other["message"] = json!("something else");
    let reused = desk.post("/api/ticket", &[key], &other).await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "idempotency_key_reused")
    );
    let mut same_in_other_words = ticket();
    same_in_other_words["customerPhone"] = json!("+1 (555) 000-1111");
    assert_eq!(
        desk.post("/api/ticket", &[key], &same_in_other_words).await.text,
        first.text
    );

    let long = "k".repeat(256);
    for bad in ["", long.as_str(), "tab\there"] {
        let reply = desk.post("/api/ticket", &[("idempotency-key", bad)], &ticket()).await;
        assert_eq!(
            (reply.status, reply.faulty_fields()),
            (400, vec!["Idempotency-Key".to_owned()]),
            "{bad}"
        );
    }
    for round in 0..3 {
        let key = format!("twins {round}");
        let form = ticket();
        let headers = [("idempotency-key", key.as_str())];
        let replies = join_all((0..20).map(|_| desk.post("/api/ticket", &headers, &form))).await;
        let texts: HashSet<_> = replies.iter().map(|reply| (reply.status, reply.text.clone())).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        let fresh = replies
            .iter()
            .filter(|reply| reply.header("idempotent-replayed").is_empty())
            .count();
        assert_eq!(fresh, 1);
    }
    // One notification a ticket: the first, and one a round of twins.
    n8n.wait_for(4, std::time::Duration::from_secs(10)).await;
    desk.all_settled().await;
    assert_eq!(n8n.received().len(), 4);
    assert!(desk.stop().await.success());
}

async fn many_forms_at_once_make_as_many_tickets(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let mut references = HashSet::new();
    for _ in 0..10 {
        let forms = vec![ticket(); 50];
        for reply in join_all(forms.iter().map(|form| desk.create(form))).await {
            assert_eq!(reply.status, 201, "{reply:?}");
            assert!(references.insert(reply.json()["ticketRef"].to_string()));
        }
    }
    assert_eq!(references.len(), 500);
    assert!(desk.stop().await.success());
}

async fn callers_are_limited_each_by_its_address(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).set("TRUSTED_PROXY_HOPS", "1").start().await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    // One more comes in for each second that this takes.
    let burst = 120..150;
    let mut opened = 0;
    let limited = loop {
        // Whatever stands further left is the caller's own invention.
        let forwarded = [(
            "x-forwarded-for",
            ["9.9.9.9, 203.0.113.7", "8.8.8.8, 203.0.113.7"][opened % 2],
        )];
        let reply = desk.post("/api/ticket", &forwarded, &ticket()).await;
        if reply.status != 201 {
            break reply;
        }
        opened += 1;
    };
    assert!(burst.contains(&opened), "{opened}");
    assert_eq!((limited.status, limited.problem().as_str()), (429, "rate_limited"));
    assert!(limited.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(
        desk.post("/api/ticket", &from("203.0.113.8"), &ticket()).await.status,
        201
    );
    // Reading has a limit of its own, and a right key or token none.
    let created = desk.post("/api/ticket", &from("203.0.113.9"), &ticket()).await.json();
    let path = format!("/api/ticket/{}", created["ticketRef"].as_str().unwrap());
    let mut read = 0;
    while desk.send("GET", &path, &from("203.0.113.7"), None).await.status == 200 {
        read += 1;
    }
    assert!(burst.contains(&read), "{read}");
    let key = created["ticketUrl"]
        .as_str()
        .unwrap()
        .split_once("?key=")
        .unwrap()
        .1
        .to_owned();
    assert_eq!(
        desk.send("GET", &format!("{path}?key={key}"), &from("203.0.113.7"), None)
            .await
            .status,
        200
    );
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    let as_operator = [("x-forwarded-for", "203.0.113.7"), ("authorization", bearer.as_str())];
    assert_eq!(desk.send("GET", &path, &as_operator, None).await.status, 200);
    // Wrong keys are counted too; the right one always passes.
    let headers = [("x-forwarded-for", "203.0.113.7"), ("x-api-key", "wrong")];
    let mut guessed = 0;
    while desk.post("/api/ticket/inbound", &headers, &json!({})).await.status == 401 {
        guessed += 1;
    }
    assert!(burst.contains(&guessed), "{guessed}");
    let headers = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-api-key", black_box::INBOUND_KEY),
    ];
    assert_eq!(desk.post("/api/ticket/inbound", &headers, &json!({})).await.status, 400);
    assert!(desk.stop().await.success());

    let desk = TestServer::on(&place)
        .set("TRUSTED_PROXY_HOPS", "1")
        .set("RATE_LIMITS", "off")
        .start()
        .await;
    for _ in 0..130 {
        assert_eq!(
            desk.post("/api/ticket", &from("203.0.113.7"), &ticket()).await.status,
            201
        );
    }
    assert!(desk.stop().await.success());
}
