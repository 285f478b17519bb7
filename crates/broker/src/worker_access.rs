//! A worker's access on the gateway: the bridge asks for one, the gateway honours it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use bridge::access::{AccessIssuer, WorkerAccess};
use bridge::replica::Lease;
use bridge::reply::Principal;
use bridge::spawn::GatewayListeners;
use forgejo::gateway::{Capability, Gateway, GatewayAssignment};
use parking_lot::Mutex;

use crate::live_grants::{LiveGrant, LiveGrants};

/// Opens capabilities at the gateway.
pub(crate) struct GatewayAccessIssuer {
    pub(crate) gateway: Gateway,
    pub(crate) grants: LiveGrants,
    /// Forgejo's base URL as people know it.
    pub(crate) forgejo_url: Arc<str>,
}

struct GatewayAccess {
    capability: Capability,
    url: Arc<str>,
    forgejo_url: Arc<str>,
    grants: LiveGrants,
    /// Held so that the gateway finds the grant for as long as the worker lives, whatever the bearer cache forgets.
    grant: Mutex<Option<Arc<LiveGrant>>>,
}

/// Has the gateway serve the listeners in workers' own networks.
#[derive(Debug)]
pub(crate) struct WorkerListeners(pub(crate) Gateway);

impl GatewayListeners for WorkerListeners {
    fn adopt(&self, listener: TcpListener) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.0.adopt(listener)?))
    }
}

impl AccessIssuer for GatewayAccessIssuer {
    fn open(&self) -> Arc<dyn WorkerAccess> {
        Arc::new(GatewayAccess {
            capability: self.gateway.open(),
            url: self.gateway.url().into(),
            forgejo_url: Arc::clone(&self.forgejo_url),
            grants: self.grants.clone(),
            grant: Mutex::new(None),
        })
    }
}

impl WorkerAccess for GatewayAccess {
    fn url(&self) -> &str {
        &self.url
    }

    fn token(&self) -> &str {
        self.capability.token()
    }

    fn public_url(&self) -> &str {
        &self.forgejo_url
    }

    fn assign(&self, principal: &Principal) {
        *self.grant.lock() = self.grants.get(&principal.grant);
        self.capability
            .assign(GatewayAssignment { user: Arc::clone(&principal.user), grant: Arc::clone(&principal.grant) });
    }

    fn only_under(&self, lease: Arc<dyn Lease>) {
        self.capability.only_while(Box::new(move || lease.is_held()));
    }

    fn revoke(&self) {
        self.capability.revoke();
    }

    fn ready(&self) {
        self.capability.ready();
    }
}
