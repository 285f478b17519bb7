//! What the operator tells us about his Forgejo, checked before anything is sent.

use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Endpoints, Inner, OAuthClient, Outbound};
use crate::{scope::ForgejoScopes, token_source::Now};

/// Our OAuth2 application at Forgejo.
#[derive(Debug, Clone)]
pub struct ForgejoConfig {
    /// Where browsers reach Forgejo: its `ROOT_URL`, a sub-path included.
    pub public_url: Url,
    /// Where we reach it, if that is another address; a sub-path included.
    pub internal_url: Option<Url>,
    /// The application's client id.
    pub client_id: String,
    /// The application's secret (a confidential application is required).
    pub client_secret: SecretString,
    /// Our callback, exactly as registered with the application.
    pub redirect_uri: Url,
    /// What is asked for at each login.
    pub scopes: ForgejoScopes,
    /// The `User-Agent` of every request.
    pub user_agent: String,
}

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// Neither http nor https.
    #[error("it must begin with https:// or http://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
    /// User name or password.
    #[error("it must not contain a user name or password")]
    Userinfo,
    /// A query or a fragment.
    #[error("it must not contain `?` or `#`")]
    QueryOrFragment,
}

/// Why no client can be made of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The public URL can't be used.
    #[error("Forgejo's public URL can't be used: {0}")]
    PublicUrl(UrlProblem),
    /// The back channel's URL can't be used.
    #[error("Forgejo's internal URL can't be used: {0}")]
    InternalUrl(UrlProblem),
    /// Our callback can't be used.
    #[error("the redirect URI can't be used: {0}")]
    RedirectUri(UrlProblem),
    /// Empty, or with a colon, white space, control or non-ASCII characters.
    #[error(
        "the OAuth client id is empty or has characters that no Forgejo client id has: copy it from Forgejo's application page"
    )]
    ClientId,
    /// Empty, or with white space, control or non-ASCII characters.
    #[error(
        "the OAuth client secret is empty or has characters that no Forgejo secret has (a line end, perhaps): copy it again"
    )]
    ClientSecret,
    /// Not a header value.
    #[error("the user agent has characters that a header can't carry")]
    UserAgent,
}

// === impl ForgejoConfig ===

impl ForgejoConfig {
    /// Checks everything and makes the client. `outbound` carries the connections, `now` dates what Forgejo issues.
    pub fn build(mut self, outbound: Outbound, now: Now) -> Result<OAuthClient, ConfigError> {
        check(&self.public_url).map_err(ConfigError::PublicUrl)?;
        check(&self.redirect_uri).map_err(ConfigError::RedirectUri)?;
        if !is_plain(&self.client_id) || self.client_id.contains(':') {
            return Err(ConfigError::ClientId);
        }
        if !is_plain(self.client_secret.expose_secret()) {
            return Err(ConfigError::ClientSecret);
        }
        HeaderValue::from_str(&self.user_agent).map_err(|_| ConfigError::UserAgent)?;

        let base = match self.internal_url.take() {
            Some(url) => {
                check(&url).map_err(ConfigError::InternalUrl)?;
                as_folder(url)
            }
            None => as_folder(self.public_url.clone()),
        };
        let public = as_folder(self.public_url.clone());
        let issuer = Arc::from(public.as_str().trim_end_matches('/'));
        let endpoints = Endpoints {
            authorize: below(&public, "login/oauth/authorize"),
            token: below(&base, "login/oauth/access_token"),
            userinfo: below(&base, "login/oauth/userinfo"),
            introspect: below(&base, "login/oauth/introspect"),
            api_user: below(&base, "api/v1/user"),
            api_version: below(&base, "api/v1/version"),
            base,
        };
        Ok(OAuthClient { inner: Arc::new(Inner { config: self, endpoints, issuer, outbound, now }) })
    }
}

fn check(url: &Url) -> Result<(), UrlProblem> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlProblem::Scheme);
    }
    if !url.has_host() {
        return Err(UrlProblem::Host);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlProblem::Userinfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlProblem::QueryOrFragment);
    }
    Ok(())
}

/// The URL with exactly one slash at its end.
fn as_folder(mut url: Url) -> Url {
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn below(folder: &Url, path: &str) -> Url {
    let mut url = folder.clone();
    url.set_path(&format!("{}{path}", folder.path()));
    url
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
