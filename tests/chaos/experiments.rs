//! All experiments. Those of a group run side by side.

use std::{pin::Pin, time::Duration};

use black_box::Engine;

use crate::{
    clock, database, disk, kill,
    n8n::{self, Fault},
    replicas,
    report::Outcome,
};

/// A running experiment.
type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// Something that is broken on purpose.
pub(crate) struct Experiment {
    /// Its name for `ONLY`.
    pub(crate) name: &'static str,
    /// What is broken.
    pub(crate) what: &'static str,
    /// Its stores.
    pub(crate) engines: &'static [Engine],
    /// Whether CI runs it.
    pub(crate) in_ci: bool,
    /// Runs it on a store.
    pub(crate) run: fn(Engine) -> Running,
}

const BOTH: &[Engine] = &[Engine::Sqlite, Engine::Postgres];
const SQLITE: &[Engine] = &[Engine::Sqlite];
const POSTGRES: &[Engine] = &[Engine::Postgres];

/// Lists experiments: name, what is broken, stores, and the function. CI also runs those
/// after `ci`.
macro_rules! group {
    ($($($ci:ident)? $name:literal, $what:literal, $engines:ident, $run:expr;)+) => {
        &[$(Experiment {
            name: $name,
            what: $what,
            engines: $engines,
            in_ci: group!(@ci $($ci)?),
            run: |engine| Box::pin($run(engine)),
        }),+]
    };
    (@ci ci) => { true };
    (@ci) => { false };
}

/// Every experiment, group by group.
pub(crate) const ALL: &[&[Experiment]] = &[
    group![
        "kill", "`kill -9` under 10 forms and 5 messages a second", BOTH, |engine| kill::under_load(engine, 100);
    ],
    group![
        ci "kill-some", "the same, ten times", BOTH, |engine| kill::under_load(engine, 10);
        ci "stop", "SIGTERM under the same load", BOTH, |engine| kill::asked_to_stop(engine, 10);
    ],
    group![
        "mail-kill", "`kill -9` while 1,000 answers are mailed", BOTH, |engine| kill::while_mailing(engine, 20);
    ],
    group![
        "mail-replicas", "two replicas mail 1,000 receipts and 800 answers", POSTGRES,
            |engine| replicas::mail_each_once(engine, 2);
    ],
    group![
        "kill-while-sending", "`kill -9` while n8n holds all that is being sent", BOTH, kill::while_n8n_holds;
        ci "frozen", "a replica is stopped (SIGSTOP) past its leases, and woken", BOTH, replicas::one_stands_still;
    ],
    group![
        "replicas-two", "two replicas tell of 1,000 tickets", POSTGRES, |engine| replicas::deliver_each_once(engine, 2);
    ],
    group![
        "replicas-four", "four replicas tell of 1,000 tickets", POSTGRES, |engine| replicas::deliver_each_once(engine, 4);
    ],
    group![
        "postgres-restart", "Postgres is restarted with `-m immediate`", POSTGRES, |_| database::restarts(10);
        ci "sqlite-locked", "another process locks the file for 1.5 s", SQLITE,
            |_| database::is_locked(Duration::from_millis(1_500), 3);
    ],
    group![
        "postgres-silent", "nothing comes through to Postgres for 30 s", POSTGRES, |_| database::is_silent(2);
        "postgres-locked-tickets", "the table `tickets` is locked for 20 s", POSTGRES,
            |_| database::has_a_locked_table("tickets", 2);
        "postgres-locked-messages", "the table `messages` is locked for 20 s", POSTGRES,
            |_| database::has_a_locked_table("messages", 2);
        "postgres-locked-notifications", "the table `notifications` is locked for 20 s", POSTGRES,
            |_| database::has_a_locked_table("notifications", 2);
        "sqlite-locked-long", "another process locks the file for 10 s", SQLITE,
            |_| database::is_locked(Duration::from_secs(10), 2);
    ],
    group![
        "disk", "the disk is full for 5 s", BOTH, |engine| disk::fills_up(engine, 3);
    ],
    group![
        "clock", "the clock jumps an hour forth and back", BOTH, |engine| clock::jumps(engine, 40);
    ],
    group![
        "outage", "n8n is away for 63 hours while 1,000 notifications wait; then until 50 are given up, and sent again", BOTH, clock::outage;
    ],
    group![
        "mail-outage", "the mail server is away for 63 hours while 1,000 mails wait", BOTH, clock::mail_outage;
    ],
    group![
        "n8n-refuses", "n8n refuses connections", BOTH, |engine| n8n::fails(engine, Fault::Refuses);
        "n8n-hangs", "n8n does not answer", BOTH, |engine| n8n::fails(engine, Fault::Hangs);
        ci "n8n-resets", "n8n resets connections", BOTH, |engine| n8n::fails(engine, Fault::Resets);
        ci "n8n-nonsense", "n8n answers what is no HTTP", BOTH, |engine| n8n::fails(engine, Fault::Nonsense);
    ],
    group![
        "n8n-nonsense-body", "n8n answers 200 with what is no JSON", BOTH, |engine| n8n::fails(engine, Fault::NonsenseBody);
        ci "n8n-redirects", "n8n redirects elsewhere", BOTH, |engine| n8n::fails(engine, Fault::Redirects);
        "n8n-untrusted", "n8n's certificate is not trusted", BOTH, |engine| n8n::fails(engine, Fault::Untrusted);
        "n8n-other-host", "n8n's certificate is for another host", BOTH, |engine| n8n::fails(engine, Fault::OtherHost);
    ],
    group![
        "n8n-400", "n8n answers 400", BOTH, |engine| n8n::fails(engine, Fault::Status(400));
        "n8n-403", "n8n answers 403", BOTH, |engine| n8n::fails(engine, Fault::Status(403));
        "n8n-404", "n8n answers 404", BOTH, |engine| n8n::fails(engine, Fault::Status(404));
        "n8n-410", "n8n answers 410; then an operator has all sent again", BOTH, |engine| n8n::fails(engine, Fault::Status(410));
    ],
    group![
        "n8n-429", "n8n answers 429 with `Retry-After: 2`", BOTH, |engine| n8n::fails(engine, Fault::Throttles);
        "n8n-500", "n8n answers 500", BOTH, |engine| n8n::fails(engine, Fault::Status(500));
        "n8n-slow", "n8n answers one byte a second", BOTH, |engine| n8n::fails(engine, Fault::Slow);
    ],
    group![
        "n8n-floods", "n8n answers 1 GB", BOTH, |engine| n8n::fails(engine, Fault::Floods);
    ],
];
