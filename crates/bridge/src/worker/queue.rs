//! What waits to be written to a worker: many put in, the writer takes out, nobody waits for a lock longer than a push takes.
//!
//! Not a channel of tokio's: its first block alone takes more memory than all that an idle worker has here, and here the memory of
//! what was written is used again for what comes next.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Outgoing;

pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// There is room again for one who waits for it.
    room: Notify,
    /// As in `inner`, to be asked without the lock.
    closed: AtomicBool,
    limit: usize,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Outgoing>,
    /// Places promised to those who hold a [`Room`].
    promised: usize,
    closed: bool,
    /// Whether somebody waits for room.
    starved: bool,
    writer: Option<Waker>,
}

/// Why nothing can be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    Full,
    Closed,
}

/// A place in the queue.
pub(super) struct Room<'a>(&'a Queue);

// === impl Queue ===

impl Queue {
    /// Holds so many at a time; what the writer has taken does not count.
    pub(super) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), room: Notify::new(), closed: AtomicBool::new(false), limit }
    }

    pub(super) fn try_reserve(&self) -> Result<Room<'_>, NoRoom> {
        let mut inner = self.inner.lock();
        inner.has_room(self.limit)?;
        inner.promised += 1;
        Ok(Room(self))
    }

    pub(super) fn try_send(&self, outgoing: Outgoing) -> Result<(), NoRoom> {
        let mut inner = self.inner.lock();
        inner.has_room(self.limit)?;
        inner.waiting.push(outgoing);
        let writer = inner.writer.take();
        drop(inner);
        wake(writer);
        Ok(())
    }

    /// Waits for room.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), NoRoom> {
        loop {
            let mut free = std::pin::pin!(self.room.notified());
            free.as_mut().enable();
            match self.reserve_or_wait() {
                Ok(room) => {
                    room.send(outgoing);
                    return Ok(());
                }
                Err(NoRoom::Full) => free.await,
                Err(NoRoom::Closed) => return Err(NoRoom::Closed),
            }
        }
    }

    fn reserve_or_wait(&self) -> Result<Room<'_>, NoRoom> {
        let mut inner = self.inner.lock();
        let room = inner.has_room(self.limit);
        inner.starved |= room == Err(NoRoom::Full);
        room?;
        inner.promised += 1;
        Ok(Room(self))
    }

    /// Nothing goes in any more, and what is in goes nowhere. The writer hears of it.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        self.closed.store(true, Ordering::Release);
        let (waiting, writer) = (mem::take(&mut inner.waiting), inner.writer.take());
        drop(inner);
        drop(waiting);
        wake(writer);
        self.room.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// For the writer: all that waits, up to `most`, into an empty `batch`. `false` when closed.
    pub(super) fn poll_take(&self, context: &Context<'_>, batch: &mut Vec<Outgoing>, most: usize) -> Poll<bool> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Poll::Ready(false);
        }
        if inner.waiting.is_empty() {
            inner.wake_for(context);
            return Poll::Pending;
        }
        if inner.waiting.len() <= most {
            mem::swap(&mut inner.waiting, batch);
        } else {
            batch.extend(inner.waiting.drain(..most));
        }
        let starved = mem::take(&mut inner.starved);
        drop(inner);
        if starved {
            self.room.notify_waiters();
        }
        Poll::Ready(true)
    }

    /// For the writer, while it waits for something else.
    pub(super) fn poll_closed(&self, context: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Poll::Ready(());
        }
        inner.wake_for(context);
        Poll::Pending
    }

    /// For the writer when it has written a batch: its memory goes to what comes next. `true` if nothing waits.
    pub(super) fn give_back(&self, batch: &mut Vec<Outgoing>, keep: usize) -> bool {
        batch.clear();
        let mut inner = self.inner.lock();
        let idle = inner.waiting.is_empty();
        if idle {
            if inner.waiting.capacity() == 0 {
                mem::swap(&mut inner.waiting, batch);
            }
            inner.waiting.shrink_to(keep);
            *batch = Vec::new();
        }
        idle
    }
}

fn wake(writer: Option<Waker>) {
    if let Some(writer) = writer {
        writer.wake();
    }
}

// === impl Inner ===

impl Inner {
    fn has_room(&self, limit: usize) -> Result<(), NoRoom> {
        if self.closed {
            return Err(NoRoom::Closed);
        }
        if self.waiting.len() + self.promised < limit { Ok(()) } else { Err(NoRoom::Full) }
    }

