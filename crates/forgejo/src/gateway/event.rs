//! What the gateway tells those who count and audit. No token, no path arguments, no bodies.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, StatusCode};
use tracing::Span;

use super::{doors::DoorGroup, grant::GatewayAssignment, limits::LimitKind, policy::RequestClass};

/// Something worth counting; those marked "audit" are worth keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayEvent {
    /// A request was forwarded and its answer began.
    Forwarded {
        /// The user.
        user: Arc<str>,
        /// What kind of request.
        class: RequestClass,
        /// What the worker sees.
        status: StatusCode,
        /// From sending the request to the head of Forgejo's answer, a second try after a 401 included.
        elapsed: Duration,
    },
    /// A start-up probe was answered by the gateway.
    Probe,
    /// A closed door was tried (audit).
    DoorRefused {
        /// Who.
        who: GatewayAssignment,
        /// Which door.
        group: DoorGroup,
        /// How.
        method: Method,
    },
    /// A write under a read-only grant (audit).
    ReadOnlyRefused {
        /// Who.
        who: GatewayAssignment,
        /// How.
        method: Method,
    },
    /// Something outside of the chosen repositories was tried (audit).
    ChoiceRefused {
        /// Who.
        who: GatewayAssignment,
        /// How.
        method: Method,
    },
    /// A form field by which another identity would be taken (audit).
    IdentityFieldRefused {
        /// Who.
        who: GatewayAssignment,
        /// The field.
        field: &'static str,
    },
    /// A redirect to a stranger was not followed (audit).
    ForeignRedirect {
        /// Who.
        who: GatewayAssignment,
        /// Host and port as parsed.
        host: String,
    },
    /// Any other answer of the gateway's own.
    Refused {
        /// The user, if the capability was good and assigned.
        user: Option<Arc<str>>,
        /// What the worker sees.
        status: StatusCode,
    },
    /// A request without a good capability.
    WrongCapability {
        /// How many there were since the gateway was bound.
        total: u64,
        /// True once there were more than a stale worker explains; then audit.
        suspicious: bool,
    },
    /// A connection of a process that is not ours was closed (audit).
    ForeignPeer {
        /// Its user id.
        uid: u32,
    },
    /// Forgejo answered 401 to a user's token.
    Upstream401 {
        /// The user.
        user: Arc<str>,
        /// Whether the request was tried again with another token.
        retried: bool,
    },
    /// A user's limit was hit.
    LimitHit {
        /// The user.
        user: Arc<str>,
        /// Which one.
        kind: LimitKind,
    },
    /// Forgejo was unreachable, silent or broke off.
    UpstreamFailed {
        /// What the worker sees.
        status: StatusCode,
    },
}

/// Takes [`GatewayEvent`]s. Called on the request path: must not block.
pub trait GatewayObserver: Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: GatewayEvent);

    /// A request is about to be forwarded. `traceparent` is the trace that its worker names, in the form of W3C Trace Context §3.2.
    fn forwarding(&self, method: &Method, class: RequestClass, traceparent: Option<&HeaderValue>) -> Trace {
        let _ = (method, class, traceparent);
        Trace::default()
    }

    /// Its answer has begun, or it has failed.
    fn forwarded(&self, trace: &Trace, status: StatusCode) {
        let _ = (trace, status);
    }
}

/// The trace of one forwarded request.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Entered while the request is under way.
    pub span: Span,
    /// What Forgejo is told in place of what the worker named; `None` leaves that as it is.
    pub traceparent: Option<HeaderValue>,
}

// === impl Trace ===

impl Default for Trace {
    /// No trace.
    fn default() -> Self {
        Self { span: Span::none(), traceparent: None }
    }
}
