//! A customer writes on WhatsApp without a reference.

use std::time::Duration;

use crate::support::{CUSTOMER, MANAGER, World, external_id, reply, request};
use ticket_domain::{
    Actor, Channel, Content, ControlKind, Managers, MessageBody, Sender, Status, TicketPatch, TicketRef,
    ports::{AnswerQuestion, Clock as _, Existing},
    use_cases::{Ask, Operate, ReceiveError, Received, Reply, TicketName},
};

const STRANGER: &str = "+3333333333";
const FORM: &str = "https://desk.example";

/// What somebody is told: a question, or a confirmation.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Asked(String),
    Joined(TicketRef, Option<String>),
    /// The answer says that it is about no ticket.
    Left(Option<String>),
}

async fn receive(world: &World, reply: Reply) -> Told {
    match world.receiver().receive(reply).await {
        Ok(Received {
            reference: Some(reference),
            notice,
            ..
        }) => Told::Joined(reference, notice),
        Ok(Received { notice, .. }) => Told::Left(notice),
        Err(ReceiveError::NotNamed {
            ask: Some(Ask { text, is_sent }),
        }) => {
            assert!(!is_sent, "customers are asked in the response");
            Told::Asked(text.into())
        }
        Err(ReceiveError::NotNamed { ask: None }) => Told::Nothing,
        Err(error) => panic!("{error}"),
    }
}

async fn say(world: &World, text: &str) -> Told {
    receive(world, reply(CUSTOMER, text)).await
}

fn is_this(reference: TicketRef) -> Told {
    Told::Asked(format!(
        "Is this about {reference}, *Bottles*? Reply 1, and it reaches the team. If not, reply 0."
    ))
}

fn confirmed(reference: TicketRef) -> Told {
    let notice = format!(
        "Thanks! The team has your message. Whatever you write here within the next day goes to {reference}, *Bottles*, too."
    );
    Told::Joined(reference, Some(notice))
}

/// The messages of a thread after the one that opened it.
async fn thread(world: &World, reference: TicketRef) -> Vec<(Sender, String)> {
    let thread = world.store.thread(reference).await.unwrap().unwrap();
    let messages = thread.messages.into_iter().skip(1);
    messages
        .map(|message| (message.sender, message.content.as_text()))
        .collect()
}

async fn resolve(world: &World, reference: TicketRef) {
    let operate = Operate::new(
        world.store.clone(),
        world.store.clone(),
        world.context(),
        Managers::default(),
    );
    let patch = TicketPatch {
        status: Some(Status::Resolved),
        priority: None,
    };
    operate.change(reference, patch, Actor::Manager).await.unwrap();
}

