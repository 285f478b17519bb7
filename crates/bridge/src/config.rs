//! The limits and times of the protocol half, with their defaults.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::replica::Replica;
use crate::tools::Tools;

/// Plain data; [`crate::bridge::Bridge::start`] consumes it.
#[derive(Debug, Clone)]
pub struct BridgeConfig {
    /// Sessions that are awake at one time, which is to say: workers, the shared ones included. Hibernated sessions do not
    /// count. Default 200.
    pub max_sessions: usize,
    /// The same for one user. Default 16.
    pub max_sessions_per_user: usize,
    /// Workers that are started ahead and belong to nobody until they are needed. They count within [`Self::max_sessions`], and
    /// make room for others. Default 0.
    pub warm_workers: usize,
    /// How long one of those waits for its user before it is replaced. Default 10 min.
    pub warm_worker_lifetime: Duration,
    /// Workers that may be starting at one time; more wait. Default 8.
    pub max_starts: usize,
    /// Calls without an answer in one worker. Default 128.
    pub max_calls_per_worker: usize,
    /// Calls without an answer of one user. Default 256.
    pub max_calls_per_user: usize,
    /// Server streams (GET) of one user. Default 32.
    pub max_streams_per_user: usize,
    /// Messages waiting to be written to one worker. Default 256.
    pub worker_queue: usize,
    /// Bytes waiting to be written to one worker; a single message may be longer. Default 16 MiB.
    pub worker_queue_bytes: usize,
    /// Messages in one batch (2025-03-26). Default 64.
    pub max_batch: usize,
    /// Levels of nesting in one message. Default 128.
    pub max_depth: usize,
    /// Bytes in one line of a worker. Default 32 MiB.
    pub max_line_bytes: usize,
    /// Lines without a message, in a row, after which a worker is killed. Default 100.
    pub max_bad_lines: usize,
    /// Stored sessions of one grant; beyond it the one that was not used for the longest time is forgotten. Default 256.
    pub max_stored_sessions: usize,
    /// The same for one user. Default 1024.
    pub max_stored_sessions_per_user: usize,
    /// Resources that one session may subscribe to. Default 256.
    pub max_subscriptions: usize,
    /// Idle workers of one user that live subscriptions may keep. Default 4.
    pub max_kept_workers_per_user: usize,
    /// What one event stream holds.
    pub stream: StreamLimits,
    /// A worker without a call in flight for this long is stopped. Default 15 min.
    pub session_idle_timeout: Duration,
    /// A session whose id has not come back this long after `initialize` is hibernated. Default 60 s.
    pub first_return_timeout: Duration,
    /// From the start of the process to the answer to `initialize`. Default 20 s.
    pub start_timeout: Duration,
    /// How long a process may take that is only asked what its program speaks. Default 10 s.
    pub probe_timeout: Duration,
    /// From a call to its answer. Default 300 s.
    pub call_deadline: Duration,
    /// How long a worker that let a call time out may take for a `ping` before it counts as wedged. Default 10 s.
    pub ping_timeout: Duration,
    /// A POST without an answer becomes an event stream after this. Default 5 s.
    pub stream_after: Duration,
    /// A modern client that has been asked something comes back within this, or its call is cancelled. Default 300 s.
    pub input_deadline: Duration,
    /// Calls of one user that may wait for that. Default 32.
    pub max_parked_calls_per_user: usize,
    /// A worker's question that no person has to answer (`roots/list`), or that reached no stream, is answered with an
    /// error after this. All others have [`Self::call_deadline`]. Default 10 s.
    pub question_timeout: Duration,
    /// Between closing a worker's stdin, SIGTERM and SIGKILL. Default 5 s.
    pub stop_grace: Duration,
    /// `last_seen` of a session is written at most this often. Default 60 s.
    pub last_seen_interval: Duration,
    /// How often idle workers are looked for. Default 5 s.
    pub sweep_interval: Duration,
    /// The version that the broker names when it initialises a shared worker itself.
    pub broker_version: String,
    /// Which tools there are for whom. By default all for everybody.
    pub tools: Tools,
    /// What has been put in the place of some of these values since the start.
    pub adjusted: Adjusted,
    /// Which of several brokers on one store this is. By default it is alone.
    pub replica: Replica,
}

