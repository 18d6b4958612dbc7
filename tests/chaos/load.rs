//! A steady load of forms and messages.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::clients::Clients;

/// How long pending requests may take after the load has ended.
const PATIENCE: Duration = Duration::from_mins(1);

/// A load that runs until it is ended.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    coming: JoinHandle<()>,
}

impl Load {
    /// Starts this many forms and messages per second.
    pub(crate) fn start(clients: &Arc<Clients>, forms: u32, messages: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let coming = tokio::spawn(come(clients.clone(), forms, messages, stopped));
        Self { stop, coming }
    }

    /// Ends the load and waits for all pending requests.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        self.coming.await.expect("clients that do not panic");
    }
}

async fn come(clients: Arc<Clients>, forms: u32, messages: u32, mut stopped: watch::Receiver<bool>) {
    let beat = |a_second: u32| {
        let mut beat = interval(Duration::from_secs(1) / a_second);
        // Missed ticks are not made up for in a burst.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat
    };
    let (mut forms, mut messages) = (beat(forms), beat(messages));
    let mut busy = JoinSet::new();
    loop {
        let clients = clients.clone();
        tokio::select! {
            _ = stopped.changed() => break,
            _ = forms.tick() => drop(busy.spawn(async move { drop(clients.form().await) })),
            _ = messages.tick() => drop(busy.spawn(async move { clients.message().await })),
            Some(_) = busy.join_next() => {}
        }
    }
    let answered = timeout(PATIENCE, async { while busy.join_next().await.is_some() {} }).await;
    if answered.is_err() {
        clients
            .expected()
            .note_anomaly(format!("{} clients never got an answer", busy.len()));
    }
}
