//! When to stop: the first signal asks, the second insists.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A handle to the program's end; clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    at_once: CancellationToken,
}

// === impl Stop ===

impl Stop {
    /// A stop that only [`Self::request`] brings about.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops at SIGTERM or SIGINT, at once at the second of them. Must be called on a runtime.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(watch(terminate, interrupt, stop.clone()));
        Ok(stop)
    }

    /// Stops when `token` is cancelled.
    #[must_use]
    pub fn at(token: &CancellationToken) -> Self {
        Self { requested: token.clone(), at_once: CancellationToken::new() }
    }

    /// Asks for a stop, or, if one has been asked for, insists.
    pub fn request(&self) {
        if self.requested.is_cancelled() {
            self.at_once.cancel();
        }
        self.requested.cancel();
    }

    /// Ends when a stop is asked for.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Ends when waiting any longer is not wanted.
    pub async fn at_once(&self) {
        self.at_once.cancelled().await;
    }

    /// For parts that take a token: cancelled when a stop is asked for.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.requested.clone()
    }
}

async fn watch(mut terminate: Signal, mut interrupt: Signal, stop: Stop) {
    loop {
        let name = tokio::select! {
            Some(()) = terminate.recv() => "SIGTERM",
            Some(()) = interrupt.recv() => "SIGINT",
            else => return,
        };
        tracing::info!(signal = name, "told to stop");
        stop.request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_asks_and_the_second_insists() {
        let stop = Stop::new();
        stop.request();
        stop.requested().await;
        assert!(!stop.at_once.is_cancelled());
        stop.request();
        stop.at_once().await;
    }
}
