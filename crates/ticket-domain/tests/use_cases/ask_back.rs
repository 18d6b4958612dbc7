//! Clarifying questions, as a table of conversations: what is said, what comes of it, and where everything is at the end.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use crate::support::{CUSTOMER, MANAGER, OTHER_MANAGER, World, accepted, external_id, reply};
use ticket_domain::{
    Managers, TicketRef,
    use_cases::{ReceiveError, ReceiveReply, Received, Reply, TicketName},
};

/// How many there are, so that none is passed over.
const TALKS: u32 = 43;

/// Three tickets, A the oldest, and a notification of each that can be quoted.
struct TestServer {
    world: World,
    receiver: ReceiveReply,
    tickets: Vec<TicketRef>,
    asks: Vec<Box<str>>,
}

impl TestServer {
    async fn open() -> Self {
        let world = World::default();
        let mut desk = Self {
            receiver: world.receiver(),
            world,
            tickets: Vec::new(),
            asks: Vec::new(),
        };
        for name in ["A", "B", "C"] {
            desk.open_ticket(name).await;
        }
        desk
    }

    async fn open_ticket(&mut self, name: &str) {
        self.world.clock.advance(Duration::from_secs(1));
        self.tickets.push(self.world.open("Broken").await.reference);
        let taken = accepted(&format!("SM-{name}"));
        self.world.notifier.answers.lock().unwrap().push_back(taken);
        self.world.round(&self.world.deliver(8)).await;
    }

    fn reference(&self, name: char) -> TicketRef {
        match name {
            '?' => "T-20200101-0000".parse().unwrap(),
            name => self.tickets[usize::from(u8::try_from(name).unwrap() - b'A')],
        }
    }

    fn name(&self, reference: TicketRef) -> char {
        let at = self.tickets.iter().position(|ticket| *ticket == reference).unwrap();
        char::from(b'A' + u8::try_from(at).unwrap())
    }

    /// How long to wait, and what is said: a line of the table.
    fn read(&self, line: &str) -> (u64, Reply) {
        let mut words = line.splitn(5, ' ');
        let mut next = || words.next().unwrap();
        let wait = next().parse().unwrap();
        let from = match next() {
            "m" => MANAGER,
            "o" => OTHER_MANAGER,
            "c" => CUSTOMER,
            "s" => "+3333333333",
            other => panic!("{other}"),
        };
        let (id, marks) = (next(), next());
        let mut text = next().to_owned();
        for name in ['A', 'B', 'C', 'D', '?'] {
            if text.contains(&format!("@{name}")) {
                text = text.replace(&format!("@{name}"), &self.reference(name).to_string());
            }
        }
        let named = |sign: char| marks.split_once(sign).map(|(_, rest)| rest.chars().next().unwrap());
        let mut said = reply(from, &text);
        if marks.contains("pic") {
            let media = Some("https://media.example/1".parse().unwrap());
            said.content = ticket_domain::Content::new(said.content.body().clone(), media).unwrap();
        }
        let said = Reply {
            ticket: named('=').map_or(TicketName::Absent, |name| TicketName::Reference(self.reference(name))),
            replied_to: named('>').map(|name| external_id(&format!("SM-{name}"))),
            external_id: (id != "-").then(|| external_id(id)),
            lost_medium: marks == "lost",
            is_forwarded: marks.contains("fwd"),
            ..said
        };
        (wait, said)
    }

    async fn say(&mut self, line: &str) -> String {
        if line == "opens" {
            self.open_ticket("D").await;
            return "D".into();
        }
        let (wait, said) = self.read(line);
        self.world.clock.advance(Duration::from_secs(wait));
        match self.receiver.receive(said).await {
            Ok(received) => self.placed(&received),
            Err(ReceiveError::NotNamed { ask }) => self.kept("400", ask),
            Err(ReceiveError::NotFound { ask }) => self.kept("404", ask),
            Err(ReceiveError::Store(error)) => panic!("{error:?}"),
        }
    }

    fn placed(&self, received: &Received) -> String {
        let again = if received.duplicate { "again " } else { "" };
        let to = received.reference.map_or('0', |reference| self.name(reference));
        match &received.notice {
            None => format!("{again}in {to}"),
            Some(notice) => {
                let count = match notice.split(' ').next().unwrap() {
                    "Added" => "1",
                    "Nothing" | "Kept" => "none",
                    several => several,
                };
                format!("{again}picks {to} {count}")
            }
        }
    }

    /// `400 ask 1`: asked in the words of the first ask, so that equal words have equal numbers.
    fn kept(&mut self, status: &str, ask: Option<Box<str>>) -> String {
        let Some(ask) = ask else {
            return format!("{status} kept");
        };
        let at = self.asks.iter().position(|known| *known == ask).unwrap_or_else(|| {
            self.asks.push(ask);
            self.asks.len() - 1
        });
        format!("{status} ask {}", at + 1)
    }

