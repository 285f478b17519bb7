//! All that a broker with replicas has besides a broker that is alone.

use std::sync::Arc;

use bridge::bridge::Bridge;
use bridge::replica::Via;
use bridge::reply::Reply;
use parking_lot::RwLock;
use rustls::ServerConfig;
use store::KeyRing;

use super::certificate::{CertificateError, Identity};
use super::passage::{Onward, Passage};
use super::tenancy::Tenancy;
use crate::metrics::Metrics;

/// The other replicas, as seen from this one.
pub(crate) struct Neighbours {
    id: Arc<str>,
    passage: Passage,
    /// How this one shows itself to them. Replaced with the key ring.
    server: Arc<RwLock<Arc<ServerConfig>>>,
}

/// Why replicas can't speak with each other.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoNeighbours {
    /// They could not know each other.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// There is no client for it.
    #[error("connections to other replicas can't be made: {0}")]
    Client(#[from] reqwest::Error),
}

// === impl Neighbours ===

impl Neighbours {
    pub(crate) fn new(tenancy: &Tenancy, keys: &KeyRing, metrics: Metrics) -> Result<Self, NoNeighbours> {
        let identity = Identity::of(tenancy.id(), keys)?;
        let passage = Passage::new(Arc::clone(tenancy.id()), identity.client, tenancy.lease(), metrics)?;
        Ok(Self { id: Arc::clone(tenancy.id()), passage, server: Arc::new(RwLock::new(identity.server)) })
    }

    /// The name of this replica.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// For the listener: what it shows and asks for at each connection.
    pub(crate) fn server(&self) -> Arc<RwLock<Arc<ServerConfig>>> {
        Arc::clone(&self.server)
    }

    /// Takes another key ring, for connections from here on.
    pub(crate) fn take_keys(&self, keys: &KeyRing) -> Result<(), NoNeighbours> {
        let identity = Identity::of(&self.id, keys)?;
        self.passage.identify(identity.client)?;
        *self.server.write() = identity.server;
        Ok(())
    }

    /// The answer to a request, from wherever it has to come.
    pub(crate) async fn answer<A>(&self, bridge: &Bridge, onward: &Onward<'_>, ask: impl Fn(Via) -> A) -> Reply
    where
        A: Future<Output = Reply>,
    {
        self.passage.answer(bridge, onward, ask).await
    }
}
