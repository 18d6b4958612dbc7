//! `make demo`: starts everything, says where to look, and ends on Ctrl-C, or with its terminal.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    process::ExitCode,
};

use demo::{Demo, Error};
use tokio::signal::unix::{SignalKind, signal};

/// Where the page is, unless `DEMO_PORT` says otherwise or somebody else is there.
const PORT: u16 = 8085;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut causes = format!("The demo ended: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                causes = format!("{causes}: {error}");
                source = error.source();
            }
            // Without standard error there is nobody to tell.
            let _told = writeln!(io::stderr(), "{causes}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // What is left of a terminal that was closed.
    let mut hangup = signal(SignalKind::hangup())?;
    let demo = Demo::start(listen()?).await?;
    writeln!(
        io::stdout(),
        "\n  The demo is at http://{}\n  It is on this machine only, and leaves nothing behind. Ctrl-C ends it.\n",
        demo.address()
    )?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    demo.stop().await?;
    Ok(())
}

/// Takes the port that was asked for, else the usual one, else any. Only this machine can reach it.
fn listen() -> Result<TcpListener, Error> {
    #[allow(clippy::disallowed_methods, reason = "the demo's only setting")]
    let wanted = std::env::var("DEMO_PORT").unwrap_or_default();
    let at = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if wanted.is_empty() {
        return Ok(at(PORT).or_else(|_| at(0))?);
    }
    let port = wanted.parse().map_err(|_| "DEMO_PORT must be a port, such as 8085")?;
    Ok(at(port).map_err(|error| format!("DEMO_PORT {port} can't be used: {error}"))?)
}
