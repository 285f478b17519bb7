//! Who a token belongs to.
//!
//! `GET /api/v1/user` is asked first: it is the only call by which every Forgejo version tells a living user from a blocked one. A
//! grant without `read:user` gets a 403 there, and then userinfo is asked, which answers whatever the scope, but says "no" in
//! pages and redirects.

use std::sync::Arc;

use http::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    BlockReason, Blocked, IdentityError, OAuthClient, Unreachable, VersionError,
    answer::{Answer, bearer},
    for_display,
};
use crate::token_source::KnownIdentity;

/// A Forgejo user. The key is `issuer` and `sub`; the login can be changed, and be given to another user afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// [`OAuthClient::issuer`].
    pub issuer: Arc<str>,
    /// Forgejo's `sub`: the id as a decimal string.
    pub sub: String,
    /// Forgejo's numeric user id.
    pub id: i64,
    /// Login name.
    pub login: String,
    /// The name that the user gave himself, cleaned for display; often empty.
    pub full_name: String,
}

#[derive(Deserialize)]
struct ApiUser {
    id: i64,
    login: String,
    #[serde(default)]
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    preferred_username: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct ApiMessage {
    #[serde(default)]
    message: String,
}

pub(super) async fn ask(client: &OAuthClient, token: &SecretString) -> Result<Identity, IdentityError> {
    let url = client.inner.endpoints.api_user.clone();
    let answer = get(client, url, Some(token)).await?;
    match answer.status {
        StatusCode::OK => {
            let user: ApiUser = answer.json().ok_or_else(|| answer.unexpected())?;
            Ok(identity(client, user.id, &user.login, user.full_name.as_deref())?)
        }
        _ => match refusal(&answer, token)? {
            IdentityError::Blocked(blocked) if blocked.message.contains("required scope") => {
                userinfo(client, token).await
            }
            refusal => Err(refusal),
        },
    }
}

/// What an answer of the API other than 200 says of the token and its user.
pub(super) fn refusal(answer: &Answer, token: &SecretString) -> Result<IdentityError, Unreachable> {
    match answer.status {
        StatusCode::UNAUTHORIZED => Ok(IdentityError::TokenRejected(message(answer, token)?)),
        StatusCode::FORBIDDEN => {
            let message = message(answer, token)?;
            Ok(IdentityError::Blocked(Blocked { reason: BlockReason::of(&message), message }))
        }
        _ => Err(answer.unexpected()),
    }
}

async fn userinfo(client: &OAuthClient, token: &SecretString) -> Result<Identity, IdentityError> {
    let url = client.inner.endpoints.userinfo.clone();
    let answer = get(client, url, Some(token)).await?;
    match answer.status {
        StatusCode::OK => match answer.json::<UserInfo>() {
            Some(info) => {
                let id =
                    info.sub.parse().map_err(|_| Unreachable::because("Forgejo's userinfo has no numeric `sub`"))?;
                Ok(identity(client, id, &info.preferred_username, info.name.as_deref())?)
            }
            // Versions 11 to 15 show inactive and prohibited users a page.
            None if answer.is("text/html") => {
                Err(blocked(BlockReason::Prohibited, "the account is not active, or may not sign in"))
            }
            None => Err(answer.unexpected().into()),
        },
        StatusCode::SEE_OTHER => {
            let location = answer.location().unwrap_or_default();
            let reason = BlockReason::of(&location);
            match reason {
                BlockReason::MustChangePassword => {
                    Err(blocked(reason, "the password must be changed in Forgejo first"))
                }
                _ => Err(blocked(
                    BlockReason::TwoFactorRequired,
                    "Forgejo wants something done at its web pages first, such as setting up two-factor authentication",
                )),
            }
        }
        // Plain text, of a wording that differs between versions.
        StatusCode::UNAUTHORIZED => Err(IdentityError::TokenRejected("no valid authorization".to_owned())),
        _ => Err(answer.unexpected().into()),
    }
}

pub(super) async fn version(client: &OAuthClient, token: Option<&SecretString>) -> Result<String, VersionError> {
    let url = client.inner.endpoints.api_version.clone();
    let answer = get(client, url, token).await.map_err(VersionError::Unreachable)?;
    match answer.status {
        StatusCode::OK => match answer.json::<Version>() {
            Some(Version { version }) => Ok(for_display(&version, &[])),
            None => Err(VersionError::Unreachable(answer.unexpected())),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let none = SecretString::default();
            let message = message(&answer, token.unwrap_or(&none)).map_err(VersionError::Unreachable)?;
            Err(VersionError::Refused(message))
        }
        _ => Err(VersionError::Unreachable(answer.unexpected())),
    }
}

async fn get(client: &OAuthClient, url: url::Url, token: Option<&SecretString>) -> Result<Answer, Unreachable> {
    let mut request = client.inner.outbound.client().get(url);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, bearer(token)?);
    }
    client.send(request).await
}

/// The text of one of the API's error bodies. A refusal that is not Forgejo's (a proxy's, say) says nothing about the user.
fn message(answer: &Answer, token: &SecretString) -> Result<String, Unreachable> {
    let body: ApiMessage = answer.json().ok_or_else(|| answer.unexpected())?;
    Ok(for_display(&body.message, &[token.expose_secret()]))
}

fn identity(client: &OAuthClient, id: i64, login: &str, full_name: Option<&str>) -> Result<Identity, Unreachable> {
    let login = for_display(login, &[]);
    if id <= 0 || login.is_empty() {
        return Err(Unreachable::because("Forgejo's answer about the user has no id or no login"));
    }
    Ok(Identity {
        issuer: Arc::clone(&client.inner.issuer),
        sub: id.to_string(),
        id,
        login,
        full_name: for_display(full_name.unwrap_or_default(), &[]),
    })
}

fn blocked(reason: BlockReason, message: &str) -> IdentityError {
    IdentityError::Blocked(Blocked { reason, message: message.to_owned() })
}

// === impl Identity ===

impl From<&Identity> for KnownIdentity {
    fn from(identity: &Identity) -> Self {
        Self { id: identity.id, login: identity.login.clone() }
    }
}

// === impl IdentityError ===

impl From<Unreachable> for IdentityError {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
}
