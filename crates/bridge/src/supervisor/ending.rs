//! Endings and changes: of a session, of a grant, of a user's credential, of the process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Supervisor, grant_ended};
use crate::era::native::Native;
use crate::event_log::Weight;
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::replica::Via;
use crate::reply::Principal;
use crate::session::Session;
use crate::session_id::SessionKey;
use crate::session_store::Kept;
use crate::shared::Shared;

// === impl Supervisor ===

impl Supervisor {
    /// DELETE: the client has done with the session.
    pub(crate) async fn delete(&self, who: &Principal, id: &str, via: Via) -> Result<(), Refusal> {
        let session = self.find(who, id, via).await?;
        let refusal = Refusal::new(404, UNAVAILABLE, "session_ended", "the session was ended by its client");
        self.forget(&session, refusal).await;
        Ok(())
    }

    /// An operator has ended a session; it may be here or in the store only.
    pub(crate) async fn end_session(&self, key: &SessionKey) {
        let session = self.sessions.lock().get(key).cloned();
        let refusal = Refusal::new(404, UNAVAILABLE, "session_ended", "the session was ended by the operator");
        match session {
            Some(session) => self.forget(&session, refusal).await,
            None => {
                if let Err(error) = self.ledger.delete(*key, None).await {
                    tracing::warn!(error = %error, "an ended session is still in the store");
                }
            }
        }
    }

    /// Ends a session, and its record with it.
    pub(super) async fn forget(&self, session: &Arc<Session>, refusal: Refusal) {
        self.sessions.lock().remove(&session.key());
        session.end(refusal);
        if let Err(error) = self.ledger.delete(session.key(), Some(session.epoch())).await {
            tracing::warn!(error = %error, "an ended session is still in the store");
        }
    }

    /// A client that begins sessions without end, and ends none, must not fill the store: the oldest that nobody uses go.
    pub(super) async fn forget_unused(&self, who: &Principal, newest: SessionKey) {
        let mut spare: Vec<SessionKey> = {
            let sessions = self.sessions.lock();
            let in_use = sessions.values().filter(|session| *session.user() == who.user && session.is_in_use());
            in_use.map(|session| session.key()).collect()
        };
        spare.push(newest);
        let now = self.shop.config.now();
        let kept = Kept { of_grant: now.max_stored_sessions, of_user: now.max_stored_sessions_per_user };
        let forgotten = match self.ledger.trim(who, kept, spare).await {
            Ok(forgotten) => forgotten,
            Err(error) => {
                tracing::warn!(error = %error, "sessions beyond the limit are still in the store");
                return;
            }
        };
        if forgotten.is_empty() {
            return;
        }
        tracing::info!(user.id = %who.user, grant.id = %who.grant, sessions.forgotten = forgotten.len(), "a client begins more sessions than are kept; the longest unused were forgotten");
        self.shop.observer.sessions_forgotten(forgotten.len());
        for key in forgotten {
            let session = self.sessions.lock().remove(&key);
            if let Some(session) = session {
                let message =
                    "the session was forgotten because its client has begun too many others; initialize a new one";
                session.end(Refusal::new(404, UNAVAILABLE, "session_forgotten", message));
            }
        }
    }

    /// Everything that belongs to the grant ends, stored sessions included.
    pub(crate) async fn end_grant(&self, grant: &str) {
        let grant: Arc<str> = grant.into();
        self.ended_grants.lock().insert(grant.clone(), Instant::now());
        let sessions: Vec<Arc<Session>> = self
            .sessions
            .lock()
            .extract_if(|_, session| session.grant() == grant)
            .map(|(_, session)| session)
            .collect();
        let refusal = grant_ended();
        for session in sessions {
            session.end(refusal.clone());
        }
        let shared = self.shared.lock().remove(&grant);
        if let Some(shared) = shared {
            shared.close(refusal.clone());
        }
        let native = self.native.lock().remove(&grant);
        if let Some(native) = native {
            native.end(&refusal);
        }
        if let Err(error) = self.ledger.delete_of_grant(&grant).await {
            tracing::error!(error = %error, grant.id = %grant, "the sessions of an ended grant are still in the store");
        }
    }

    /// The grant allows something else from now on.
    pub(crate) fn grant_changed(&self, grant: &str) {
        let shared = self.shared.lock().get(grant).cloned();
        if let Some(shared) = shared {
            shared.translation().lists_changed();
        }
        let native = self.native.lock().get(grant).cloned();
        if let Some(native) = native {
            native.lists_changed();
        }
        self.each_session(|session| {
            if *session.grant() == *grant {
                session.lists_changed();
            }
        });
    }

    /// The operator shows other tools from now on: every client is told that lists have changed.
    pub(crate) fn lists_changed(&self) {
        let shared: Vec<Arc<Shared>> = self.shared.lock().values().cloned().collect();
        for shared in shared {
            shared.translation().lists_changed();
        }
        let native: Vec<Arc<Native>> = self.native.lock().values().cloned().collect();
        for native in native {
            native.lists_changed();
        }
        self.each_session(Session::lists_changed);
    }

    /// The user's credential has died. His sessions stay: a login revives them. Calls that are not answered yet are given up;
    /// open streams are told and end.
    pub(crate) fn log_in_again(&self, user: &str) {
        let sessions: Vec<Arc<Session>> =
            self.sessions.lock().values().filter(|session| **session.user() == *user).cloned().collect();
        let shared: Vec<Arc<Shared>> =
            self.shared.lock().values().filter(|shared| *shared.who().user == *user).cloned().collect();
        for session in &sessions {
            session.seat().log_in_again();
        }
        for shared in shared {
            shared.log_in_again();
        }
        let native: Vec<Arc<Native>> =
            self.native.lock().values().filter(|native| *native.who().user == *user).cloned().collect();
        for native in native {
            native.log_in_again();
        }
        let refusal = Refusal::log_in_again();
        for session in &sessions {
            session.give_up_rounds(|call| call.log_in_again(&refusal));
            let stream = session.server_stream();
            if stream.is_attached() {
                stream.push(Weight::Needed, refusal.body(None));
                stream.hang_up();
            }
        }
    }

    /// No new work; calls in flight get half of `grace`; then streams end and workers stop. Sessions stay in the store.
    pub(crate) async fn drain(self: &Arc<Self>, grace: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let shared: Vec<Arc<Shared>> = self.shared.lock().values().cloned().collect();
        for shared in shared {
            shared.translation().listens.end();
        }
        for seat in self.shop.seats() {
            seat.hibernate();
        }
        self.each_session(|session| session.server_stream().hang_up());
        let native: Vec<Arc<Native>> = self.native.lock().values().cloned().collect();
        for native in native {
            native.close_listens();
        }
        tokio::select! {
            _ = timeout_at(begun + grace / 2, self.shop.tally.quiet()) => {}
            () = self.release_as_they_rest() => {}
        }
        self.shop.close();
        let refusal = Refusal::draining();
        for seat in self.shop.seats() {
            seat.close(refusal.clone());
        }
        self.each_session(|session| {
            session.give_up_rounds(|call| call.refuse(&refusal));
            session.server_stream().close();
        });
        self.background.cancel();
        if let Err(error) = self.ledger.flush().await {
            tracing::warn!(error = %error, "the last changes of some sessions could not be written");
        }
        self.shop.tasks.close();
        if timeout_at(begun + grace, self.shop.tasks.wait()).await.is_err() {
            tracing::warn!(
                workers = self.shop.tasks.len(),
                "workers were still stopping when the grace period was over"
            );
        }
    }

    pub(super) fn each_session(&self, act: impl Fn(&Session)) {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            act(&session);
        }
    }
}
