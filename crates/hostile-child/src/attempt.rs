//! What is tried, on what, and how it is told.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{files, kernel, memory, network, sockets};

/// What there is to attack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Targets {
    /// A file of the broker's.
    pub store: PathBuf,
    /// The broker's process id.
    pub broker: i32,
    /// Another worker's.
    pub worker: i32,
    /// Listens by TCP; not the gateway.
    pub tcp: SocketAddr,
    /// Takes datagrams.
    pub udp: SocketAddr,
    /// Listens on the gateway's port, but on another address.
    pub same_port: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// A unix socket that listens.
    pub path_socket: PathBuf,
    /// A unix socket for datagrams.
    pub path_datagrams: PathBuf,
    /// The name of an abstract unix socket that listens.
    pub abstract_socket: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It worked.
    Open,
    /// It did not.
    Refused,
}

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which of [`ATTEMPTS`].
    pub attempt: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What the system said, or how far it went.
    pub detail: String,
}

/// One thing to try: `Ok` says how far it went.
pub(crate) type Try = fn(&Context<'_>) -> io::Result<String>;

pub(crate) struct Context<'a> {
    pub(crate) targets: &'a Targets,
    /// How this program is started.
    pub(crate) again: &'a [OsString],
}

/// Everything that is tried, in this order: a key, and what it is for people.
pub const ATTEMPTS: [(&str, &str); 35] = [
    ("gateway", "reach the gateway (the control: always possible)"),
    ("read-store", "read the broker's store"),
    ("write-store", "write into it"),
    ("chmod-store", "change its mode"),
    ("truncate-store", "cut it to a length"),
    ("list-root", "list the root directory"),
    ("write-tmp", "write a file into /tmp"),
    ("broker-environ", "read the broker's environment in /proc"),
    ("broker-memory", "open the broker's memory in /proc"),
    ("broker-vm-read", "read the broker's memory by process_vm_readv"),
    ("broker-signal", "send the broker a signal"),
    ("broker-limits", "set a resource limit of the broker"),
    ("worker-environ", "read another worker's environment in /proc"),
    ("worker-memory", "open another worker's memory in /proc"),
    ("worker-vm-read", "read another worker's memory by process_vm_readv"),
    ("worker-ptrace", "attach to another worker by ptrace"),
    ("worker-signal", "send another worker a signal"),
    ("tcp", "connect out by TCP"),
    ("tcp6", "connect out by TCP over IPv6"),
    ("same-port", "connect to the gateway's port on another address"),
    ("udp", "send a datagram"),
    ("mptcp", "connect out by Multipath TCP"),
    ("fast-open", "send by TCP Fast Open"),
    ("netlink", "ask the kernel for its interfaces (netlink)"),
    ("path-socket", "connect to a unix socket by its path"),
    ("path-datagram", "send to a unix socket from one end of a socket pair"),
    ("abstract-socket", "connect to an abstract unix socket"),
    ("bind", "listen on a port"),
    ("listen", "listen without a bind"),
    ("io-uring", "set up an io_uring"),
    ("namespace", "make a user namespace"),
    ("fork", "start a process"),
    ("memory", "take memory without end (stops at 2 GiB)"),
    ("descriptors", "open descriptors without end (stops at 4096)"),
    ("exec", "run a program of the system in its own place"),
];

/// Which function tries it. The last attempt replaces this process if it works.
fn function(key: &str) -> Option<Try> {
    Some(match key {
        "gateway" => network::gateway,
        "read-store" => files::read_store,
        "write-store" => files::write_store,
        "chmod-store" => files::chmod_store,
        "truncate-store" => files::truncate_store,
        "list-root" => files::list_root,
        "write-tmp" => files::write_tmp,
        "broker-environ" => memory::broker_environ,
        "broker-memory" => memory::broker_memory,
        "broker-vm-read" => memory::broker_vm_read,
        "broker-signal" => memory::broker_signal,
        "broker-limits" => memory::broker_limits,
        "worker-environ" => memory::worker_environ,
        "worker-memory" => memory::worker_memory,
        "worker-vm-read" => memory::worker_vm_read,
        "worker-ptrace" => memory::worker_ptrace,
        "worker-signal" => memory::worker_signal,
        "tcp" => network::tcp,
        "tcp6" => network::tcp6,
        "same-port" => network::same_port,
        "udp" => network::udp,
        "mptcp" => network::mptcp,
        "fast-open" => network::fast_open,
        "netlink" => network::netlink,
        "path-socket" => sockets::path,
        "path-datagram" => sockets::path_datagram,
        "abstract-socket" => sockets::abstract_name,
        "bind" => sockets::bind,
        "listen" => sockets::listen,
        "io-uring" => kernel::io_uring,
        "namespace" => kernel::namespace,
        "fork" => kernel::fork,
        "memory" => kernel::memory,
        "descriptors" => kernel::descriptors,
        "exec" => kernel::exec,
        _ => return None,
    })
}

/// Tries everything and prints one line for each.
pub(crate) fn all(again: &[OsString], targets: &str) -> io::Result<()> {
    let targets: Targets = serde_json::from_str(targets)?;
    let context = Context { targets: &targets, again };
    for (key, _) in ATTEMPTS {
        let attempt = function(key).ok_or_else(|| io::Error::other(format!("{key} is not written")))?;
        say(key, attempt(&context))?;
    }
    Ok(())
}

/// Tries one thing that needs no targets.
pub(crate) fn one(again: &[OsString], key: &str) -> io::Result<()> {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let targets = Targets {
        store: PathBuf::new(),
        broker: 0,
        worker: 0,
        tcp: nowhere,
        udp: nowhere,
        same_port: nowhere,
        gateway: nowhere,
        path_socket: PathBuf::new(),
        path_datagrams: PathBuf::new(),
        abstract_socket: String::new(),
    };
    let attempt = function(key).ok_or_else(|| io::Error::other("no such attempt"))?;
    say(key, attempt(&Context { targets: &targets, again }))
}

pub(crate) fn say(key: &str, result: io::Result<String>) -> io::Result<()> {
    let (outcome, detail) = match result {
        Ok(detail) => (Outcome::Open, detail),
        Err(error) => (Outcome::Refused, error.to_string()),
    };
    let report = Report { attempt: key.to_owned(), outcome, detail };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &report)?;
    writeln!(stdout)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_listed_is_tried() {
        for (key, _) in ATTEMPTS {
            assert!(function(key).is_some(), "{key}");
        }
    }
}