/// What can be changed while the bridge runs ([`crate::bridge::Bridge::adjust`]); the meanings are those of [`BridgeConfig`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustment {
    /// See [`BridgeConfig::max_sessions`]. Workers beyond it stay until they are idle.
    pub max_sessions: usize,
    /// See [`BridgeConfig::max_sessions_per_user`].
    pub max_sessions_per_user: usize,
    /// See [`BridgeConfig::warm_workers`].
    pub warm_workers: usize,
    /// See [`BridgeConfig::max_stored_sessions`]. Holds from the next session that begins.
    pub max_stored_sessions: usize,
    /// See [`BridgeConfig::max_stored_sessions_per_user`].
    pub max_stored_sessions_per_user: usize,
    /// See [`BridgeConfig::session_idle_timeout`].
    pub session_idle_timeout: Duration,
    /// See [`BridgeConfig::call_deadline`]. Holds for calls that begin from now on.
    pub call_deadline: Duration,
}

/// The last [`Adjustment`], if there was one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Adjusted(Arc<RwLock<Option<Adjustment>>>);

/// Bounds of one event stream.
#[derive(Debug, Clone)]
pub struct StreamLimits {
    /// Events not yet taken by the client; beyond it the oldest notification is dropped. Default 256.
    pub queue: usize,
    /// Events kept for `Last-Event-ID`. Default 256.
    pub replay_events: usize,
    /// Bytes of events kept for `Last-Event-ID`, and of notifications not yet taken. Default 256 KiB.
    pub replay_bytes: usize,
    /// Time between keep-alive comments. Default 15 s.
    pub keep_alive: Duration,
    /// Event streams of finished POSTs that one session keeps for `Last-Event-ID`. Default 4.
    pub kept_posts: usize,
}

// === impl Adjusted ===

impl Adjusted {
    pub(crate) fn set(&self, adjustment: Adjustment) {
        *self.0.write() = Some(adjustment);
    }
}

// === impl BridgeConfig ===

impl BridgeConfig {
    /// What holds at this moment of that which can change.
    #[must_use]
    pub fn now(&self) -> Adjustment {
        self.adjusted.0.read().unwrap_or(Adjustment {
            max_sessions: self.max_sessions,
            max_sessions_per_user: self.max_sessions_per_user,
            warm_workers: self.warm_workers,
            max_stored_sessions: self.max_stored_sessions,
            max_stored_sessions_per_user: self.max_stored_sessions_per_user,
            session_idle_timeout: self.session_idle_timeout,
            call_deadline: self.call_deadline,
        })
    }
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self {
            max_sessions: 200,
            max_sessions_per_user: 16,
            warm_workers: 0,
            warm_worker_lifetime: Duration::from_mins(10),
            max_starts: 8,
            max_calls_per_worker: 128,
            max_calls_per_user: 256,
            max_streams_per_user: 32,
            worker_queue: 256,
            worker_queue_bytes: 16 * 1024 * 1024,
            max_batch: 64,
            max_depth: 128,
            max_line_bytes: 32 * 1024 * 1024,
            max_bad_lines: 100,
            max_stored_sessions: 256,
            max_stored_sessions_per_user: 1024,
            max_subscriptions: 256,
            max_kept_workers_per_user: 4,
            stream: StreamLimits::default(),
            session_idle_timeout: Duration::from_mins(15),
            first_return_timeout: Duration::from_mins(1),
            start_timeout: Duration::from_secs(20),
            probe_timeout: Duration::from_secs(10),
            call_deadline: Duration::from_mins(5),
            ping_timeout: Duration::from_secs(10),
            stream_after: Duration::from_secs(5),
            input_deadline: Duration::from_mins(5),
            max_parked_calls_per_user: 32,
            question_timeout: Duration::from_secs(10),
            stop_grace: Duration::from_secs(5),
            last_seen_interval: Duration::from_mins(1),
            sweep_interval: Duration::from_secs(5),
            broker_version: env!("CARGO_PKG_VERSION").to_owned(),
            tools: Tools::default(),
            adjusted: Adjusted::default(),
            replica: Replica::default(),
        }
    }
}

// === impl StreamLimits ===

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            queue: 256,
            replay_events: 256,
            replay_bytes: 256 * 1024,
            keep_alive: Duration::from_secs(15),
            kept_posts: 4,
        }
    }
}
