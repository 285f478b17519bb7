//! The gateway's listener in a worker's own network: how it gets to the broker (rung 3).
//!
//! The launcher is started with one end of a socket pair as its stdin. Over it, the broker gives the pipe that is to be the
//! worker's stdin, and the launcher gives the listener that it has opened in the new network. The socket is gone before the
//! program runs.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use tokio::io::Interest;

use crate::launcher::passing;

/// Where the gateway takes in listeners that were opened in workers' own networks.
pub trait GatewayListeners: std::fmt::Debug + Send + Sync + 'static {
    /// Serves the listener, which is not blocking, like the gateway's own until the returned value is dropped. Called within
    /// the tokio runtime in which workers are started.
    fn adopt(&self, listener: TcpListener) -> io::Result<Box<dyn Send + Sync>>;
}

/// Both ends of a channel: the broker's, with the worker's stdin sent already, and the launcher's.
pub(crate) fn channel(worker_stdin: OwnedFd) -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    passing::send(ours.as_fd(), worker_stdin.as_fd())?;
    Ok((ours, theirs.into()))
}

/// Waits for the listener; `None` if the launcher has ended without giving one.
pub(super) async fn listener(channel: UnixStream) -> io::Result<Option<TcpListener>> {
    channel.set_nonblocking(true)?;
    let channel = tokio::net::UnixStream::from_std(channel)?;
    let received = channel.async_io(Interest::READABLE, || passing::receive(channel.as_fd())).await?;
    let listener = received.map(TcpListener::from);
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}