fn customers(texts: &[&str]) -> Vec<(Sender, String)> {
    texts
        .iter()
        .map(|text| (Sender::Customer, (*text).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_customer_confirms_and_everything_they_wrote_joins_their_ticket() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    let deliver = world.deliver(8);
    world.round(&deliver).await;

    assert_eq!(say(&world, "Any news?").await, is_this(reference));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(say(&world, "Hello?").await, Told::Nothing);
    assert_eq!(thread(&world, reference).await, []);
    assert_eq!(world.round(&deliver).await.len(), 0);

    let answer = Reply {
        external_id: Some(external_id("SM-1")),
        ..reply(CUSTOMER, "1")
    };
    assert_eq!(receive(&world, answer.clone()).await, confirmed(reference));
    let joined = customers(&["Any news?", "Hello?"]);
    assert_eq!(thread(&world, reference).await, joined);
    // The manager is told of each, in order.
    assert_eq!(world.round(&deliver).await.len(), 1);
    assert_eq!(world.round(&deliver).await.len(), 1);
    let received = world.notifier.received.lock().unwrap().clone();
    for ((_, payload), text) in received[1..].iter().zip(["Any news?", "Hello?"]) {
        let payload = String::from_utf8(payload.0.to_vec()).unwrap();
        assert!(
            payload.starts_with("ticket.updated") && payload.ends_with(text),
            "{payload}"
        );
    }
    // The same answer once more says the same, and what they write next goes there too.
    assert_eq!(receive(&world, answer).await, confirmed(reference));
    world.clock.advance(Duration::from_hours(23));
    assert_eq!(say(&world, "It came today").await, Told::Joined(reference, None));
    let joined = customers(&["Any news?", "Hello?", "It came today"]);
    assert_eq!(thread(&world, reference).await, joined);

    world.clock.advance(Duration::from_hours(2));
    assert_eq!(say(&world, "Thanks").await, is_this(reference));
    assert_eq!(thread(&world, reference).await, joined);
}

#[tokio::test]
async fn silence_leaves_it_unmatched_and_nobody_is_asked_twice_a_day() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    assert_eq!(say(&world, "Any news?").await, is_this(reference));
    world.clock.advance(Duration::from_hours(23));
    assert_eq!(say(&world, "Hello?").await, Told::Nothing);
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(say(&world, "Anybody?").await, is_this(reference));
    assert_eq!(thread(&world, reference).await, []);
    // An answer is about what came since the last question.
    assert_eq!(say(&world, "١").await, confirmed(reference));
    assert_eq!(thread(&world, reference).await, customers(&["Anybody?"]));
}

#[tokio::test]
async fn without_an_open_ticket_they_learn_how_to_open_one() {
    let world = World::default();
    let others = world.open("Broken").await.reference;
    let how = format!(
        "Thanks for your message. We can't tell which request it is about. Please open one at {FORM}, or, if you have \
         opened one, write again with its reference (T-…)."
    );
    for from in [STRANGER, "US.13491208655302741918", "103000000000001@lid"] {
        for text in ["Hello", "1", "0", &others.to_string()] {
            let expected = if text == "Hello" {
                Told::Asked(how.clone())
            } else {
                Told::Nothing
            };
            assert_eq!(receive(&world, reply(from, text)).await, expected, "{from} {text}");
        }
    }
    assert_eq!(thread(&world, others).await, []);
}

#[tokio::test]
async fn several_tickets_are_listed_and_an_answer_may_be_none_of_them() {
    let world = World::default();
    let older = world.open("Caps").await.reference;
    world.clock.advance(Duration::from_secs(1));
    let newer = world.open("Bottles").await.reference;
    let solved = world.open("Solved").await;
    resolve(&world, solved.reference).await;
    let asked = Told::Asked(format!(
        "Which of your requests is this about?\n\n1. {newer}, *Bottles*\n2. {older}, *Bottles*\n\nReply with a number, and it \
         reaches the team. If it is about none of them, reply 0."
    ));
    assert_eq!(say(&world, "Any news?").await, asked);
    let missed = Told::Asked("I don't see a 3. Reply 1–2, or 0 if it is about something else.".into());
    let third = Reply {
        external_id: Some(external_id("SM-3")),
        ..reply(CUSTOMER, "3")
    };
    assert_eq!(receive(&world, third.clone()).await, missed);
    assert_eq!(receive(&world, third).await, missed);
    let known = world.store.known(external_id("SM-3")).await.unwrap();
    assert!(matches!(known, Some(Existing::Control(control)) if control.kind == ControlKind::Unclear));
    let left = Told::Left(Some(format!(
        "OK. Please open a new request at {FORM}, so that the team can answer you."
    )));
    assert_eq!(say(&world, "0").await, left);
    // They were asked today.
    assert_eq!(say(&world, "Hello?").await, Told::Nothing);
    assert_eq!(thread(&world, older).await, []);
    assert_eq!(thread(&world, newer).await, []);

    world.clock.advance(Duration::from_hours(25));
    assert_eq!(say(&world, "And now?").await, asked);
    assert_eq!(say(&world, &older.to_string()).await, confirmed(older));
    assert_eq!(thread(&world, older).await, customers(&["And now?"]));
}

#[tokio::test]
async fn only_what_names_nothing_goes_to_the_confirmed_ticket() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    let of_another = {
        let mut request = request("Mine");
        request.details.customer.phone = STRANGER.parse().unwrap();
        world.opener().open(request, None, None).await.unwrap().reference
    };
    say(&world, "Any news?").await;
    assert_eq!(say(&world, "1").await, confirmed(reference));
    assert_eq!(say(&world, &format!("What of {of_another}?")).await, Told::Nothing);
    let named = Reply {
        ticket: TicketName::Unreadable,
        ..reply(CUSTOMER, "Hello")
    };
    let result = world.receiver().receive(named).await;
    assert!(
        matches!(result, Err(ReceiveError::NotFound { ask: None })),
        "{result:?}"
    );
    // It reopens a ticket, as a customer's message does.
    resolve(&world, reference).await;
    assert_eq!(say(&world, "Not yet").await, Told::Joined(reference, None));
    let thread = world.store.thread(reference).await.unwrap().unwrap();
    assert_eq!(thread.ticket.status, Status::Open);
}

#[tokio::test]
async fn only_customers_on_whatsapp_are_asked() {
    let world = World::default();
    world.open("Broken").await;
    let said = Reply {
        channel: Channel::Web,
        ..reply(CUSTOMER, "Hello")
    };
    assert_eq!(receive(&world, said).await, Told::Nothing);
    // Nobody can be told, or many have that number.
    for from in ["", "1234567890"] {
        assert_eq!(receive(&world, reply(from, "Hello")).await, Told::Nothing, "{from}");
    }
    // A number that nobody chose recognises a manager, and tells them nothing.
    let unset = Managers::only_recognised(vec![MANAGER.parse().unwrap()]);
    let said = world.receiver_for(unset).receive(reply(MANAGER, "Hello")).await;
    assert!(matches!(said, Err(ReceiveError::NotNamed { ask: None })), "{said:?}");
}

