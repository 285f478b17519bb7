//! The launcher's end of the [handover](crate::spawn::handover).

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, stdin};

use super::passing;

#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("cannot take the worker's stdin from the broker: {0}")]
    Stdin(io::Error),
    #[error("cannot give the gateway's listener to the broker: {0}")]
    Listener(io::Error),
}

/// Takes the worker's stdin from the socket that is in its place, puts it there, and returns the socket.
pub(super) fn take_stdin() -> Result<OwnedFd, HandoverError> {
    let take = || {
        let channel = fcntl_dupfd_cloexec(stdin(), 3)?;
        let worker_stdin = passing::receive(channel.as_fd())?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "none was sent"))?;
        dup2_stdin(&worker_stdin)?;
        Ok(channel)
    };
    take().map_err(HandoverError::Stdin)
}

/// Gives the listener away. The caller's own copy is still open.
pub(super) fn give(channel: &OwnedFd, listener: &TcpListener) -> Result<(), HandoverError> {
    passing::send(channel.as_fd(), listener.as_fd()).map_err(HandoverError::Listener)
}
