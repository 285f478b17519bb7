//! What the gateway and the credentials tell, counted.

use forgejo::credentials::{CredentialEvent, RefreshOutcome};
use forgejo::gateway::{GatewayEvent, LimitKind, RequestClass};
use http::StatusCode;

use super::Metrics;

// === impl Metrics ===

impl Metrics {
    /// Counts what happened at the gateway.
    pub(crate) fn gateway(&self, event: &GatewayEvent) {
        let request = |outcome| self.gateway_requests.add(["none", outcome]);
        let refused = |attempt| {
            self.cage_refusals.add([attempt]);
            request("refused");
        };
        match event {
            GatewayEvent::Forwarded { class, status, elapsed, .. } => {
                let class = class_word(*class);
                self.gateway_requests.add([class, hundreds(*status)]);
                self.forgejo_duration.note([class], *elapsed);
            }
            GatewayEvent::Probe => self.gateway_requests.add(["probe", "answered"]),
            GatewayEvent::DoorRefused { .. } => refused("door"),
            GatewayEvent::ReadOnlyRefused { .. } => refused("read_only"),
            GatewayEvent::ChoiceRefused { .. } => refused("grant_limits"),
            GatewayEvent::IdentityFieldRefused { .. } => refused("identity_field"),
            GatewayEvent::ForeignRedirect { .. } => refused("foreign_redirect"),
            GatewayEvent::WrongCapability { .. } => refused("wrong_capability"),
            GatewayEvent::ForeignPeer { .. } => self.cage_refusals.add(["foreign_peer"]),
            GatewayEvent::Upstream401 { retried, .. } => {
                self.forgejo_unauthorized.add([if *retried { "yes" } else { "no" }]);
            }
            GatewayEvent::LimitHit { kind, .. } => {
                self.limit_hits.add([match kind {
                    LimitKind::Requests => "gateway_requests",
                    LimitKind::AtOnce => "gateway_at_once",
                    LimitKind::Bytes => "gateway_bytes",
                }]);
                request("limited");
            }
            GatewayEvent::UpstreamFailed { .. } => request("upstream_failed"),
            _ => request("refused"),
        }
    }

    /// Counts what happened to a user's credential.
    pub(crate) fn credential(&self, event: &CredentialEvent) {
        match event {
            CredentialEvent::Died { .. } => self.forgejo_credentials.add(["died"]),
            CredentialEvent::Revived { .. } => self.forgejo_credentials.add(["revived"]),
            CredentialEvent::Refreshed(outcome) => self.forgejo_refreshes.add([match outcome {
                RefreshOutcome::Renewed => "renewed",
                RefreshOutcome::Refused => "refused",
                RefreshOutcome::ClientRejected => "client_rejected",
                RefreshOutcome::Unreachable => "unreachable",
            }]),
        }
    }
}

fn class_word(class: RequestClass) -> &'static str {
    match class {
        RequestClass::Read => "read",
        RequestClass::Write => "write",
        RequestClass::Download => "download",
    }
}

fn hundreds(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
