//! The same statements without us: Postgres' own load generator sends them one by one on the same server.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

/// What an unbatched creation writes, with places for what a customer sent. What differs from ticket to ticket is
/// reckoned from a number that no other transaction has, `n`: `run` is another one each time. Ids begin with the moment, as
/// ours do, and forms differ by `form`.
const CREATE: &str = include_str!("create.sql");

/// What a reader of a thread asks at the least. `tickets` is how many there are to read.
const THREAD: &str = include_str!("thread.sql");

/// The form that stands for all, by four digits that are nowhere else in it.
pub(crate) const NUMBER: u32 = 7_777;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Transactions a second.
    pub(crate) rate: f64,
    /// How long one took.
    pub(crate) mean: Duration,
}

/// What is written of a ticket.
pub(crate) struct Ticket {
    /// What the customer sent: the form of [`NUMBER`].
    pub(crate) form: Value,
    /// What n8n is told, in hexadecimal digits.
    pub(crate) payload: String,
}

impl Ticket {
    /// The statements of its creation.
    fn creation(&self) -> String {
        let mut sql = CREATE.replace("{payload}", &self.payload);
        let number = NUMBER.to_string();
        for (field, value) in self.form.as_object().unwrap() {
            let value = value.as_str().unwrap().replace('\n', " ");
            // Texts are as different as those that we are sent: the index of words has that to do.
            let value = value.replace(&number, "' || :form || '");
            sql = sql.replace(&format!("{{{field}}}"), &value);
        }
        // In a name, a number, an address, a subject and a message.
        assert_eq!(sql.matches(":form").count(), 5, "{sql}");
        sql
    }
}

/// `pgbench` on one database.
pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
    folder: PathBuf,
    runs: u32,
}

impl Pgbench {
    /// Looks for the program. Its scripts are written into `folder`; tickets are as long as `ticket`.
    pub(crate) fn new(url: String, folder: &Path, ticket: &Ticket) -> Self {
        let program = program();
        assert!(
            program.is_file(),
            "{} is missing; on Debian it comes with `postgresql`, elsewhere with `postgresql-contrib`",
            program.display()
        );
        std::fs::write(folder.join("create.sql"), ticket.creation()).unwrap();
        std::fs::write(folder.join("thread.sql"), THREAD).unwrap();
        Self {
            program,
            url,
            folder: folder.to_owned(),
            runs: 0,
        }
    }

    /// Opens tickets one by one, each client with a transaction of its own.
    pub(crate) async fn create(&mut self, clients: u16, time: Duration) -> Run {
        self.run("create.sql", clients, time, &[]).await
    }

    /// Reads threads of so many tickets, each with two selects.
    pub(crate) async fn thread(&mut self, clients: u16, time: Duration, tickets: u32) -> Run {
        self.run("thread.sql", clients, time, &[format!("tickets={tickets}")])
            .await
    }

    async fn run(&mut self, script: &str, clients: u16, time: Duration, variables: &[String]) -> Run {
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
            .arg("--define=i=0");
        for variable in variables {
            command.arg(format!("--define={variable}"));
        }
        command.arg(&self.url).kill_on_drop(true);
        let output = timeout(time + Duration::from_secs(30), command.output()).await;
        let output = output.expect("pgbench ends in time").expect("pgbench runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{script}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let number = |before: &str| -> f64 {
            let (_, rest) = said.split_once(before).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert!(said.contains("number of failed transactions: 0 "), "{said}");
        Run {
            rate: number("tps = "),
            mean: Duration::from_secs_f64(number("latency average = ") / 1_000.0),
        }
    }
}

/// Where it is.
pub(crate) fn program() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "where the programs of the server are is the runner's to say"
    )]
    let programs = std::env::var_os("TEST_POSTGRES_BIN").expect("TEST_POSTGRES_BIN: run this with `make bench`");
    PathBuf::from(programs).join("pgbench")
}
