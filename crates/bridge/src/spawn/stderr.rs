//! A worker's stderr: read to its end so that the worker never blocks on it, logged by line at debug level, never inherited.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::ChildStderr;

use super::scrub::Scrubber;

/// Bytes kept of one line; the rest is read and dropped.
const LONGEST_LINE: usize = 8 * 1024;
/// Characters shown of one line.
const LONGEST_SHOWN: usize = 2 * 1024;
/// Bytes of one read.
const CHUNK: usize = 1024;
/// How long the pipe of an ended worker may stay open in the hands of a process that left its group.
const AFTER_END: Duration = Duration::from_millis(250);

/// One worker's stderr.
pub(super) struct Stderr {
    pipe: Option<ChildStderr>,
    lines: Lines,
    listener: Listener,
}

/// What becomes of its lines.
struct Listener {
    /// Names the worker in the log.
    label: String,
    scrubber: Scrubber,
    last: LastWords,
}

/// What to tell an operator about an end.
#[derive(Default)]
struct LastWords {
    /// The last line that reads like a message.
    message: Option<Vec<u8>>,
    /// The last line that is not empty.
    line: Option<Vec<u8>>,
}

/// Cuts a byte stream into lines without ever holding more than [`LONGEST_LINE`].
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    cut: bool,
}

fn shown(scrubber: &Scrubber, line: &[u8]) -> String {
    let mut text = scrubber.scrub(line);
    text.truncate(text.trim_end().len());
    if let Some((end, _)) = text.char_indices().nth(LONGEST_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Stack traces follow the message that matters: Go's and Rust's put a function's bare name or an indented place on each line.
fn reads_like_a_message(line: &[u8]) -> bool {
    let about_a_trace: [&[u8]; 4] = [b"goroutine ", b"note: ", b"Node.js v", b"exit status "];
    line.first().is_some_and(|first| !first.is_ascii_whitespace())
        && line.contains(&b' ')
        && !about_a_trace.iter().any(|beginning| line.starts_with(beginning))
}

// === impl Stderr ===

impl Stderr {
    /// `label` names the worker in the log, `capability` is hidden in it.
    pub(super) fn new(pipe: ChildStderr, label: String, capability: String) -> Self {
        let listener = Listener { label, scrubber: Scrubber::new(capability), last: LastWords::default() };
        Self { pipe: Some(pipe), lines: Lines::default(), listener }
    }

    /// The future's result; what the worker writes until then is read. The future goes first: a worker that never stops
    /// writing does not hold it up.
    pub(super) fn read_during<F: Future>(&mut self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |context| {
            let polled = future.as_mut().poll(context);
            if polled.is_pending() {
                let _ = self.poll_to_end(context);
            }
            polled
        })
    }

    /// Called when the worker has ended: its last message, scrubbed and capped.
    pub(super) async fn finish(mut self) -> Option<String> {
        // What is open after that is in the hands of somebody else, and is closed with this.
        let _ = tokio::time::timeout(AFTER_END, poll_fn(|context| self.poll_to_end(context))).await;
        let last = self.listener.last;
        let line = last.message.as_deref().or(last.line.as_deref())?;
        Some(shown(&self.listener.scrubber, line))
    }

    fn poll_to_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(()) };
        // On the stack, not in the task: idle workers need none.
        let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
        loop {
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = ready!(Pin::new(&mut *pipe).poll_read(context, &mut chunk));
            if read.is_err() || chunk.filled().is_empty() {
                break;
            }
            self.lines.push(chunk.filled(), self.listener.scrubber.longest(), &mut |line| self.listener.take(line));
        }
        self.pipe = None;
        self.lines.end(self.listener.scrubber.longest(), &mut |line| self.listener.take(line));
        Poll::Ready(())
    }
}

// === impl Listener ===

