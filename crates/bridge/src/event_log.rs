//! What goes to a client on one stream: the queue of events, the memory for `Last-Event-ID`, and the one reader.
//!
//! Goal: a worker is never held up by a slow client, and a client that lost its connection gets what it missed. Choice: one
//! bounded log per stream with a position of the reader. The worker's side only appends; when too much waits, the oldest
//! notification goes, never an answer or a question (mcp.md, trap 23). Event ids are `<life>-<stream>-<number>`: they name the
//! stream they belong to (T41), so messages of another stream can't be replayed (T43), and an id from an earlier life of the
//! session is recognised as such.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::StreamLimits;
use crate::sse;

/// What an event is, for the order in which they are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// May be dropped.
    Notification,
    /// A question or an answer: has to arrive.
    Needed,
}

pub(crate) struct EventLog {
    /// What all event ids begin with; without one the events have none.
    prefix: Option<Box<str>>,
    limits: StreamLimits,
    inner: Mutex<Inner>,
    wake: Notify,
}

struct Inner {
    events: VecDeque<Event>,
    /// Number of the next event.
    next: u64,
    /// The highest number that a reader has taken.
    taken: u64,
    bytes: usize,
    /// Counts the readers there have been; only the newest one reads on.
    readers: u64,
    attached: bool,
    /// The present reader is to end when it has taken what is there.
    hung_up: bool,
    closed: bool,
}

#[derive(Clone)]
struct Event {
    number: u64,
    weight: Weight,
    data: Bytes,
}

/// What [`EventLog::push`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits under this number.
    Kept(u64),
    /// It waits, and an older notification was dropped for it; or it was itself dropped.
    Dropped,
    /// The stream is over.
    Closed,
}

/// The reader of a log.
pub(crate) struct Tail {
    log: Arc<EventLog>,
    reader: u64,
    position: u64,
    keep_alive: Instant,
}

// === impl EventLog ===

impl EventLog {
    /// `life` and `stream` make the event ids.
    pub(crate) fn new(life: &str, stream: u64, limits: StreamLimits) -> Arc<Self> {
        Self::with_prefix(Some(format!("{life}-{stream}-").into()), limits)
    }

    /// A stream that can't be resumed.
    pub(crate) fn without_ids(limits: StreamLimits) -> Arc<Self> {
        Self::with_prefix(None, limits)
    }

    fn with_prefix(prefix: Option<Box<str>>, limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            prefix,
            limits,
            inner: Mutex::new(Inner {
                events: VecDeque::new(),
                next: 1,
                taken: 0,
                bytes: 0,
                readers: 0,
                attached: false,
                hung_up: false,
                closed: false,
            }),
            wake: Notify::new(),
        })
    }

    /// Appends an event. Never blocks.
    pub(crate) fn push(&self, weight: Weight, data: Bytes) -> Pushed {
        let pushed = self.inner.lock().push(weight, data, &self.limits);
        self.wake.notify_waiters();
        pushed
    }

    /// The last event, and the end.
    pub(crate) fn finish(&self, data: Bytes) {
        {
            let mut inner = self.inner.lock();
            inner.push(Weight::Needed, data, &self.limits);
            inner.closed = true;
        }
        self.wake.notify_waiters();
    }

    /// Takes back an event that nobody has read yet.
    pub(crate) fn retract(&self, number: u64) {
        let mut inner = self.inner.lock();
        if number > inner.taken
            && let Some(index) = inner.events.iter().position(|event| event.number == number)
        {
            inner.remove(index);
        }
    }

    /// No more events: the reader ends when it has taken the last one.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_waiters();
    }

    /// Ends the present reader after what is there; the log goes on and may be read again.
    pub(crate) fn hang_up(&self) {
        self.inner.lock().hung_up = true;
        self.wake.notify_waiters();
    }

    /// Whether its events can be asked for again.
    pub(crate) fn has_ids(&self) -> bool {
        self.prefix.is_some()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Whether somebody is reading.
    pub(crate) fn is_attached(&self) -> bool {
        self.inner.lock().attached
    }

    /// Whether there is, or will be, an event after `number`.
    pub(crate) fn continues_after(&self, number: u64) -> bool {
        let inner = self.inner.lock();
        !inner.closed || inner.after(number).is_some()
    }

    /// The number in an event id, if the id is one of this log's.
    pub(crate) fn number_in(&self, event_id: &str) -> Option<u64> {
        event_id.strip_prefix(self.prefix.as_deref()?)?.parse().ok()
    }

    /// The events so far, for an answer that is no stream.
    pub(crate) fn contents(&self) -> Vec<Bytes> {
        self.inner.lock().events.iter().map(|event| event.data.clone()).collect()
    }

    /// How many events there have been.
    pub(crate) fn len(&self) -> u64 {
        self.inner.lock().next - 1
    }

    /// Begins to read after `after`, or where the last reader stopped. An older reader ends.
    pub(crate) fn attach(self: &Arc<Self>, after: Option<u64>) -> Tail {
        let mut inner = self.inner.lock();
        inner.readers += 1;
        inner.attached = true;
        inner.hung_up = false;
        let tail = Tail {
            log: self.clone(),
            reader: inner.readers,
            position: after.unwrap_or(inner.taken).min(inner.taken),
            keep_alive: Instant::now() + self.limits.keep_alive,
        };
        drop(inner);
        self.wake.notify_waiters();
        tail
    }

    /// The first frame of a stream. With `primed` an event without content (T44) under the number of the last one taken, from
    /// which a client can resume; else a comment, so that proxies pass the headers on.
    pub(crate) fn first_frame(&self, primed: bool) -> Bytes {
        match &self.prefix {
            Some(prefix) if primed => sse::priming(&format!("{prefix}{}", self.inner.lock().taken)),
            _ => sse::COMMENT,
        }
    }

    /// Waits until something has changed since `seen`, a value of [`Self::len`], or the log is closed.
    pub(crate) async fn changed(&self, seen: u64) {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            {
                let inner = self.inner.lock();
                if inner.closed || inner.next - 1 != seen {
                    return;
                }
            }
            woken.await;
        }
    }
}

