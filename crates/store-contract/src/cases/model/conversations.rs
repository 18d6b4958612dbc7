//! Two managers at random: they write without naming a ticket, in bursts and far apart, answer by number, quote, tap, name and
//! reference, late, twice and in words that mean nothing, while tickets come. What they mean by an answer is known here, and
//! nothing may end anywhere else.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use ticket_domain::{
    Access, Address, Channel, Content, ExternalId, Managers, MessageBody, OPEN_FOR, Question, QuestionId, QuestionKind,
    Recipient, TicketLinks, TicketRef, Typed, WAITING_FOR,
    ports::{Clock, Composers, Existing},
    testing::SeededRandom,
    use_cases::{Context, ReceiveError, ReceiveReply, Received, Reply, TicketName},
};

use super::fakes::{Moving, Rows};
use crate::{
    Fixture,
    fixture::{at, delivered},
};

/// How many steps the contract takes, unless the build was told another number.
const STEPS: u32 = match option_env!("CONVERSATION_STEPS") {
    Some(steps) => match u32::from_str_radix(steps, 10) {
        Ok(steps) => steps,
        Err(_) => panic!("CONVERSATION_STEPS must be a number"),
    },
    None => 1_500,
};

/// Nothing that a manager writes ends where they don't mean it, and nothing is lost.
pub async fn nobodys_words_go_astray(fixture: &Fixture) {
    Conversation::new(fixture).run(STEPS).await;
}

/// A question that a manager was asked.
struct Asked {
    id: QuestionId,
    /// What it was sent as.
    external_id: ExternalId,
    rows: Vec<String>,
    /// What it is about.
    texts: Vec<String>,
    /// The questions in whose place it was asked.
    merged: Vec<QuestionId>,
    is_answered: bool,
}

struct Person {
    address: Address,
    asked: Vec<Asked>,
    /// What was written before, to be repeated.
    last: Option<Reply>,
}

/// How an answer is given.
enum Way {
    Quote,
    Tap,
    Typed,
}

struct Conversation<'a> {
    fixture: &'a Fixture,
    clock: Arc<Moving>,
    random: Arc<SeededRandom>,
    receiver: ReceiveReply,
    tickets: Vec<(TicketRef, &'static str)>,
    people: Vec<Person>,
    /// Where each text belongs; nowhere yet if that is not said.
    meant: HashMap<String, Option<TicketRef>>,
    count: u32,
}

impl<'a> Conversation<'a> {
    fn new(fixture: &'a Fixture) -> Self {
        let clock = Arc::new(Moving(AtomicI64::new(at(0).unix_micros())));
        let random = Arc::new(SeededRandom::default());
        let people = [fixture.manager(), fixture.manager()];
        let context = Context {
            clock: clock.clone(),
            random: random.clone(),
            composers: Composers::default().with(Recipient::Manager, Arc::new(Rows), true),
            wake: Arc::new(Rows),
            links: TicketLinks::new("https://desk.example", Access::Open),
        };
        let managers = Managers::new(people.to_vec());
        Self {
            receiver: ReceiveReply::new(
                fixture.store(),
                fixture.store(),
                fixture.store(),
                fixture.store(),
                context,
                managers,
            ),
            fixture,
            clock,
            random,
            tickets: Vec::new(),
            people: people
                .map(|address| Person {
                    address,
                    asked: Vec::new(),
                    last: None,
                })
                .into(),
            meant: HashMap::new(),
            count: 0,
        }
    }

    async fn run(&mut self, steps: u32) {
        for _ in 0..3 {
            self.open_ticket().await;
        }
        for step in 1..=steps {
            self.step().await;
            if step % (steps / 5).max(500) == 0 || step == steps {
                self.check().await;
            }
        }
    }

    async fn step(&mut self) {
        // Of two questions of one moment, neither would be the newer.
        self.clock.0.fetch_add(1, Ordering::SeqCst);
        let person = self.random.below(self.people.len());
        match self.random.below(100) {
            0..4 => self.open_ticket().await,
            4..30 => self.pass_time(),
            30..55 => self.write(person).await,
            55..60 => self.write_about_a_ticket(person).await,
            60..66 => self.repeat(person).await,
            66..72 => self.say_nothing(person).await,
            _ => self.answer(person).await,
        }
    }

    fn pass_time(&self) {
        let seconds = match self.random.below(10) {
            0..4 => self.random.below(4),
            4..8 => self.random.below(200),
            _ => self.random.below(1_200),
        };
        let micros = i64::try_from(Duration::from_secs(seconds as u64).as_micros()).expect("minutes");
        self.clock.0.fetch_add(micros, Ordering::SeqCst);
    }

