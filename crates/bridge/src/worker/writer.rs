//! The writer: takes what waits, many at a time, and writes it in one go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

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

/// Ends, and closes the worker's stdin, when the worker is stopped or takes no more.
pub(super) async fn write(
    worker: Arc<Worker>,
    mut stdin: Box<dyn AsyncWrite + Send + Unpin>,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    let mut batch = Vec::with_capacity(FEW);
    let mut joined = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = worker.stop.cancelled() => return,
            taken = queue.recv_many(&mut batch, BATCH) => if taken == 0 { return },
        }
        let sent = mark_sent(&worker, &batch);
        let mut written = 0;
        let result = tokio::select! {
            biased;
            result = write_batch(&mut stdin, &batch, &mut joined, &mut written) => result,
            () = worker.stop.cancelled() => Err(io::ErrorKind::Interrupted.into()),
        };
        let length: usize = batch.iter().map(|outgoing| outgoing.line.len()).sum();
        worker.queued.fetch_sub(length, Ordering::Relaxed);
        batch.clear();
        if let Err(error) = result {
            // What the pipe did not take at all can be given to another worker; what it took in part can not.
            let mut pending = worker.pending.lock();
            for Sent { id, message, .. } in sent.into_iter().filter(|sent| sent.start >= written) {
                if let Some(call) = pending.call_mut(id) {
                    call.unsent = Some(message);
                }
            }
            drop(pending);
            tracing::debug!(worker.label = %worker.label, error = %error, "worker takes no more input");
            return;
        }
        if batch.is_empty() && queue.is_empty() {
            // An idle worker keeps no more than it needs for the next call.
            batch.shrink_to(FEW);
            joined.shrink_to(SHORT);
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

async fn write_batch(
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
    batch: &[Outgoing],
    joined: &mut Vec<u8>,
    written: &mut usize,
) -> io::Result<()> {
    let total: usize = batch.iter().map(|outgoing| outgoing.line.len() + 1).sum();
    if total <= JOINED {
        joined.clear();
        joined.reserve(total);
        for outgoing in batch {
            joined.extend_from_slice(&outgoing.line);
            joined.extend_from_slice(b"\n");
        }
        write_counted(stdin, joined, written).await?;
    } else {
        for outgoing in batch {
            write_counted(stdin, &outgoing.line, written).await?;
            write_counted(stdin, b"\n", written).await?;
        }
    }
    stdin.flush().await
}

async fn write_counted(
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
    mut bytes: &[u8],
    written: &mut usize,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = stdin.write(bytes).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *written += taken;
        bytes = &bytes[taken..];
    }
    Ok(())
}
