//! `server backup`, `server restore` and `server copy`: everything that a store holds into a file, back into a store, and
//! into another store.

mod endpoint;
mod file;
mod progress;

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use store_diesel::dump::{
    Counts, DumpError, LoadError, Purpose, Source, Step, Summary, Table, Target, compressed, verify,
};
use ticket_domain::ports::Clock as _;
use tokio::signal::unix;

pub(crate) use endpoint::CopyArgs;

use crate::{
    commands::{complain, say},
    config::Database,
    environment::SystemClock,
};
use endpoint::CONFIGURED;
use file::BackupFile;
use progress::{Progress, grouped};

/// The exit code of a program that SIGINT ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// The name that stands for standard output, or input.
const STANDARD: &str = "-";

/// What to say about a transfer.
#[derive(Debug, Clone, Copy)]
struct Messages {
    /// What was done.
    done: &'static str,
    /// What there is if it failed.
    left: &'static str,
    /// What happens if it is repeated after the connection broke during the commit.
    again: &'static str,
}

const BACKUP: Messages = Messages {
    done: "backed up",
    left: "there is no file",
    again: "",
};

const RESTORE: Messages = Messages {
    done: "restored",
    left: "the store is as empty as before",
    again: "it restores, or says that the store is not empty",
};

const COPY: Messages = Messages {
    done: "copied",
    left: "the target is as empty as before",
    again: "it copies, or says that the target is not empty",
};

impl Messages {
    /// It failed, and nothing was written.
    fn nothing(self) -> String {
        let Self { done, left, .. } = self;
        format!("nothing was {done}, and {left}; put this right and run the same command again")
    }

    /// The connection broke during the commit.
    fn unsure(self) -> String {
        let Self { done, again, .. } = self;
        format!(
            "it is not known whether everything was {done}; run the same command again: {again}, and then everything is there"
        )
    }
}

/// Whether a transfer may be committed. Asked once, at its end.
type MayCommit = Box<dyn FnOnce() -> bool + Send>;

/// Writes everything that the store holds at this moment into a new file, or to standard output. Servers go on meanwhile.
pub(crate) async fn backup(database: Database, file: PathBuf) -> Result<ExitCode> {
    unless_interrupted(BACKUP, move |may_commit| {
        let mut source = endpoint::source(&database, Purpose::Backup, CONFIGURED)?;
        if file == Path::new(STANDARD) {
            return to_standard_output(&mut source);
        }
        let partial = BackupFile::create(&file).context("the backup can't be written")?;
        transfer(BACKUP, say, |step| {
            let (dumped, out) = dump(&mut source, partial.open()?, step)?;
            out.sync_all()?;
            let found = verify(partial.open()?, step).context("the backup can't be read back")?;
            if let Some(table) = dumped.difference(&found) {
                bail!("{table} in the backup is not what it is in the store");
            }
            ensure!(may_commit(), LoadError::CalledOff);
            step(Step::Committing);
            partial.put_in_place()?;
            Ok(dumped.rows())
        })?;
        say(&format!(
            "{} holds everything that customers wrote: keep it where only you can read it",
            file.display()
        ));
        Ok(())
    })
    .await
}

/// What goes to a pipe can't be read back here; its checksum is compared when it is restored.
fn to_standard_output(source: &mut Source) -> Result<()> {
    ensure!(
        !io::stdout().is_terminal(),
        "a backup is compressed, and nothing to look at: redirect it to a file or to another program"
    );
    transfer(BACKUP, complain, |step| {
        let (dumped, mut out) = dump(source, io::stdout().lock(), step)?;
        out.flush()?;
        Ok(dumped.rows())
    })
}

/// Writes everything, compressed.
fn dump<W: io::Write>(source: &mut Source, out: W, step: &mut dyn FnMut(Step)) -> Result<(Summary, W)> {
    let mut out = BufWriter::new(compressed(out));
    let dumped = source.dump(&mut out, SystemClock.now(), step)?;
    let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((dumped, out.finish()?))
}

