//! The command line.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret as _;
use tokio::{net::TcpStream, signal::unix, time::timeout};
use url::Url;

use crate::{
    application::{Application, Builder, open_store},
    config::{Config, Database, Loaded},
    logging,
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

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serve the API and deliver notifications (what happens without a command).
    Serve,
    /// Bring the store's schema up to date, and end. `serve` does the same at its start.
    Migrate,
    /// Check the configuration, and whether the store and the webhook can be reached. Exits with 1 and a list of what
    /// is wrong. Sends no notification and changes nothing.
    Check,
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
    let Loaded { config, warnings } = load_config()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = match command {
        Command::Serve => runtime.block_on(serve(config, &warnings)),
        Command::Migrate => runtime.block_on(migrate(config.database)),
        Command::Check => Ok(runtime.block_on(check(&config, &warnings))),
    };
    // A call that hangs in the database's library must not hold the end of the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Reads the configuration from the environment, and from a `.env` file for what the environment leaves open.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn load_config() -> Result<Loaded> {
    let here = env::current_dir().context("the working folder can't be found")?;
    let file = match dotenvy::from_path_iter(here.join(".env")) {
        Ok(pairs) => pairs.collect::<Result<HashMap<String, String>, _>>(),
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error),
    };
    let file = match file {
        Ok(file) => file,
        // The other kinds of error show the line, which may hold a secret.
        Err(dotenvy::Error::Io(error)) => bail!("the file .env can't be read: {error}"),
        Err(_) => bail!("the file .env can't be read: every line must be NAME=value, a value with blanks in quotes"),
    };
    let look_up = |name: &str| env::var_os(name).or_else(|| file.get(name).map(OsString::from));
    Ok(Config::load(&look_up, &here, io::stdout().is_terminal())?)
}

async fn serve(config: Config, warnings: &[String]) -> Result<ExitCode> {
    logging::start(&config);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let application = Builder::new(config).start().await?;
    tracing::info!(address = %application.address(), version = env!("CARGO_PKG_VERSION"), "listening");
    stop_on_signal(&application)?;
    application.ended().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
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

async fn check(config: &Config, warnings: &[String]) -> ExitCode {
    for warning in warnings {
        say(&format!("warning  {warning}"));
    }
    let mut faults = 0;
    let mut tell = |what: &str, result: Result<String>| match result {
        Ok(how) => say(&format!("ok       {what}: {how}")),
        Err(error) => {
            faults += 1;
            complain(&format!("wrong    {what}: {error:#}"));
        }
    };
    tell("configuration", Ok("complete".into()));
    tell("DATABASE_URL", check_store(&config.database).await);
    if let Some(receiver) = &config.receiver {
        tell("N8N_TICKET_CREATED_WEBHOOK", reach(&receiver.created).await);
        if receiver.updated != receiver.created {
            tell("N8N_TICKET_UPDATED_WEBHOOK", reach(&receiver.updated).await);
        }
    }
    if faults == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Looks at the store without changing it.
async fn check_store(database: &Database) -> Result<String> {
    let database = database.clone();
    tokio::task::spawn_blocking(move || match database {
        Database::Sqlite(path) => Ok(store_sqlite::check(&path)?.to_string()),
        Database::Postgres { url, .. } => Ok(store_diesel::check(url.expose_secret())?.to_string()),
    })
    .await?
}

/// Opens a connection to where an address points, and closes it. Whether n8n would take a notification is not asked: it
/// would send one.
async fn reach(url: &Url) -> Result<String> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let host = url
        .host_str()
        .context("has no host")?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = url.port_or_known_default().context("has no port")?;
    match timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Ok(format!("{host} port {port} can be reached")),
        Ok(Err(error)) => bail!("{host} port {port} can't be reached: {error}"),
        Err(_) => bail!("{host} port {port} does not answer within {} s", PATIENCE.as_secs()),
    }
}

fn say(line: &str) {
    // A reader that went away wants no more lines.
    drop(writeln!(io::stdout(), "{line}"));
}

fn complain(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
