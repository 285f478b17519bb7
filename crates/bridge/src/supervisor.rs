//! All sessions and shared workers of this process: finding, making, reviving and ending them.

mod driving;
mod ending;
mod holding;
mod sweep;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::holding::Holdings;
use crate::envelope::Message;
use crate::era::native::Native;
use crate::ledger::Ledger;
use crate::observer::Figures;
use crate::refusal::Refusal;
use crate::replica::{Held, Via};
use crate::reply::{Principal, Reply};
use crate::seat::StartFailure;
use crate::session::{Admission, Seed, Session};
use crate::session_id::{self, SessionKey};
use crate::session_store::{Holding, SessionRecord, SessionStore};
use crate::shared::Shared;
use crate::workshop::Workshop;

/// How long a request waits for its session's move to another grant to be written.
const MOVE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Supervisor {
    shop: Arc<Workshop>,
    ledger: Arc<Ledger>,
    random: SystemRandom,
    sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    shared: Mutex<HashMap<Arc<str>, Arc<Shared>>>,
    native: Mutex<HashMap<Arc<str>, Arc<Native>>>,
    /// Grants that have ended of late: whoever was let in just before must not begin anything after.
    ended_grants: Mutex<HashMap<Arc<str>, Instant>>,
    draining: AtomicBool,
    holdings: Holdings,
    /// Ends the background tasks.
    background: CancellationToken,
    _end_background: DropGuard,
}

// === impl Supervisor ===

impl Supervisor {
    /// Begins the background tasks, so it has to be called within a runtime.
    pub(crate) fn start(shop: Arc<Workshop>, store: Arc<dyn SessionStore>) -> Arc<Self> {
        let background = CancellationToken::new();
        let (ledger, lost) = Ledger::new(store);
        let supervisor = Arc::new(Self {
            ledger,
            shop,
            random: SystemRandom::new(),
            sessions: Mutex::default(),
            shared: Mutex::default(),
            native: Mutex::default(),
            ended_grants: Mutex::default(),
            draining: AtomicBool::new(false),
            holdings: Holdings::default(),
            _end_background: background.clone().drop_guard(),
            background,
        });
        supervisor.begin_sweeping();
        supervisor.begin_dropping(lost);
        supervisor
    }

    pub(crate) fn shop(&self) -> &Arc<Workshop> {
        &self.shop
    }

