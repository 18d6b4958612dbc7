//! A Postgres server that an experiment may break.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use black_box::Signal;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

/// How long a start may take, including crash recovery.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server as durable as in production. It ends when it is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    /// Postgres refuses to run as root.
    owner: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Cluster {
    /// Creates one in a new folder below `above` and starts it.
    pub(crate) async fn start_within(above: &Path) -> Self {
        let folder = tempfile::tempdir_in(above).expect("a folder");
        let owner = (fs::metadata("/proc/self").expect("this process").uid() == 0).then(unprivileged);
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).expect("a folder for Postgres");
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut cluster = Self {
            folder,
            programs: programs(),
            port,
            owner,
            process: None,
        };
        let made = cluster
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            // Small segments for a small disk.
            .args(["--no-sync", "--wal-segsize=1", "--pgdata"])
            .arg(cluster.data())
            .output()
            .await
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.start().await;
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) async fn start(&mut self) {
        let process = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .args(["-c", "unix_socket_directories=", "-c", "log_min_messages=fatal"])
            .args(["-c", "min_wal_size=2MB", "-c", "max_wal_size=16MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("postgres runs"));
        let started = timeout(PATIENCE, async {
            while !self.is_ready() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(started.await.is_ok(), "Postgres did not start");
    }

    /// The last line of its pid file says so once it accepts connections.
    fn is_ready(&self) -> bool {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let is_ours = file.lines().next().and_then(|line| line.parse().ok()) == self.pid();
        is_ours && file.lines().last().is_some_and(|line| line.starts_with("ready"))
    }

    fn pid(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Ends it like `pg_ctl -m immediate`: without closing connections or writing a checkpoint.
    pub(crate) async fn stop_immediately(&mut self) {
        self.end(Signal::QUIT).await;
    }

    /// Shuts it down.
    pub(crate) async fn stop(mut self) {
        self.end(Signal::INT).await;
    }

    async fn end(&mut self, signal: Signal) {
        let Some(pid) = self.pid() else { return };
        black_box::signal(pid, signal);
        if let Some(mut process) = self.process.take() {
            let ended: Result<_, _> = timeout(PATIENCE, process.wait()).await;
            let _: ExitStatus = ended.expect("Postgres ends").expect("a status");
        }
    }

    /// The URL of its database, as a superuser.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

/// The folder of Postgres' programs, from `scripts/with-postgres`.
fn programs() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "the runner says where Postgres is")]
    let told = std::env::var_os("TEST_POSTGRES_BIN");
    told.expect("TEST_POSTGRES_BIN: run this with `make chaos`").into()
}

/// The user that runs Postgres if we are root.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    let user = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map_while(|field| field.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    };
    user("postgres")
        .or_else(|| user("nobody"))
        .expect("an unprivileged user")
}
