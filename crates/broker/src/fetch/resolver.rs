//! Names to addresses, filtered in the step that hands them to the connector.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Reach;

/// Looks names up. A parameter, so that tests can play a hostile DNS.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// All addresses of a host, in the order in which they are to be tried.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemLookup;

/// Gives the connector only addresses that may be dialled. What it gives is dialled as it is: there is no second look-up.
pub(super) struct Guarded {
    lookup: Arc<dyn Lookup>,
    reach: Reach,
}

/// The name has no address that may be dialled.
#[derive(Debug, thiserror::Error)]
#[error("none of the {addresses} addresses of {host} is public")]
struct NotPublic {
    host: String,
    addresses: usize,
}

// === impl SystemLookup ===

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

// === impl Guarded ===

impl Guarded {
    pub(super) fn new(lookup: Arc<dyn Lookup>, reach: Reach) -> Self {
        Self { lookup, reach }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, reach) = (name.as_str().to_owned(), self.reach);
        let found = self.lookup.lookup(host.clone());
        Box::pin(async move {
            let found = found.await?;
            let admitted: Vec<_> = found.iter().filter(|address| reach.admits(**address)).copied().collect();
            if admitted.is_empty() {
                return Err(NotPublic { host, addresses: found.len() }.into());
            }
            // Port 0: the connector puts the URL's port in its place.
            Ok(Box::new(admitted.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