    fn shorten(&self, text: &str) -> String {
        let names = self.tickets.iter().map(|ticket| (ticket, self.name(*ticket)));
        let short = names.fold(text.to_owned(), |text, (ticket, name)| {
            text.replace(&ticket.to_string(), &format!("@{name}"))
        });
        short
            .replace("\nhttps://media.example/1", "+pic")
            .replace(&self.reference('?').to_string(), "@?")
    }

    /// What the threads hold beside the customers' first words, and how many messages have none.
    async fn end(&self) -> String {
        let mut end = String::new();
        for reference in &self.tickets {
            let thread = self.world.store.thread(*reference).await.unwrap().unwrap();
            assert_eq!(thread.ticket.version as usize, thread.messages.len());
            let said: Vec<String> = thread.messages[1..]
                .iter()
                .map(|m| self.shorten(&m.content.as_text()))
                .collect();
            if !said.is_empty() {
                write!(end, "{}: {}; ", self.name(*reference), said.join(", ")).unwrap();
            }
        }
        let now = ticket_domain::ports::Clock::now(&*self.world.clock);
        let unmatched = self.world.store.vitals(now).await.unwrap().unmatched;
        format!("{end}{unmatched} kept")
    }
}

#[tokio::test]
async fn the_table_of_talks() {
    let table = include_str!("ask_back/talks.txt");
    let mut talks = 0;
    for talk in table.split("\n\n").filter(|talk| !talk.starts_with('#')) {
        let mut lines = talk.lines();
        let name = lines.next().unwrap();
        let mut desk = TestServer::open().await;
        for line in lines.map(str::trim) {
            if let Some(end) = line.strip_prefix("= ") {
                assert_eq!(desk.end().await, end, "{name}");
                talks += 1;
            } else {
                let (said, expected) = line.split_once("=>").unwrap();
                assert_eq!(desk.say(said.trim()).await, expected.trim(), "{name}: {line}");
            }
        }
    }
    assert_eq!(talks, TALKS);
}

#[tokio::test]
async fn the_question_lists_the_five_newest_open_tickets() {
    let mut desk = TestServer::open().await;
    for _ in 0..3 {
        desk.open_ticket("D").await;
    }
    desk.say("0 m 1 - a").await;
    let listed: Vec<&str> = desk.asks[0].lines().filter(|line| line.contains("T-")).collect();
    let expected: Vec<String> = (1..)
        .zip(desk.tickets.iter().rev().take(5))
        .map(|(number, reference)| format!("{number}. {reference} – Bottles"))
        .collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_number_that_nobody_set_is_recognised_and_never_asked() {
    let mut desk = TestServer::open().await;
    desk.receiver = desk
        .world
        .receiver_for(Managers::only_recognised(vec![MANAGER.parse().unwrap()]));
    assert_eq!(desk.say("0 m 1 - a").await, "400 kept");
    assert_eq!(desk.say("1 m 2 - 1").await, "400 kept");
    assert_eq!(desk.say("1 m 3 - about @A").await, "in A");
}

/// A hundred parts of an album and their repetitions at once while another question is open, then the answer three times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_album_at_once_is_one_question_and_an_answer_at_once_one_answer() {
    for _ in 0..20 {
        let mut desk = TestServer::open().await;
        // One question is open already, and about something else.
        desk.say("0 m wrong - @?").await;
        let receiver = Arc::new(desk.world.receiver());
        let parts = (0..200).map(|part| {
            let said = Reply {
                external_id: Some(external_id(&format!("part-{}", part % 100))),
                ..reply(MANAGER, &format!("part {}", part % 100))
            };
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(said).await })
        });
        let mut asks = Vec::new();
        for part in parts.collect::<Vec<_>>() {
            match part.await.unwrap() {
                Err(ReceiveError::NotNamed { ask: Some(ask) }) => asks.push(ask),
                other => panic!("{other:?}"),
            }
        }
        asks.dedup();
        assert_eq!(asks.len(), 1);
        let picks = (0..3).map(|_| {
            let said = Reply {
                external_id: Some(external_id("pick")),
                ..reply(MANAGER, "2")
            };
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(said).await.unwrap() })
        });
        let mut firsts = 0;
        for pick in picks.collect::<Vec<_>>() {
            let pick = pick.await.unwrap();
            assert!(pick.notice.unwrap().starts_with("100 messages added to "));
            firsts += u32::from(!pick.duplicate);
        }
        assert_eq!(firsts, 1);
        let thread = desk.world.store.thread(desk.tickets[1]).await.unwrap().unwrap();
        assert_eq!(thread.messages.len(), 101);
    }
}
