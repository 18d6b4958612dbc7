//! `server copy`: everything from one store into another that is empty, in one command.

mod progress;

use std::{
    fmt, io,
    path::Path,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result, anyhow, bail};
use secrecy::{ExposeSecret as _, SecretString};
use store_diesel::PostgresTarget;
use store_sqlite::SqliteSource;
use ticket_domain::{
    ports::transfer::{Step, Table, TransferError, TransferSource as _},
    use_cases::transfer,
};
use tokio::signal::unix;
use url::Url;

use crate::{
    commands::{complain, say},
    config::Database,
};
use progress::Progress;

/// What the shell says of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// The end of every failure but one: one transaction wrote it all.
const NOTHING_COPIED: &str =
    "nothing was copied, and the target is as empty as before; put this right and run the same command again";

/// The one: the answer to the commit was lost.
const UNSURE: &str = "it is not known whether everything was copied; run the same command again: it copies, or says that \
                      the target is not empty, and then everything is there";

/// What is copied, and where to.
#[derive(Debug)]
pub(crate) struct Ends {
    from: Database,
    to: Database,
}

impl Ends {
    /// Reads both as `DATABASE_URL` is read; `here` is the folder that relative paths start from.
    pub(crate) fn read(from: &str, to: &str, here: &Path) -> Result<Self> {
        let database = |argument: &str, url: &str| {
            let url = SecretString::from(url.trim());
            Database::parse(url, here, 1).with_context(|| format!("{argument} {}", Database::WANTED))
        };
        Ok(Self {
            from: database("--from", from)?,
            to: database("--to", to)?,
        })
    }
}

/// Copies, and says what comes next. An interruption ends it at once, unless it is just being committed: the database
/// undoes what it was told so far.
pub(crate) async fn copy(ends: Ends) -> Result<ExitCode> {
    let (Database::Sqlite(file), Database::Postgres { url, .. }) = (ends.from, ends.to) else {
        bail!("can't copy this way: only from sqlite:// to postgres:// (--from sqlite://FILE --to postgres://…)");
    };
    let interrupted = interruption()?;
    // Whether it is committed: whoever comes first decides, the copy or who interrupts it.
    let is_to_be_committed = Arc::new(OnceLock::new());
    let mut copying = tokio::task::spawn_blocking({
        let decision = is_to_be_committed.clone();
        move || from_file_to_postgres(&file, &url, || *decision.get_or_init(|| true))
    });
    let copied = tokio::select! {
        copied = &mut copying => copied,
        () = interrupted => {
            if !*is_to_be_committed.get_or_init(|| false) {
                complain(&format!("\ninterrupted: {NOTHING_COPIED}"));
                return Ok(ExitCode::from(INTERRUPTED));
            }
            copying.await
        }
    };
    copied?.map(|()| ExitCode::SUCCESS)
}

/// Ends at SIGINT or SIGTERM.
fn interruption() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn from_file_to_postgres(file: &Path, url: &SecretString, may_commit: impl FnOnce() -> bool) -> Result<()> {
    let place = Place(url.expose_secret());
    let mut source = SqliteSource::open(file).context("--from can't be used")?;
    let target = PostgresTarget::open(url.expose_secret()).with_context(|| format!("--to ({place}) can't be used"))?;
    say(&format!("copying {} to {place}", file.display()));
    let mut all = Vec::new();
    for table in Table::ALL {
        all.push((table, source.count(table)?));
    }
    let mut progress = Progress::begin(&all);
    let copied = transfer(&mut source, target, &mut |step: Step| progress.tell(step), may_commit);
    let tally = match copied {
        Ok(tally) => tally,
        Err(error) => {
            progress.broken_off();
            let hint = if matches!(error, TransferError::Unsure(_)) {
                UNSURE
            } else {
                NOTHING_COPIED
            };
            return Err(anyhow!(error).context(hint));
        }
    };
    progress.ended(tally.of(Table::Tickets).rows);
    let counts: Vec<String> = Table::ALL
        .into_iter()
        .map(|table| format!("{} {table}", progress::grouped(tally.of(table).rows)))
        .collect();
    say(&format!("copied and verified: {}", counts.join(", ")));
    say("next: set DATABASE_URL to what --to was, and start the server; keep the file until you have seen it run");
    Ok(())
}

/// Where a database is, for people: its host and its name, and nothing else of the URL.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")?;
        let Ok(url) = Url::parse(self.0) else {
            return Ok(());
        };
        let name = url.path().trim_start_matches('/');
        if !name.is_empty() {
            write!(f, ", database {name}")?;
        }
        match url.host_str() {
            Some(host) if !host.is_empty() => write!(f, " at {host}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_where_and_nothing_of_the_password() {
        for (url, place) in [
            (
                "postgres://bob:s3cret@db.example:5432/desk?sslmode=require",
                "Postgres, database desk at db.example",
            ),
            (
                "postgres:///desk?host=/run/pg&password=s3cret",
                "Postgres, database desk",
            ),
            ("postgres://bob:s3#cret@db.example/desk", "Postgres at bob"),
            ("postgres://", "Postgres"),
        ] {
            let shown = Place(url).to_string();
            assert!(!shown.contains("s3"), "{shown}");
            if !url.contains('#') {
                assert_eq!(shown, place);
            }
        }
    }

    #[test]
    fn arguments_are_read_as_the_configuration_is() {
        let here = Path::new("/srv/desk");
        let ends = Ends::read("sqlite://data/tickets.db", " postgresql://db/desk ", here).unwrap();
        assert!(matches!(ends.from, Database::Sqlite(path) if path == Path::new("/srv/desk/data/tickets.db")));
        assert!(matches!(ends.to, Database::Postgres { .. }));
        for (from, to, at_fault) in [
            ("data/tickets.db", "postgres://db/desk", "--from"),
            ("sqlite://a.db", "mysql://bob:s3cret@db/desk", "--to"),
        ] {
            let error = format!("{:#}", Ends::read(from, to, here).unwrap_err());
            assert!(error.starts_with(at_fault) && !error.contains("s3cret"), "{error}");
        }
    }
}
