//! The stand-in's front: a process that passes connections on to it and can be killed.
//!
//! The stand-in itself lives in the harness; its memory plays the database, which a kill of a real Forgejo leaves alone. What the
//! broker sees is the same: connections cut in the middle, a port that refuses, requests carried out whose answer is lost.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Passes connections on until it is killed.
pub(crate) async fn run(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    loop {
        let (mut near, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(target).await {
                // A connection that breaks is what this is for.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

pub(crate) struct Front {
    listen: SocketAddr,
    target: SocketAddr,
    process: Child,
}

// === impl Front ===

impl Front {
    pub(crate) async fn start(listen: SocketAddr, target: SocketAddr) -> Result<Self> {
        let process = spawn(listen, target).await?;
        Ok(Self { listen, target, process })
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill the front")
    }

    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.process = spawn(self.listen, self.target).await?;
        Ok(())
    }
}

/// Returns when it listens.
async fn spawn(listen: SocketAddr, target: SocketAddr) -> Result<Child> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    let child = Command::new(own)
        .args(["--front", &listen.to_string(), &target.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the front")?;
    let listens = async {
        while TcpStream::connect(listen).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listens).await.context("the front does not listen")?;
    Ok(child)
}
