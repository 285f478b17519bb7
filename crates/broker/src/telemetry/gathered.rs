//! Standard error for many lines: they are gathered for a moment and written together.
//!
//! A system call for each line, and a wake-up of whoever reads it, cost more than the line. Warnings and errors do not wait, and take
//! with them what was gathered before; so does the end. Only a process that is killed loses what it said in its last moment.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io;
use tracing::Level;

/// How long a line waits for others.
const MOMENT: Duration = Duration::from_millis(20);
/// So many bytes do not wait, so that a reader who does not keep up holds the program up instead of filling its memory.
const MANY: usize = 256 * 1024;

/// Takes lines. Cheap to clone; whoever drops the last one still gets everything written by [`Gathered::flush`] before.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    /// Something waits that was not there before.
    news: Condvar,
    /// Held while writing, and taken before what is written is taken: lines stay in their order.
    writing: Mutex<()>,
}

// === impl Gathered ===

impl Gathered {
    /// With a thread that writes what was gathered.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let gathered = Self::default();
        let of_thread = gathered.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.run())?;
        Ok(gathered)
    }

    /// Takes a line.
    pub(super) fn put(&self, line: &[u8], level: Level) {
        let (first, many) = {
            let mut waiting = self.0.waiting.lock();
            let first = waiting.is_empty();
            waiting.extend_from_slice(line);
            (first, waiting.len() > MANY)
        };
        if many || level <= Level::WARN {
            self.flush();
        } else if first {
            self.0.news.notify_one();
        }
    }

    /// Writes what has been gathered.
    pub(super) fn flush(&self) {
        let _writing = self.0.writing.lock();
        let lines = std::mem::take(&mut *self.0.waiting.lock());
        // Nobody is left to be told if standard error is gone.
        let _ = write_whole(std::io::stderr().as_fd(), &lines);
    }

    fn run(&self) {
        loop {
            {
                let mut waiting = self.0.waiting.lock();
                self.0.news.wait_while(&mut waiting, |waiting| waiting.is_empty());
            }
            std::thread::park_timeout(MOMENT);
            self.flush();
        }
    }
}

/// Waits even where standard error does not block, as another process that shares it may have decided: up to [`MANY`] bytes would be lost
/// otherwise, a line cut through the middle.
fn write_whole(to: BorrowedFd<'_>, mut lines: &[u8]) -> io::Result<()> {
    while !lines.is_empty() {
        match io::write(to, lines) {
            Ok(written) => lines = lines.get(written..).unwrap_or_default(),
            Err(io::Errno::INTR) => {}
            Err(io::Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn nothing_is_lost_on_a_descriptor_that_does_not_block() {
        let (outlet, inlet) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        io::ioctl_fionbio(&inlet, true).unwrap();
        let lines = b"a line\n".repeat(100_000);
        let written = lines.clone();
        let writing = std::thread::spawn(move || write_whole(inlet.as_fd(), &written));
        let mut read = Vec::new();
        std::fs::File::from(outlet).read_to_end(&mut read).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(read.len(), lines.len());
        assert!(read == lines);
    }
}
