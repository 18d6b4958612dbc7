//! How a server process is started.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{FakeN8n, INBOUND_KEY, MANAGER, OPERATOR_TOKEN, SHARED_SECRET, TempStore, TestServer};

/// The environment of a server process that is to be started.
pub struct ServerOptions {
    vars: BTreeMap<String, String>,
    folder: PathBuf,
    file_limit_kib: Option<u32>,
    program: Option<PathBuf>,
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl ServerOptions {
    /// A server on `store` and on a free port of this machine: no webhook, everything else set.
    pub(crate) fn new(store: &TempStore) -> Self {
        let options = Self {
            vars: BTreeMap::new(),
            folder: store.folder().to_owned(),
            file_limit_kib: None,
            program: None,
        };
        options
            .set("HOST", "127.0.0.1")
            .set("PORT", "0")
            .set("BASE_URL", "https://desk.example")
            .set("DATABASE_URL", &store.url())
            .set("RAILWAY_INBOUND_SECRET", INBOUND_KEY)
            .set("OPERATOR_TOKEN", OPERATOR_TOKEN)
            .set("AGENT_PHONE", MANAGER)
            .set("LOG_FORMAT", "json")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.vars.insert(variable.into(), value.into());
        self
    }

    /// All environment variables.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.vars
    }

    /// Sends notifications to this n8n.
    #[must_use]
    pub fn notifying(self, n8n: &FakeN8n) -> Self {
        self.set("N8N_TICKET_CREATED_WEBHOOK", &n8n.url())
            .set("N8N_SHARED_SECRET", SHARED_SECRET)
    }

    /// Lets no file grow beyond this many KiB: further writes fail, as on a full disk.
    #[must_use]
    pub fn with_file_limit(mut self, kib: u32) -> Self {
        self.file_limit_kib = Some(kib);
        self
    }

    /// Runs another program instead of the server.
    #[must_use]
    pub fn run_by(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// The server with these arguments, not started yet. The process ends when it is dropped.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = self.program.clone().unwrap_or_else(server_binary);
        let mut command = match self.file_limit_kib {
            None => Command::new(program),
            Some(kib) => {
                // A write beyond the limit kills the process unless the signal is ignored; then the write fails.
                let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
                let mut shell = Command::new("/bin/bash");
                shell.args(["-c", &script]).arg(program);
                shell
            }
        };
        command
            .args(arguments)
            .env_clear()
            // Of the tests' Postgres; see `scripts/with-postgres`.
            .env("PGSSLMODE", "disable")
            .envs(&self.vars)
            .current_dir(&self.folder)
            .kill_on_drop(true);
        command
    }

    /// Starts the server with these arguments and this standard error.
    pub fn spawn(&self, arguments: &[&str], stderr: Stdio) -> Child {
        let mut command = self.command(arguments);
        let started = command.stdout(Stdio::null()).stderr(stderr).spawn();
        started.expect("the server starts")
    }

    /// Runs the server with these arguments to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let output = timeout(Duration::from_secs(30), self.command(arguments).output()).await;
        let output = output.expect("the command ends within 30 s").expect("the server runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 output");
        Ended {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs a command that must succeed.
    pub async fn succeed(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended
    }

    /// Runs a command that must fail with code 1; returns its standard error.
    pub async fn fail(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        ended.err
    }

    /// Starts the server and waits until it listens.
    pub async fn start(&self) -> TestServer {
        TestServer::start(self).await
    }
}

/// The server under test: the one that `SERVER_BINARY` names, or the one that cargo built beside this program.
pub fn server_binary() -> PathBuf {
    let named = setting("SERVER_BINARY").map(PathBuf::from);
    // Tests and benchmarks lie in `deps`, programs above it.
    let built = || {
        let this = std::env::current_exe().expect("this program");
        this.parent().expect("deps").with_file_name("server")
    };
    let path = named.unwrap_or_else(built);
    assert!(
        path.is_file(),
        "no server at {}: run `make test`, or name one with SERVER_BINARY",
        path.display()
    );
    path.canonicalize().expect("a path")
}

/// An environment variable by which the runner of the tests decides something.
#[allow(clippy::disallowed_methods, reason = "the runner decides")]
pub fn setting(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}
