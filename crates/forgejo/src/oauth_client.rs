//! Forgejo's OAuth2 provider and the few API calls that tell who a user is.
//!
//! Forgejo is no textbook provider, and each habit of it has its place here: every error of the token endpoint is HTTP 400 and
//! most are called `unauthorized_client` (`token_endpoint`); userinfo answers with an HTML page or a redirect when it
//! means "no" (`identity`); error texts can contain the token (`display_text`). Redirects are never followed, bodies are
//! bounded, and an answer that is not what Forgejo sends is [`Unreachable`], never a statement about the user.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    credential_store::IssuedPair,
    scope::{ForgejoScopes, GrantedScopes},
    token_source::Now,
};

mod answer;
mod applications;
mod config;
mod errors;
mod identity;
mod introspection;
mod memberships;
mod outbound;
mod token_endpoint;
mod token_hints;

#[cfg(test)]
mod tests;

pub use crate::display::for_display;
pub(crate) use answer::{Answer, bearer};
pub use applications::{Applications, ApplicationsError, CreatedApplication, KnownApplication, Owner};
pub use config::{ConfigError, ForgejoConfig, UrlProblem};
pub use errors::{
    BlockReason, Blocked, Denial, ExchangeError, IdentityError, IntrospectionError, RefreshError, Unreachable,
    VersionError,
};
pub use identity::Identity;
pub use memberships::{Memberships, Named};
pub use outbound::{Outbound, OutboundConfig, OutboundError};
pub use token_hints::TokenHints;

/// Forgejo as OAuth2 provider. A cheap handle.
#[derive(Clone)]
pub struct OAuthClient {
    inner: Arc<Inner>,
}

struct Inner {
    config: ForgejoConfig,
    endpoints: Endpoints,
    issuer: Arc<str>,
    outbound: Outbound,
    now: Now,
}

/// Where everything is, below the public URL (`authorize`, which browsers open) or the back channel's (the rest).
struct Endpoints {
    base: Url,
    authorize: Url,
    token: Url,
    userinfo: Url,
    introspect: Url,
    api_user: Url,
    api_version: Url,
}

// === impl OAuthClient ===

impl OAuthClient {
    /// The page at Forgejo that the user's browser is sent to.
    ///
    /// `state` must be fresh and random, `s256_challenge` the base64url SHA-256 of a fresh verifier. Forgejo ignores the scope if
    /// the user has a grant for this application already: compare [`granted_scope`](Self::granted_scope) afterwards.
    #[must_use]
    pub fn authorize_url(&self, state: &str, s256_challenge: &str) -> Url {
        let config = &self.inner.config;
        let mut url = self.inner.endpoints.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &config.client_id)
            .append_pair("redirect_uri", config.redirect_uri.as_str())
            .append_pair("scope", &config.scopes.to_string())
            .append_pair("state", state)
            .append_pair("code_challenge", s256_challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Redeems an authorization code.
    ///
    /// A failed attempt does not burn the code at Forgejo; a successful one kills the refresh tokens that the user's earlier
    /// logins got.
    pub async fn exchange(&self, code: &str, verifier: &str) -> Result<IssuedPair, ExchangeError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.inner.config.redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let secrets = [code, verifier];
        Ok(self.ask_for_tokens(&form, &secrets, None).await?)
    }

    /// Trades a refresh token for a new pair. Forgejo takes each refresh token once: the pair must be stored before it is used.
    ///
    /// If the answer names no refresh token, the old one stays.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<IssuedPair, RefreshError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        let secrets = [refresh_token.expose_secret()];
        Ok(self.ask_for_tokens(&form, &secrets, Some(refresh_token)).await?)
    }

    /// Whose token this is, and whether that user may use Forgejo at all: `GET /api/v1/user`, or userinfo when the grant does not
    /// include `read:user`.
    pub async fn identity(&self, access_token: &SecretString) -> Result<Identity, IdentityError> {
        identity::ask(self, access_token).await
    }

    /// What the grant behind a token holds, which need not be what was asked for.
    pub async fn granted_scope(&self, access_token: &SecretString) -> Result<GrantedScopes, IntrospectionError> {
        introspection::ask(self, access_token).await
    }

    /// Forgejo's version, like `15.0.3+gitea-1.22.0`. Forgejo refuses a bad token here, but needs none.
    pub async fn version(&self, access_token: Option<&SecretString>) -> Result<String, VersionError> {
        identity::version(self, access_token).await
    }

    /// The scopes that are asked for at every login.
    #[must_use]
    pub fn scopes(&self) -> &ForgejoScopes {
        &self.inner.config.scopes
    }

    /// What users are keyed by together with `sub`: the configured public URL without a trailing slash. (Forgejo's own issuer has
    /// one up to version 11 and none later, so it can't be the key.)
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The base of the back channel, with a trailing slash.
    #[must_use]
    pub fn back_channel(&self) -> &Url {
        &self.inner.endpoints.base
    }

    /// The longest that one request can take, connecting included.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.inner.outbound.total_timeout()
    }
}

impl std::fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuthClient").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
