//! A stretch of network that can be made to fail: connections pass, stand still, or break.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Passes,
    /// Nothing moves, and nobody is told: as with a cable that was pulled.
    Stalls,
    /// Those that are there break, and new ones break at once.
    Breaks,
}

/// A port of 127.0.0.1 behind which another one is.
pub struct Link {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

// === impl Link ===

impl Link {
    /// Leads to `port`.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("a link cannot listen")?;
        let address = listener.local_addr()?;
        let (mode, seen) = watch::channel(Mode::Passes);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // What goes wrong on it is seen at its ends.
                tokio::spawn(pass(near, port, seen.clone()));
            }
        });
        Ok(Self { address, mode, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether its packets vanish on the way, in a namespace that `scripts/netns.sh` has made. Unlike with [`Mode::Stalls`] nobody answers at
    /// all: no connection is accepted, nothing is acknowledged.
    ///
    /// # Errors
    /// When nft does not take it.
    pub async fn partition(&self, cut: bool) -> Result<()> {
        let (what, port) = (if cut { "add" } else { "delete" }, self.port().to_string());
        let ended =
            Command::new("nft").args([what, "element", "inet", "farm", "cut", "{", &port, "}"]).output().await?;
        ensure!(ended.status.success(), "nft: {}", String::from_utf8_lossy(&ended.stderr));
        Ok(())
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut near: TcpStream, port: u16, mut mode: watch::Receiver<Mode>) -> Result<()> {
    if *mode.borrow() == Mode::Breaks {
        return Ok(());
    }
    mode.wait_for(|mode| *mode != Mode::Stalls).await?;
    let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
    let (there, back) = (copy(from_near, to_far, mode.clone()), copy(from_far, to_near, mode.clone()));
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
        broken = mode.wait_for(|mode| *mode == Mode::Breaks) => broken.map(|_| ()).context("the link is gone"),
    }
}

async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut mode: watch::Receiver<Mode>) -> Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        mode.wait_for(|mode| *mode == Mode::Passes).await?;
        to.write_all(&bytes[..count]).await?;
    }
}
