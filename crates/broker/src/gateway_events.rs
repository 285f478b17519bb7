//! What the gateway reports: the audited part goes to the audit log, the rest to the ordinary one.

use forgejo::gateway::{GatewayAssignment, GatewayEvent, GatewayObserver, RequestClass, Trace};
use http::{HeaderValue, Method, StatusCode};

use crate::audit::{Audit, Entry};
use crate::metrics::Metrics;
use crate::telemetry::traces;

/// Writes gateway events down.
pub(crate) struct GatewayEvents(pub(crate) Audit, pub(crate) Metrics);

impl GatewayObserver for GatewayEvents {
    fn event(&self, event: GatewayEvent) {
        self.1.gateway(&event);
        match event {
            GatewayEvent::DoorRefused { who, group, method } => {
                self.audit("gateway.door_refused", &format!("{method} {}", group.name()), &who);
            }
            GatewayEvent::ReadOnlyRefused { who, method } => {
                self.audit("gateway.read_only_refused", method.as_str(), &who);
            }
            GatewayEvent::ChoiceRefused { who, method } => {
                self.audit("gateway.outside_chosen_repositories", method.as_str(), &who);
            }
            GatewayEvent::IdentityFieldRefused { who, field } => self.audit("gateway.identity_refused", field, &who),
            GatewayEvent::ForeignRedirect { who, host } => self.audit("gateway.foreign_redirect", &host, &who),
            GatewayEvent::ForeignPeer { uid } => {
                self.0.record("gateway.foreign_peer", format!("uid {uid}"), &Entry::default());
            }
            GatewayEvent::WrongCapability { total, suspicious: true } => {
                self.0.record("gateway.wrong_capability", format!("{total} so far"), &Entry::default());
            }
            GatewayEvent::UpstreamFailed { status } => {
                tracing::warn!(http.status = status.as_u16(), "Forgejo did not answer a worker's request");
            }
            GatewayEvent::Upstream401 { user, retried } => {
                tracing::info!(user.id = %user, request.retried = retried, "Forgejo answered 401 to a worker's request");
            }
            GatewayEvent::LimitHit { user, kind } => {
                tracing::warn!(user.id = %user, limit.kind = ?kind, "a user's limit at the gateway was reached");
            }
            other => tracing::trace!(event = ?other, "gateway"),
        }
    }

    fn forwarding(&self, method: &Method, class: RequestClass, traceparent: Option<&HeaderValue>) -> Trace {
        traces::forwarding(method, class, traceparent).unwrap_or_default()
    }

    fn forwarded(&self, trace: &Trace, status: StatusCode) {
        traces::answered(&trace.span, status);
    }
}

// === impl GatewayEvents ===

impl GatewayEvents {
    fn audit(&self, event: &'static str, outcome: &str, who: &GatewayAssignment) {
        let entry = Entry { actor: Some(&who.user), subject: Some(&who.grant), ..Entry::default() };
        self.0.record(event, outcome, &entry);
    }
}