/// Reads a backup from a file, or from standard input, into a store, which must be empty.
pub(crate) async fn restore(database: Database, file: PathBuf) -> Result<ExitCode> {
    unless_interrupted(RESTORE, move |may_commit| {
        let input: Box<dyn io::Read> = if file == Path::new(STANDARD) {
            Box::new(io::stdin().lock())
        } else {
            let opened = File::open(&file);
            Box::new(opened.with_context(|| format!("the backup {} can't be opened", file.display()))?)
        };
        let target = endpoint::target(&database, CONFIGURED)?;
        transfer(RESTORE, say, |step| {
            let loaded = target.load(input, step, may_commit);
            loaded.map_err(|error| match error {
                LoadError::Format(_) => anyhow!(error).context(format!("the backup {} can't be used", file.display())),
                error => error.into(),
            })
        })?;
        say("next: start the server");
        Ok(())
    })
    .await
}

/// Copies everything from one store into another that is empty: a dump piped into a load.
pub(crate) async fn copy(args: CopyArgs) -> Result<ExitCode> {
    unless_interrupted(COPY, move |may_commit| {
        let (source, target) = args.open()?;
        say(&format!("copying {args}"));
        transfer(COPY, say, |step| piped(source, target, step, may_commit))?;
        say(
            "next: set DATABASE_URL to what --to was, and start the server; keep the old store until you have seen it run",
        );
        Ok(())
    })
    .await
}

fn piped(mut source: Source, target: Target, step: &mut dyn FnMut(Step), may_commit: MayCommit) -> Result<Counts> {
    let (reader, writer) = io::pipe()?;
    thread::scope(|scope| {
        let dumping = scope.spawn(move || source.dump(BufWriter::new(writer), SystemClock.now(), &mut |_| {}));
        let loaded = target.load(reader, step, may_commit);
        match dumping.join() {
            // A load that fails stops reading.
            Ok(Err(DumpError::Write(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(loaded?),
            Ok(dumped) => {
                dumped?;
                Ok(loaded?)
            }
            Err(_) => bail!("the part that reads broke off"),
        }
    })
}

/// Runs a transfer that verifies what it wrote; shows how far it is, and how it ended on `out`.
fn transfer(
    messages: Messages,
    out: fn(&str),
    work: impl FnOnce(&mut dyn FnMut(Step)) -> Result<Counts>,
) -> Result<()> {
    let mut progress = Progress::new();
    match work(&mut |step| progress.step(step)) {
        Ok(counts) => {
            out(&progress.ended(counts.get(&Table::Tickets).copied().unwrap_or_default()));
            let counts = Table::ALL.iter().map(|table| {
                let rows = counts.get(table).copied().unwrap_or_default();
                format!("{} {table}", grouped(rows))
            });
            let counts: Vec<String> = counts.collect();
            out(&format!("{} and verified: {}", messages.done, counts.join(", ")));
            Ok(())
        }
        Err(error) => {
            progress.failed();
            let is_unsure = matches!(error.downcast_ref(), Some(LoadError::Unsure(_)));
            Err(error.context(if is_unsure {
                messages.unsure()
            } else {
                messages.nothing()
            }))
        }
    }
}

/// Runs `work` on a thread of its own. SIGINT or SIGTERM ends it at once, unless it is committing: the database undoes
/// what was written so far.
async fn unless_interrupted<W>(messages: Messages, work: W) -> Result<ExitCode>
where
    W: FnOnce(MayCommit) -> Result<()> + Send + 'static,
{
    let interrupted = interruption()?;
    // Whether it is committed: whoever comes first decides, the work or who interrupts it.
    let is_to_be_committed = Arc::new(OnceLock::new());
    let mut working = tokio::task::spawn_blocking({
        let decision = is_to_be_committed.clone();
        move || work(Box::new(move || *decision.get_or_init(|| true)))
    });
    let done = tokio::select! {
        done = &mut working => done,
        () = interrupted => {
            if !*is_to_be_committed.get_or_init(|| false) {
                complain(&format!("\ninterrupted: {}", messages.nothing()));
                return Ok(ExitCode::from(INTERRUPTED));
            }
            working.await
        }
    };
    done?.map(|()| ExitCode::SUCCESS)
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
