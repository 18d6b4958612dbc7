//! The clock jumps, or days go by. The server runs within this program here, since only so can its clock be moved.

use std::{
    ffi::OsString,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use black_box::{Engine, Reaction};
use futures_util::{StreamExt, stream};
use server::{Application, Builder, Config, SystemClock};
use ticket_domain::{Timestamp, ports::Clock};
use tokio::time::{sleep, timeout};

use crate::{outcome::Outcome, stage::Stage};

/// How far the clock jumps.
const JUMP: Duration = Duration::from_hours(1);

/// Tickets whose notifications wait out the outage.
const WAITING: u32 = 1_000;

/// What passes between two looks at them: past the first five slow tries, each with its fifth of jitter.
const NIGHTS: [Duration; 5] = [
    Duration::from_mins(6),
    Duration::from_mins(36),
    Duration::from_mins(150),
    Duration::from_mins(370),
    Duration::from_mins(730),
];

/// How long all that waited may take when n8n is back: twice as many as go out within two minutes by contract.
const OUT_WITHIN: Duration = Duration::from_mins(4);

/// The system's clock, moved.
#[derive(Default)]
struct MovedClock(AtomicI64);

impl MovedClock {
    fn forth(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }

    fn back(&self, by: Duration) {
        self.0.fetch_sub(micros(by), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let moved = self.0.load(Ordering::SeqCst);
        let by = Duration::from_micros(moved.unsigned_abs());
        if moved < 0 {
            SystemClock.now().minus(by)
        } else {
            SystemClock.now().plus(by)
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).expect("a short time")
}

/// Starts a server that reckons by `clock`, to which all clients go.
async fn start(stage: &Stage, clock: Arc<MovedClock>) -> Application {
    let options = stage.options();
    let look_up = |name: &str| options.variable(name).map(OsString::from);
    let config = Config::load(&look_up, Path::new("."), false)
        .expect("a configuration")
        .config;
    let started = Builder::new(config).clock(clock).start().await;
    let application = started.expect("a server");
    stage.clients.go_to(&[application.address()]);
    application
}

/// The clock jumps an hour forth, back, and back again, and so on, under load.
pub(crate) async fn jumps(engine: Engine, times: u32) -> Outcome {
    let mut stage = Stage::new(engine).await;
    // So slow that something waits for its first try at every jump.
    let taken = Reaction::After(Duration::from_millis(350), Box::new(Reaction::TakenByItsId));
    stage.n8n.always(taken);
    let clock = Arc::new(MovedClock::default());
    let application = start(&stage, clock.clone()).await;
    let load = stage.load(10, 5);
    for time in 0..times {
        sleep(Duration::from_millis(u64::from(300 + time * 37 % 250))).await;
        // A jump forth may end a lease while n8n is still being told.
        let jumped = stage.cut();
        match time % 4 {
            0 | 3 => clock.forth(JUMP),
            _ => clock.back(JUMP),
        }
        stage.recovers(jumped).await;
    }
    load.end().await;
    stage.settles().await;
    let outcome = stage.counted().await;
    application.stop().await.expect("a proper end");
    outcome
}

/// n8n is away while many notifications come and the slow tries pass; then it is back.
pub(crate) async fn outage(engine: Engine) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let clock = Arc::new(MovedClock::default());
    let application = start(&stage, clock.clone()).await;
    stage.broken();
    stage.n8n.go_away().await;
    let forms = stream::iter(0..WAITING).map(|_| stage.clients.form());
    forms.buffer_unordered(16).for_each(async |_| ()).await;
    let mut wanted = 4 * WAITING;
    tries(&mut stage, wanted).await;
    for night in NIGHTS {
        clock.forth(night);
        wanted += WAITING;
        tries(&mut stage, wanted).await;
    }
    stage.n8n.come_back();
    let back = Instant::now();
    stage.recovers(back).await;
    let all_out = stage.clients.settled(OUT_WITHIN).await;
    if !all_out {
        stage.fault(format!("not all that waited went out within {OUT_WITHIN:?}"));
    }
    println!("       on {engine:?}, {WAITING} went out in {:.1?}", back.elapsed());
    stage.settles().await;
    let outcome = stage.counted().await;
    application.stop().await.expect("a proper end");
    outcome
}

/// Waits until so many tries have failed in all.
async fn tries(stage: &mut Stage, wanted: u32) {
    let names = ["notification_tries_total{outcome=\"retry\"}"];
    let tried = timeout(Duration::from_mins(2), async {
        while stage.clients.metric(&names).await < Some(f64::from(wanted)) {
            sleep(Duration::from_millis(100)).await;
        }
    });
    if tried.await.is_err() {
        let came = stage.clients.metric(&names).await;
        stage.fault(format!("{came:?} of {wanted} tries came"));
    }
}
