//! The user and network namespace of rung 3 (user_namespaces(7), network_namespaces(7)).
//!
//! A new network namespace has a loopback interface that is down and nothing else: no route, no other interface. The user
//! namespace is what allows an ordinary user to make one. The only listener in it is opened here, by the process that will
//! be the worker, and given to the broker, which serves it as the gateway; the worker itself keeps no descriptor of it.
//!
//! Every port of the new network is free, so the listener has the very port that the gateway has outside, and the URL is the
//! same on every rung.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};

use super::loopback;

#[derive(Debug, thiserror::Error)]
pub(crate) enum NamespaceError {
    #[error("cannot make a user and network namespace: {0}; does the system allow unprivileged ones?")]
    Unshare(io::Error),
    #[error("cannot map the user into its namespace: {0}")]
    Map(io::Error),
    #[error("cannot bring up the loopback interface: {0}")]
    Loopback(io::Error),
    #[error("cannot listen on port {port} of the new network: {source}")]
    Listen { port: u16, source: io::Error },
}

/// Moves the calling process into namespaces of its own and opens the gateway's listener there. There may be no other
/// thread.
pub(crate) fn enter(gateway_port: u16) -> Result<TcpListener, NamespaceError> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let apart = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    unshare(apart).map_err(|error| NamespaceError::Unshare(error.into()))?;
    map(user, group).map_err(NamespaceError::Map)?;
    loopback::bring_up().map_err(NamespaceError::Loopback)?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, gateway_port))
        .map_err(|source| NamespaceError::Listen { port: gateway_port, source })
}

/// Inside, the user has the number that it has outside. Groups can only be mapped by an ordinary user once `setgroups` is
/// given up.
fn map(user: u32, group: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
