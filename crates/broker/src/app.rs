//! The running broker: every room built from the configuration and wired to the others.

use std::sync::Arc;
use std::time::Duration;

use bridge::bridge::Bridge;
use forgejo::credentials::Credentials;
use forgejo::gateway::Gateway;
use forgejo::oauth_client::OAuthClient;
use forgejo::repositories::Repositories;
use oauth::authorize::AuthorizationRequest;
use oauth::clock::Clock;
use oauth::grant::{Grant, GrantLimits};
use oauth::metadata::{AuthorizationServerMetadata, ClientKinds, ProtectedResourceMetadata};
use oauth::random::Random;
use oauth::redirect_uri::AllowList;
use oauth::resource::Resource;
use oauth::scope::ScopeSet;
use oauth::token::Lifetimes;
use parking_lot::Mutex;
use store::logins::LoginCompleted;
use store::sweep::Retention;
use store::{KeyRing, Store, StoreError};

use crate::audit::{self, Audit};
use crate::bearer::Bearers;
use crate::browser::Cookies;
use crate::clients::Clients;
use crate::config::{BaseUrl, PublicUrl};
use crate::entry::Entry;
use crate::examination::Examination;
use crate::live_grants::{LiveGrant, LiveGrants};
use crate::metrics::Metrics;
use crate::pages::LandingPage;
use crate::rate_limit::AddressLimit;
use crate::readiness::Readiness;
use crate::replica::{Neighbours, Tenancy};
use crate::shelf::Shelf;

pub(crate) mod build;
mod follow;
mod reload;
mod replicas;
mod upkeep;

pub(crate) use build::key_ring;
pub use build::run;
pub use reload::{ReadAgain, Steering};

/// What the handlers share. Made anew from the same parts when the configuration is reloaded: a request sees one version from its
/// beginning to its end.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) site: Arc<Site>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) cookies: Cookies,
    pub(crate) store: Store,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) upstream: OAuthClient,
    pub(crate) credentials: Credentials,
    /// What users can see at Forgejo, asked with their own credentials.
    pub(crate) repositories: Repositories,
    /// Names of repositories that were shown lately, by user and id.
    pub(crate) repository_names: Arc<Shelf<String>>,
    pub(crate) bridge: Bridge,
    pub(crate) bearers: Bearers,
    pub(crate) grants: LiveGrants,
    pub(crate) limits: RateLimits,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) entry: Arc<Entry>,
    /// This replica's lease; `None` where there can be no others.
    pub(crate) tenancy: Option<Arc<Tenancy>>,
    /// The way to other replicas, if there is one.
    pub(crate) neighbours: Option<Arc<Neighbours>>,
    /// The workers' way to Forgejo.
    gateway: Gateway,
    /// How long what has ended is kept.
    retention: Arc<Mutex<Retention>>,
    /// Answers `fjmcp-broker doctor`.
    pub(crate) examination: Arc<Examination>,
    /// One change of a grant at a time: the last one that is stored has to be the last one that takes effect here.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// Held by a user's change of a grant from reading what it is to writing what it becomes, so that no change undoes another.
    pub(crate) account_changes: Arc<tokio::sync::Mutex<()>>,
    /// Grants used since the last time uses were written down.
    uses: Arc<Mutex<Vec<Arc<LiveGrant>>>>,
}

/// What we say of ourselves. Made from configuration once; no request changes it.
pub(crate) struct Site {
    /// Origin without trailing slash.
    pub(crate) issuer: String,
    pub(crate) resource: Resource,
    /// Shown to people.
    pub(crate) forgejo_host: String,
    pub(crate) authorization_server: AuthorizationServerMetadata,
    pub(crate) protected_resource: ProtectedResourceMetadata,
    pub(crate) landing: LandingPage,
}

/// How often an address may ask, by what it asks for. `None` is as often as it likes. What a grant may ask is with the grant.
#[derive(Clone)]
pub(crate) struct RateLimits {
    pub(crate) register: Option<Arc<AddressLimit>>,
    /// Authorization requests and their way back.
    pub(crate) authorize: Option<Arc<AddressLimit>>,
    /// Token and revocation requests.
    pub(crate) token: Option<Arc<AddressLimit>>,
    /// Requests to `/mcp` without a valid token.
    pub(crate) strangers: Option<Arc<AddressLimit>>,
}

