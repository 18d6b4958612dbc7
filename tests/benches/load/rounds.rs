//! One store after the other, and round after round: within a round everything that is compared stands side by side, and
//! every second round runs backwards, so that nothing always comes first.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use black_box::{Engine, FakeN8n, Reaction, TempStore, TestServer};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types,
};
use tokio::task::spawn_blocking;

use crate::{
    fill,
    findings::{Findings, MANY, MOST, Outcome, Step},
    form,
    measure::server::Server,
    oha::{Ask, Load, Pressure, press},
    one_by_one,
    pgbench::{self, Pgbench, Ticket},
};

const ROUNDS: usize = 5;
const STEP_TIME: Duration = Duration::from_secs(6);
/// Before anything is measured: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// Short and many, since a percentile of so few requests jumps.
const N8N_ROUNDS: usize = 15;
const N8N_STEP_TIME: Duration = Duration::from_secs(2);

const OF_SQLITE: [Step; 7] = [
    Step::Create(1),
    Step::Create(MANY),
    Step::Together,
    Step::OneByOne,
    Step::Thread,
    Step::ThreadAgain,
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
    Step::ThreadAgain,
];

/// Everything about one kind of store.
pub(crate) async fn measure(engine: Engine) -> Findings {
    println!("{engine:?}");
    let mut bench = Bench::new(engine).await;
    let mut findings = Findings::default();
    for round in 0..ROUNDS {
        bench.round(round, &mut findings).await;
    }
    let rate = findings.rate(Step::Create(MANY)) / 2.0;
    findings.beside_n8n = beside_n8n(engine, &bench.bodies, rate).await;
    findings
}

/// A store with threads to read, and what is needed to ask for them.
struct Bench {
    engine: Engine,
    store: TempStore,
    bodies: PathBuf,
    addresses: PathBuf,
    pgbench: Option<Pgbench>,
}

impl Bench {
    async fn new(engine: Engine) -> Self {
        let store = on_disk(engine).await;
        let bodies = store.folder().join("bodies");
        form::write_all(&bodies);
        let server = start(&store).await;
        fill::write_threads(engine, &store).await;
        let pgbench = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let ticket = one_ticket(&server, &store).await;
                Some(Pgbench::new(store.url(), store.folder(), &ticket))
            }
        };
        server.kill().await;
        Self {
            engine,
            addresses: store.folder().join("addresses"),
            store,
            bodies,
            pgbench,
        }
    }

    async fn round(&mut self, round: usize, findings: &mut Findings) {
        let server = start(&self.store).await;
        findings.ready.push(server.ready_in);
        findings.at_rest.push(server.resident_kib());
        let tag = fill::write_addresses(&server, &self.addresses).await;
        let mut steps = match self.engine {
            Engine::Sqlite => OF_SQLITE.to_vec(),
            Engine::Postgres => OF_POSTGRES.to_vec(),
        };
        if round % 2 == 1 {
            steps.reverse();
        }
        create(&server, &self.bodies, MANY, WARM_UP, None).await;
        let mut outcomes = Vec::new();
        for step in steps {
            checkpoint(self.engine, &self.store).await;
            let outcome = self.step(&server, step, &tag).await;
            println!("  round {}: {step:?}: {:.0}/s", round + 1, outcome.rate());
            outcomes.push((step, outcome));
        }
        findings.rounds.push(outcomes);
        findings.at_most.push(server.peak_kib());
        server.kill().await;
    }

    async fn step(&mut self, server: &Server, step: Step, tag: &str) -> Outcome {
        let read = |ask| press(server, ask, pressure(MANY, STEP_TIME, None));
        match step {
            Step::Create(connections) => {
                Outcome::Load(create(server, &self.bodies, connections, STEP_TIME, None).await)
            }
            Step::Thread => Outcome::Load(read(Ask::Read(&self.addresses)).await),
            Step::ThreadAgain => Outcome::Load(read(Ask::ReadAgain(&self.addresses, tag)).await),
            Step::PgbenchCreate(clients) => {
                Outcome::Run(self.pgbench.as_mut().unwrap().create(clients, STEP_TIME).await)
            }
            Step::PgbenchThread => {
                let pgbench = self.pgbench.as_mut().unwrap();
                Outcome::Run(pgbench.thread(MANY, STEP_TIME, fill::THREADS).await)
            }
            Step::Together | Step::OneByOne => {
                // Of a fresh store both: the one that opens more would soon have the larger one.
                let store = on_disk(Engine::Sqlite).await;
                let server = match step {
                    Step::OneByOne => one_by_one::start(&store).await,
                    _ => start(&store).await,
                };
                create(&server, &self.bodies, MANY, WARM_UP, None).await;
                let load = create(&server, &self.bodies, MANY, STEP_TIME, None).await;
                server.kill().await;
                Outcome::Load(load)
            }
        }
    }
}

