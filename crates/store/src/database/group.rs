//! Those who wait for SQLite's single writer at the same time share one transaction (docs/adr/0015).
//!
//! A commit waits for the disk, and one at a time would be all there is. So whoever writes puts his [`Work`] into a queue; one task takes
//! what has gathered there, runs it piece after piece in one transaction, commits, and only then answers. While it commits, the next ones
//! gather: nobody waits for company. If a piece fails, nothing of the common transaction is kept and each piece is run in one of its own, so
//! that it is answered what it would have been answered alone. The task is nobody's: a caller who goes away takes nothing along but his own
//! piece, and that only as long as it has not begun.

use std::future::Future;
use std::mem;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::pool::{Connection, Pool};
use crate::error::StoreError;

/// Pieces in one transaction, so that nobody waits for the commit of an endless one.
const TOGETHER: usize = 128;

/// What is to be written, all or nothing. It may be run more than once; what the runs before the last wrote is not kept.
pub(crate) trait Work: Send + Sync + 'static {
    /// What the caller is answered once it is on the disk.
    type Done: Send + 'static;

    /// Writes it within a transaction that others may share. Whatever has to be undone is an error.
    fn run(&self, tx: &mut Connection) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;
}

/// The queue before the writer. A cheap handle.
#[derive(Clone)]
pub(crate) struct Group {
    writer: Pool,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Box<dyn Piece>>,
    /// Whether a task takes from it.
    is_served: bool,
}

/// A [`Work`] of whatever kind, and its caller.
trait Piece: Send {
    fn is_wanted(&self) -> bool;
    fn run<'t>(&'t mut self, tx: &'t mut Connection) -> BoxFuture<'t, Result<(), StoreError>>;
    /// Tells the caller what came of the last run.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Waiting<W: Work> {
    work: W,
    done: Option<W::Done>,
    caller: oneshot::Sender<Result<W::Done, StoreError>>,
}

/// Whoever waits is answered even if the task ends before its time.
struct Serving<'g> {
    group: &'g Group,
    is_over: bool,
}

/// Why a transaction was not committed.
enum Failed {
    /// It could not be begun or committed.
    Transaction(sqlx::Error),
    /// A piece of it failed.
    Piece(StoreError),
}

// === impl Group ===

impl Group {
    pub(crate) fn new(writer: Pool) -> Self {
        Self { writer, queue: Arc::default() }
    }

    /// Returns when the work is on the disk, or nothing of it is.
    pub(crate) async fn write<W: Work>(&self, work: W) -> Result<W::Done, StoreError> {
        let (caller, answer) = oneshot::channel();
        let is_served = {
            let mut queue = self.queue.lock();
            queue.waiting.push(Box::new(Waiting { work, done: None, caller }));
            mem::replace(&mut queue.is_served, true)
        };
        if !is_served {
            let group = self.clone();
            // It ends by itself as soon as nobody waits.
            tokio::spawn(async move { group.serve().await });
        }
        answer.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }

    async fn serve(&self) {
        let mut serving = Serving { group: self, is_over: false };
        loop {
            let pieces = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.is_served = false;
                    serving.is_over = true;
                    return;
                }
                let together = queue.waiting.len().min(TOGETHER);
                queue.waiting.drain(..together).collect()
            };
            self.write_together(pieces).await;
        }
    }

    async fn write_together(&self, mut pieces: Vec<Box<dyn Piece>>) {
        pieces.retain(|piece| piece.is_wanted());
        if pieces.len() > 1 {
            match self.commit(&mut pieces).await {
                Ok(()) => return pieces.into_iter().for_each(|piece| piece.answer(Ok(()))),
                Err(Failed::Transaction(error)) => return self.give_up(pieces, error),
                Err(Failed::Piece(_)) => {}
            }
        }
        self.write_apart(pieces).await;
    }

    async fn write_apart(&self, pieces: Vec<Box<dyn Piece>>) {
        let mut left = pieces.into_iter();
        while let Some(piece) = left.next() {
            let mut alone = [piece];
            let committed = self.commit(&mut alone).await;
            let [piece] = alone;
            match committed {
                Ok(()) => piece.answer(Ok(())),
                Err(Failed::Piece(error)) => piece.answer(Err(error)),
                Err(Failed::Transaction(error)) => return self.give_up([piece].into_iter().chain(left), error),
            }
        }
    }

    async fn commit(&self, pieces: &mut [Box<dyn Piece>]) -> Result<(), Failed> {
        let mut tx = self.writer.begin().await.map_err(Failed::Transaction)?;
        for piece in pieces {
            if let Err(error) = piece.run(&mut tx).await {
                // Where it fails, the connection has ended the transaction, or is not used again.
                let _ = tx.rollback().await;
                return Err(Failed::Piece(error));
            }
        }
        tx.commit().await.map_err(Failed::Transaction)
    }

    /// The database does not take anything at present. Who came meanwhile has waited long enough, too.
    fn give_up(&self, pieces: impl IntoIterator<Item = Box<dyn Piece>>, error: sqlx::Error) {
        let error = Arc::new(error);
        let waiting = mem::take(&mut self.queue.lock().waiting);
        for piece in pieces.into_iter().chain(waiting) {
            piece.answer(Err(StoreError::NotWritten(Arc::clone(&error))));
        }
    }
}

// === impl Serving ===

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let left = {
                let mut queue = self.group.queue.lock();
                queue.is_served = false;
                mem::take(&mut queue.waiting)
            };
            drop(left);
        }
    }
}

// === impl Waiting ===

impl<W: Work> Piece for Waiting<W> {
    fn is_wanted(&self) -> bool {
        !self.caller.is_closed()
    }

    fn run<'t>(&'t mut self, tx: &'t mut Connection) -> BoxFuture<'t, Result<(), StoreError>> {
        async {
            self.done = Some(self.work.run(tx).await?);
            Ok(())
        }
        .boxed()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let done = self.done.ok_or_else(|| sqlx::Error::WorkerCrashed.into());
        // Whoever has gone away needs no answer.
        let _ = self.caller.send(committed.and(done));
    }
}

#[cfg(test)]
mod tests;
