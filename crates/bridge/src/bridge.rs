//! The bridge as the HTTP endpoint sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access::AccessIssuer;
pub use crate::config::{Adjustment, BridgeConfig};
use crate::envelope::{Bounds, Incoming, RawId, read_post};
use crate::era::{Era, legacy, modern};
use crate::observer::{Figures, Observer};
use crate::refusal::{INVALID_REQUEST, Refusal};
use crate::replica::{Usage, Via};
use crate::reply::{GetHead, PostHead, Principal, Reply};
use crate::session_store::SessionStore;
use crate::starter::StartWorker;
use crate::supervisor::Supervisor;
use crate::tools::ToolRules;
use crate::workshop::Workshop;

/// Everything between an authenticated request and the workers. A cheap handle; when the last one is dropped, the workers end.
#[derive(Clone)]
pub struct Bridge {
    supervisor: Arc<Supervisor>,
    bounds: Bounds,
}

// === impl Bridge ===

impl Bridge {
    /// Begins. Has to be called within a tokio runtime, because idle workers are looked for in the background.
    pub fn start(
        config: BridgeConfig,
        starter: impl StartWorker,
        access: Arc<dyn AccessIssuer>,
        sessions: Arc<dyn SessionStore>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let bounds = Bounds { depth: config.max_depth, batch: config.max_batch };
        let shop = Workshop::new(Arc::new(config), Box::new(starter), access, observer);
        Self { supervisor: Supervisor::start(shop, sessions), bounds }
    }

    /// Answers a POST. If the returned future is dropped, or the stream that it gave, a request of 2026-07-28 is cancelled; calls
    /// of the era of sessions go on, where a lost connection is not a cancellation.
    pub async fn post(&self, who: &Principal, head: PostHead, body: Bytes) -> Reply {
        let incoming = match read_post(&body, self.bounds) {
            Ok(incoming) => incoming,
            Err(malformed) => {
                let refusal = malformed.refusal();
                self.supervisor.shop().observer.refused(refusal.label);
                return refusal.reply(malformed.id.as_ref().map(RawId::as_bytes));
            }
        };
        let era = Era::of(&incoming, &head);
        if let Ok(era) = &era {
            self.supervisor.shop().observer.request(era.observed(), head.label);
        }
        match (era, incoming) {
            // Apart, so that the calls of one era do not move about what those of the other need.
            (Ok(Era::Modern), Incoming::One(message)) => {
                Box::pin(modern::post(&self.supervisor, who, head, message)).await
            }
            (Ok(_), incoming) => legacy::post(&self.supervisor, who, head, incoming).await,
            (Err(refusal), incoming) => {
                self.supervisor.shop().observer.refused(refusal.label);
                refusal.reply(legacy::only_id(&incoming).as_ref().map(RawId::as_bytes))
            }
        }
    }

    /// Answers a GET: the server stream of a session, or what a client missed of another stream.
    pub async fn get(&self, who: &Principal, head: GetHead) -> Reply {
        legacy::get(&self.supervisor, who, head).await
    }

    /// Ends a session: 204; 400 without an id, 404 for an unknown one.
    pub async fn delete(&self, who: &Principal, session_id: Option<&str>, via: Via) -> Reply {
        let Some(id) = session_id else {
            return Refusal::new(
                400,
                INVALID_REQUEST,
                "no_session_id",
                "DELETE ends a session; send its Mcp-Session-Id",
            )
            .reply(None);
        };
        match self.supervisor.delete(who, id, via).await {
            Ok(()) => Reply::empty(204),
            Err(refusal) => {
                self.supervisor.shop().refused(&refusal);
                refusal.reply(None)
            }
        }
    }

    /// The grant has been revoked: its sessions (the stored ones too) and workers end, open calls are answered with an error,
    /// streams end.
    pub async fn end_grant(&self, grant: &str) {
        self.supervisor.end_grant(grant).await;
    }

    /// What the grant allows is not what it was: lists that are kept for it are forgotten, and its clients are told that lists have
    /// changed. Its calls and workers go on.
    pub fn grant_changed(&self, grant: &str) {
        self.supervisor.grant_changed(grant);
    }

    /// An operator has ended the session whose id has this SHA-256: as if its client had.
    pub async fn end_session(&self, id_hash: &[u8; 32]) {
        self.supervisor.end_session(id_hash).await;
    }

    /// Takes other limits and times, for sessions and workers that are there already too.
    pub fn adjust(&self, adjustment: Adjustment) {
        self.supervisor.shop().adjust(adjustment);
    }

    /// Takes other rules for the tools, with effect on the next call of every session, and tells all clients that lists have changed.
    pub fn replace_tool_rules(&self, rules: ToolRules) {
        self.supervisor.shop().tools.replace_rules(rules);
        self.supervisor.lists_changed();
    }

    /// The user's upstream credential has died: calls whose answer has not begun become 401, streams are told to log in again
    /// and end. The sessions stay.
    pub fn log_in_again(&self, user: &str) {
        self.supervisor.log_in_again(user);
    }

    /// The lease has run out, or is about to: all sessions end here, and with them their workers' capabilities. They stay in the store, where
    /// another replica, or this one under a new lease, takes them. Nothing that this replica still has to say of them is written.
    pub fn lose_sessions(&self) {
        self.supervisor.lose_sessions();
    }

    /// The answer to a request that another replica had taken when the connection to it broke: whether it was carried out is not known.
    #[must_use]
    pub fn lost_on_the_way(&self, body: &[u8]) -> Reply {
        let id =
            read_post(&Bytes::copy_from_slice(body), self.bounds).ok().and_then(|incoming| legacy::only_id(&incoming));
        let refusal = Refusal::in_band(
            crate::refusal::UNAVAILABLE,
            "replica_lost",
            "the part of this server that was at work on the call has gone before it answered; the call may have been carried out",
        );
        self.supervisor.shop().refused(&refusal);
        refusal.reply(id.as_ref().map(RawId::as_bytes))
    }

    /// The answer while the replica that has to answer can't be reached.
    #[must_use]
    pub fn out_of_reach(&self, body: &[u8]) -> Reply {
        let id =
            read_post(&Bytes::copy_from_slice(body), self.bounds).ok().and_then(|incoming| legacy::only_id(&incoming));
        let text =
            "the part of this server that holds the session can't be reached at the moment; try again in a few seconds";
        let refusal = Refusal::unavailable("replica_unreachable", 3, text);
        self.supervisor.shop().refused(&refusal);
        refusal.reply(id.as_ref().map(RawId::as_bytes))
    }

    /// What each user has open here, for other replicas.
    #[must_use]
    pub fn usage(&self) -> HashMap<Arc<str>, Usage> {
        self.supervisor.shop().usage()
    }

    /// What each user has open at other replicas: it counts against his limits here.
    pub fn set_usage_elsewhere(&self, usage: HashMap<Arc<str>, Usage>) {
        self.supervisor.shop().set_usage_elsewhere(usage);
    }

    /// No new work from now on. Returns when all workers have ended, or after `grace`.
    pub async fn drain(&self, grace: Duration) {
        self.supervisor.drain(grace).await;
    }

    /// How much there is of everything.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.supervisor.figures()
    }
}
