use ticket_domain::{EventKind, Priority, Ticket, testing::TicketBuilder};

use super::*;

fn ticket() -> Ticket {
    TicketBuilder::new("T-20250115-1234")
        .customer_name("Zoë \"Z\" Doe")
        .customer_email("zoe@example.com")
        .subject("Bottles 🍾")
        .priority(Priority::High)
        .build()
}

fn compose(message: &str) -> serde_json::Value {
    compose_by(&N8nComposer::default(), message)
}

fn compose_by(composer: &N8nComposer, message: &str) -> serde_json::Value {
    let ticket = ticket();
    let event = Event {
        kind: EventKind::Created,
        ticket: &ticket,
        message,
        attachments: &[],
        ticket_url: "https://desk.example/ticket/x",
    };
    let payload = composer.compose(event).unwrap();
    assert_eq!(composer.compose(event).as_ref(), Some(&payload));
    serde_json::from_slice(&payload.0).unwrap()
}

#[test]
fn the_body_has_every_field_of_the_contract_and_no_key() {
    let composer = N8nComposer {
        to: Some("+919655716000".parse().unwrap()),
        backup: None,
    };
    let payload = Payload(compose_by(&composer, "two\nare broken").to_string().into_bytes().into());
    let template = composer.on_route(Route::Template, &payload).unwrap();
    let text = "🎫 *HIGH: New ticket from Zoë \"Z\" Doe* – Bottles 🍾\n\ntwo\nare broken\n\n*Ticket:* T-20250115-1234\n\
        *Phone:* +1234567890\n*Email:* zoe@example.com\n*View ticket:* https://desk.example/ticket/x\n\n\
        Swipe this message to answer.";
    let button = |title: &str, button: Button| {
        let payload = button.payload(&ticket(), Recipient::Manager);
        serde_json::json!({ "title": title, "payload": payload })
    };
    let buttons = [button("Resolve", Button::Resolve), button("Note", Button::Note)];
    assert_eq!(
        serde_json::from_slice::<Value>(&template.0).unwrap(),
        serde_json::json!({
            "event": "ticket.created",
            "ticketRef": "T-20250115-1234",
            "ticketId": "01010101-0101-0101-0101-010101010101",
            "ticketUrl": "https://desk.example/ticket/x",
            "customerName": "Zoë \"Z\" Doe",
            "customerPhone": "+1234567890",
            "customerEmail": "zoe@example.com",
            "subject": "Bottles 🍾",
            "message": "two\nare broken",
            "priority": "high",
            "createdAt": "2025-01-15T10:30:00.000001Z",
            "summary": "T-20250115-1234 (high) Zoë \"Z\" Doe: Bottles 🍾 – two are broken",
            "text": text,
            "actions": buttons,
            "to": "+919655716000",
            "template": true,
        })
    );
}

#[test]
fn a_question_goes_to_whoever_is_asked_and_nowhere_else() {
    let first: Phone = "+919655716000".parse().unwrap();
    let composer = N8nComposer {
        to: Some(first.clone()),
        backup: Some(first),
    };
    let row = ticket_domain::ports::ListRow {
        title: "Zoë".into(),
        description: "Bottles (2 h)".into(),
        payload: "choice.1.1".into(),
    };
    let question = QuestionMessage {
        to: &"+15550000000".parse().unwrap(),
        text: "Which ticket?",
        rows: &[row],
    };
    let payload = composer.compose_question(question).unwrap();
    let body: Value = serde_json::from_slice(&payload.0).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "event": "question",
            "text": "Which ticket?",
            "to": "+15550000000",
            "actions": [{ "title": "Zoë", "description": "Bottles (2 h)", "payload": "choice.1.1" }],
        })
    );
    assert_eq!(composer.retarget(&DeliveryRoute::FIRST, &payload), None);
    let refused = Rejection::Reported(Some(63_016));
    assert_eq!(
        composer.after_refusal(&DeliveryRoute::FIRST, &payload, refused),
        NextStep::GiveUp
    );
}