    async fn open_ticket(&mut self) {
        let name = ["Asha Rao", "Ben Doe", "Cleo Maria Poe", "Asha Lee"][self.random.below(4)];
        let mut opening = self.fixture.opening(self.clock.now());
        opening.ticket.details.customer.name = name.parse().expect("a name");
        let reference = self.fixture.open(opening).await.ticket.reference;
        self.tickets.push((reference, name));
    }

    fn reply(&mut self, person: usize, text: &str) -> Reply {
        self.count += 1;
        Reply {
            ticket: TicketName::Absent,
            content: Content::new(MessageBody::lenient(text), None).expect("a text"),
            from: Some(self.people[person].address.clone()),
            from_user_id: None,
            channel: Channel::Whatsapp,
            external_id: Some(format!("IN{}", self.count).parse().expect("an id")),
            replied_to: None,
            lost_medium: false,
            is_forwarded: false,
            thread: None,
            is_automatic: false,
            button_payload: None,
        }
    }

    /// A message that names nothing.
    async fn write(&mut self, person: usize) {
        let text = format!("we send you new bottles tomorrow, number {}", self.count);
        let reply = self.reply(person, &text);
        self.people[person].last = Some(reply.clone());
        self.meant.insert(text.clone(), None);
        let id = reply.external_id.clone().expect("an id");
        assert!(self.receiver.receive(reply).await.is_err(), "it names no ticket");
        let known = self.fixture.must().known(id).await;
        let Some(Existing::Unmatched(Some(question))) = known else {
            panic!("it is asked about: {known:?}");
        };
        self.note_question(person, question.id).await;
        let asked = self.people[person]
            .asked
            .iter_mut()
            .find(|asked| asked.id == question.id);
        asked.expect("it was noted").texts.push(text);
    }

    async fn write_about_a_ticket(&mut self, person: usize) {
        let (reference, _) = self.tickets[self.random.below(self.tickets.len())];
        let text = format!("this is number {} for {reference}", self.count);
        let reply = self.reply(person, &text);
        self.people[person].last = Some(reply.clone());
        let received = self.receiver.receive(reply).await.expect("it names a ticket");
        assert_eq!(received.reference, Some(reference));
        self.meant.insert(text, Some(reference));
    }

    /// The same message, which changes nothing.
    async fn repeat(&mut self, person: usize) {
        if let Some(last) = self.people[person].last.clone()
            && let Ok(received) = self.receiver.receive(last).await
        {
            assert!(received.duplicate, "{received:?}");
        }
    }

    /// Short words that answer nothing, while something is asked.
    async fn say_nothing(&mut self, person: usize) {
        let now = self.clock.now();
        let newest = self.newest(person).await;
        if newest.is_some_and(|newest| newest.is_open(now) && now >= newest.sent_at) {
            let text = ["one", "?", "the second", "77", "2 please"][self.random.below(5)];
            let reply = self.reply(person, text);
            self.people[person].last = Some(reply.clone());
            let received = self.receiver.receive(reply).await;
            assert!(
                matches!(received, Err(ReceiveError::NotNamed { ask: Some(_) })),
                "{received:?}"
            );
        }
    }

    async fn newest(&self, person: usize) -> Option<Question> {
        let of = self.people[person].address.clone();
        // Whatever is older can't be answered without a quote.
        let since = self.clock.now().minus(WAITING_FOR);
        let asked = self.fixture.must().questions_since(of, since).await;
        asked.into_iter().next()
    }

