//! The same statements without the server: Postgres' own load generator sends them one by one to the same database.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use black_box::{TempStore, setting};
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::Outcome;

/// What an unbatched creation writes, with places for what a customer sent. What differs from ticket to ticket comes from
/// a number that no other transaction has, `n`: `run` is another one each time. Ids begin with the moment, as ours do,
/// and forms differ by `form`.
const CREATE: &str = include_str!("create.sql");

/// What a reader of a thread asks at the least. `tickets` is how many there are to read.
const THREAD: &str = include_str!("thread.sql");

/// The number of the form that all others are made from: four digits that are nowhere else in it.
pub(crate) const NUMBER: u32 = 7_777;

/// `pgbench` on one database.
pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
    folder: PathBuf,
    tickets: u32,
    runs: u32,
}

impl Pgbench {
    /// Looks for the program, and writes its scripts. Tickets are as long as `form`, the one of [`NUMBER`], and its
    /// `payload` for n8n, in hexadecimal digits. `tickets`: how many there are to read.
    pub(crate) fn new(store: &TempStore, form: &Value, payload: &str, tickets: u32) -> Self {
        let programs = setting("TEST_POSTGRES_BIN").expect("TEST_POSTGRES_BIN: run this with `make bench`");
        let program = Path::new(&programs).join("pgbench");
        assert!(
            program.is_file(),
            "{} is missing; on Debian it comes with `postgresql`, elsewhere with `postgresql-contrib`",
            program.display()
        );
        let folder = store.folder().to_owned();
        fs::write(folder.join("create.sql"), creation(form, payload)).unwrap();
        fs::write(folder.join("thread.sql"), THREAD).unwrap();
        Self {
            program,
            url: store.url(),
            folder,
            tickets,
            runs: 0,
        }
    }

    /// Runs a script over so many connections.
    pub(crate) async fn run(&mut self, script: &str, clients: u16, time: Duration) -> Outcome {
        self.runs += 1;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--file={}", self.folder.join(script).display()))
            .arg(format!("--client={clients}"))
            // More threads than processors only get in each other's way.
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={}", time.as_secs()))
            .arg(format!("--define=run={}", self.runs))
            // Each client goes on counting from here.
            .arg("--define=i=0")
            .arg(format!("--define=tickets={}", self.tickets))
            .arg(&self.url)
            .kill_on_drop(true);
        let output = timeout(time + Duration::from_secs(30), command.output()).await;
        let output = output.expect("pgbench ends in time").expect("pgbench runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("number of failed transactions: 0 "),
            "{script}: {said}{errors}"
        );
        let number = |before: &str| -> f64 {
            let (_, rest) = said.split_once(before).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        Outcome {
            rate: number("tps = "),
            times: vec![number("latency average = ")],
            processor_time: None,
            responses: 0,
            failed: 0,
        }
    }
}

/// The statements of a creation.
fn creation(form: &Value, payload: &str) -> String {
    let mut sql = CREATE.replace("{payload}", payload);
    for (field, value) in form.as_object().unwrap() {
        let value = value.as_str().unwrap().replace('\n', " ");
        // Texts are as different as those that the server gets: the index of words has to index them.
        let value = value.replace(&NUMBER.to_string(), "' || :form || '");
        sql = sql.replace(&format!("{{{field}}}"), &value);
    }
    // In a name, a number, an address, a subject and a message.
    assert_eq!(sql.matches(":form").count(), 5, "{sql}");
    sql
}