// === impl Inner ===

impl Inner {
    fn push(&mut self, weight: Weight, data: Bytes, limits: &StreamLimits) -> Pushed {
        if self.closed {
            return Pushed::Closed;
        }
        self.forget_taken(limits);
        let number = self.next;
        self.next += 1;
        self.bytes += data.len();
        self.events.push_back(Event { number, weight, data });
        if self.unread() <= limits.queue && self.unread_bytes(limits) <= limits.replay_bytes {
            return Pushed::Kept(number);
        }
        let taken = self.taken;
        let droppable = |event: &Event| event.number > taken && event.weight == Weight::Notification;
        match self.events.iter().position(droppable) {
            Some(index) => {
                self.remove(index);
                Pushed::Dropped
            }
            None => Pushed::Kept(number),
        }
    }

    fn unread(&self) -> usize {
        self.events.iter().rev().take_while(|event| event.number > self.taken).count()
    }

    /// Zero while everything together is within bounds, which spares the counting.
    fn unread_bytes(&self, limits: &StreamLimits) -> usize {
        if self.bytes <= limits.replay_bytes {
            return 0;
        }
        let unread = self.events.iter().rev().take_while(|event| event.number > self.taken);
        unread.filter(|event| event.weight == Weight::Notification).map(|event| event.data.len()).sum()
    }

    fn remove(&mut self, index: usize) {
        if let Some(event) = self.events.remove(index) {
            self.bytes -= event.data.len();
        }
    }

    /// Keeps of what has been read only as much as the limits say.
    fn forget_taken(&mut self, limits: &StreamLimits) {
        while (self.events.len() > limits.replay_events || self.bytes > limits.replay_bytes)
            && self.events.front().is_some_and(|event| event.number <= self.taken)
        {
            self.remove(0);
        }
    }

    fn after(&self, position: u64) -> Option<Event> {
        let index = self.events.partition_point(|event| event.number <= position);
        self.events.get(index).cloned()
    }
}

// === impl Tail ===

impl Tail {
    /// The next frame: an event or a keep-alive comment. `None` when the stream is over or another reader took over.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let woken = self.log.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            {
                let mut inner = self.log.inner.lock();
                if inner.readers != self.reader {
                    return None;
                }
                if let Some(event) = inner.after(self.position) {
                    self.position = event.number;
                    inner.taken = inner.taken.max(event.number);
                    inner.forget_taken(&self.log.limits);
                    drop(inner);
                    self.keep_alive = Instant::now() + self.log.limits.keep_alive;
                    let id = self.log.prefix.as_deref().map(|prefix| format!("{prefix}{}", event.number));
                    return Some(sse::event(id.as_deref(), &event.data));
                }
                if inner.closed || inner.hung_up {
                    return None;
                }
            }
            tokio::select! {
                () = woken => {}
                () = sleep_until(self.keep_alive) => {
                    self.keep_alive = Instant::now() + self.log.limits.keep_alive;
                    return Some(sse::COMMENT);
                }
            }
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut inner = self.log.inner.lock();
        if inner.readers == self.reader {
            inner.attached = false;
        }
    }
}

#[cfg(test)]
mod tests;