    /// An answer to any question that the manager may have before them.
    async fn answer(&mut self, person: usize) {
        let Some(newest) = self.newest(person).await else {
            return;
        };
        // Mostly one of the last, which they still have in mind.
        let asked = self.people[person].asked.len();
        let place = match self.random.below(3) {
            0 => self.random.below(asked),
            _ => asked - 1 - self.random.below(asked.min(4)),
        };
        let asked = &self.people[person].asked[place];
        let (id, quote, rows) = (asked.id, asked.external_id.clone(), asked.rows.clone());
        let question = self.fixture.must().question(id).await.expect("it was asked");
        let choice = self.random.below(question.choices.len() + 1);
        let selected = choice.checked_sub(1).map(|at| question.choices[at]);
        let way = match self.random.below(3) {
            0 => Way::Quote,
            1 if choice > 0 && !rows.is_empty() => Way::Tap,
            _ => Way::Typed,
        };
        let name = self.tickets.iter().find(|(reference, _)| Some(*reference) == selected);
        let text = match (selected, self.random.below(4)) {
            (Some(reference), 0) => reference.to_string(),
            (Some(_), _) if question.kind == QuestionKind::Names => name.expect("it was opened").1.to_owned(),
            _ => choice.to_string(),
        };
        // Without a quote nobody means a list whose time was over when the newest came.
        let could_be_meant = newest.id == id
            || newest.asked_at.since(question.asked_at) <= OPEN_FOR
                && question.closed_at.is_none_or(|closed| closed > newest.asked_at);
        // Numbers and names are an answer to what was read, and otherwise a message; a reference needs no list. Names are
        // forgotten after half an hour.
        let now = self.clock.now();
        let is_recent = Typed::parse(&text).is_some() || now.since(question.asked_at) <= OPEN_FOR + OPEN_FOR;
        let is_read = !newest.is_open(now) || now >= newest.sent_at;
        let is_reference = matches!(Typed::parse(&text), Some(Typed::Reference(_)));
        let is_read = is_reference || is_read && is_recent;
        if matches!(way, Way::Typed) && !(could_be_meant && is_read) {
            return;
        }
        let mut reply = self.reply(person, &text);
        match way {
            Way::Quote => reply.replied_to = Some(quote),
            Way::Tap => reply.button_payload = Some(rows[choice - 1].as_str().into()),
            Way::Typed => {}
        }
        self.people[person].last = Some(reply.clone());
        match self.receiver.receive(reply).await {
            Ok(received) => self.is_answered(person, place, selected, &received),
            Err(ReceiveError::NotNamed { ask: Some(ask) }) if ask.is_sent => {
                let new = self.newest(person).await.expect("a new question");
                self.note_question(person, new.id).await;
                self.note_merged(person, &new).await;
            }
            Err(ReceiveError::NotNamed { ask: Some(_) }) => {}
            other => panic!("{text}: {other:?}"),
        }
    }

    fn is_answered(&mut self, person: usize, place: usize, selected: Option<TicketRef>, received: &Received) {
        assert_eq!(received.reference, selected, "another list was answered");
        let mut covered = vec![self.people[person].asked[place].id];
        assert!(!self.people[person].asked[place].is_answered, "it was answered before");
        while let Some(id) = covered.pop() {
            let asked = self.people[person].asked.iter_mut().find(|asked| asked.id == id);
            let asked = asked.expect("it was asked");
            // What was answered by itself is not answered again, also not with none.
            if asked.is_answered {
                continue;
            }
            asked.is_answered = true;
            covered.extend(&asked.merged);
            for text in &asked.texts {
                let meant = self.meant.get_mut(text).expect("it was written");
                *meant = meant.or(selected);
            }
        }
    }

    /// Sends a question that is not known yet.
    async fn note_question(&mut self, person: usize, id: QuestionId) {
        if self.people[person].asked.iter().any(|asked| asked.id == id) {
            return;
        }
        let due = self.clock.now().plus(ticket_domain::BURST);
        let external_id: ExternalId = format!("Q{}", id.0.as_simple()).parse().expect("an id");
        let mut rows = Vec::new();
        for claimed in self.fixture.claim(due).await {
            let outcome = if claimed.ticket.is_none() {
                let text = String::from_utf8(claimed.payload.0.to_vec()).expect("rows");
                rows = text.lines().map(str::to_owned).collect();
                delivered(due, Some(&external_id))
            } else {
                delivered(due, None)
            };
            self.fixture.settled(&claimed, outcome).await;
        }
        self.people[person].asked.push(Asked {
            id,
            external_id,
            rows,
            texts: Vec::new(),
            merged: Vec::new(),
            is_answered: false,
        });
    }

    /// The newest question is about everything that those were about in whose place it was asked.
    async fn note_merged(&mut self, person: usize, new: &Question) {
        let mut merged = Vec::new();
        // More than a day's.
        for asked in self.people[person]
            .asked
            .iter()
            .rev()
            .take(1_000)
            .filter(|asked| !asked.is_answered)
        {
            let question = self.fixture.must().question(asked.id).await.expect("it was asked");
            if question.closed_at == Some(new.asked_at) {
                merged.push(asked.id);
            }
        }
        self.people[person].asked.last_mut().expect("it was noted").merged = merged;
    }

    async fn check(&self) {
        let mut found: HashMap<String, TicketRef> = HashMap::new();
        for (reference, _) in &self.tickets {
            for message in &self.fixture.thread(*reference).await.messages[1..] {
                assert!(
                    found.insert(message.content.as_text(), *reference).is_none(),
                    "it is there twice"
                );
            }
        }
        for (text, ticket) in &self.meant {
            assert_eq!(found.remove(text), *ticket, "{text}");
        }
        assert!(found.is_empty(), "what was not meant for customers: {found:?}");
        let unmatched = self.meant.values().filter(|ticket| ticket.is_none()).count();
        assert_eq!(self.fixture.unmatched().await, unmatched as u64);
    }
}
