//! The command line.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use ticket_domain::Email;
use tokio::signal::unix;
use zeroize::Zeroizing;

use crate::{
    application::{Builder, open_store},
    check::{Probe, check},
    config::{Config, Database, Loaded},
    customers::{CustomerSelector, EraseOptions, erase, export},
    logging,
    running::Application,
    transfer::{CopyArgs, backup, copy, restore},
};

/// Support tickets that reach a manager on WhatsApp, and whose answers come back.
///
/// Configured by the environment, and by a .env file in the working folder. Without any, tickets are kept in
/// data/tickets.db and the server listens on port 8080.
#[derive(Debug, Parser)]
#[command(name = "server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and deliver notifications (what happens without a command).
    Serve,
    /// Bring the store's schema up to date, and end. `serve` does the same at its start.
    Migrate,
    /// Check the configuration, and whether the store and the webhook can be reached. Exits with 1 and a list of what
    /// is wrong. Sends no notification and changes nothing.
    Check {
        /// Also send a probe round the whole loop, through n8n and back to the running server, and tell link by link
        /// what answered. Our workflows send no message for it, and nothing is left behind.
        #[arg(long)]
        probe: bool,
        /// Send the probe even so that a workflow which is not ours may make a message of it.
        #[arg(long, requires = "probe")]
        yes: bool,
        /// Also send a test e-mail to this address, by the mail server that customers are mailed by. Needs --probe --yes.
        #[arg(long, value_name = "ADDRESS", requires = "yes")]
        mail: Option<Email>,
    },
    /// Copy everything from one store into another, which must be empty, and end.
    ///
    /// Stop the server first. The store that is copied is read and not changed. The other one gets the schema; what
    /// comes in is one transaction, read back and compared before it is committed: if anything goes wrong or is
    /// interrupted, it stays empty, and you can run the same command again. No other configuration is read.
    Copy {
        /// The store to copy: sqlite:// and the path of the file that the server has used, or a postgres:// address.
        #[arg(long, value_name = "URL")]
        from: String,
        /// The store to fill: sqlite:// and the path of a new file, or the postgres:// address of a database without
        /// tickets. To keep a password out of the command line, leave it out of the address and set PGPASSWORD or
        /// PGPASSFILE.
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Write everything that the store holds into one new file, verified, while the server goes on.
    ///
    /// The backup is the store as it is at one moment, SQLite or Postgres: compressed lines of JSON, which `restore`
    /// reads into either. If it breaks off, there is no file of this name.
    Backup {
        /// The file to make, such as tickets.jsonl.gz. It must not exist. `-` is standard output.
        file: PathBuf,
    },
    /// Read a backup into the store, which must be empty, and end.
    ///
    /// Stop the server first. What comes in is one transaction, read back and compared before it is committed: if
    /// anything goes wrong or is interrupted, the store stays empty, and you can run the same command again.
    Restore {
        /// The file that `backup` made. `-` is standard input.
        file: PathBuf,
    },
    /// Write everything that is kept of a customer to standard output, as JSON.
    Export {
        /// Their e-mail address, or their number with + and country code. For one who has used several, once each.
        #[arg(long, value_name = "EMAIL|PHONE")]
        customer: String,
    },
    /// Erase everything that says who a customer is and what was written in their tickets, for good.
    ///
    /// In tickets, messages, what is kept unmatched, notifications, idempotency records, search and what managers were
    /// asked. What was not sent yet is not sent any more. References, times, counts and outside ids stay, and the trail
    /// says that it was done. It may be done while the server runs. If it breaks off, doing it again does the rest.
    Erase {
        /// Their e-mail address, or their number with + and country code. For one who has used several, once each.
        #[arg(long, value_name = "EMAIL|PHONE", required_unless_present = "ticket")]
        customer: Option<String>,
        /// Instead: one ticket, whosever it is or was.
        #[arg(long, value_name = "REFERENCE", conflicts_with = "customer")]
        ticket: Option<String>,
        /// Without being asked again.
        #[arg(long)]
        yes: bool,
        /// Rewrite an embedded store's file even if it is larger than 100 MB, so that no remnants are left in it. Whoever
        /// writes waits meanwhile.
        #[arg(long)]
        vacuum: bool,
    },
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    match execute(command) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = match command {
        Command::Serve => {
            load_config().and_then(|Loaded { config, warnings }| runtime.block_on(serve(config, &warnings)))
        }
        Command::Migrate => load_config().and_then(|Loaded { config, .. }| runtime.block_on(migrate(config.database))),
        Command::Check { probe, yes, mail } => load_config().map(|Loaded { config, warnings }| {
            let probe = match (probe, yes) {
                (false, _) => Probe::No,
                (true, false) => Probe::Unconfirmed,
                (true, true) => Probe::Yes,
            };
            runtime.block_on(check(&config, &warnings, probe, mail))
        }),
        Command::Copy { from, to } => {
            let here = working_folder()?;
            runtime.block_on(copy(CopyArgs::read(&from, &to, &here)?))
        }
        Command::Backup { file } => {
            load_config().and_then(|Loaded { config, .. }| runtime.block_on(backup(config.database, file)))
        }
        Command::Restore { file } => {
            load_config().and_then(|Loaded { config, .. }| runtime.block_on(restore(config.database, file)))
        }
        Command::Export { customer } => {
            load_config().and_then(|Loaded { config, .. }| runtime.block_on(export(config.database, &customer)))
        }
        Command::Erase {
            customer,
            ticket,
            yes,
            vacuum,
        } => load_config().and_then(|Loaded { config, .. }| {
            let whom = CustomerSelector::read(customer.as_deref(), ticket.as_deref())?;
            let manner = EraseOptions { is_agreed: yes, vacuum };
            runtime.block_on(erase(config.database, whom, manner))
        }),
    };
    // A call that hangs in the database's library must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// The folder for relative paths.
fn working_folder() -> Result<PathBuf> {
    env::current_dir().context("the working folder can't be found")
}

/// Reads the configuration from the environment, and from a `.env` file for what the environment leaves open.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn load_config() -> Result<Loaded> {
    let here = working_folder()?;
    let file = match dotenvy::from_path_iter(here.join(".env")) {
        Ok(pairs) => pairs
            .map(|pair| pair.map(|(name, value)| (name, Zeroizing::new(value))))
            .collect::<Result<HashMap<_, _>, _>>(),
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error),
    };
    let file = match file {
        Ok(file) => file,
        // The other kinds of error show the line, which may hold a secret.
        Err(dotenvy::Error::Io(error)) => bail!("the file .env can't be read: {error}"),
        Err(_) => bail!("the file .env can't be read: every line must be NAME=value, a value with blanks in quotes"),
    };
    let look_up = |name: &str| env::var_os(name).or_else(|| file.get(name).map(|value| OsString::from(value.as_str())));
    Ok(Config::load(&look_up, &here, io::stdout().is_terminal())?)
}

async fn serve(config: Config, warnings: &[String]) -> Result<ExitCode> {
    logging::start(&config);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    allow_many_files();
    let application = Builder::new(config).start().await?;
    tracing::info!(address = %application.address(), version = env!("CARGO_PKG_VERSION"), "listening");
    stop_on_signal(&application)?;
    application.ended().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Raises the limit of open files to the hard limit: each event stream needs one, and the default is often 1,024.
fn allow_many_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Stops the application at SIGTERM or SIGINT.
fn stop_on_signal(application: &Application) -> io::Result<()> {
    let stop = application.stopper();
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is finished first");
        stop.cancel();
    });
    Ok(())
}

async fn migrate(database: Database) -> Result<ExitCode> {
    open_store(database).await?;
    say("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn say(line: &str) {
    // A reader that went away wants no more lines.
    drop(writeln!(io::stdout(), "{line}"));
}

pub(crate) fn complain(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
