//! A server with an adjustable clock. It is this program started once more, so that its memory can be measured, and reads
//! commands from standard input, one per line.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::Path,
    process::{ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use black_box::ServerOptions;
use server::{Builder, Config, SystemClock};
use ticket_domain::{Timestamp, ports::Clock};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::spawn_blocking,
    time::timeout,
};

/// The argument that turns this program into such a server.
pub(crate) const SERVE: &str = "serve-by-a-moved-clock";

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The system's clock, shifted by this many microseconds.
#[derive(Default)]
struct ShiftedClock(AtomicI64);

impl Clock for ShiftedClock {
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

/// The server's side: the first line is its configuration, each further one the shift of its clock. It responds to each
/// with a line, and stops when there are no more.
pub(crate) async fn serve() -> ExitCode {
    let variables = told().await.expect("a configuration");
    let variables: BTreeMap<String, String> = serde_json::from_str(&variables).expect("JSON");
    let look_up = |name: &str| variables.get(name).map(OsString::from);
    let loaded = Config::load(&look_up, Path::new("."), false).expect("a configuration");
    let clock = Arc::new(ShiftedClock::default());
    let started = Builder::new(loaded.config).clock(clock.clone()).start().await;
    let application = started.expect("a server");
    println!("{}", application.address());
    while let Some(moved) = told().await {
        clock.0.store(moved.parse().expect("a number"), Ordering::SeqCst);
        println!("moved");
    }
    application.stop().await.expect("a proper end");
    ExitCode::SUCCESS
}

/// The next line, if there is one.
async fn told() -> Option<String> {
    let line = spawn_blocking(|| std::io::stdin().lines().next());
    line.await.expect("no panic").map(|line| line.expect("a line"))
}

/// Such a server, seen from outside. It ends when it is dropped.
pub(crate) struct ShiftedClockServer {
    process: Child,
    tells: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    moved: i64,
}

impl ShiftedClockServer {
    /// Starts one with this configuration and an unshifted clock.
    pub(crate) async fn start(options: &ServerOptions) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .arg(SERVE)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts");
        let told = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut server = Self {
            tells: process.stdin.take().expect("a pipe"),
            told,
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            moved: 0,
        };
        let variables = serde_json::to_string(options.variables()).expect("JSON");
        let address = server.tell(&variables).await;
        server.address = address.parse().expect("an address");
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("a running process")
    }

    /// Moves its clock forward.
    pub(crate) async fn forth(&mut self, by: Duration) {
        self.move_to(self.moved + micros(by)).await;
    }

    /// Moves its clock back.
    pub(crate) async fn back(&mut self, by: Duration) {
        self.move_to(self.moved - micros(by)).await;
    }

    async fn move_to(&mut self, moved: i64) {
        self.moved = moved;
        self.tell(&moved.to_string()).await;
    }

    /// Sends it a line; returns its response.
    async fn tell(&mut self, line: &str) -> String {
        let answered = timeout(PATIENCE, async {
            self.tells
                .write_all(format!("{line}\n").as_bytes())
                .await
                .expect("a pipe");
            self.told.next_line().await.expect("a pipe")
        });
        answered.await.expect("an answer in time").expect("a line")
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn stop(self) {
        let Self { mut process, tells, .. } = self;
        drop(tells);
        let ended = timeout(PATIENCE, process.wait()).await;
        assert!(ended.expect("an end in time").expect("a status").success());
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).expect("a short time")
}
