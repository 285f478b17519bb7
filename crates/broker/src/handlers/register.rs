//! `POST /oauth/register`: dynamic client registration (RFC 7591; oauth.md §5.1).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oauth::error::ErrorCode;
use oauth::id::ClientId;
use oauth::random::NoRandomness;
use oauth::registration::{self, RegistrationResponse};
use store::StoreError;

use crate::app::App;
use crate::audit::Entry;
use crate::handlers::oauth_error::OAuthError;

/// Why a registration fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Refused(#[from] registration::Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Registers a public client. The same metadata gets the same client again, renewed.
pub(crate) async fn post(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, RouteError> {
    let metadata = registration::judge(&body, &app.policy.redirect_uris)?;
    let fresh_id = ClientId::generate(app.random.as_ref())?;
    let digest = metadata.digest();
    let registered =
        app.store.register_dynamic(&metadata, digest, fresh_id, app.clock.now(), app.policy.max_clients).await?;
    if !registered.existing {
        let id = registered.client.id.as_str();
        app.audit.record("client_registered", "ok", &Entry { client: Some(id), ..Entry::default() });
    }
    let mut response = (StatusCode::CREATED, Json(RegistrationResponse::of(&registered.client))).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => OAuthError::bad_request(refusal.code(), refusal.to_string()),
            Self::Store(StoreError::ClientsFull { .. }) => {
                tracing::error!(
                    "no more clients can be registered; raise max-clients or find out who registers so many"
                );
                OAuthError::unavailable("no more clients can be registered at present; tell the operator", 3600)
            }
            Self::Store(error) => {
                tracing::error!(error = %error, "a registration could not be stored");
                OAuthError::unavailable("the registration could not be stored; try again", 5)
            }
            Self::Randomness(error) => {
                tracing::error!(error = %error, "no random bytes");
                OAuthError {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    code: ErrorCode::ServerError,
                    description: "the server cannot issue ids at present".to_owned(),
                    retry_after: None,
                    basic: false,
                }
            }
        }
        .into_response()
    }
}
