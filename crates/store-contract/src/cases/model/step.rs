//! What may happen to the outbox.

use proptest::{
    prelude::*,
    sample::{Index, select},
};
use ticket_domain::Progress;

/// One thing that happens. An index picks one of what there is by then.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A ticket is opened, when there was somewhere to send its notification to or not.
    Open { addressed: bool },
    /// A customer adds to a ticket.
    Update(Index),
    /// So many seconds go by.
    Pass(i64),
    /// A worker claims.
    Claim { limit: u16, first_tries_only: bool },
    /// Two workers claim at the same moment.
    ClaimTogether,
    /// A worker probes.
    Probe,
    /// A worker says what became of a try, however late. One that never does has crashed.
    Settle(Index, End),
    /// Something got through: what waits is due.
    Release,
    /// The receiver asked for so many seconds of peace.
    Postpone(i64),
    /// The program starts: what is older than so many seconds, and had nowhere to go, is held.
    Hold(i64),
    /// An operator has one sent again, the other way if it was given up.
    Redeliver(Index, bool),
    /// An operator has all sent again that were given up.
    RedeliverDead,
    /// WhatsApp says how far a message got.
    Receipt(Index, Heard),
}

/// What became of a try.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The receiver took it.
    Taken,
    /// It failed. The number spreads the wait.
    Failed(u64),
    /// It failed for good.
    EraseReport,
    /// It goes another way.
    Diverted,
    /// The worker stops, and hands it back.
    HandedBack,
}

/// What WhatsApp says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    /// It came so far.
    Further(Progress),
    /// It failed for now.
    Failed,
    /// It was refused, and there is another way.
    Refused,
    /// It was refused, and there is none.
    RefusedForGood,
}

/// Sequences that get somewhere: most of what happens is work.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..50)
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        3 => Just(End::Taken),
        4 => any::<u64>().prop_map(End::Failed),
        1 => Just(End::EraseReport),
        1 => Just(End::Diverted),
        1 => Just(End::HandedBack),
    ];
    let heard = prop_oneof![
        select(vec![Progress::Delivered, Progress::Read]).prop_map(Heard::Further),
        Just(Heard::Failed),
        Just(Heard::Refused),
        Just(Heard::RefusedForGood),
    ];
    let limit = prop_oneof![2 => Just(100_u16), 1 => 0_u16..4];
    prop_oneof![
        4 => any::<bool>().prop_map(|addressed| Step::Open { addressed }),
        3 => any::<Index>().prop_map(Step::Update),
        6 => select(vec![1, 2, 5, 29, 30, 31, 61, 400, 4_000, 40_000]).prop_map(Step::Pass),
        8 => (limit, prop::bool::weighted(0.3))
            .prop_map(|(limit, first_tries_only)| Step::Claim { limit, first_tries_only }),
        1 => Just(Step::ClaimTogether),
        2 => Just(Step::Probe),
        10 => (any::<Index>(), end).prop_map(|(index, end)| Step::Settle(index, end)),
        1 => Just(Step::Release),
        1 => (1_i64..200).prop_map(Step::Postpone),
        1 => (0_i64..100).prop_map(Step::Hold),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(index, anew)| Step::Redeliver(index, anew)),
        1 => Just(Step::RedeliverDead),
        3 => (any::<Index>(), heard).prop_map(|(index, heard)| Step::Receipt(index, heard)),
    ]
}
