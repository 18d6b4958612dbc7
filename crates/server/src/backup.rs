//! `server backup` and `server restore`: everything of the store into one file, and back.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;
use store_diesel::postgres::{PostgresSource, PostgresTarget};
use store_diesel::sqlite::{SqliteBackup, SqliteSource, SqliteTarget};
use ticket_domain::ports::transfer::TransferSource;

use crate::{
    commands::say,
    config::Database,
    copy::{
        Place,
        carry::{MayCommit, Words, carry, unless_interrupted},
    },
};

const BACKUP: Words = Words {
    nothing: "nothing was backed up, and there is no file; put this right and run the same command again",
    unsure: "it is not known whether everything was backed up; run the same command again",
    done: "backed up",
};

const RESTORE: Words = Words {
    nothing: "nothing was restored, and the store is as empty as before; put this right and run the same command again",
    unsure: "it is not known whether everything was restored; run the same command again: it restores, or says that the \
             store is not empty, and then everything is there",
    done: "restored",
};

/// Writes everything that the store holds at this moment into a new file. Servers go on meanwhile.
pub(crate) async fn backup(database: Database, file: PathBuf) -> Result<ExitCode> {
    unless_interrupted(BACKUP, move |may_commit| match database {
        Database::Sqlite(path) => {
            let mut source = SqliteSource::snapshot(&path).context(STORE)?;
            into_file(&mut source, &file, may_commit)
        }
        Database::Postgres { url, direct, .. } => {
            let url = direct.as_ref().unwrap_or(&url).expose_secret();
            let mut source = PostgresSource::open(url).with_context(|| format!("{STORE} ({})", Place(url)))?;
            into_file(&mut source, &file, may_commit)
        }
    })
    .await
}

/// The beginning of what can be wrong with the store.
const STORE: &str = "the store named by DATABASE_URL can't be used";

fn into_file(source: &mut dyn TransferSource, file: &Path, may_commit: MayCommit) -> Result<()> {
    let target = SqliteBackup::create(file).context("the backup can't be written")?;
    carry(source, target, may_commit, BACKUP)?;
    say(&format!(
        "{} holds everything that customers wrote: keep it where only you can read it",
        file.display()
    ));
    Ok(())
}

/// Reads a backup back into a store, which must be empty. Or any file that an embedded store has used.
pub(crate) async fn restore(database: Database, file: PathBuf) -> Result<ExitCode> {
    unless_interrupted(RESTORE, move |may_commit| {
        let mut source = SqliteSource::snapshot(&file).context("the backup can't be used")?;
        match database {
            Database::Sqlite(path) => {
                let target = SqliteTarget::open(&path).context(STORE)?;
                carry(&mut source, target, may_commit, RESTORE)?;
            }
            Database::Postgres { url, direct, .. } => {
                let url = direct.as_ref().unwrap_or(&url).expose_secret();
                let target = PostgresTarget::open(url).with_context(|| format!("{STORE} ({})", Place(url)))?;
                carry(&mut source, target, may_commit, RESTORE)?;
            }
        }
        say("next: start the server");
        Ok(())
    })
    .await
}
