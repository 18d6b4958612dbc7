//! n8n is away, silent, wrong, or somebody else.

use std::{
    fs,
    time::{Duration, Instant},
};

use black_box::{Engine, N8n, Reaction};
use reqwest::Method;
use tokio::time::sleep;

use crate::{
    audit::Repeats,
    front::{Front, Way},
    outcome::Outcome,
    stage::Stage,
};

/// How long it lasts: past the three quick retries would be 7 seconds, and some are to wait for a slow one.
const LASTS: Duration = Duration::from_secs(9);

/// What n8n does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Refuses,
    Hangs,
    Resets,
    Nonsense,
    NonsenseBody,
    Redirects,
    Untrusted,
    OtherHost,
    Throttles,
    Slow,
    Floods,
    Status(u16),
}

impl Fault {
    /// What its connections become.
    fn way(self) -> Way {
        match self {
            Self::Refuses => Way::Refused,
            Self::Hangs => Way::Silent,
            Self::Resets => Way::Reset,
            Self::Nonsense => Way::Nonsense,
            Self::Untrusted => Way::Untrusted,
            Self::OtherHost => Way::OtherHost,
            Self::Slow => Way::Slow,
            Self::Floods => Way::Flood,
            Self::NonsenseBody | Self::Redirects | Self::Throttles | Self::Status(_) => Way::Through,
        }
    }

    /// What it answers.
    fn reaction(self, elsewhere: &N8n) -> Reaction {
        match self {
            Self::Status(status) => Reaction::status(status),
            Self::Throttles => Reaction::Answer(429, vec![("retry-after", "2".to_owned())], String::new()),
            Self::Redirects => Reaction::Answer(307, vec![("location", elsewhere.url())], String::new()),
            Self::NonsenseBody => Reaction::Answer(
                200,
                vec![("content-type", "application/json".to_owned())],
                "<html>\u{0}{\"externalId\": [[[[".to_owned(),
            ),
            // The front answers instead, so slowly that nobody waits for its status: it has taken nothing.
            Self::Slow => Reaction::status(500),
            _ => Reaction::TakenByItsId,
        }
    }
}

/// n8n fails for some seconds under load, and comes back.
pub(crate) async fn fails(engine: Engine, fault: Fault) -> Outcome {
    let mut stage = Stage::new(engine).await;
    let elsewhere = N8n::start();
    let front = Front::before(&stage.n8n, matches!(fault, Fault::Untrusted | Fault::OtherHost)).await;
    let authority = stage.place.folder().join("authority.pem");
    fs::write(&authority, front.authority()).expect("a file");
    let options = stage
        .options()
        .set("N8N_TICKET_CREATED_WEBHOOK", &front.url())
        .set("SSL_CERT_FILE", authority.to_str().expect("a path"));
    let desk = stage.start_with(&options).await;
    let load = stage.load(5, 3);
    stage.warm_up(&[desk.pid()]).await;
    stage.broken();
    stage.n8n.always(fault.reaction(&elsewhere));
    let breaks = front.go(fault.way());
    sleep(LASTS).await;
    stage.n8n.always(Reaction::TakenByItsId);
    let mends = front.go(Way::Through);
    stage.recovers(Instant::now()).await;
    load.end().await;
    if fault == Fault::Status(410) {
        // Given up at once, as it has to be; an operator has them sent again.
        stage
            .clients
            .operate(Method::POST, "/api/notifications/redeliver")
            .await;
    }
    stage.settles().await;
    if elsewhere.count() > 0 {
        stage.fault("a redirect was followed");
    }
    stage.look_at_memory();
    let broken_off = breaks.into_iter().chain(mends).collect();
    let outcome = stage.counted_with(Repeats::AsTheyFail(broken_off)).await;
    desk.stop().await;
    outcome
}
