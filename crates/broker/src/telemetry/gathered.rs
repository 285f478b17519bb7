//! Standard error for many lines: they are gathered for a moment and written together.
//!
//! A system call for each line, and a wake-up of whoever reads it, cost more than the line. Warnings and errors do not wait, and take
//! with them what was gathered before; so does the end. Only a process that is killed loses what it said in its last moment.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
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
        let _ = std::io::stderr().lock().write_all(&lines);
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
