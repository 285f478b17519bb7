//! A wire between two programs that can be cut, or stop carrying anything while it looks whole.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Carries TCP from a port of its own to another one. Ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    /// Where it takes connections, on 127.0.0.1.
    pub port: u16,
    state: watch::Sender<State>,
    _carrying: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing passes, and nobody is told.
    Stalled,
    /// All connections are broken, and new ones too.
    Cut,
}

// === impl Wire ===

impl Wire {
    /// A wire to a port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a wire")?;
        let own = listener.local_addr()?.port();
        let (state, watching) = watch::channel(State::Whole);
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(carry(near, ([127, 0, 0, 1], port).into(), watching.clone()));
            }
        });
        Ok(Self { port: own, state, _carrying: carrying })
    }

    /// Nothing passes any more, and nobody is told.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Breaks all connections, and whatever comes new.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Carries again. What was stalled goes on; what was cut stays cut.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(near: TcpStream, to: SocketAddr, state: watch::Receiver<State>) {
    let mut cut = state.clone();
    let carried = async {
        let mut whole = state.clone();
        let _ = whole.wait_for(|state| *state == State::Whole).await;
        let Ok(far) = TcpStream::connect(to).await else {
            return;
        };
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = pass(near_read, far_write, state.clone()) => {}
            () = pass(far_read, near_write, state.clone()) => {}
        }
    };
    tokio::select! {
        () = carried => {}
        _ = cut.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|state| *state == State::Whole).await.is_err() {
            return;
        }
        let Some(bytes) = buffer.get(..length) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
