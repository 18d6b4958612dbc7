//! What people wait for with millions of tickets, each beside the same with ten thousand, in one run.
//!
//! - `make bench-growth`: creation, reading, replies and claims with 5,000,000 tickets. Writes its part of
//!   `docs/performance.md`. A quarter of an hour, 15 GB of disk; `BENCH_TICKETS` makes it fewer.
//! - `make bench-lists`: the operators' list and search with 1,000,000 tickets.
//!
//! Both fail if a bar is missed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::{fmt::Write as _, process::ExitCode, sync::Arc, time::Duration};

use black_box::{Engine, INBOUND_KEY, MANAGER, OPERATOR_TOKEN, TempStore, TestServer, setting, ticket};
use measure::{
    Bar, Durations,
    fill::{Fill, fill},
    milliseconds, report,
    server::{Server, time},
    store_on_disk,
};
use serde_json::json;
use store_contract::Fixture;
use store_diesel::{PostgresStore, SqliteStore};
use ticket_domain::{
    Timestamp,
    ports::{AttemptOutcome, RecordResult, Store},
};
use tokio::{task::spawn_blocking, time::Instant};

const FEW: u32 = 10_000;

/// What is measured: creation, claims, replies and reading, or the operators' lists.
struct Plan {
    many: u32,
    answered: &'static str,
    /// How often each request is sent, to both stores in turns.
    times: usize,
    /// How much longer a request may take with many tickets, by the medians.
    limit: f64,
    requests: &'static [(&'static str, Request)],
}

#[derive(Clone, Copy)]
enum Request {
    Create,
    /// By the port, since nobody claims from outside.
    Claim,
    Inbound,
    Thread,
    /// An operator's GET. `{n}` is the number of the newest ticket but a hundred.
    List(&'static str),
}

const EVERYDAY: Plan = Plan {
    many: 5_000_000,
    answered: "i % 10 = 1",
    times: 400,
    limit: 1.2,
    requests: &[
        ("create", Request::Create),
        ("claim of the one notification that is due", Request::Claim),
        ("inbound", Request::Inbound),
        ("thread", Request::Thread),
    ],
};

const LISTS: Plan = Plan {
    many: 1_000_000,
    answered: "i % 3 <> 0",
    times: 200,
    limit: 1.5,
    requests: &[
        ("list: all", Request::List("")),
        ("list: waiting for the team", Request::List("awaiting=manager")),
        (
            "list: urgent and closed",
            Request::List("priority=urgent&status=closed"),
        ),
        (
            "list: none matches (low, awaiting)",
            Request::List("priority=low&awaiting=manager"),
        ),
        ("search: a reference", Request::List("q=T-20250115-{n}")),
        ("search: a telephone number", Request::List("q=%2B1555{n}")),
        ("search: name and a word", Request::List("q=customer{n}+bottles")),
        ("search: a word of every ticket", Request::List("q=bottles")),
        ("search: a word of one in a hundred", Request::List("q=batch42")),
        ("search: two letters of a word", Request::List("q=bo")),
    ],
};

#[tokio::main]
async fn main() -> ExitCode {
    let is_lists = std::env::args().any(|word| word == "lists");
    let mut plan = if is_lists { LISTS } else { EVERYDAY };
    if let Some(given) = setting("BENCH_TICKETS") {
        plan.many = given.parse().unwrap();
    }
    assert!(
        (FEW..10_000_000).contains(&plan.many),
        "from {FEW} to ten million tickets"
    );
    let (mut bars, mut rows) = (Vec::new(), String::new());
    for engine in Engine::ALL {
        measure(engine, &plan, &mut bars, &mut rows).await;
    }
    let Plan { many, times, .. } = plan;
    let head = format!(
        "{many} tickets beside {FEW}; every request by one client alone, {times} times each, in turns. Ratios are of the \
         medians."
    );
    let tail =
        format!("| | median with {FEW} | median with {many} | p99 with {FEW} | p99 with {many} |\n|-|-|-|-|-|\n{rows}");
    report((!is_lists).then_some("make bench-growth"), &head, &bars, &tail)
}

async fn measure(engine: Engine, plan: &Plan, bars: &mut Vec<Bar>, rows: &mut String) {
    println!("{}", engine.name());
    let few = Side::new(engine, FEW, plan.answered).await;
    let many = Side::new(engine, plan.many, plan.answered).await;
    let mut times: Vec<[Vec<Duration>; 2]> = plan.requests.iter().map(|_| Default::default()).collect();
    for turn in 0..plan.times {
        let mut sides = [(0, &few), (1, &many)];
        if turn % 2 == 1 {
            sides.reverse();
        }
        for (which, side) in sides {
            for ((_, request), times) in plan.requests.iter().zip(&mut times) {
                times[which].push(side.send(*request, turn).await);
            }
        }
    }
    for ((name, _), times) in plan.requests.iter().zip(times) {
        let what = format!("{}: {name}", engine.name());
        let [few, many] = times.map(Durations::of);
        writeln!(
            rows,
            "| {what} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
            milliseconds(few.median),
            milliseconds(many.median),
            milliseconds(few.p99),
            milliseconds(many.p99)
        )
        .unwrap();
        bars.push(Bar::at_most(what, many.ratio_to(&few), plan.limit, ""));
    }
    few.server.kill().await;
    many.server.kill().await;
    let mut starts = Vec::new();
    for _ in 0..5 {
        let server = Server::start(&many.store, TestServer::on(&many.store)).await;
        starts.push(server.ready_in);
        server.kill().await;
    }
    let what = format!("{}: start to ready with so many", engine.name());
    bars.push(Bar::at_most(
        what,
        milliseconds(Durations::of(starts).median),
        300.0,
        " ms",
    ));
}

/// A filled store with its server, and the same store by its port.
struct Side {
    server: Server,
    store: TempStore,
    fixture: Fixture,
    tickets: u32,
}

impl Side {
    async fn new(engine: Engine, tickets: u32, answered: &'static str) -> Self {
        let store = store_on_disk(engine).await;
        let what = Fill {
            tickets,
            answers: 1,
            answered,
            apart: 100,
            payload: "{}",
        };
        fill(&store, &what);
        let (file, url) = (store.file(), store.url());
        let open = move || -> Arc<dyn Store> {
            match engine {
                Engine::Sqlite => Arc::new(SqliteStore::open(&file).unwrap()),
                Engine::Postgres => Arc::new(PostgresStore::connect(&url, 1).unwrap()),
            }
        };
        Self {
            server: Server::start(&store, TestServer::on(&store)).await,
            fixture: Fixture::new(spawn_blocking(open).await.unwrap()),
            store,
            tickets,
        }
    }