    fn wake_for(&mut self, context: &Context<'_>) {
        if !self.writer.as_ref().is_some_and(|writer| writer.will_wake(context.waker())) {
            self.writer = Some(context.waker().clone());
        }
    }
}

// === impl Room ===

impl Room<'_> {
    pub(super) fn send(self, outgoing: Outgoing) {
        let mut inner = self.0.inner.lock();
        inner.promised -= 1;
        let writer = if inner.closed {
            None
        } else {
            inner.waiting.push(outgoing);
            inner.writer.take()
        };
        drop(inner);
        wake(writer);
        // Otherwise the place would be given back.
        mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner.lock();
        inner.promised -= 1;
        let starved = mem::take(&mut inner.starved);
        drop(inner);
        if starved {
            self.0.room.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::task::yield_now;

    use super::*;

    fn line(text: &'static str) -> Outgoing {
        Outgoing { line: Bytes::from_static(text.as_bytes()), call: None }
    }

    async fn take(queue: &Queue, most: usize) -> Option<Vec<Bytes>> {
        let mut batch = Vec::new();
        let taken = poll_fn(|context| queue.poll_take(context, &mut batch, most)).await;
        let lines = batch.iter().map(|outgoing| outgoing.line.clone()).collect();
        queue.give_back(&mut batch, 4);
        taken.then_some(lines)
    }

    #[tokio::test]
    async fn lines_come_out_in_the_order_in_which_they_went_in_and_no_more_than_asked_for() {
        let queue = Queue::new(3);
        let Ok(room) = queue.try_reserve() else { panic!("no room") };
        assert_eq!(queue.try_send(line("a")), Ok(()));
        assert_eq!(queue.try_send(line("b")), Ok(()));
        assert_eq!(queue.try_send(line("x")), Err(NoRoom::Full), "a promise counts");
        room.send(line("c"));
        assert_eq!(queue.try_send(line("x")), Err(NoRoom::Full));
        assert_eq!(take(&queue, 2).await.expect("lines"), ["a", "b"]);
        assert_eq!(queue.try_send(line("d")), Ok(()));
        assert_eq!(take(&queue, 9).await.expect("lines"), ["c", "d"]);
    }

    #[tokio::test]
    async fn a_promise_that_is_not_kept_gives_its_place_back() {
        let queue = Queue::new(1);
        drop(queue.try_reserve());
        assert!(queue.try_reserve().is_ok());
    }

    #[tokio::test]
    async fn a_writer_that_waits_hears_of_a_line_and_of_the_end() {
        let queue = Arc::new(Queue::new(2));
        let writer = queue.clone();
        let taking = tokio::spawn(async move { (take(&writer, 9).await, take(&writer, 9).await) });
        yield_now().await;
        let Ok(room) = queue.try_reserve() else { panic!("no room") };
        room.send(line("a"));
        yield_now().await;
        assert!(!taking.is_finished());
        queue.close();
        let (first, second) = taking.await.expect("taken");
        assert_eq!((first.expect("a line"), second), (vec![Bytes::from_static(b"a")], None));
        assert_eq!(queue.try_send(line("x")), Err(NoRoom::Closed));
        assert!(queue.try_reserve().is_err_and(|why| why == NoRoom::Closed));
    }

    #[tokio::test]
    async fn a_sender_that_waits_for_room_gets_it_and_hears_of_the_end() {
        let queue = Queue::new(1);
        assert_eq!(queue.try_send(line("a")), Ok(()));
        let mut waiting = pin!(queue.send(line("b")));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert_eq!(take(&queue, 9).await.expect("lines"), ["a"]);
        assert_eq!(waiting.await, Ok(()));
        let mut waiting = pin!(queue.send(line("c")));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        queue.close();
        assert_eq!(waiting.await, Err(NoRoom::Closed));
    }

    #[tokio::test]
    async fn an_idle_queue_keeps_the_memory_of_a_few_lines_and_no_more() {
        let queue = Queue::new(1000);
        for _ in 0..100 {
            assert_eq!(queue.try_send(line("a")), Ok(()));
        }
        assert_eq!(take(&queue, 1000).await.expect("lines").len(), 100);
        assert!(queue.inner.lock().waiting.capacity() <= 4);
    }
}
