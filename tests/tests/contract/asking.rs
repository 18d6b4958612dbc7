//! Asking a manager back.

use black_box::{
    CUSTOMER, Engine, INBOUND_KEY, MANAGER, N8n, Reaction, Reply, TempStore, TestServer, on_both_stores, ticket,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

on_both_stores!(
    a_manager_is_asked_and_picks,
    a_question_outlives_the_server,
    twins_end_as_one,
    a_bustle_refuses_nobody,
    only_numbers_that_were_set_are_asked,
    a_customers_subject_stands_in_one_plain_line,
);

const OTHER_MANAGER: &str = "+15550000000";

fn says(from: &str, id: &str, text: &str) -> Value {
    json!({ "message": text, "from": format!("whatsapp:{from}"), "externalId": id })
}

fn ask(reply: &Reply) -> String {
    reply.json()["ask"]
        .as_str()
        .unwrap_or_else(|| panic!("nothing is asked: {reply:?}"))
        .to_owned()
}

async fn bodies(desk: &TestServer, reference: &str) -> Vec<String> {
    let thread = desk.ticket(reference).await;
    let messages = thread["messages"].as_array().unwrap().clone();
    let bodies = messages
        .iter()
        .map(|message| message["body"].as_str().unwrap().to_owned());
    bodies.skip(1).collect()
}

async fn a_manager_is_asked_and_picks(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place)
        .set("AGENT_PHONE", &format!("{MANAGER},{OTHER_MANAGER}"))
        .start()
        .await;
    let (old, new) = (desk.open().await, desk.open().await);

    let bare = desk.inbound(&says(MANAGER, "SM1", "We look into it")).await;
    assert_eq!((bare.status, bare.problem()), (400, "ticket_not_named".into()));
    let question = ask(&bare);
    let listed: Vec<&str> = question.lines().filter(|line| line.contains("T-")).collect();
    assert_eq!(
        listed,
        [
            format!("1. {new} – Product Quality Issue"),
            format!("2. {old} – Product Quality Issue")
        ]
    );
    // The other manager is asked of their own, and answers first.
    assert_eq!(desk.inbound(&says(OTHER_MANAGER, "SM2", "Not I")).await.status, 400);
    let picked = desk.inbound(&says(OTHER_MANAGER, "SM3", "1")).await;
    assert_eq!((picked.status, &picked.json()["ticketRef"]), (200, &json!(new)));
    // A repeat is asked the same.
    let repeat = desk.inbound(&says(MANAGER, "SM1", "We look into it")).await;
    assert_eq!((repeat.status, ask(&repeat)), (400, question));

    let picked = desk.inbound(&says(MANAGER, "SM4", "2")).await;
    let expected = json!({
        "ok": true,
        "ticketRef": old,
        "messageId": desk.ticket(&old).await["messages"][1]["id"],
        "duplicate": false,
        "notice": format!("Added to {old} – Product Quality Issue"),
    });
    assert_eq!((picked.status, picked.json()), (200, expected.clone()));
    let mut again = expected;
    again["duplicate"] = true.into();
    assert_eq!(desk.inbound(&says(MANAGER, "SM4", "2")).await.json(), again);
    assert_eq!(bodies(&desk, &old).await, ["We look into it"]);
    assert_eq!(bodies(&desk, &new).await, ["Not I"]);
    assert_eq!(desk.ticket(&old).await["messages"][1]["sender"], "manager");

    // A reference that does not exist asks too; 0 leaves it for the team.
    let wrong = desk.inbound(&says(MANAGER, "SM5", "T-20200101-0000 is done")).await;
    assert_eq!((wrong.status, wrong.problem()), (404, "ticket_not_found".into()));
    assert!(ask(&wrong).starts_with("There is no ticket of that number."));
    let aside = desk.inbound(&says(MANAGER, "SM6", "0")).await;
    assert_eq!((aside.status, &aside.json()["ticketRef"]), (200, &Value::Null));
    assert!(aside.json()["notice"].is_string());
    assert_eq!(desk.metric("messages_unmatched").await, 1.0);
    assert!(desk.stop().await.success());
}

async fn a_question_outlives_the_server(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    let reference = desk.open().await;
    desk.inbound(&says(MANAGER, "SM1", "one")).await;
    desk.kill().await;
    let desk = TestServer::on(&place).start().await;
    desk.inbound(&says(MANAGER, "SM2", "two")).await;
    desk.kill().await;
    let desk = TestServer::on(&place).start().await;
    let picked = desk.inbound(&says(MANAGER, "SM3", "1")).await.json();
    assert_eq!(
        picked["notice"],
        format!("2 messages added to {reference} – Product Quality Issue")
    );
    desk.kill().await;
    let desk = TestServer::on(&place).start().await;
    assert_eq!(desk.inbound(&says(MANAGER, "SM3", "1")).await.json()["duplicate"], true);
    assert_eq!(bodies(&desk, &reference).await, ["one", "two"]);
    assert!(desk.stop().await.success());
}

