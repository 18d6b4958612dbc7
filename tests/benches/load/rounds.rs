//! Measures one engine round by round: within a round everything that is compared is measured side by side, and every
//! second round runs backwards, so that nothing always comes first.

use std::{fs, path::PathBuf, time::Duration};

use black_box::{Engine, FakeN8n, FakeSmtp, MailReaction, Reaction, TempStore, TestServer, peak_kib, resident_kib};
use serde_json::{Value, json};

use crate::{
    MANY, MOST, Outcome, Receiver, Results, Step,
    measure::{
        fill::{Fill, fill},
        milliseconds,
        server::{Server, time},
        store_on_disk,
    },
    oha::{Load, Requests, press},
    one_by_one,
    pgbench::{self, Pgbench},
};

const ROUNDS: usize = 5;
const STEP_TIME: Duration = Duration::from_secs(6);
/// Before anything is measured: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// Short and many, since a percentile of so few requests jumps.
const RECEIVER_ROUNDS: usize = 15;
const RECEIVER_STEP_TIME: Duration = Duration::from_secs(2);

/// Tickets to read: so many that no cache of a processor holds them all.
const THREADS: u32 = 20_000;

/// How long a mail server takes for a mail that it checks and passes on.
const MAIL_TAKES: Duration = Duration::from_millis(100);

const OF_SQLITE: [Step; 7] = [
    Step::Create(1),
    Step::Create(MANY),
    Step::FreshStore,
    Step::OneByOne,
    Step::Thread,
    Step::NotModified,
    Step::Create(MOST),
];

const OF_POSTGRES: [Step; 8] = [
    Step::Create(1),
    Step::PgbenchCreate(1),
    Step::Create(MANY),
    Step::PgbenchCreate(MANY),
    Step::Create(MOST),
    Step::Thread,
    Step::PgbenchThread,
    Step::NotModified,
];

/// The form of this number, of each another one: all are about as long.
pub(crate) fn form(number: u32) -> Value {
    json!({
        "customerName": format!("Zoë Quuxley {number:04}"),
        "customerPhone": format!("+1555{number:07}"),
        "customerEmail": format!("zoe.quuxley.{number:04}@customer.example"),
        "subject": format!("Order {number:04} came damaged"),
        "message": format!(
            "I received damaged bottles in my last order, number {number:04}.\nTwo of the six were broken and the box was \
             wet. Could you send new ones before the weekend, or give me the money back? Thank you very much."
        ),
        "priority": "high",
    })
}

fn thread(number: u32) -> String {
    format!("/api/ticket/T-20250115-{number:07}")
}

/// Everything about one engine.
pub(crate) async fn measure(engine: Engine) -> Results {
    println!("{}", engine.name());
    let mut bench = Bench::new(engine).await;
    let mut results = Results::default();
    for round in 0..ROUNDS {
        bench.round(round, &mut results).await;
    }
    bench.beside_receivers(&mut results).await;
    results
}

/// A store with threads to read, and what is needed to ask for them.
struct Bench {
    store: TempStore,
    addresses: PathBuf,
    pgbench: Option<Pgbench>,
}