/// The demo and the workflow use the same corpus.
#[test]
fn customers_texts_are_composed_as_the_corpus_says() {
    let corpus: Value = serde_json::from_str(include_str!("../../../../tests/corpus/notifications.json")).unwrap();
    for case in corpus["cases"].as_array().unwrap() {
        let text = |name: &str, parts: &[&Value]| {
            let found = parts.iter().find_map(|part| part[name].as_str());
            found.unwrap_or_else(|| panic!("{name}")).to_owned()
        };
        let written = |name: &str| text(name, &[&case["customer"], &corpus["customer"]]);
        let mut ticket = ticket();
        ticket.reference = corpus["ticketRef"].as_str().unwrap().parse().unwrap();
        ticket.details.customer.name = written("customerName").parse().unwrap();
        ticket.details.customer.email = written("customerEmail").parse().unwrap();
        ticket.details.subject = written("subject").parse().unwrap();
        let event = Event {
            kind: EventKind::Created,
            ticket: &ticket,
            message: &written("message"),
            attachments: &[],
            ticket_url: "https://desk.example/ticket/x",
        };
        let payload: Value = serde_json::from_slice(&N8nComposer::default().compose(event).unwrap().0).unwrap();
        for name in ["customerName", "customerEmail", "subject", "message"] {
            let expected = text(name, &[&case["payload"], &case["customer"], &corpus["customer"]]);
            assert_eq!(payload[name], expected, "{}", case["why"]);
        }
        let shown = |name: &str| {
            sanitize::escape_whatsapp_markup(&text(
                name,
                &[&case["shown"], &case["payload"], &case["customer"], &corpus["customer"]],
            ))
        };
        assert_eq!(
            payload["text"],
            format!(
                "🎫 *HIGH: New ticket from {}* – {}\n\n{}\n\n*Ticket:* {}\n*Phone:* +1234567890\n*Email:* {}\n\
                 *View ticket:* https://desk.example/ticket/x\n\nSwipe this message to answer.",
                shown("customerName"),
                shown("subject"),
                shown("message"),
                ticket.reference,
                shown("customerEmail"),
            ),
            "{}",
            case["why"]
        );
        for (name, value) in payload.as_object().unwrap() {
            let Some(text) = value.as_str() else { continue };
            let named = ticket_domain::references_in(text);
            assert!(named.iter().all(|named| *named == ticket.reference), "{name}: {text}");
            assert!(
                !text.contains(|c| ('\u{202a}'..='\u{202e}').contains(&c)),
                "{name}: {text:?}"
            );
        }
        let summary = payload["summary"].as_str().unwrap();
        assert_eq!(
            ticket_domain::sanitize::escape_whatsapp_markup(summary),
            summary,
            "{}",
            case["why"]
        );
    }
}

#[test]
fn the_summary_is_one_line_of_at_most_500_characters() {
    let body = compose(&"ü\n".repeat(2_000));
    let summary = body["summary"].as_str().unwrap();
    assert_eq!(summary.chars().count(), 500);
    assert!(summary.ends_with('…') && !summary.contains('\n'));
}

#[test]
fn a_number_that_was_set_is_named_and_a_detour_changes_nothing_else() {
    let composer = N8nComposer {
        to: Some("+919655716000".parse().unwrap()),
        backup: Some("+49301234567".parse().unwrap()),
    };
    let mut plain = compose("broken");
    let first = compose_by(&composer, "broken");
    let payload = Payload(serde_json::to_vec(&first).unwrap().into());
    let redirected = |composer: &N8nComposer, payload: &Payload, route: Route| {
        let payload = composer.on_route(route, payload)?;
        let body: Value = serde_json::from_slice(&payload.0).unwrap();
        Some((payload, body))
    };
    plain["to"] = "+919655716000".into();
    assert_eq!(first, plain);
    let (template, body) = redirected(&composer, &payload, Route::Template).unwrap();
    plain["template"] = true.into();
    assert_eq!(body, plain);
    let (_, body) = redirected(&composer, &template, Route::BackupTemplate).unwrap();
    plain["to"] = "+49301234567".into();
    assert_eq!(body, plain);
    let (_, body) = redirected(&composer, &template, Route::Backup).unwrap();
    plain.as_object_mut().unwrap().remove("template");
    assert_eq!(body, plain);

    let alone = N8nComposer::default();
    assert!(redirected(&alone, &payload, Route::Template).is_some());
    assert!(redirected(&alone, &payload, Route::Backup).is_none());
    assert!(
        alone
            .on_route(Route::Template, &Payload(Box::from(*b"a line")))
            .is_none()
    );
}

