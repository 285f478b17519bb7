//! stderr in the shape of zap's console log, colours and stack traces included.

use std::io::Write;
use std::time::Instant;

/// Writes log lines to stderr; the time column counts seconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journal {
    started: Instant,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn info(&self, place: &str, text: &str) {
        self.line("\x1b[34mINFO\x1b[0m", place, text);
    }

    pub(crate) fn error(&self, place: &str, text: &str, stack: &[(&str, &str)]) {
        self.line("\x1b[31mERROR\x1b[0m", place, text);
        stack_trace(stack);
    }

    pub(crate) fn fatal(&self, text: &str) {
        self.line("\x1b[31mFATAL\x1b[0m", "cmd/cmd.go:259", text);
    }

    /// Raw text, for tools that are asked to print something.
    pub(crate) fn raw(text: &str) {
        // A closed stderr must not end the process: Go ignores that error as well.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn line(&self, level: &str, place: &str, text: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        Self::raw(&format!("{seconds:.3}\t{level}\t{place}\t{text}\n"));
    }
}

/// Prints a Go stack trace.
pub(crate) fn stack_trace(frames: &[(&str, &str)]) {
    let mut text = String::new();
    for (function, place) in frames {
        text.push_str(function);
        text.push_str("\n\t");
        text.push_str(place);
        text.push('\n');
    }
    Journal::raw(&text);
}
