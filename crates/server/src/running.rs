//! A running application.

use std::{io, net::SocketAddr};

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// A running application.
#[derive(Debug)]
pub struct Application {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<io::Result<()>>,
    /// Delivery and housekeeping.
    pub(crate) background: JoinSet<()>,
}

/// Why an application ended otherwise than by being stopped.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Http(#[source] io::Error),
    /// A background task panicked.
    #[error("a part of the server broke off")]
    BrokeOff(#[from] JoinError),
}

impl Application {
    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a token that stops it when cancelled.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops accepting connections, finishes requests in progress, and returns leases.
    pub async fn stop(self) -> Result<(), EndError> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until it has been stopped.
    pub async fn ended(mut self) -> Result<(), EndError> {
        let served = self.server.await;
        // All of them end before an error is returned: dropping the set would abort attempts in progress.
        let mut background = Ok(());
        while let Some(ended) = self.background.join_next().await {
            background = background.and(ended);
        }
        background?;
        served?.map_err(EndError::Http)
    }
}
