//! The legacy era's conversation: one per process (VER26).

use std::collections::HashSet;

use parking_lot::Mutex;

use super::Change;
use crate::capabilities::Capabilities;
use crate::level::Level;

/// What `initialize` and later requests settled.
#[derive(Default)]
pub(crate) struct Session(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Stage,
    capabilities: Capabilities,
    level: Option<Level>,
    subscriptions: HashSet<String>,
}

/// How far the handshake is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    Answered,
    Initialized,
}

// === impl Session ===

impl Session {
    /// `initialize` is being answered. A second one begins a new conversation.
    pub(crate) fn open(&self, capabilities: Capabilities) {
        *self.0.lock() = State { stage: Stage::Answered, capabilities, ..State::default() };
    }

    /// `notifications/initialized` has come.
    pub(crate) fn initialized(&self) {
        let mut state = self.0.lock();
        if state.stage == Stage::Answered {
            state.stage = Stage::Initialized;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().stage != Stage::New
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.0.lock().capabilities.clone()
    }

    /// Below which nothing is logged; `info` until the client says otherwise.
    pub(crate) fn level(&self) -> Level {
        self.0.lock().level.unwrap_or(Level::Info)
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.0.lock().level = Some(level);
    }

    pub(crate) fn subscribe(&self, uri: &str) {
        self.0.lock().subscriptions.insert(uri.to_owned());
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.0.lock().subscriptions.remove(uri);
    }

    /// Whether the client is to hear of a change: not before `initialized` (T72), of a resource only if subscribed.
    pub(super) fn wants(&self, change: Change<'_>) -> bool {
        let state = self.0.lock();
        state.stage == Stage::Initialized
            && match change {
                Change::Tools | Change::Prompts => true,
                Change::Resource(uri) => state.subscriptions.contains(uri),
            }
    }
}
