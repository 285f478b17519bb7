//! The writer: takes what waits, many at a time, and writes it in one go.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{Outgoing, Worker};
use crate::envelope::Message;

const BATCH: usize = 64;
/// Of an idle worker.
const FEW: usize = 4;
/// Bytes that an idle worker keeps for joining.
const SHORT: usize = 1024;
/// Beyond this a batch is written piece by piece instead of being copied together.
const JOINED: usize = 64 * 1024;

/// A call in the batch, for the case that the worker ends in the middle of it.
struct Sent {
    id: u64,
    /// Where its line begins.
    start: usize,
    message: Message,
}

/// All that the writer has. Dropped, it takes no more from anybody.
struct Writer {
    worker: Arc<Worker>,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    batch: Vec<Outgoing>,
    /// The calls in it.
    sent: Vec<Sent>,
    /// All of the batch as it goes out, if that is not much.
    joined: Vec<u8>,
    /// Of the whole batch, in bytes.
    written: usize,
}

/// Ends, and closes the worker's stdin, when the worker is stopped or takes no more.
pub(super) fn write(worker: Arc<Worker>, stdin: Box<dyn AsyncWrite + Send + Unpin>) -> impl Future<Output = ()> + Send {
    let mut writer = Writer { worker, stdin, batch: Vec::new(), sent: Vec::new(), joined: Vec::new(), written: 0 };
    async move {
        while poll_fn(|context| writer.poll_begin(context)).await {
            if let Err(error) = poll_fn(|context| writer.poll_write(context)).await {
                writer.give_up(&error);
                return;
            }
            writer.done();
        }
    }
}

/// From here on the calls count as sent.
fn mark_sent(worker: &Worker, batch: &[Outgoing]) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut start = 0;
    let mut pending = worker.pending.lock();
    for outgoing in batch {
        if let Some(id) = outgoing.call
            && let Some(call) = pending.call_mut(id)
            && let Some(message) = call.unsent.take()
        {
            sent.push(Sent { id, start, message });
        }
        start += outgoing.line.len() + 1;
    }
    sent
}

// === impl Writer ===

impl Writer {
    /// Takes what waits. `false` when nothing ever will.
    fn poll_begin(&mut self, context: &Context<'_>) -> Poll<bool> {
        if !ready!(self.worker.outgoing.poll_take(context, &mut self.batch, BATCH)) {
            return Poll::Ready(false);
        }
        self.sent = mark_sent(&self.worker, &self.batch);
        self.written = 0;
        self.joined.clear();
        let total = self.length() + self.batch.len();
        if total <= JOINED {
            self.joined.reserve(total);
            for outgoing in &self.batch {
                self.joined.extend_from_slice(&outgoing.line);
                self.joined.extend_from_slice(b"\n");
            }
        }
        Poll::Ready(true)
    }

    /// Of the lines in the batch, without their ends.
    fn length(&self) -> usize {
        self.batch.iter().map(|outgoing| outgoing.line.len()).sum()
    }

    /// Writes the batch to its end, unless the worker is stopped while it takes nothing.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest =
                if self.joined.is_empty() { rest(&self.batch, self.written) } else { &self.joined[self.written..] };
            let polled = if rest.is_empty() {
                Pin::new(&mut *self.stdin).poll_flush(context).map_ok(|()| None)
            } else {
                Pin::new(&mut *self.stdin).poll_write(context, rest).map_ok(Some)
            };
            match polled {
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(Some(0))) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(Some(taken))) => self.written += taken,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let closed = self.worker.outgoing.poll_closed(context);
                    return closed.map(|()| Err(io::ErrorKind::Interrupted.into()));
                }
            }
        }
    }

    /// The batch is out.
    fn done(&mut self) {
        self.worker.queued.fetch_sub(self.length(), Ordering::Relaxed);
        self.sent = Vec::new();
        // An idle worker keeps no more than it needs for the next call.
        if self.worker.outgoing.give_back(&mut self.batch, FEW) {
            self.joined.shrink_to(SHORT);
        }
    }

    /// What the pipe did not take at all can be given to another worker; what it took in part can not.
    fn give_up(&mut self, error: &io::Error) {
        let mut pending = self.worker.pending.lock();
        for Sent { id, start, message } in self.sent.drain(..) {
            if start >= self.written
                && let Some(call) = pending.call_mut(id)
            {
                call.unsent = Some(message);
            }
        }
        drop(pending);
        tracing::debug!(worker.label = %self.worker.label, error = %error, "worker takes no more input");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.worker.outgoing.close();
    }
}

/// What comes after so many bytes of a batch: the rest of a line, or its end, or nothing.
fn rest(batch: &[Outgoing], mut written: usize) -> &[u8] {
    for outgoing in batch {
        let length = outgoing.line.len();
        if written < length {
            return &outgoing.line[written..];
        }
        if written == length {
            return b"\n";
        }
        written -= length + 1;
    }
    b""
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_batch_that_is_written_piece_by_piece_comes_out_as_its_lines() {
        let lines = ["first", "", "third"];
        let batch = lines.map(|line| Outgoing { line: Bytes::from_static(line.as_bytes()), call: None });
        for piece in 1..8 {
            let mut out = Vec::new();
            loop {
                let rest = rest(&batch, out.len());
                if rest.is_empty() {
                    break;
                }
                out.extend_from_slice(&rest[..rest.len().min(piece)]);
            }
            assert_eq!(out, b"first\n\nthird\n");
        }
    }
}