impl Bench {
    async fn new(engine: Engine) -> Self {
        let store = store_on_disk(engine).await;
        let what = Fill {
            tickets: THREADS,
            answers: 2,
            answered: "true",
            // All of one moment, so that their versions have the same tag.
            apart: 0,
            payload: "{}",
        };
        fill(&store, &what);
        let pgbench = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                // Opens a ticket and reads what was written of it, so that `pgbench` writes the same.
                let (server, form) = (start(&store).await, form(pgbench::NUMBER));
                time(server.post("/api/ticket", &form), 201).await;
                server.kill().await;
                let newest = "SELECT encode(payload, 'hex') FROM notifications ORDER BY created_at DESC LIMIT 1";
                Some(Pgbench::new(&store, &form, &store.ask(newest), THREADS))
            }
        };
        Self {
            addresses: store.folder().join("addresses"),
            store,
            pgbench,
        }
    }

    async fn round(&mut self, round: usize, results: &mut Results) {
        let server = start(&self.store).await;
        results.ready.push(milliseconds(server.ready_in));
        results.at_rest.push(f64::from(resident_kib(server.pid())) / 1_024.0);
        let addresses = (0..THREADS).map(|number| server.url(&thread(number)) + "\n");
        fs::write(&self.addresses, addresses.collect::<String>()).unwrap();
        let tag = tag_of_all(&server).await;
        let mut steps = match self.store.engine() {
            Engine::Sqlite => OF_SQLITE.to_vec(),
            Engine::Postgres => OF_POSTGRES.to_vec(),
        };
        if round % 2 == 1 {
            steps.reverse();
        }
        self.create(&server, MANY, WARM_UP, None).await;
        for step in steps {
            self.checkpoint();
            let outcome = self.step(&server, step, &tag).await;
            println!("  round {}: {}: {:.0}/s", round + 1, step.name(), outcome.rate);
            results.steps.entry(step).or_default().push(outcome);
        }
        results.at_most.push(f64::from(peak_kib(server.pid())) / 1_024.0);
        server.kill().await;
    }

    async fn step(&mut self, server: &Server, step: Step, tag: &str) -> Outcome {
        let read = |tag| {
            let requests = Requests::Read(&self.addresses, tag);
            press(server, requests, Load::of(MANY, STEP_TIME, None))
        };
        match step {
            Step::Create(connections) => self.create(server, connections, STEP_TIME, None).await,
            Step::Thread => read(None).await,
            Step::NotModified => read(Some(tag)).await,
            Step::PgbenchCreate(clients) => {
                let pgbench = self.pgbench.as_mut().unwrap();
                pgbench.run("create.sql", clients, STEP_TIME).await
            }
            Step::PgbenchThread => {
                let pgbench = self.pgbench.as_mut().unwrap();
                pgbench.run("thread.sql", MANY, STEP_TIME).await
            }
            Step::FreshStore | Step::OneByOne | Step::HalfRate(_) => {
                // Of a fresh store both: the one that opens more would soon have the larger one.
                let store = store_on_disk(Engine::Sqlite).await;
                let options = match step {
                    Step::OneByOne => one_by_one::options(&store),
                    _ => TestServer::on(&store),
                };
                let server = Server::start(&store, options).await;
                self.create(&server, MANY, WARM_UP, None).await;
                let outcome = self.create(&server, MANY, STEP_TIME, None).await;
                server.kill().await;
                outcome
            }
        }
    }

    async fn create(&self, server: &Server, connections: u16, time: Duration, rate: Option<f64>) -> Outcome {
        press(server, Requests::Create, Load::of(connections, time, rate)).await
    }

    /// Opens tickets at half of the top rate without a receiver, with one that takes every notification and never answers,
    /// and with mails to customers.
    async fn beside_receivers(&self, results: &mut Results) {
        let rate = Some(results.rate(Step::Create(MANY)) / 2.0);
        let engine = self.store.engine();
        let (n8n, smtp) = (FakeN8n::start(), FakeSmtp::start());
        n8n.always(Reaction::Hang);
        smtp.always(MailReaction::AcceptAfter(MAIL_TAKES));
        let mut servers = Vec::new();
        for receiver in [Receiver::Nobody, Receiver::HangingN8n, Receiver::Customers] {
            let store = store_on_disk(engine).await;
            let options = match receiver {
                Receiver::Nobody => TestServer::on(&store),
                Receiver::HangingN8n => TestServer::on(&store).notifying(&n8n),
                Receiver::Customers => TestServer::on(&store).mailing(&smtp),
            };
            let server = Server::start(&store, options).await;
            self.create(&server, MANY, WARM_UP, rate).await;
            servers.push((receiver, server, store));
        }
        for _ in 0..RECEIVER_ROUNDS {
            for (receiver, server, _) in &servers {
                self.checkpoint();
                let outcome = self.create(server, MANY, RECEIVER_STEP_TIME, rate).await;
                let step = Step::HalfRate(*receiver);
                println!(
                    "  {}: median {:.2} ms, p99 {:.1} ms",
                    step.name(),
                    outcome.times[0],
                    outcome.times[1]
                );
                results.steps.entry(step).or_default().push(outcome);
            }
            servers.reverse();
        }
        assert!(n8n.count() > 0, "nothing was sent to n8n");
        assert!(!smtp.received().is_empty(), "nothing was mailed");
        n8n.go_away().await;
        for (_, server, _) in servers {
            server.kill().await;
        }
    }

    /// What Postgres put off is written now, and not during what is measured next.
    fn checkpoint(&self) {
        if self.store.engine() == Engine::Postgres {
            self.store.execute("CHECKPOINT");
        }
    }
}

/// The `ETag` that all threads have.
async fn tag_of_all(server: &Server) -> String {
    let mut tags = Vec::new();
    for number in [0, THREADS - 1] {
        let response = server.client.get(server.url(&thread(number))).send().await.unwrap();
        tags.push(response.headers()["etag"].to_str().unwrap().to_owned());
        let thread: Value = response.json().await.unwrap();
        assert_eq!(thread["messages"].as_array().unwrap().len(), 3, "{thread}");
    }
    assert_eq!(tags[0], tags[1]);
    tags.remove(0)
}

async fn start(store: &TempStore) -> Server {
    Server::start(store, TestServer::on(store)).await
}
