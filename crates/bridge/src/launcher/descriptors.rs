//! Descriptors that the broker was itself started with.
//!
//! What the broker opens is closed by the exec. What it inherited (a job server's pipes, a service manager's sockets, an
//! editor's files) is not, and belongs to nobody in a worker.

use std::fs;
use std::io;
use std::os::fd::RawFd;

/// Closes everything but the standard streams. Only for a process that has opened nothing itself.
pub(super) fn close_inherited() -> io::Result<()> {
    // The list is complete, and its own descriptor closed, before the first one is closed by number.
    let open: Vec<RawFd> =
        fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // An error means that it is closed: it was the list's own.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}
