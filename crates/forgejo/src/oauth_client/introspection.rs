//! `POST login/oauth/introspect`: the scope that a grant really holds.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{IntrospectionError, OAuthClient};
use crate::scope::GrantedScopes;

#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(default)]
    scope: String,
}

pub(super) async fn ask(client: &OAuthClient, token: &SecretString) -> Result<GrantedScopes, IntrospectionError> {
    let config = &client.inner.config;
    // Forgejo does not URL-decode the parts of Basic, so they are sent as they are.
    let request = client
        .inner
        .outbound
        .client()
        .post(client.inner.endpoints.introspect.clone())
        .basic_auth(&config.client_id, Some(config.client_secret.expose_secret()))
        .form(&[("token", token.expose_secret())]);
    let answer = client.send(request).await.map_err(IntrospectionError::Unreachable)?;
    match answer.status {
        StatusCode::OK => match answer.json::<Introspection>() {
            Some(Introspection { active: true, scope }) => Ok(GrantedScopes::parse(&scope)),
            Some(_) => Err(IntrospectionError::Inactive),
            None => Err(IntrospectionError::Unreachable(answer.unexpected())),
        },
        StatusCode::UNAUTHORIZED => Err(IntrospectionError::ClientRejected),
        _ => Err(IntrospectionError::Unreachable(answer.unexpected())),
    }
}
