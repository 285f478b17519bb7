//! The calls that a worker has not answered yet, under the worker's own small ids.
//!
//! Ids are rewritten always: forgejo-mcp passes them through float64 (2^60 comes back damaged), and two clients of a shared
//! worker use the same ones (mcp.md, trap 1). A cancelled or timed-out call leaves a tombstone, because most workers answer
//! it all the same (trap 8).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::call::Call;
use crate::envelope::{IdKey, Message};
use crate::era::modern::request::LogLevel;
use crate::errand::Errand;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::worker::LISTEN;

/// Tombstones that are kept; older ones go first. Ids are never used twice, so one too few only blurs the statistics.
const MAX_TOMBSTONES: usize = 1024;

#[derive(Default)]
pub(crate) struct Pending {
    last: u64,
    open: HashMap<u64, Entry>,
    tombstones: HashSet<u64>,
    burial_order: VecDeque<u64>,
    /// How many of the open ones are calls of clients.
    calls: usize,
    /// The deadline that the warden sleeps for.
    watched: Option<Instant>,
    closed: bool,
}

struct Entry {
    opened: Instant,
    deadline: Instant,
    waiter: Waiter,
}

/// Who waits for an answer.
pub(crate) enum Waiter {
    /// A client.
    Client(Box<Call>),
    /// The broker.
    Broker { answer: oneshot::Sender<Result<Message, Refusal>>, method: Box<str> },
}

/// What an id in an answer means.
pub(crate) enum Answered {
    /// With the time since when it was open.
    Open(Waiter, Instant),
    /// Cancelled or timed out before.
    Late,
    Unknown,
}

// === impl Pending ===

impl Pending {
    /// The id for a call, or the call back if the worker has ended.
    pub(crate) fn open(&mut self, waiter: Waiter, deadline: Instant) -> Result<u64, Waiter> {
        if self.closed {
            return Err(waiter);
        }
        self.last += 1;
        self.calls += usize::from(waiter.is_client());
        self.open.insert(self.last, Entry { opened: Instant::now(), deadline, waiter });
        Ok(self.last)
    }

    /// Takes the waiter of an answered call.
    pub(crate) fn answer(&mut self, id: u64) -> Answered {
        if let Some(entry) = self.take(id) {
            return Answered::Open(entry.waiter, entry.opened);
        }
        if self.tombstones.remove(&id) { Answered::Late } else { Answered::Unknown }
    }

    /// Takes a listen that the worker has cancelled. A response to it may follow.
    pub(crate) fn end_listen(&mut self, id: u64) -> Option<Waiter> {
        let listens = |entry: &Entry| matches!(&entry.waiter, Waiter::Broker { method, .. } if **method == *LISTEN);
        if self.open.get(&id).is_some_and(listens) { self.bury(id) } else { None }
    }

    /// Forgets a call that never was.
    pub(crate) fn withdraw(&mut self, id: u64) -> Option<Waiter> {
        self.take(id).map(|entry| entry.waiter)
    }

    /// Takes the waiter of a call that is given up; its answer may still come.
    pub(crate) fn bury(&mut self, id: u64) -> Option<Waiter> {
        let entry = self.take(id)?;
        self.tombstones.insert(id);
        self.burial_order.push_back(id);
        if self.burial_order.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.burial_order.pop_front()
        {
            self.tombstones.remove(&oldest);
        }
        Some(entry.waiter)
    }