    /// Whether new work may begin for this principal.
    pub(crate) fn admit(&self, who: &Principal) -> Result<(), Refusal> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Refusal::draining());
        }
        if self.ended_grants.lock().contains_key(&who.grant) {
            return Err(grant_ended());
        }
        Ok(())
    }

    /// The same for a request about a session. One of another replica is to come back until the session is released.
    pub(crate) fn admit_to_session(&self, who: &Principal, via: Via) -> Result<(), Refusal> {
        let admitted = self.admit(who);
        if matches!(via, Via::Replica(_)) && self.draining.load(Ordering::Relaxed) {
            return Err(self.not_as_held(0));
        }
        admitted
    }

    /// The session with this id, from memory or from the store. Unknown, ended and foreign ones are the same (T53, T54).
    pub(crate) async fn find(&self, who: &Principal, id: &str, via: Via) -> Result<Arc<Session>, Refusal> {
        if !self.shop.config.replica.lease.is_held() {
            return Err(if matches!(via, Via::Replica(_)) { self.not_as_held(0) } else { Refusal::lease_lost() });
        }
        let key = session_id::key(id);
        let known = self.sessions.lock().get(&key).cloned();
        let session = if let Some(session) = known {
            session
        } else {
            // Rare, and large: in the future of every call it would be moved about.
            let session = Box::pin(self.revive(key, via)).await?;
            // Whoever ended the grant meanwhile did not see this session.
            self.admit(who)?;
            session
        };
        if let Via::Replica(held) = via
            && held != (Held::Session { epoch: session.epoch() })
        {
            return Err(self.not_as_held(session.epoch()));
        }
        match session.admit(who) {
            Admission::Owner => {}
            Admission::Moved(record) => {
                // Written before the request is served: an end of the old grant must not take the session along. If the store
                // does not answer, the change stays on its way.
                let written = Box::pin(timeout(MOVE_TIMEOUT, self.ledger.update(*record))).await;
                if !matches!(written, Ok(Ok(()))) {
                    tracing::warn!("the move of a session to a newer grant could not be written yet");
                }
            }
            Admission::Stranger => return Err(Refusal::no_such_session()),
        }
        session.touch();
        Ok(session)
    }

    async fn revive(&self, key: SessionKey, via: Via) -> Result<Arc<Session>, Refusal> {
        self.holdings.left(key).await?;
        if via == Via::Client
            && let Some(elsewhere) = self.holdings.elsewhere(&key)
        {
            return Err(Refusal::elsewhere(elsewhere));
        }
        let term = self.holdings.term();
        let holding = self.ledger.take(key).await.map_err(|error| {
            tracing::warn!(error = %error, "a session could not be loaded");
            Refusal::unavailable("store_unavailable", 2, "the session store does not answer; try again")
        })?;
        let record = match holding {
            Holding::Mine(record) => record,
            Holding::Elsewhere(elsewhere) => {
                self.holdings.is_elsewhere(key, &elsewhere);
                return Err(Refusal::elsewhere(elsewhere));
            }
            Holding::Absent => return Err(Refusal::no_such_session()),
        };
        let session = Session::new(&self.shop, &self.ledger, Seed { record, again: true, nonce: self.nonce()? });
        let mut sessions = self.sessions.lock();
        // A lease that was lost meanwhile may be another's by now, and whoever lost it did not see this session.
        if self.holdings.term() != term {
            return Err(Refusal::lease_lost());
        }
        // Of two that were made at the same time the first one stays.
        Ok(sessions.entry(key).or_insert(session).clone())
    }

    /// `initialize`: a new session with a worker of its own.
    pub(crate) async fn create(&self, who: &Principal, message: &Message) -> Result<Reply, Refusal> {
        let client_id = message.id().ok_or_else(|| Refusal::invalid("initialize is a request"))?;
        let term = self.holdings.term();
        if !self.shop.config.replica.lease.is_held() {
            return Err(Refusal::lease_lost());
        }
        let id = session_id::generate(&self.random).ok_or_else(no_random)?;
        let now = self.ledger.now();
        let record = SessionRecord {
            id_hash: session_id::key(&id),
            user: who.user.clone(),
            client: who.client.clone(),
            grant: who.grant.clone(),
            protocol_version: String::new(),
            // A copy: what is kept must not keep the whole buffer that it was read into.
            initialize: message.params().map(|params| Bytes::copy_from_slice(&params)).unwrap_or_default(),
            initialized: false,
            log_level: None,
            subscriptions: Vec::new(),
            created_at: now,
            last_seen: now,
            epoch: 1,
        };
        let session = Session::new(&self.shop, &self.ledger, Seed { record, again: false, nonce: self.nonce()? });
        let worker = match session.seat().worker().await {
            Ok(worker) => worker,
            Err(StartFailure::Refused(refusal)) => return Err(refusal),
            Err(StartFailure::Declined(answer)) => {
                return Ok(Reply::json(answer.with_id(client_id.as_bytes(), None)));
            }
        };
        let unusable = || {
            Refusal::unavailable(
                "bad_greeting",
                5,
                "the MCP server behind this broker answered initialize without a protocol version",
            )
        };
        let greeting = worker.greeting().ok_or_else(unusable)?;
        let version = greeting.payload_member("protocolVersion").ok_or_else(unusable)?;
        let version: String = serde_json::from_slice(&version).map_err(|_| unusable())?;
        let record = session.negotiated(version);
        self.ledger.insert(record).await.map_err(|error| {
            tracing::warn!(error = %error, "a new session could not be stored");
            Refusal::unavailable("store_unavailable", 2, "the session store does not answer; try again")
        })?;
        {
            let mut sessions = self.sessions.lock();
            if self.holdings.term() != term {
                drop(sessions);
                session.lose(&Refusal::lease_lost());
                return Err(Refusal::lease_lost());
            }
            sessions.insert(session.key(), session.clone());
        }
        // The grant may have ended while the worker started; whoever ended it did not see this session yet.
        if let Err(refusal) = self.admit(who) {
            self.forget(&session, refusal.clone()).await;
            return Err(refusal);
        }
        self.shop.observer.session_created();
        self.forget_unused(who, session.key()).await;
        let body: Bytes = greeting.with_id(client_id.as_bytes(), None);
        Ok(Reply { session_id: Some(id), ..Reply::json(body) })
    }

    /// The worker for requests without a session.
    pub(crate) fn shared(&self, who: &Principal) -> Result<Arc<Shared>, Refusal> {
        let mut shared = self.shared.lock();
        // Whoever ends the grant from here on waits for the lock.
        self.admit(who)?;
        Ok(shared.entry(who.grant.clone()).or_insert_with(|| Shared::new(&self.shop, who)).clone())
    }

    pub(crate) fn figures(&self) -> Figures {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        Figures {
            sessions: sessions.len(),
            awake_sessions: sessions.iter().filter(|session| session.seat().running().is_some()).count(),
            streams: self.shop.tally.streams(),
            workers: self.shop.workers(),
            warm_workers: self.shop.warm.idle(),
            calls: self.shop.tally.calls(),
            starts: self.shop.starts.load(Ordering::Relaxed),
            failed_starts: self.shop.failed_starts.load(Ordering::Relaxed),
        }
    }

    fn nonce(&self) -> Result<u32, Refusal> {
        let mut bytes = [0_u8; 4];
        self.random.fill(&mut bytes).map_err(|_| no_random())?;
        Ok(u32::from_le_bytes(bytes))
    }
}

fn no_random() -> Refusal {
    Refusal::unavailable("no_random", 5, "the system gives no random numbers")
}

fn grant_ended() -> Refusal {
    Refusal::new(
        404,
        crate::refusal::GONE,
        "grant_ended",
        "the authorization of this client has been revoked; connect it again",
    )
}