    /// Sends a request, and returns how long it took.
    async fn send(&self, request: Request, turn: usize) -> Duration {
        // All over the store, and never the same one twice.
        let number = u32::try_from(turn).unwrap() * 7_919 % self.tickets;
        let reference = format!("T-20250115-{number:07}");
        let get = |path: &str| self.server.client.get(self.server.url(path));
        match request {
            Request::Create => time(self.server.post("/api/ticket", &ticket()), 201).await,
            Request::Claim => self.claim().await,
            Request::Inbound => {
                let body = json!({
                    "ticketRef": reference, "from": MANAGER, "channel": "whatsapp",
                    "externalId": format!("SM-{reference}-{turn}"), "message": "We look into it and answer you today.",
                });
                let request = self.server.post("/api/ticket/inbound", &body);
                time(request.header("x-api-key", INBOUND_KEY), 200).await
            }
            Request::Thread => time(get(&format!("/api/ticket/{reference}")), 200).await,
            Request::List(query) => {
                let query = query.replace("{n}", &format!("{:07}", self.tickets - 100));
                let request = get(&format!("/api/tickets?{query}")).bearer_auth(OPERATOR_TOKEN);
                time(request, 200).await
            }
        }
    }

    /// Claims the notification of the ticket that was created just before.
    async fn claim(&self) -> Duration {
        // So far ahead that everything is due.
        let now = Timestamp::from_unix_micros(4_102_444_800_000_000).unwrap();
        let (store, claim) = (self.fixture.store(), self.fixture.claim_at(now));
        let begun = Instant::now();
        let claimed = store.claim(claim, 10).await.unwrap();
        let took = begun.elapsed();
        assert_eq!(claimed.len(), 1);
        let outcome = AttemptOutcome::Delivered {
            at: now,
            external_id: None,
        };
        let recorded = store.record_attempt(claimed[0].id, claimed[0].lease, outcome).await;
        assert_eq!(recorded.unwrap(), RecordResult::Recorded);
        took
    }
}
