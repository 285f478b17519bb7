//! `POST /oauth/revoke` (RFC 7009): an access token ends alone, a refresh token ends its grant with all sessions and workers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oauth::token_request::{Malformed, RevocationRequest};
use store::StoreError;

use crate::app::App;
use crate::audit::Entry;
use crate::handlers::oauth_error::OAuthError;
use crate::handlers::token::{authenticate, authorization};

/// Why a revocation fails. An unknown token is no failure (RFC 7009 §2.2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("client authentication failed")]
    Client(OAuthError),
}

/// Revokes a token of the client that asks.
pub(crate) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, RouteError> {
    let request = RevocationRequest::read(url::form_urlencoded::parse(&body), authorization(&headers))?;
    let client = authenticate(&app, &request.client).await.map_err(RouteError::Client)?;
    let hash = request.token.hash();
    if let Some(record) = app.store.refresh_token(&hash).await? {
        if record.grant.client == client.id {
            app.end_grant(&record.grant, "revoked_by_client").await?;
        }
    } else if let Some(record) = app.store.access_token(&hash).await?.map(|bearer| bearer.record)
        && record.grant.client == client.id
    {
        app.store.revoke_access_token(&hash, app.clock.now()).await?;
        app.bearers.forget(&hash);
        let entry = Entry {
            actor: Some(record.grant.user.as_str()),
            client: Some(client.id.as_str()),
            subject: Some(record.grant.id.as_str()),
            ..Entry::default()
        };
        app.audit.record("access_token_revoked", "ok", &entry);
    }
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed(reason) => OAuthError::from(&reason),
            Self::Client(error) => error,
            Self::Store(error) => {
                tracing::error!(error = %error, "a revocation could not be stored");
                OAuthError::unavailable("the revocation could not be stored; try again", 5)
            }
        }
        .into_response()
    }
}
