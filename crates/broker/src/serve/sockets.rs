//! Sockets that somebody else has opened for us (systemd's socket activation, `sd_listen_fds(3)`).
//!
//! Whoever connects while the program restarts then waits in the socket's queue instead of being refused.

use std::net::TcpListener;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;

/// What was passed: the first socket is the public one, a second one is for metrics.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Serves clients and browsers, in place of `listen`.
    pub main: Option<TcpListener>,
    /// Serves metrics, in place of `metrics-listen`.
    pub metrics: Option<TcpListener>,
}

// === impl Sockets ===

impl Sockets {
    /// Takes what was passed to this very process. To be called before there is a second thread, because it takes the variables of the
    /// protocol out of the environment.
    ///
    /// # Errors
    /// When something else than one or two listening TCP sockets was passed.
    pub fn inherited() -> Result<Self, anyhow::Error> {
        let mut passed = ListenFd::from_env();
        if passed.len() > 2 {
            bail!("{} sockets were passed; the first is for clients, a second one for metrics", passed.len());
        }
        let mut take = |index| {
            let taken = passed.take_tcp_listener(index);
            taken
                .context("a passed descriptor is no listening TCP socket: use ListenStream= with an address and a port")
        };
        Ok(Self { main: take(0)?, metrics: take(1)? })
    }
}