    /// Buries what has taken too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<(u64, Waiter)> {
        let due: Vec<u64> = self.open.iter().filter(|(_, entry)| entry.deadline <= now).map(|(id, _)| *id).collect();
        due.into_iter().filter_map(|id| Some((id, self.bury(id)?))).collect()
    }

    /// The nearest deadline; somebody begins to wait for it.
    pub(crate) fn watch_deadline(&mut self) -> Option<Instant> {
        if self.open.is_empty() {
            // An idle worker keeps no table.
            self.open.shrink_to_fit();
        }
        self.watched = self.open.values().map(|entry| entry.deadline).min();
        self.watched
    }

    /// Whether a deadline is nearer than the one that is waited for. Those of calls mostly are not, and nobody has to be woken for them.
    pub(crate) fn is_sooner(&self, deadline: Instant) -> bool {
        self.watched.is_none_or(|watched| deadline < watched)
    }

    /// Whether progress for this token (which is the call's id) has somewhere to go, and the client's own token.
    pub(crate) fn call(&self, id: u64) -> Option<&Call> {
        match &self.open.get(&id)?.waiter {
            Waiter::Client(call) => Some(call),
            Waiter::Broker { .. } => None,
        }
    }

    pub(crate) fn call_mut(&mut self, id: u64) -> Option<&mut Call> {
        match &mut self.open.get_mut(&id)?.waiter {
            Waiter::Client(call) => Some(call),
            Waiter::Broker { .. } => None,
        }
    }

    /// The open calls that a client knows under this id.
    pub(crate) fn known_as(&self, key: &IdKey) -> Vec<u64> {
        let known = |entry: &Entry| matches!(&entry.waiter, Waiter::Client(call) if call.id.key() == *key);
        self.open.iter().filter(|(_, entry)| known(entry)).map(|(id, _)| *id).collect()
    }

    /// The call that this exchange waits for.
    pub(crate) fn of_exchange(&self, exchange: &Arc<Exchange>) -> Option<u64> {
        let waits = |entry: &Entry| matches!(&entry.waiter, Waiter::Client(call) if Arc::ptr_eq(&call.exchange, exchange) && !call.is_parked());
        self.open.iter().find(|(_, entry)| waits(entry)).map(|(id, _)| *id)
    }

    /// The one open call that asked for log messages of this level, if there is exactly one (trap 11).
    pub(crate) fn only_listener(&self, level: LogLevel) -> Option<Arc<Exchange>> {
        let wants = |entry: &Entry| match &entry.waiter {
            Waiter::Client(call) => match &call.errand {
                Some(Errand::Modern(errand)) => {
                    errand.log_level.is_some_and(|least| level >= least).then(|| call.exchange.clone())
                }
                _ => None,
            },
            Waiter::Broker { .. } => None,
        };
        let mut wanting = self.open.values().filter_map(wants);
        wanting.next().filter(|_| wanting.next().is_none())
    }

    /// The calls that can have caused what the worker says now: all whose client has not been sent away.
    pub(crate) fn running(&self) -> impl Iterator<Item = (u64, &Call)> {
        self.open.iter().filter_map(|(id, entry)| match &entry.waiter {
            Waiter::Client(call) if !call.is_parked() => Some((*id, &**call)),
            _ => None,
        })
    }

    /// The calls whose client has been sent away.
    pub(crate) fn parked(&self) -> impl Iterator<Item = (u64, &Call)> {
        self.open.iter().filter_map(|(id, entry)| match &entry.waiter {
            Waiter::Client(call) if call.is_parked() => Some((*id, &**call)),
            _ => None,
        })
    }

    /// Gives a call more time, or less.
    pub(crate) fn postpone(&mut self, id: u64, deadline: Instant) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.deadline = deadline;
        }
    }

    /// The newest call whose client is listening: where a message goes that names no call.
    pub(crate) fn newest_attended(&self) -> Option<Arc<Exchange>> {
        let mut attended: Vec<(u64, &Arc<Exchange>)> = self.attended().collect();
        attended.sort_unstable_by_key(|(id, _)| *id);
        attended.pop().map(|(_, exchange)| exchange.clone())
    }

    /// The one call that an answer without an id can be for. None if that is a guess.
    pub(crate) fn only_open(&self) -> Option<u64> {
        let mut ids = self.open.keys();
        let id = ids.next().copied();
        id.filter(|_| ids.next().is_none() && self.tombstones.is_empty())
    }

    /// The ids of all open calls of clients.
    pub(crate) fn call_ids(&self) -> Vec<u64> {
        let is_call = |entry: &Entry| matches!(entry.waiter, Waiter::Client(_));
        self.open.iter().filter(|(_, entry)| is_call(entry)).map(|(id, _)| *id).collect()
    }

    fn attended(&self) -> impl Iterator<Item = (u64, &Arc<Exchange>)> {
        self.open.iter().filter_map(|(id, entry)| match &entry.waiter {
            Waiter::Client(call) if call.exchange.is_attended() && !call.is_parked() => Some((*id, &call.exchange)),
            _ => None,
        })
    }

    /// Open calls of clients.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    fn take(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        self.calls -= usize::from(entry.waiter.is_client());
        Some(entry)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes no more calls, if no client waits for an answer.
    pub(crate) fn close_if_idle(&mut self) -> bool {
        let idle = self.calls() == 0;
        self.closed |= idle;
        idle
    }

    /// The worker has ended: no more calls, and all waiters back.
    pub(crate) fn close(&mut self) -> Vec<Waiter> {
        self.closed = true;
        self.calls = 0;
        let mut open: Vec<(u64, Entry)> = self.open.drain().collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        open.into_iter().map(|(_, entry)| entry.waiter).collect()
    }
}

// === impl Waiter ===

impl Waiter {
    fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }
}

#[cfg(test)]
mod tests;
