//! The lines that arrived on stdin, kept so that tests can see what was really sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const KEPT_LINES: usize = 500;
const KEPT_CHARS: usize = 64 * 1024;

/// The newest lines, each cut to 64 Ki characters.
#[derive(Debug, Default)]
pub(crate) struct Received {
    lines: Mutex<VecDeque<String>>,
}

// === impl Received ===

impl Received {
    pub(crate) fn note(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.trim_end_matches('\n').chars().take(KEPT_CHARS).collect());
    }

    /// The kept lines, oldest first.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
