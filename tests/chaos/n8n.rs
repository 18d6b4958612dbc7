//! n8n is away, silent, wrong, or another server.

use std::{
    fs,
    time::{Duration, Instant},
};

use black_box::{Engine, FakeN8n, Reaction};
use reqwest::Method;
use tokio::time::sleep;

use crate::{
    audit::Repeats,
    faulty_proxy::{AUTHORITY, FaultyProxy, ProxyMode},
    fixture::Fixture,
    report::Outcome,
};

/// Longer than the three quick retries, which take 7 seconds, so that some notifications wait for a slow one.
const LASTS: Duration = Duration::from_secs(9);

/// A failure of n8n.
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
    /// What the proxy does.
    fn way(self) -> ProxyMode {
        match self {
            Self::Refuses => ProxyMode::Refused,
            Self::Hangs => ProxyMode::Silent,
            Self::Resets => ProxyMode::Reset,
            Self::Nonsense => ProxyMode::Nonsense,
            Self::Untrusted => ProxyMode::Untrusted,
            Self::OtherHost => ProxyMode::OtherHost,
            Self::Slow => ProxyMode::Slow,
            Self::Floods => ProxyMode::Flood,
            Self::NonsenseBody | Self::Redirects | Self::Throttles | Self::Status(_) => ProxyMode::Through,
        }
    }

    /// What n8n responds.
    fn reaction(self, elsewhere: &FakeN8n) -> Reaction {
        match self {
            Self::Status(status) => Reaction::status(status),
            Self::Throttles => Reaction::Respond(429, vec![("retry-after", "2".to_owned())], String::new()),
            Self::Redirects => Reaction::Respond(307, vec![("location", elsewhere.url())], String::new()),
            Self::NonsenseBody => Reaction::Respond(
                200,
                vec![("content-type", "application/json".to_owned())],
                "<html>\u{0}{\"externalId\": [[[[".to_owned(),
            ),
            // The proxy responds instead, too slowly for anybody to read its status: nothing was accepted.
            Self::Slow => Reaction::status(500),
            _ => Reaction::AcceptWithOwnId,
        }
    }
}

/// n8n fails for some seconds under load, then recovers.
pub(crate) async fn fails(engine: Engine, fault: Fault) -> Outcome {
    let mut fixture = Fixture::new(engine).await;
    let elsewhere = FakeN8n::start();
    let proxy = FaultyProxy::before(&fixture.n8n, matches!(fault, Fault::Untrusted | Fault::OtherHost)).await;
    let authority = fixture.store.folder().join("authority.pem");
    fs::write(&authority, AUTHORITY).expect("a file");
    let options = fixture
        .options()
        .set("N8N_TICKET_CREATED_WEBHOOK", &proxy.url())
        .set("SSL_CERT_FILE", authority.to_str().expect("a path"));
    let server = fixture.start_with(&options).await;
    let load = fixture.load(5, 3);
    fixture.warm_up(&[server.pid()]).await;
    fixture.broken();
    fixture.n8n.always(fault.reaction(&elsewhere));
    let breaks = proxy.go(fault.way());
    sleep(LASTS).await;
    fixture.n8n.always(Reaction::AcceptWithOwnId);
    let mends = proxy.go(ProxyMode::Through);
    fixture.recovers(Instant::now()).await;
    load.end().await;
    if fault == Fault::Status(410) {
        // They fail permanently at once; an operator redelivers them.
        fixture
            .clients
            .operate(Method::POST, "/api/notifications/redeliver")
            .await;
    }
    fixture.drains().await;
    if elsewhere.count() > 0 {
        fixture.fault("a redirect was followed");
    }
    fixture.repeats = Some(Repeats::AsTheyFail(breaks.into_iter().chain(mends).collect()));
    let outcome = fixture.audited().await;
    server.stop().await;
    outcome
}