/// What the operator has decided about clients, tokens and sizes.
pub(crate) struct Policy {
    pub(crate) redirect_uris: AllowList,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) replay_window: Duration,
    pub(crate) login_lifetime: Duration,
    pub(crate) max_clients: u32,
}

// === impl Site ===

impl Site {
    fn new(public_url: &PublicUrl, forgejo: &BaseUrl, forgejo_host: &str, clients: ClientKinds) -> Self {
        let issuer = public_url.origin();
        let resource = Resource::of_issuer(issuer);
        let name = format!("Forgejo at {forgejo_host}");
        Self {
            authorization_server: AuthorizationServerMetadata::of_issuer(issuer, clients),
            protected_resource: ProtectedResourceMetadata::of(issuer, &resource, &name),
            landing: LandingPage::new(public_url, forgejo),
            issuer: issuer.to_owned(),
            resource,
            forgejo_host: forgejo_host.to_owned(),
        }
    }

    /// The address at the client that answers its request with these parameters, `state` and `iss` (RFC 6749 §4.1.2, RFC 9207).
    pub(crate) fn answer(&self, request: &AuthorizationRequest, parameters: &[(&str, &str)]) -> String {
        let mut pairs = parameters.to_vec();
        pairs.extend(request.state.as_deref().map(|state| ("state", state)));
        pairs.push(("iss", self.issuer.as_str()));
        request.redirect_uri.with_query(&pairs)
    }
}

// === impl App ===

impl App {
    /// Ends a grant everywhere: tokens in the store, sessions and workers here.
    pub(crate) async fn end_grant(&self, grant: &Grant, why: &str) -> Result<(), StoreError> {
        self.store.revoke_grant(&grant.id, self.clock.now()).await?;
        self.grants.end(&grant.id);
        self.bridge.end_grant(grant.id.as_str()).await;
        let entry = audit::Entry {
            actor: Some(grant.user.as_str()),
            client: Some(grant.client.as_str()),
            subject: Some(grant.id.as_str()),
            ..audit::Entry::default()
        };
        self.audit.record("grant_ended", why, &entry);
        Ok(())
    }

    /// Gives a live grant another scope and other limits, with effect on its next request at the gateway; tells its clients that lists have
    /// changed. Nothing happens if the grant has ended.
    pub(crate) async fn change_grant(
        &self,
        grant: &Grant,
        scope: ScopeSet,
        limits: GrantLimits,
    ) -> Result<(), StoreError> {
        let changed = {
            let _turn = self.changing.lock().await;
            let changed = self.store.change_grant(&grant.id, scope, &limits, self.clock.now()).await?;
            if changed {
                self.grants.change(&grant.id, scope, limits.clone());
            }
            changed
        };
        if changed {
            self.bridge.grant_changed(grant.id.as_str());
            let entry = audit::Entry {
                actor: Some(grant.user.as_str()),
                client: Some(grant.client.as_str()),
                subject: Some(grant.id.as_str()),
                ..audit::Entry::default()
            };
            let repositories = limits.repositories.map_or_else(|| "all".to_owned(), |ids| ids.len().to_string());
            self.audit.record("grant_changed", format!("{scope}; repositories: {repositories}"), &entry);
        }
        Ok(())
    }

    /// A login has been stored: its credential takes effect, and grants that it ended end here too.
    pub(crate) async fn login_completed(&self, login: &LoginCompleted) {
        self.credentials.replaced(login.user.as_str());
        self.entry.entered(&login.user.to_shared());
        for grant in &login.ended_grants {
            self.grants.end(grant);
            self.bridge.end_grant(grant.as_str()).await;
            let entry = audit::Entry {
                actor: Some(login.user.as_str()),
                subject: Some(grant.as_str()),
                ..audit::Entry::default()
            };
            self.audit.record("grant_ended", "revoked_at_forgejo", &entry);
        }
    }

    /// Notes that a grant is in use; written down later, in a batch.
    pub(crate) fn note_use(&self, grant: &Arc<LiveGrant>) {
        if grant.used(self.clock.now()) {
            self.uses.lock().push(Arc::clone(grant));
        }
    }
}