impl Listener {
    fn take(&mut self, line: &[u8]) {
        if tracing::enabled!(target: "worker.stderr", tracing::Level::DEBUG) {
            let text = shown(&self.scrubber, line);
            tracing::debug!(target: "worker.stderr", { worker.label = self.label }, "{text}");
        }
        self.last.take(line);
    }
}

// === impl LastWords ===

impl LastWords {
    fn take(&mut self, line: &[u8]) {
        let line = line.trim_ascii_end();
        let place = if reads_like_a_message(line) { &mut self.message } else { &mut self.line };
        if !line.is_empty() {
            *place = Some(line.to_vec());
        }
    }
}

// === impl Lines ===

impl Lines {
    /// `margin` bytes are dropped at the end of a line that had to be cut: the cut may have gone through a secret of that
    /// length, which would not be recognised any more.
    fn push(&mut self, mut chunk: &[u8], margin: usize, take: &mut impl FnMut(&[u8])) {
        while let Some(newline) = memchr::memchr(b'\n', chunk) {
            self.keep(&chunk[..newline]);
            self.end(margin, take);
            chunk = &chunk[newline + 1..];
        }
        self.keep(chunk);
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.line.len();
        self.cut |= part.len() > room;
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end(&mut self, margin: usize, take: &mut impl FnMut(&[u8])) {
        if self.cut {
            self.line.truncate(LONGEST_LINE.saturating_sub(margin));
        }
        // Its memory goes with it: most workers say something at their start and nothing after.
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            take(&line);
        }
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]], margin: usize) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let mut take = |line: &[u8]| seen.push(line.to_vec());
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.push(chunk, margin, &mut take);
        }
        lines.end(margin, &mut take);
        seen
    }

    fn last_message(lines: &[&str]) -> Option<String> {
        let mut last = LastWords::default();
        for line in lines {
            last.take(line.as_bytes());
        }
        last.message.or(last.line).map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn lines_are_put_together_across_reads_and_the_last_needs_no_newline() {
        assert_eq!(lines_of(&[b"one\ntw", b"o\n\nthr", b"ee"], 0), [&b"one"[..], b"two", b"three"]);
    }

    #[test]
    fn a_line_without_end_is_held_only_up_to_the_cap_and_the_next_one_is_whole() {
        let endless = vec![b'x'; LONGEST_LINE];
        let seen = lines_of(&[&endless, &endless, b"\nnext"], 100);
        assert_eq!(seen[0].len(), LONGEST_LINE - 100);
        assert_eq!(seen[1], b"next");
    }

    #[test]
    fn a_capability_at_the_cut_does_not_show_its_beginning() {
        let capability = "capability-0123456789";
        let mut line = vec![b' '; LONGEST_LINE - 10];
        line.extend_from_slice(capability.as_bytes());
        let seen = lines_of(&[&line, b"\n"], capability.len());
        assert!(!String::from_utf8_lossy(&seen[0]).contains("capab"));
    }

    #[test]
    fn a_long_line_is_shown_cut() {
        let text = shown(&Scrubber::new("t".to_owned()), "é".repeat(LONGEST_SHOWN + 5).as_bytes());
        assert_eq!(text.chars().count(), LONGEST_SHOWN + 1);
    }

    #[test]
    fn the_last_message_is_not_a_line_of_the_stack_trace_below_it() {
        let go = [
            "x FATAL\tcmd.go:259\tconnection refused",
            "main.main",
            "\tmain.go:17",
            "runtime.main",
            "\tproc.go:290",
            "",
        ];
        assert_eq!(last_message(&go).unwrap(), go[0]);
        let rust = ["thread 'main' panicked at src/main.rs:1:1:", "out of cheese", "note: run with `RUST_BACKTRACE=1`"];
        assert_eq!(last_message(&rust).unwrap(), "out of cheese");
    }

    #[test]
    fn one_bare_word_is_better_than_nothing() {
        assert_eq!(last_message(&["killed", ""]).unwrap(), "killed");
    }
}