#[tokio::test]
async fn a_ticket_is_offered_to_its_number_in_either_spelling_and_to_no_other() {
    for (form, from, is_offered) in [
        ("+5511987654321", "+551187654321", true),
        ("+551187654321", "+5511987654321", true),
        ("5511987654321", "+5511987654321", false),
        ("+5511987654321", "+5511287654321", false),
    ] {
        let world = World::default();
        let mut request = request("Broken");
        request.details.customer.phone = form.parse().unwrap();
        // Whose text names the other's number is not theirs.
        request.message = format!("Call {from}").parse().unwrap();
        let reference = world.opener().open(request, None, None).await.unwrap().reference;
        let told = receive(&world, reply(from, "Hello")).await;
        assert_eq!(told == is_this(reference), is_offered, "{form} {from} {told:?}");
    }
}

#[tokio::test]
async fn an_answer_that_broke_off_is_brought_to_its_end() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    say(&world, "Any news?").await;
    let question = {
        let since = world.clock.now().minus(Duration::from_hours(1));
        world
            .store
            .questions_since(CUSTOMER.parse().unwrap(), since)
            .await
            .unwrap()
            .remove(0)
    };
    let ticket = world.store.thread(reference).await.unwrap().unwrap().ticket;
    let answer = AnswerQuestion {
        question: question.id,
        is_quoted: false,
        by: Some(external_id("SM-1")),
        ticket: Some(ticket.id),
        join_as: None,
        at: world.clock.now(),
        notifications: Vec::new(),
    };
    world.store.answer(answer).await.unwrap();
    assert_eq!(thread(&world, reference).await, []);
    let again = Reply {
        external_id: Some(external_id("SM-1")),
        ..reply(CUSTOMER, "1")
    };
    assert_eq!(receive(&world, again).await, confirmed(reference));
    assert_eq!(thread(&world, reference).await, customers(&["Any news?"]));
}

#[tokio::test]
async fn yes_is_enough_for_one_ticket_at_once() {
    for (text, minutes, joins) in [("Yes!", 5, true), ("yes", 16, false), ("2 please", 1, false)] {
        let world = World::default();
        let reference = world.open("Broken").await.reference;
        say(&world, "Any news?").await;
        world.clock.advance(Duration::from_mins(minutes));
        let told = say(&world, text).await;
        assert_eq!(told, if joins { confirmed(reference) } else { Told::Nothing }, "{text}");
    }
    let world = World::default();
    world.open("Broken").await;
    say(&world, "Any news?").await;
    assert!(matches!(say(&world, "No").await, Told::Left(Some(_))));
    // Which of two?
    let world = World::default();
    world.open("Broken").await;
    world.open("Lost").await;
    say(&world, "Any news?").await;
    assert_eq!(say(&world, "yes").await, Told::Nothing);
}

#[tokio::test]
async fn whoever_opens_a_ticket_after_writing_is_asked_about_it() {
    let world = World::default();
    assert!(matches!(say(&world, "Hello").await, Told::Asked(_)));
    assert_eq!(say(&world, "Hello?").await, Told::Nothing);
    let reference = world.open("Broken").await.reference;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(say(&world, "It is broken").await, is_this(reference));
    assert_eq!(say(&world, "Hello?").await, Told::Nothing);
    assert_eq!(say(&world, "1").await, confirmed(reference));
    assert_eq!(thread(&world, reference).await.len(), 4);
}

#[tokio::test]
async fn a_reaction_calls_nobody() {
    let world = World::default();
    let reference = world.open("Broken").await.reference;
    assert_eq!(say(&world, "👍").await, Told::Nothing);
    // A picture is more than that.
    let picture = Reply {
        content: Content::new(
            MessageBody::lenient("😢"),
            Some("https://media.example/1".parse().unwrap()),
        )
        .unwrap(),
        ..reply(CUSTOMER, "x")
    };
    assert_eq!(receive(&world, picture).await, is_this(reference));
    say(&world, "Any news?").await;
    say(&world, "1").await;
    resolve(&world, reference).await;
    let deliver = world.deliver(8);
    while !world.round(&deliver).await.is_empty() {}
    assert_eq!(say(&world, "🙏").await, Told::Joined(reference, None));
    assert_eq!(world.round(&deliver).await, []);
    let ticket = world.store.thread(reference).await.unwrap().unwrap().ticket;
    assert_eq!(ticket.status, Status::Resolved);
}

/// What crosses the answer on its way is neither left behind nor asked about.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_that_cross_the_answer_join_too() {
    for _ in 0..20 {
        let world = std::sync::Arc::new(World::default());
        let reference = world.open("Broken").await.reference;
        say(&world, "Any news?").await;
        let texts = ["1", "one more", "two more", "three more", "four more"];
        let told = texts.map(|text| {
            let world = world.clone();
            tokio::spawn(async move { say(&world, text).await })
        });
        for told in told {
            assert!(!matches!(told.await.unwrap(), Told::Asked(_)));
        }
        assert_eq!(say(&world, "five more").await, Told::Joined(reference, None));
        assert_eq!(thread(&world, reference).await.len(), 6);
    }
}
