//! What every connection of the gateway needs.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::Method;
use parking_lot::RwLock;

use super::{
    capability::Registry,
    config::{GatewayLimits, GatewayTimeouts},
    direct::Direct,
    doors::DoorGroups,
    event::{GatewayEvent, GatewayObserver},
    grant::{GatewayAssignment, GrantLookup},
    limits::Limits,
    path::RepositoryName,
    probes::VersionMemory,
    redirect::{Destination, Origins},
    refusal::Refusal,
    repositories::{Names, SeenAttachments},
};
use crate::token_source::TokenSource;

/// Wrong capabilities up to this number are put down to a worker that outlived its session.
const EXPLAINED_WRONG_CAPABILITIES: u64 = 3;

pub(super) struct Shared {
    /// The gateway's own address, without a trailing slash.
    pub(super) url: String,
    pub(super) origins: Origins,
    /// What the operator opens at present.
    pub(super) open_doors: RwLock<DoorGroups>,
    pub(super) config: GatewayLimits,
    pub(super) timeouts: GatewayTimeouts,
    pub(super) limits: Limits,
    pub(super) client: reqwest::Client,
    /// The way to a Forgejo that needs nothing of [`Self::client`].
    pub(super) direct: Option<Direct>,
    pub(super) tokens: Arc<dyn TokenSource>,
    pub(super) grants: Arc<dyn GrantLookup>,
    pub(super) observer: Arc<dyn GatewayObserver>,
    pub(super) capabilities: Arc<Registry>,
    pub(super) version: VersionMemory,
    /// What repositories' names mean, for grants with chosen ones.
    pub(super) names: Names,
    /// The same for attachments.
    pub(super) attachments: SeenAttachments,
    pub(super) wrong_capabilities: AtomicU64,
}

// === impl Shared ===

impl Shared {
    /// The doors that are open at this moment.
    pub(super) fn open_doors(&self) -> DoorGroups {
        *self.open_doors.read()
    }

    /// What Forgejo's API errors carry as `url`.
    pub(super) fn documentation(&self) -> String {
        format!("{}api/swagger", self.origins.public())
    }

    /// An address of the same Forgejo as the worker can reach it, else `None`.
    pub(super) fn inwards(&self, address: &str) -> Option<String> {
        match self.origins.classify(url::Url::parse(address).ok()?) {
            Destination::Inwards { path, query: None } => Some(format!("{}{path}", self.url)),
            Destination::Inwards { path, query: Some(query) } => Some(format!("{}{path}?{query}", self.url)),
            Destination::Storage(_) | Destination::Foreign(_) => None,
        }
    }

    /// The repository within which an address of the same Forgejo lies.
    pub(super) fn repository_at(&self, address: &str) -> Option<RepositoryName> {
        let Destination::Inwards { path, .. } = self.origins.classify(url::Url::parse(address).ok()?) else {
            return None;
        };
        RepositoryName::of_page(&path)
    }

    /// Tells the observer of an answer of our own.
    pub(super) fn observe(&self, refusal: &Refusal, who: Option<&GatewayAssignment>, method: &Method) {
        let status = refusal.status();
        let event = match (refusal, who.cloned()) {
            (Refusal::WrongCapability, _) => {
                let total = self.wrong_capabilities.fetch_add(1, Ordering::Relaxed) + 1;
                GatewayEvent::WrongCapability { total, suspicious: total > EXPLAINED_WRONG_CAPABILITIES }
            }
            (Refusal::Door(group), Some(who)) => {
                GatewayEvent::DoorRefused { who, group: *group, method: method.clone() }
            }
            (Refusal::ReadOnly(method), Some(who)) => GatewayEvent::ReadOnlyRefused { who, method: method.clone() },
            (
                Refusal::OutsideChosen
                | Refusal::BeyondChosen
                | Refusal::NamesAnother(_)
                | Refusal::UnseenAttachment
                | Refusal::LimitedBody
                | Refusal::UnclearMember(_),
                Some(who),
            ) => GatewayEvent::ChoiceRefused { who, method: method.clone() },
            (Refusal::IdentityField(field), Some(who)) => GatewayEvent::IdentityFieldRefused { who, field },
            (Refusal::ForeignRedirect { host }, Some(who)) => GatewayEvent::ForeignRedirect { who, host: host.clone() },
            (Refusal::Limit { kind, .. }, Some(who)) => GatewayEvent::LimitHit { user: who.user, kind: *kind },
            (
                Refusal::Unreachable { .. }
                | Refusal::Broken
                | Refusal::UpstreamTimeout(_)
                | Refusal::Unreadable(_)
                | Refusal::CredentialUnavailable { .. },
                _,
            ) => GatewayEvent::UpstreamFailed { status },
            (_, who) => GatewayEvent::Refused { user: who.map(|who| who.user), status },
        };
        self.observer.event(event);
    }
}
