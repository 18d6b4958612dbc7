//! Everything from a store into another, watched by people: how far it is, and what an interruption leaves behind.

use std::{
    io,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use anyhow::{Result, anyhow};
use ticket_domain::{
    ports::transfer::{Step, Table, Tally, TransferError, TransferSource, TransferTarget},
    use_cases::transfer,
};
use tokio::signal::unix;

use super::progress::{Progress, grouped};
use crate::commands::{complain, say};

/// What the shell says of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// What people are told of a transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// The end of every failure but one: one transaction wrote it all.
    pub(crate) nothing: &'static str,
    /// The one: the answer to the commit was lost.
    pub(crate) unsure: &'static str,
    /// What became of everything, such as "copied".
    pub(crate) done: &'static str,
}

/// Whether a transfer may be committed. Asked once, at its end.
pub(crate) type MayCommit = Box<dyn FnOnce() -> bool + Send>;

/// Has `work` done on a thread of its own. An interruption ends it at once, unless it is just being committed: what was
/// written so far is undone.
pub(crate) async fn unless_interrupted<W>(words: Words, work: W) -> Result<ExitCode>
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
                complain(&format!("\ninterrupted: {}", words.nothing));
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

/// Carries everything over, verified before it is committed, and says so.
pub(crate) fn carry(
    source: &mut dyn TransferSource,
    target: impl TransferTarget,
    may_commit: MayCommit,
    words: Words,
) -> Result<()> {
    let mut all = Vec::new();
    for table in Table::ALL {
        all.push((table, source.count(table)?));
    }
    let mut progress = Progress::begin(&all);
    let carried = transfer(source, target, &mut |step: Step| progress.tell(step), may_commit);
    match carried {
        Ok(tally) => {
            progress.ended(tally.of(Table::TicketPage).rows);
            say(&format!("{} and verified: {}", words.done, counts(&tally)));
            Ok(())
        }
        Err(error) => {
            progress.broken_off();
            let hint = if matches!(error, TransferError::Unsure(_)) {
                words.unsure
            } else {
                words.nothing
            };
            Err(anyhow!(error).context(hint))
        }
    }
}

fn counts(tally: &Tally) -> String {
    let counts = Table::ALL.map(|table| format!("{} {table}", grouped(tally.of(table).rows)));
    counts.join(", ")
}
