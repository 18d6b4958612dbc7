//! Everything from one store into another, or nothing.

use std::{ops::ControlFlow, sync::mpsc, thread};

use crate::ports::transfer::{Rows, Step, Table, Tally, TransferError, TransferSource, TransferTarget};

/// How many batches of rows may be on their way: so that neither side waits while the other works on one.
const ON_THE_WAY: usize = 4;

/// Copies everything from `source` to `target`, and commits it once what was read back of the target is, row by row, what
/// was read of the source, and `may_commit` agrees. Says what was copied. Blocks.
///
/// Reading has a thread of its own, so that a source and a target that work at the same time keep each other busy.
pub fn transfer(
    source: &mut dyn TransferSource,
    mut target: impl TransferTarget,
    tell: &mut dyn FnMut(Step),
    may_commit: impl FnOnce() -> bool,
) -> Result<Tally, TransferError> {
    let read = carry(source, &mut target, tell)?;
    target.complete(tell)?;
    let mut written = Tally::default();
    target.read_back(&mut |rows| {
        written.add(&rows);
        tell(Step::ReadBack(rows.table(), rows.count()));
    })?;
    if let Some(table) = read.differences(&written).first() {
        return Err(TransferError::Differs {
            table: *table,
            read: read.of(*table).rows,
            written: written.of(*table).rows,
        });
    }
    if !may_commit() {
        return Err(TransferError::CalledOff);
    }
    tell(Step::Committing);
    target.commit()?;
    Ok(read)
}

/// Writes to the target what the source gives, and says what that was.
fn carry(
    source: &mut dyn TransferSource,
    target: &mut impl TransferTarget,
    tell: &mut dyn FnMut(Step),
) -> Result<Tally, TransferError> {
    let (sender, receiver) = mpsc::sync_channel::<Rows>(ON_THE_WAY);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut tally = Tally::default();
            source.read(&mut |rows| {
                tally.add(&rows);
                // Nobody listens any more once the target has failed.
                match sender.send(rows) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            Ok(tally)
        });
        let mut written = Ok(());
        for rows in receiver {
            let (table, count): (Table, u64) = (rows.table(), rows.count());
            written = target.write(rows);
            if written.is_err() {
                break;
            }
            tell(Step::Written(table, count));
        }
        let read = reader.join().map_err(|_| TransferError::BrokeOff)?;
        written.and(read)
    })
}
