//! Which sessions are this replica's: lost ones are dropped, unused ones released, and of others it is remembered whose they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::Supervisor;
use crate::era::modern::request::Request;
use crate::refusal::{INVALID_PARAMS, Refusal};
use crate::replica::{Elsewhere, Held, Via};
use crate::request_state::{Binding, Origin};
use crate::session::Session;
use crate::session_id::SessionKey;

/// How long it is believed that a session is where it was. Nothing wrong comes of it: the epoch goes with the request.
const BELIEVED: Duration = Duration::from_secs(10);
/// Sessions of others that are remembered.
const MAX_BELIEVED: usize = 16 * 1024;
/// How long a request waits for its session's release to be written.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a broker that stops looks for sessions that have come to rest.
const REST: Duration = Duration::from_millis(50);

/// What is known of who holds which session.
#[derive(Default)]
pub(super) struct Holdings {
    /// Grows when all sessions are lost.
    term: AtomicU64,
    elsewhere: Mutex<HashMap<SessionKey, (Elsewhere, Instant)>>,
    /// Sessions that are being released.
    leaving: Mutex<HashMap<SessionKey, Arc<Notify>>>,
}

// === impl Holdings ===

impl Holdings {
    pub(super) fn term(&self) -> u64 {
        self.term.load(Ordering::Acquire)
    }

    /// Where a session was a moment ago.
    pub(super) fn elsewhere(&self, key: &SessionKey) -> Option<Elsewhere> {
        let elsewhere = self.elsewhere.lock();
        elsewhere.get(key).filter(|(_, since)| since.elapsed() < BELIEVED).map(|(elsewhere, _)| elsewhere.clone())
    }

    pub(super) fn is_elsewhere(&self, key: SessionKey, at: &Elsewhere) {
        let mut elsewhere = self.elsewhere.lock();
        if elsewhere.len() >= MAX_BELIEVED {
            elsewhere.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        }
        if elsewhere.len() < MAX_BELIEVED {
            elsewhere.insert(key, (at.clone(), Instant::now()));
        }
    }

    /// Returns when the session is not being released: to take it in the middle of that would leave it nobody's while it is served.
    pub(super) async fn left(&self, key: SessionKey) -> Result<(), Refusal> {
        let wait = async {
            loop {
                let Some(leaving) = self.leaving.lock().get(&key).cloned() else { return };
                let left = leaving.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                if !self.leaving.lock().contains_key(&key) {
                    return;
                }
                left.await;
            }
        };
        timeout(LEAVE_TIMEOUT, wait)
            .await
            .map_err(|_| Refusal::unavailable("store_unavailable", 2, "the session store does not answer; try again"))
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Drops the sessions of which the store says that they are not this replica's.
    pub(super) fn begin_dropping(self: &Arc<Self>, mut lost: mpsc::UnboundedReceiver<(SessionKey, i64)>) {
        let (supervisor, stop) = (Arc::downgrade(self), self.background.clone());
        let drop_lost = async move {
            while let Some((key, epoch)) = lost.recv().await {
                let Some(supervisor) = supervisor.upgrade() else { return };
                let session = {
                    let mut sessions = supervisor.sessions.lock();
                    let is_it = sessions.get(&key).is_some_and(|session| session.epoch() == epoch);
                    if is_it { sessions.remove(&key) } else { None }
                };
                if let Some(session) = session {
                    tracing::warn!(
                        session.epoch = epoch,
                        "a session was dropped: another replica has taken it, or it has ended"
                    );
                    session.lose(&moved());
                }
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(drop_lost).await });
    }

    /// Every session ends here, as its owner may be another one now.
    pub(crate) fn lose_sessions(&self) {
        let lost: Vec<Arc<Session>> = {
            let mut sessions = self.sessions.lock();
            self.holdings.term.fetch_add(1, Ordering::Release);
            sessions.drain().map(|(_, session)| session).collect()
        };
        for session in &lost {
            session.lose(&Refusal::lease_lost());
        }
        self.ledger.forget_changes();
        self.holdings.elsewhere.lock().clear();
    }

    /// What another replica believes this one holds, it holds under another number.
    pub(super) fn not_as_held(&self, epoch: i64) -> Refusal {
        let replica = self.shop.config.replica.id.clone();
        Refusal::elsewhere(Elsewhere { replica, address: None, held: Held::Session { epoch } })
    }

    /// Sessions that are nothing but their record leave; where there are other replicas, for any of them to take.
    pub(super) fn let_go(self: &Arc<Self>) {
        let shares = self.shop.config.replica.shares;
        let dormant: Vec<(SessionKey, i64)> = {
            let mut sessions = self.sessions.lock();
            // Only the map still holds them, so nobody can be about to use them.
            let dormant = sessions.extract_if(|_, session| Arc::strong_count(session) == 1 && session.is_dormant());
            let dormant: Vec<_> = dormant.collect();
            if shares {
                let mut leaving = self.holdings.leaving.lock();
                leaving.extend(dormant.iter().map(|(key, _)| (*key, Arc::default())));
            }
            drop(sessions);
            dormant.into_iter().map(|(key, session)| (key, session.epoch())).collect()
        };
        if !shares || dormant.is_empty() {
            return;
        }
        let supervisor = self.clone();
        tokio::spawn(async move {
            for (key, epoch) in dormant {
                if let Err(error) = supervisor.ledger.release(key, epoch).await {
                    tracing::warn!(error = %error, "a session that nobody uses could not be released; it stays with this replica");
                }
                let left = supervisor.holdings.leaving.lock().remove(&key);
                if let Some(left) = left {
                    left.notify_waiters();
                }
            }
        });
    }

    /// Releases sessions as their last call or stream ends. Where there is nobody to release them to it waits for ever.
    pub(super) async fn release_as_they_rest(self: &Arc<Self>) {
        if !self.shop.config.replica.shares {
            return std::future::pending().await;
        }
        loop {
            for seat in self.shop.seats() {
                seat.hibernate();
            }
            self.let_go();
            sleep(REST).await;
        }
    }

    /// Whether what a client brings back is this replica's to open. A state that is not good is refused where it is opened.
    pub(crate) async fn check_origin(&self, request: &Request, via: Via) -> Result<(), Refusal> {
        let state =
            request.message.param("requestState").and_then(|(_, raw)| serde_json::from_slice::<String>(&raw).ok());
        let Some(state) = state.filter(|_| request.method.may_ask()) else { return Ok(()) };
        let binding = Binding::new(&request.who.grant, &request.message);
        let Ok(Origin::Elsewhere(replica)) = self.shop.vault.origin(&binding, &state) else { return Ok(()) };
        let gone = || {
            let text = "the part of this server that had asked is not there any more; start again: send the request without its requestState";
            Refusal::in_band(INVALID_PARAMS, "parked_call_gone", text)
        };
        match via {
            Via::Refused => return Err(gone()),
            Via::Replica(_) => {
                return Err(Refusal::elsewhere(Elsewhere { replica, address: None, held: Held::Parked }));
            }
            Via::Client | Via::Again => {}
        }
        let peer = self.ledger.peer(replica.clone()).await.map_err(|error| {
            tracing::warn!(error = %error, "the replica that had asked a client could not be looked up");
            Refusal::unavailable("store_unavailable", 2, "the session store does not answer; try again")
        })?;
        let peer = peer.ok_or_else(gone)?;
        Err(Refusal::elsewhere(Elsewhere { replica, address: peer.address, held: Held::Parked }))
    }
}

fn moved() -> Refusal {
    Refusal::unavailable("session_moved", 1, "the session has moved to another part of this server; try again")
}
