//! Clarifying questions, as a table of conversations: what is said, what comes of it, and where everything is at the end.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use crate::support::{CUSTOMER, MANAGER, OTHER_MANAGER, World, accepted, external_id, reply, request};
use ticket_domain::{
    BURST, EventKind, LeaseToken, Managers, Recipient, TicketRef,
    ports::{AttemptOutcome, Claim, Clock},
    use_cases::{Ask, ReceiveError, ReceiveReply, Received, Reply, TicketName},
};

/// How many there are, so that none is passed over.
const TALKS: u32 = 49;

/// Three tickets, A the oldest, and a notification of each that can be quoted.
struct TestServer {
    world: World,
    receiver: ReceiveReply,
    tickets: Vec<TicketRef>,
    /// The questions so far, each with the payloads of its rows.
    asks: Vec<(Box<str>, Vec<String>)>,
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
        let customer = ["Asha", "Ben", "Cleo", "Dora Maria"][self.tickets.len() % 4];
        let mut request = request("Broken");
        request.details.customer.name = format!("{customer} Doe").parse().unwrap();
        let key = format!("{name} {}", self.tickets.len()).parse().ok();
        let opened = self.world.opener().open(request, key, None).await.unwrap();
        self.tickets.push(opened.reference);
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
            replied_to: named('>').map(|name| {
                let kind = if name.is_ascii_digit() { "Q" } else { "SM" };
                external_id(&format!("{kind}-{name}"))
            }),
            thread: None,
            is_automatic: false,
            button_payload: marks.strip_prefix('<').map(|row| {
                let (question, row) = row.split_once('.').unwrap();
                let rows = &self.asks[question.parse::<usize>().unwrap() - 1].1;
                rows[row.parse::<usize>().unwrap() - 1].as_str().into()
            }),
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
            Err(ReceiveError::NotNamed { ask }) => self.kept("400", ask).await,
            Err(ReceiveError::NotFound { ask }) => self.kept("404", ask).await,
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
                    "Sent" => "1",
                    "There" | "OK," => "none",
                    several => several,
                };
                let more = if notice.contains("Not sent yet") { "+" } else { "" };
                format!("{again}picks {to} {count}{more}")
            }
        }
    }

    /// `400 ask 1`: asked in the words of the first ask, so that equal words have equal numbers.
    async fn kept(&mut self, status: &str, ask: Option<Ask>) -> String {
        let Some(ask) = ask else {
            return format!("{status} kept");
        };
        for (beginning, what) in [
            ("I don't see", "unclear"),
            ("I can't tell which ticket", "unclear"),
            ("I can't find ticket", "unclear"),
            ("No question of mine", "nothing"),
            ("That question is answered", "answered"),
            ("That goes with", "with"),
            ("Which of your requests", "which"),
            ("Thanks for your message", "how"),
        ] {
            if ask.text.starts_with(beginning) {
                return format!("{status} {what}");
            }
        }
        let known = self.asks.iter().position(|(known, _)| *known == ask.text);
        let number = if let Some(at) = known {
            at + 1
        } else {
            let rows = self.send_question().await;
            self.asks.push((ask.text, rows));
            self.asks.len()
        };
        format!("{status} ask {number}")
    }

    /// Sends the newest question, as soon as it is due, under an external id of its own. Returns the payloads of its rows.
    async fn send_question(&self) -> Vec<String> {
        let now = Clock::now(&*self.world.clock).plus(BURST);
        let claim = Claim {
            recipient: Recipient::Manager,
            now,
            lease: LeaseToken(uuid::Uuid::nil()),
            until: now.plus(BURST),
            first_tries_only: true,
        };
        let claimed = self.world.store.claim(claim, 1).await.unwrap().remove(0);
        assert_eq!(claimed.event, EventKind::Question);
        let outcome = AttemptOutcome::Delivered {
            at: now,
            external_id: Some(external_id(&format!("Q-{}", self.asks.len() + 1))),
        };
        self.world
            .store
            .record_attempt(claimed.id, claimed.lease, outcome)
            .await
            .unwrap();
        let sent = String::from_utf8(claimed.payload.0.to_vec()).unwrap();
        let rows = sent.lines().filter(|line| line.starts_with("choice."));
        rows.map(str::to_owned).collect()
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
    let (mut talks, mut wrong) = (0, Vec::new());
    for talk in table.split("\n\n").filter(|talk| !talk.starts_with('#')) {
        let mut lines = talk.lines();
        let name = lines.next().unwrap();
        let mut desk = TestServer::open().await;
        for line in lines.map(str::trim) {
            if let Some(end) = line.strip_prefix("= ") {
                let found = desk.end().await;
                wrong.extend((found != end).then(|| format!("{name}: {found}, not {end}")));
                talks += 1;
            } else {
                let (said, expected) = line.split_once("=>").unwrap();
                let found = desk.say(said.trim()).await;
                wrong.extend((found != expected.trim()).then(|| format!("{name}: {line}, not {found}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(talks, TALKS);
}

#[tokio::test]
async fn the_question_lists_the_five_newest_open_tickets() {
    let mut desk = TestServer::open().await;
    for _ in 0..3 {
        desk.open_ticket("D").await;
    }
    desk.say("7200 m 1 - a").await;
    let listed: Vec<&str> = desk.asks[0].0.lines().filter(|line| line.contains(" – ")).collect();
    assert_eq!(
        listed,
        [
            "1. Ben Doe – Bottles (2 h)",
            "2. Asha Doe – Bottles (2 h)",
            "3. Dora Maria Doe – Bottles (2 h)",
            "4. Cleo Doe – Bottles (2 h)",
            "5. Ben Doe – Bottles (2 h)"
        ]
    );
    assert_eq!(desk.asks[0].1.len(), 5, "a row to tap each");
    // Two have that name.
    assert_eq!(desk.say("5 m 2 - Ben").await, "400 unclear");
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

/// A hundred parts of an album and their repetitions at once, then the answer three times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_album_at_once_is_one_question_and_an_answer_at_once_one_answer() {
    for _ in 0..20 {
        let desk = TestServer::open().await;
        let receiver = Arc::new(desk.world.receiver());
        let parts = (0..200).map(|part| {
            let said = Reply {
                external_id: Some(external_id(&format!("part-{}", part % 100))),
                ..reply(MANAGER, &format!("part {}", part % 100))
            };
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(said).await })
        });
        for part in parts.collect::<Vec<_>>() {
            match part.await.unwrap() {
                Err(ReceiveError::NotNamed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        let since = Clock::now(&*desk.world.clock);
        let asked = desk.world.store.questions_since(MANAGER.parse().unwrap(), since).await;
        assert_eq!(asked.unwrap().len(), 1);
        desk.world.clock.advance(BURST);
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
            assert!(pick.notice.unwrap().starts_with("100 messages sent to "));
            firsts += u32::from(!pick.duplicate);
        }
        assert_eq!(firsts, 1);
        let thread = desk.world.store.thread(desk.tickets[1]).await.unwrap().unwrap();
        assert_eq!(thread.messages.len(), 101);
    }
}
