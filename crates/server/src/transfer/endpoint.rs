//! The stores that a transfer reads and writes.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result, ensure};
use secrecy::{ExposeSecret as _, SecretString};
use store_diesel::dump::{Purpose, Source, Target};
use url::Url;

use crate::config::Database;

/// How errors call the store of the configuration.
pub(super) const CONFIGURED: &str = "the store named by DATABASE_URL";

/// A store to be read; errors call it `name`.
pub(super) fn source(database: &Database, purpose: Purpose, name: &str) -> Result<Source> {
    let source = match database {
        Database::Sqlite(path) => Source::sqlite(path, purpose),
        Database::Postgres { url, direct, .. } => {
            Source::postgres(direct.as_ref().unwrap_or(url).expose_secret(), purpose)
        }
    };
    source.with_context(|| format!("{name} ({}) can't be used", Endpoint(database)))
}

/// A store to be filled; errors call it `name`.
pub(super) fn target(database: &Database, name: &str) -> Result<Target> {
    let target = match database {
        Database::Sqlite(path) => Target::sqlite(path),
        Database::Postgres { url, direct, .. } => Target::postgres(direct.as_ref().unwrap_or(url).expose_secret()),
    };
    target.with_context(|| format!("{name} ({}) can't be used", Endpoint(database)))
}

/// From where to where a copy goes.
#[derive(Debug)]
pub(crate) struct CopyArgs {
    from: Database,
    to: Database,
}

impl CopyArgs {
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

    /// Opens both, which must be two stores.
    pub(super) fn open(&self) -> Result<(Source, Target)> {
        if let (Database::Sqlite(from), Database::Sqlite(to)) = (&self.from, &self.to) {
            ensure!(
                from != to,
                "--from and --to name the same file: give --to the path of a new one"
            );
        }
        let source = source(&self.from, Purpose::Copy, "--from")?;
        Ok((source, target(&self.to, "--to")?))
    }
}

impl fmt::Display for CopyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", Endpoint(&self.from), Endpoint(&self.to))
    }
}

/// Where a store is, for people: the path of a file, or host and name of a database, and nothing else of its URL.
struct Endpoint<'a>(&'a Database);

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self.0 {
            Database::Sqlite(path) => return write!(f, "{}", path.display()),
            Database::Postgres { url, .. } => url,
        };
        f.write_str("Postgres")?;
        let Ok(url) = Url::parse(url.expose_secret()) else {
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
    fn an_endpoint_shows_where_it_is_and_nothing_of_the_password() {
        for (url, shown) in [
            (
                "postgres://bob:s3cret@db.example:5432/desk?sslmode=require",
                Some("Postgres, database desk at db.example"),
            ),
            (
                "postgres:///desk?host=/run/pg&password=s3cret",
                Some("Postgres, database desk"),
            ),
            ("postgres://bob:s3#cret@db.example/desk", None),
            ("postgres://", Some("Postgres")),
            ("sqlite:///var/tickets.db", Some("/var/tickets.db")),
        ] {
            let database = Database::parse(url.into(), Path::new("/"), 1).unwrap();
            let endpoint = Endpoint(&database).to_string();
            assert!(!endpoint.contains("s3"), "{endpoint}");
            assert!(shown.is_none_or(|shown| endpoint == shown), "{endpoint}");
        }
    }

    #[test]
    fn arguments_are_read_as_the_configuration_is() {
        let here = Path::new("/srv/desk");
        let args = CopyArgs::read("sqlite://data/tickets.db", " postgresql://db/desk ", here).unwrap();
        assert!(matches!(args.from, Database::Sqlite(path) if path == Path::new("/srv/desk/data/tickets.db")));
        assert!(matches!(args.to, Database::Postgres { .. }));
        for (from, to, argument) in [
            ("data/tickets.db", "postgres://db/desk", "--from"),
            ("sqlite://a.db", "mysql://bob:s3cret@db/desk", "--to"),
        ] {
            let error = format!("{:#}", CopyArgs::read(from, to, here).unwrap_err());
            assert!(error.starts_with(argument) && !error.contains("s3cret"), "{error}");
        }
    }
}