async fn twins_end_as_one(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    for round in 0..10 {
        let reference = desk.open().await;
        // An album of ten, each part three times, all at once.
        let parts: Vec<Value> = (0..30)
            .map(|n| says(MANAGER, &format!("SM-{round}-{}", n % 10), &format!("part {}", n % 10)))
            .collect();
        let asked = join_all(parts.iter().map(|part| desk.inbound(part))).await;
        let mut asks: Vec<String> = asked.iter().map(ask).collect();
        asks.dedup();
        assert_eq!(asks.len(), 1, "{asks:?}");
        let pick = says(MANAGER, &format!("SM-{round}-pick"), "1");
        let picks = join_all((0..5).map(|_| desk.inbound(&pick))).await;
        let notice = format!("10 messages added to {reference} – Product Quality Issue");
        for picked in &picks {
            assert_eq!((picked.status, &picked.json()["notice"]), (200, &json!(notice)));
        }
        let firsts = picks.iter().filter(|picked| picked.json()["duplicate"] == false);
        assert_eq!(firsts.count(), 1);
        let mut said = bodies(&desk, &reference).await;
        said.sort();
        assert_eq!(said, (0..10).map(|n| format!("part {n}")).collect::<Vec<_>>());
    }
    assert_eq!(desk.metric("messages_unmatched").await, 0.0);
    assert!(desk.stop().await.success());
}

async fn a_bustle_refuses_nobody(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place).start().await;
    desk.open().await;
    // Wrong references, two references and bare messages of one manager, all at once.
    let said: Vec<(u16, Value)> = (0..120)
        .map(|n| {
            let (status, text) = match n % 3 {
                0 => (404, "about T-20200101-0000"),
                1 => (400, "T-20200101-0000 or T-20200101-0001"),
                _ => (400, "hello"),
            };
            (status, says(MANAGER, &format!("SM-{n}"), text))
        })
        .collect();
    let replies = join_all(said.iter().map(|(_, body)| desk.inbound(body))).await;
    for ((status, _), reply) in said.iter().zip(replies) {
        assert_eq!(reply.status, *status, "{reply:?}");
    }
    assert_eq!(desk.metric("messages_unmatched").await, 120.0);
    assert!(desk.stop().await.success());
}

async fn only_numbers_that_were_set_are_asked(engine: Engine) {
    let place = TempStore::new(engine).await;
    let desk = TestServer::on(&place)
        .set("AGENT_PHONE_BACKUP", OTHER_MANAGER)
        .start()
        .await;
    let reference = desk.open().await;
    for (from, is_asked) in [
        (MANAGER, true),
        (OTHER_MANAGER, true),
        (CUSTOMER, false),
        ("+15559999999", false),
    ] {
        for (id, text) in [("bare", "hello"), ("number", "1"), ("wrong", "T-20200101-0000")] {
            let reply = desk.inbound(&says(from, &format!("{from}-{id}"), text)).await;
            let is_pick = is_asked && id == "number";
            assert_eq!(
                (reply.status == 200, reply.json()["ask"].is_string()),
                (is_pick, is_asked && !is_pick)
            );
            if !is_asked {
                assert!(!reply.text.contains(&reference), "{}", reply.text);
            }
        }
    }
    assert!(desk.stop().await.success());

    // The number that the system was first made for is recognised where none is set, and told nothing.
    let desk = TestServer::on(&place).set("AGENT_PHONE", "").start().await;
    desk.wait_for_log("AGENT_PHONE is not set").await;
    let reply = desk.inbound(&says(MANAGER, "default", "hello")).await;
    assert!(reply.status == 400 && reply.json()["ask"].is_null(), "{reply:?}");
    let named = desk
        .inbound(&says(MANAGER, "named", &format!("{reference} done")))
        .await;
    assert_eq!(named.status, 200);
    assert!(desk.stop().await.success());
}

async fn a_customers_subject_stands_in_one_plain_line(engine: Engine) {
    let place = TempStore::new(engine).await;
    let n8n = N8n::start();
    n8n.always(Reaction::TakenByItsId);
    let desk = TestServer::on(&place).telling(&n8n).start().await;
    let target = desk.open().await;
    let mut hostile = ticket();
    hostile["subject"] = format!("*2. {target}* ```ok``` ~_x_~ \u{202e}").into();
    hostile["message"] = format!("please answer {target} instead").into();
    let reference = desk.create(&hostile).await.json()["ticketRef"]
        .as_str()
        .unwrap()
        .to_owned();
    desk.all_settled().await;

    let question = ask(&desk.inbound(&says(MANAGER, "SM1", "ok")).await);
    // Nobody who sends this line back names the other ticket.
    let unread = target.replace('-', "\u{2011}");
    let lines: Vec<&str> = question.lines().filter(|line| line.contains("T-")).collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with(&format!("1. {reference} – ∗2. {unread}∗ ")),
        "{question}"
    );
    assert!(!question.contains(['*', '_', '~', '`', '\u{202e}']), "{question}");
    assert_eq!(
        desk.inbound(&says(MANAGER, "SM2", "1")).await.json()["ticketRef"],
        json!(reference)
    );

    // A reference in a customer's text that a manager hands on does not outweigh what is quoted.
    let told = n8n.received();
    let notification = told.iter().find(|told| told.ticket_ref() == reference).unwrap();
    let mut quoting = says(MANAGER, "SM3", &format!("> please answer {target} instead\nNo."));
    quoting["repliedToExternalId"] = format!("SM-{}", notification.id()).into();
    let reply = desk
        .post("/api/ticket/inbound", &[("x-api-key", INBOUND_KEY)], &quoting)
        .await;
    assert_eq!((reply.status, &reply.json()["ticketRef"]), (200, &json!(reference)));
    assert_eq!(bodies(&desk, &target).await, Vec::<String>::new());
    assert!(desk.stop().await.success());
}
