//! Modern clients on a worker with a handshake (mcp.md §7.4): one worker per grant, initialised once by the broker, and what the
//! two eras have differently translated between them.
//!
//! | 2026-07-28 | here |
//! |---|---|
//! | `server/discover` | what was recorded of the program's `initialize` answer |
//! | a log level per request | the worker is set to the most verbose one anybody asked, messages are filtered ([`logging`]) |
//! | `subscriptions/listen` | the worker's notifications, fanned out; subscriptions counted per URI ([`listens`], [`subscribing`]) |
//! | results that say how long they keep | added; lists whose changes the worker announces are kept here ([`lists`]) |
//! | input-required results | the worker's own questions, and the call parked meanwhile ([`asking`]) |
//!
//! Bytes are forwarded: what is added to a result is spliced in, what only the other era knows is cut out.

pub(crate) mod asking;
mod dress;
mod driver;
mod listens;
mod lists;
mod logging;
mod outbound;
mod retry;
mod revival;
mod subscribing;
pub(crate) mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use self::asking::Asking;
pub(crate) use self::dress::greeting_offer;
use self::listens::Listens;
use self::lists::Lists;
use self::logging::Level;
pub(crate) use self::logging::deliver;
pub(crate) use self::revival::revived;
use self::subscribing::Subscriptions;
pub(crate) use self::subscribing::reconcile;
use crate::envelope::Message;
use crate::era::modern::offer::Offer;

/// Calls of one grant whose clients may come back.
const MAX_ASKED: usize = 128;

/// What a grant's shared worker has to remember for modern clients.
#[derive(Default)]
pub(crate) struct Translation {
    pub(crate) lists: Lists,
    pub(crate) listens: Listens,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) level: Level,
    /// The program's version, and what it offers, as its last worker said.
    program: Mutex<Option<(Arc<str>, Arc<Offer>)>>,
    /// Calls whose client has been asked something, by the number in its `requestState`.
    asked: Mutex<BTreeMap<u64, Arc<Asking>>>,
    next_asked: AtomicU64,
}

/// A list that a worker tells changes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tools,
    Prompts,
    Resources,
}

// === impl Translation ===

impl Translation {
    /// What the worker offers, if one has been here.
    pub(crate) fn offer(&self) -> Option<Arc<Offer>> {
        self.program.lock().as_ref().map(|(_, offer)| offer.clone())
    }

    /// A worker has been initialised. Whether its program is another version than that of the one before.
    pub(crate) fn greeted(&self, version: &Arc<str>, offer: &Arc<Offer>) -> bool {
        let before = self.program.lock().replace((version.clone(), offer.clone()));
        before.is_some_and(|(before, _)| before != *version)
    }

    /// A notification of the worker other than a log message. `false` if nobody is there who could want it.
    pub(crate) fn notified(&self, message: &Message) -> bool {
        if let Some(kind) = Kind::changed_by(message.method()) {
            self.lists.forget(kind);
            return self.listens.changed(kind, message);
        }
        message.method() == "notifications/resources/updated" && self.listens.updated(message)
    }

    /// Nothing that is kept or known of the lists holds any more.
    pub(crate) fn lists_changed(&self) {
        for kind in Kind::ALL {
            self.lists.forget(kind);
            self.listens.have_changed(kind);
        }
    }

    /// Whether a client may come back with answers.
    pub(crate) fn awaits_anybody(&self) -> bool {
        self.asked.lock().values().any(|asking| !asking.is_stale())
    }

    fn remember(&self, asking: &Arc<Asking>) -> u64 {
        let number = self.next_asked.fetch_add(1, Ordering::Relaxed);
        let mut asked = self.asked.lock();
        asked.retain(|_, asking| !asking.is_stale());
        // Some have ended and wait here with their answer only; the number of those that have not is bounded elsewhere.
        while asked.len() >= MAX_ASKED {
            asked.pop_first();
        }
        asked.insert(number, asking.clone());
        number
    }

    fn recall(&self, number: u64) -> Option<Arc<Asking>> {
        self.asked.lock().remove(&number)
    }
}

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// The capability, and the part of the methods' names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }

    /// The member of a listen's filter.
    fn filter(self) -> &'static str {
        match self {
            Self::Tools => "toolsListChanged",
            Self::Prompts => "promptsListChanged",
            Self::Resources => "resourcesListChanged",
        }
    }

    fn changed_by(method: &str) -> Option<Self> {
        let list = method.strip_prefix("notifications/")?.strip_suffix("/list_changed")?;
        Self::ALL.into_iter().find(|kind| kind.name() == list)
    }
}
