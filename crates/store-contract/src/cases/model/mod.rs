//! The outbox as a state machine: random sequences of what workers, operators, WhatsApp and time do, beside a model that
//! fits on two pages. After each step the store must show what the model does.

mod conversations;
mod fakes;
mod outbox;
mod row;
mod step;

use std::cell::Cell;

use proptest::test_runner::{Config, TestRunner};
use ticket_domain::ports::{RecordResult, RedeliverResult};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    Fixture,
    fixture::{at, delivered},
};
pub use conversations::nobodys_words_go_astray;
use outbox::Outbox;
use step::steps;

/// How many sequences; with the steps of each a few seconds on the slowest store.
const SEQUENCES: u32 = 24;

/// So many seconds after the beginning of one sequence the next one begins.
const APART: i64 = 100 * 24 * 3_600;

/// Whatever comes in whatever order: no two workers have one notification, those of a ticket go in their order, none is
/// lost or sent again unasked, and each is tried when its schedule says.
#[allow(clippy::unused_async)] // As every case; the runner of the sequences is none.
pub async fn the_outbox_does_what_its_model_does(fixture: &Fixture) {
    // A seed that failed is shown with its shortest sequence; a file of it would lie in another crate's folder.
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let begun = Cell::new(0);
    let outcome = block_in_place(|| {
        TestRunner::new(config).run(&steps(), |steps| {
            begun.set(begun.get() + APART);
            Handle::current().block_on(async {
                clear(fixture, begun.get()).await;
                let mut outbox = Outbox::new(fixture, begun.get());
                for step in &steps {
                    outbox.take(step).await?;
                }
                Ok(())
            })
        })
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
}

/// Delivers whatever an earlier sequence left.
async fn clear(fixture: &Fixture, start: i64) {
    let (store, now) = (fixture.must(), at(start - 1));
    for record in store.undelivered(u16::MAX).await {
        let queued = store.redeliver(record.id, fixture.note(now), None).await;
        assert_eq!(queued, RedeliverResult::Queued);
    }
    loop {
        let claimed = fixture.claim(now).await;
        if claimed.is_empty() {
            break;
        }
        for claimed in claimed {
            assert_eq!(
                fixture.record_attempt(&claimed, delivered(now, None)).await,
                RecordResult::Recorded
            );
        }
    }
}
