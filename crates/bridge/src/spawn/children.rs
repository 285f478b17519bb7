//! Which children of this process are its own, for the one other place that takes exit statuses: the orphan reaper.
//!
//! Children belong to the whole process, hence so does this set. Its lock is held while a child is made, so that nobody can
//! see a new child that is not in the set yet.

use std::collections::HashSet;
use std::io;
use std::process::{Command, Output};
use std::sync::LazyLock;

use parking_lot::Mutex;
use tokio::process::Child;

static OWN: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);

/// Starts a process as a worker.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let mut own = OWN.lock();
    let child = command.spawn()?;
    own.extend(child.id());
    Ok(child)
}

/// Runs a process that ends by itself, and waits for it.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let child = {
        let mut own = OWN.lock();
        let child = command.spawn()?;
        own.insert(child.id());
        child
    };
    let pid = child.id();
    let output = child.wait_with_output();
    forget(pid);
    output
}

/// The status of a child has been taken; the pid may be anybody's now.
pub(super) fn forget(pid: u32) {
    OWN.lock().remove(&pid);
}

/// Calls `f` unless `pid` is a child of our own making. No worker is started meanwhile.
pub(crate) fn unless_own<T>(pid: u32, f: impl FnOnce() -> T) -> Option<T> {
    let own = OWN.lock();
    (!own.contains(&pid)).then(f)
}
