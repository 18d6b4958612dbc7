//! The figures of the README's promises, each beside what it is compared with, in one run: creation while n8n hangs and
//! while there is none, start to ready, memory at rest. Run it with `make bench`; it ends within two minutes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod measure;

use std::time::{Duration, Instant};

use black_box::{Desk, Engine, N8n, Place, Reaction};
use measure::{Figures, resident_kib};

/// Creations of each kind. Two desks take turns, so that a busy moment of the machine hits both.
const CREATIONS: usize = 1_000;

/// Starts on the same store.
const STARTS: usize = 9;

#[tokio::main]
async fn main() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("{engine:?}");
        creation(engine).await;
        start_and_rest(engine).await;
    }
}

async fn creation(engine: Engine) {
    let (quiet_place, hanging_place) = (Place::new(engine).await, Place::new(engine).await);
    let n8n = N8n::start();
    n8n.always(Reaction::Hang);
    let quiet = Desk::on(&quiet_place).start().await;
    let hanging = Desk::on(&hanging_place).telling(&n8n).start().await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..CREATIONS {
        without.push(timed(&quiet).await);
        with.push(timed(&hanging).await);
    }
    let (without, with) = (Figures::of(without), Figures::of(with));
    println!("  create, no webhook:     {without}");
    println!("  create, n8n hanging:    {with}");
    println!("  ratio of the medians:   {:.3} (at most 1.1)", with.ratio_to(&without));
    n8n.go_away().await;
    quiet.kill().await;
    hanging.kill().await;
}

async fn timed(desk: &Desk) -> Duration {
    let begun = Instant::now();
    desk.open().await;
    begun.elapsed()
}

async fn start_and_rest(engine: Engine) {
    let place = Place::new(engine).await;
    let options = Desk::on(&place);
    let desk = options.start().await;
    for _ in 0..CREATIONS {
        desk.open().await;
    }
    desk.kill().await;
    let mut starts = Vec::new();
    let mut rests = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let desk = options.start().await;
        assert_eq!(desk.get("/health/ready").await.status, 200);
        starts.push(begun.elapsed());
        rests.push(resident_kib(desk.pid()));
        assert!(desk.stop().await.success());
    }
    rests.sort_unstable();
    println!(
        "  start to ready:         {} with {CREATIONS} tickets",
        Figures::of(starts)
    );
    println!(
        "  resident at rest:       {:.1} MiB, median of {STARTS}",
        f64::from(rests[STARTS / 2]) / 1024.0
    );
}
