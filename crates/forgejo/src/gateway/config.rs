//! What the operator decides about the gateway.

use std::time::Duration;

use url::Url;

use super::doors::DoorGroups;

/// Where Forgejo is and what the gateway lets through.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Forgejo as the broker reaches it, sub-path included.
    pub forgejo: Url,
    /// Forgejo as browsers reach it (its `ROOT_URL`), sub-path included.
    pub forgejo_public: Url,
    /// Origins of object storage to which Forgejo may redirect downloads; fetched without any credential.
    pub storage_origins: Vec<Url>,
    /// Groups of closed doors that the operator opens.
    pub open_doors: DoorGroups,
    /// Caps.
    pub limits: GatewayLimits,
    /// Deadlines.
    pub timeouts: GatewayTimeouts,
}

/// Caps of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Open connections from all workers; further ones wait to be accepted.
    pub connections: usize,
    /// Requests of one user in a minute; also the size of a burst.
    pub requests_per_minute: u32,
    /// Requests of one user under way at once; further ones wait for [`GatewayTimeouts::queue`].
    pub at_once: u32,
    /// Bytes of one user in a minute, both ways together. A transfer that has begun is not cut; what it takes beyond is
    /// waited for by the next request.
    pub bytes_per_minute: u64,
    /// The largest request body, in bytes.
    pub body_bytes: u64,
}

/// Deadlines of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayTimeouts {
    /// From a connection's start (or its last answer) to the end of a request's header.
    pub header: Duration,
    /// From the end of what was sent to Forgejo to the first byte of its answer.
    pub first_byte: Duration,
    /// Between two pieces of a body, either way.
    pub between_bytes: Duration,
    /// How long a request waits for one of the user's places.
    pub queue: Duration,
}

// === impl GatewayLimits ===

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests_per_minute: 1200,
            at_once: 16,
            bytes_per_minute: 2 << 30,
            body_bytes: 2 << 30,
        }
    }
}

// === impl GatewayTimeouts ===

impl Default for GatewayTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            first_byte: Duration::from_mins(1),
            between_bytes: Duration::from_mins(1),
            queue: Duration::from_secs(20),
        }
    }
}
