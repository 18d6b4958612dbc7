//! `server copy`: everything from one store into another that is empty, in one command.

pub(crate) mod carry;
mod progress;

use std::{fmt, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use store_diesel::postgres::PostgresTarget;
use store_diesel::sqlite::SqliteSource;
use url::Url;

use crate::{commands::say, config::Database};
use carry::{MayCommit, Words};

const WORDS: Words = Words {
    nothing: "nothing was copied, and the target is as empty as before; put this right and run the same command again",
    unsure: "it is not known whether everything was copied; run the same command again: it copies, or says that the \
             target is not empty, and then everything is there",
    done: "copied",
};

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
    carry::unless_interrupted(WORDS, move |may_commit| from_file_to_postgres(&file, &url, may_commit)).await
}

fn from_file_to_postgres(file: &Path, url: &SecretString, may_commit: MayCommit) -> Result<()> {
    let place = Place(url.expose_secret());
    let mut source = SqliteSource::open(file).context("--from can't be used")?;
    let target = PostgresTarget::open(url.expose_secret()).with_context(|| format!("--to ({place}) can't be used"))?;
    say(&format!("copying {} to {place}", file.display()));
    carry::carry(&mut source, target, may_commit, WORDS)?;
    say("next: set DATABASE_URL to what --to was, and start the server; keep the file until you have seen it run");
    Ok(())
}

/// Where a database is, for people: its host and its name, and nothing else of the URL.
pub(crate) struct Place<'a>(pub(crate) &'a str);

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
