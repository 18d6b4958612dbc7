//! A transfer commits what it found again, and nothing else.
#![allow(clippy::unwrap_used)]

use std::{cell::Cell, ops::ControlFlow, rc::Rc, sync::Arc};

use ticket_domain::{
    MessageStatus, Receipt, Timestamp,
    ports::transfer::{Rows, Step, Table, TransferError, TransferSource, TransferTarget},
    use_cases::transfer,
};

fn receipt(id: &str) -> Receipt {
    Receipt {
        external_id: id.parse().unwrap(),
        status: MessageStatus::Read,
        error_code: None,
        at: Timestamp::from_unix_micros(0).unwrap(),
    }
}

/// Gives receipts, one a batch, and fails after so many.
struct Shelf {
    receipts: Vec<Receipt>,
    fails_after: usize,
    given: usize,
}

impl Shelf {
    fn of(count: usize) -> Self {
        Self {
            receipts: (0..count).map(|n| receipt(&format!("SM{n}"))).collect(),
            fails_after: usize::MAX,
            given: 0,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a fault of the test")]
struct Fault;

impl TransferSource for Shelf {
    fn count(&mut self, _: Table) -> Result<u64, TransferError> {
        Ok(self.receipts.len() as u64)
    }

    fn read(&mut self, take: &mut dyn FnMut(Rows) -> ControlFlow<()>) -> Result<(), TransferError> {
        for receipt in &self.receipts {
            if self.given == self.fails_after {
                return Err(TransferError::Source(Arc::new(Fault)));
            }
            self.given += 1;
            if take(Rows::Receipts(vec![receipt.clone()])).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Keeps what it gets, and does to it what a test wants.
struct Box<F> {
    kept: Vec<Receipt>,
    spoil: F,
    fails_after: usize,
    committed: Rc<Cell<bool>>,
}

impl<F: FnMut(&mut Vec<Receipt>)> TransferTarget for Box<F> {
    fn write(&mut self, rows: Rows) -> Result<(), TransferError> {
        if self.kept.len() == self.fails_after {
            return Err(TransferError::Target(Arc::new(Fault)));
        }
        if let Rows::Receipts(receipts) = rows {
            self.kept.extend(receipts);
        }
        Ok(())
    }

    fn complete(&mut self, tell: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        tell(Step::GatheringWords);
        (self.spoil)(&mut self.kept);
        Ok(())
    }

    fn read_back(&mut self, take: &mut dyn FnMut(Rows)) -> Result<(), TransferError> {
        // In another order than they came.
        self.kept
            .iter()
            .rev()
            .for_each(|receipt| take(Rows::Receipts(vec![receipt.clone()])));
        Ok(())
    }

    fn commit(self) -> Result<(), TransferError> {
        self.committed.set(true);
        Ok(())
    }
}

/// Transfers; says also whether it was committed.
fn run(shelf: &mut Shelf, spoil: fn(&mut Vec<Receipt>), fails_after: usize) -> (Result<u64, TransferError>, bool) {
    run_unless(shelf, spoil, fails_after, false)
}

fn run_unless(
    shelf: &mut Shelf,
    spoil: fn(&mut Vec<Receipt>),
    fails_after: usize,
    is_called_off: bool,
) -> (Result<u64, TransferError>, bool) {
    let committed = Rc::new(Cell::new(false));
    let target = Box {
        kept: Vec::new(),
        spoil,
        fails_after,
        committed: committed.clone(),
    };
    let copied = transfer(shelf, target, &mut |_| {}, || !is_called_off);
    (copied.map(|tally| tally.of(Table::Receipts).rows), committed.get())
}

#[test]
fn everything_is_written_found_again_and_committed() {
    let (copied, committed) = run(&mut Shelf::of(100), |_| {}, usize::MAX);
    assert_eq!((copied.unwrap(), committed), (100, true));
}

#[test]
fn what_is_called_off_is_not_committed() {
    let (copied, committed) = run_unless(&mut Shelf::of(100), |_| {}, usize::MAX, true);
    assert!(
        matches!(copied, Err(TransferError::CalledOff)) && !committed,
        "{copied:?}"
    );
}

#[test]
fn one_changed_character_or_row_is_noticed_and_nothing_committed() {
    let spoilers: [fn(&mut Vec<Receipt>); 4] = [
        |kept| kept[7].external_id = "SM07".parse().unwrap(),
        |kept| kept[7].at = Timestamp::from_unix_micros(1).unwrap(),
        |kept| kept[7] = kept[8].clone(),
        |kept| drop(kept.pop()),
    ];
    for spoil in spoilers {
        let (copied, committed) = run(&mut Shelf::of(10), spoil, usize::MAX);
        assert!(
            matches!(
                copied,
                Err(TransferError::Differs {
                    table: Table::Receipts,
                    read: 10,
                    ..
                })
            ),
            "{copied:?}"
        );
        assert!(!committed);
    }
}

#[test]
fn a_fault_on_either_side_ends_both() {
    let mut broken = Shelf {
        fails_after: 5,
        ..Shelf::of(10)
    };
    let (copied, committed) = run(&mut broken, |_| {}, usize::MAX);
    assert!(
        matches!(copied, Err(TransferError::Source(_))) && !committed,
        "{copied:?}"
    );

    let mut shelf = Shelf::of(1_000);
    let (copied, committed) = run(&mut shelf, |_| {}, 5);
    assert!(
        matches!(copied, Err(TransferError::Target(_))) && !committed,
        "{copied:?}"
    );
    assert!(shelf.given < 1_000, "reading goes on for nobody");
}