/// Tickets opened at this rate without a receiver, and with one that takes every notification and never answers.
async fn beside_n8n(engine: Engine, bodies: &Path, rate: f64) -> Vec<[Load; 2]> {
    let (quiet_store, hanging_store) = (on_disk(engine).await, on_disk(engine).await);
    let n8n = FakeN8n::start();
    n8n.always(Reaction::Hang);
    let quiet = start(&quiet_store).await;
    let log = hanging_store.folder().join("log");
    let hanging = Server::start(TestServer::on(&hanging_store).notifying(&n8n), &log).await;
    for server in [&quiet, &hanging] {
        create(server, bodies, MANY, WARM_UP, Some(rate)).await;
    }
    let mut rounds = Vec::new();
    for round in 0..N8N_ROUNDS {
        let mut loads = Vec::new();
        let mut servers = [&quiet, &hanging];
        if round % 2 == 1 {
            servers.reverse();
        }
        for server in servers {
            // Of the whole server, whichever of its databases asks.
            checkpoint(engine, &quiet_store).await;
            loads.push(create(server, bodies, MANY, N8N_STEP_TIME, Some(rate)).await);
        }
        if round % 2 == 1 {
            loads.reverse();
        }
        let (quiet, hanging) = (loads[0], loads[1]);
        println!(
            "  half of the top rate, {rate:.0}/s: p99 {:.1?} without n8n, {:.1?} while it hangs",
            quiet.p99, hanging.p99
        );
        rounds.push([quiet, hanging]);
    }
    assert!(!n8n.received().is_empty(), "nothing was sent to n8n");
    n8n.go_away().await;
    quiet.kill().await;
    hanging.kill().await;
    rounds
}

/// A store in the build's folder, which is on a disk like the source.
async fn on_disk(engine: Engine) -> TempStore {
    TempStore::within(Path::new(env!("CARGO_TARGET_TMPDIR")), engine).await
}

async fn start(store: &TempStore) -> Server {
    Server::start(TestServer::on(store), &store.folder().join("log")).await
}

async fn create(server: &Server, bodies: &Path, connections: u16, time: Duration, rate: Option<f64>) -> Load {
    press(server, Ask::Create(bodies), pressure(connections, time, rate)).await
}

fn pressure(connections: u16, time: Duration, rate: Option<f64>) -> Pressure {
    Pressure {
        connections,
        time,
        rate,
    }
}

/// Whatever was put off is written now, and not into what is measured next.
async fn checkpoint(engine: Engine, store: &TempStore) {
    if engine == Engine::Postgres {
        execute(store, "CHECKPOINT").await;
    }
}

async fn execute(store: &TempStore, sql: &'static str) {
    let url = store.url();
    let run = spawn_blocking(move || PgConnection::establish(&url).unwrap().batch_execute(sql).unwrap());
    run.await.unwrap();
}

/// Opens a ticket and reads what was written of it, so that `pgbench` writes the same.
async fn one_ticket(server: &Server, store: &TempStore) -> Ticket {
    #[derive(QueryableByName)]
    struct Notification {
        #[diesel(sql_type = sql_types::Text)]
        payload: String,
    }
    let form = form::form(pgbench::NUMBER);
    let reply = server.post("/api/ticket", form.to_string()).send().await.unwrap();
    assert_eq!(reply.status(), 201);
    let url = store.url();
    let newest = "SELECT encode(payload, 'hex') AS payload FROM notifications ORDER BY created_at DESC LIMIT 1";
    let read = move || {
        sql_query(newest)
            .get_result(&mut PgConnection::establish(&url).unwrap())
            .unwrap()
    };
    let Notification { payload } = spawn_blocking(read).await.unwrap();
    Ticket { form, payload }
}