#[test]
fn nothing_goes_to_a_number_that_is_no_longer_set() {
    let composer = |to: Option<&str>, backup: Option<&str>| N8nComposer {
        to: to.map(|number| number.parse().unwrap()),
        backup: backup.map(|number| number.parse().unwrap()),
    };
    let (first, second, third) = (Some("+919655716000"), Some("+49301234567"), Some("+15550000000"));
    let to = |composer: &N8nComposer, payload: &Payload, route: Route| {
        let payload = composer.retarget(&route.word(), payload)?;
        let body: Value = serde_json::from_slice(&payload.0).unwrap();
        Some(body["to"].as_str().map(str::to_owned))
    };
    let before = composer(first, second);
    let text = Payload(compose_by(&before, "broken").to_string().into_bytes().into());
    let backup = before.on_route(Route::Backup, &text).unwrap();
    let third_text = third.map(str::to_owned);
    for (now, of_text, of_backup) in [
        (&before, None, None),
        (&composer(third, second), Some(third_text.clone()), None),
        (&composer(first, third), None, Some(third_text)),
        (&composer(first, None), None, Some(first.map(str::to_owned))),
        (&composer(None, None), Some(None), Some(None)),
    ] {
        assert_eq!(to(now, &text, Route::Text), of_text);
        assert_eq!(to(now, &backup, Route::Backup), of_backup);
    }
    let unaddressed = Payload(compose("broken").to_string().into_bytes().into());
    assert_eq!(to(&before, &unaddressed, Route::Text), None);
    assert!(
        before
            .retarget(&Route::Text.word(), &Payload(Box::from(*b"a line")))
            .is_none()
    );
}

#[test]
fn every_refused_message_comes_to_an_end() {
    let taken = |has_backup: bool, refusals: &[Rejection]| {
        let composer = N8nComposer {
            to: None,
            backup: has_backup.then(|| "+49301234567".parse().unwrap()),
        };
        let mut message = Fallback {
            route: DeliveryRoute::FIRST,
            payload: Payload(Box::from(*b"{}")),
        };
        let mut taken = String::new();
        for refusal in refusals {
            let NextStep::Fallback(next) = composer.after_refusal(&message.route, &message.payload, *refusal) else {
                return taken + "dead";
            };
            taken = format!("{taken}{} ", next.route);
            message = next;
        }
        taken
    };
    let (late, gone) = (Rejection::Reported(Some(63_016)), Rejection::Final);
    for (has_backup, refusals, expected) in [
        (false, vec![gone], "dead"),
        (false, vec![Rejection::Reported(Some(63_003))], "dead"),
        (false, vec![late, late], "template dead"),
        (false, vec![late, gone], "template dead"),
        (true, vec![gone, gone], "backup dead"),
        (true, vec![gone, late, late], "backup backup_template dead"),
        (
            true,
            vec![late, late, late, late],
            "template backup backup_template dead",
        ),
        (true, vec![late, gone, gone], "template backup dead"),
    ] {
        assert_eq!(taken(has_backup, &refusals), expected, "{refusals:?}");
    }
    let foreign = DeliveryRoute::new("e-mail");
    let composer = N8nComposer::default();
    assert_eq!(
        composer.after_refusal(&foreign, &Payload(Box::from(*b"{}")), late),
        NextStep::GiveUp
    );
}

#[test]
fn twilios_code_decides_what_follows() {
    let composer = N8nComposer {
        to: None,
        backup: Some("+49301234567".parse().unwrap()),
    };
    let after = |route: Route, code: Option<u32>| match composer.after_refusal(
        &route.word(),
        &Payload(Box::from(*b"{}")),
        Rejection::Reported(code),
    ) {
        NextStep::Retry { to_repair: None } => "retry",
        NextStep::Retry { to_repair: Some(_) } => "repair",
        NextStep::Fallback(fallback) if fallback.route.as_str() == "template" => "template",
        NextStep::Fallback(_) => "backup",
        NextStep::GiveUp => "dead",
    };
    for code in [63_018, 20_429, 63_038, 30_008, 63_049, 500, 503, 1, u32::MAX] {
        assert_eq!(after(Route::Text, Some(code)), "retry", "{code}");
        assert_eq!(after(Route::BackupTemplate, Some(code)), "retry", "{code}");
    }
    assert_eq!(after(Route::Text, None), "retry");
    for code in [21_211, 21_610, 21_614, 63_003, 63_013, 63_014, 63_024, 63_032] {
        assert_eq!(after(Route::Text, Some(code)), "backup", "{code}");
        assert_eq!(after(Route::Backup, Some(code)), "dead", "{code}");
    }
    for code in [63_051, 63_007, 20_003, 21_617] {
        assert_eq!(after(Route::Text, Some(code)), "repair", "{code}");
    }
    assert_eq!(after(Route::Text, Some(63_016)), "template");
}
