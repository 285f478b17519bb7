//! `POST /oauth/token` (OAuth 2.1 §3.2, §4.1.3, §4.3).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use forgejo::token_source::CredentialError;
use oauth::client::Client;
use oauth::clock::Timestamp;
use oauth::code;
use oauth::error::ErrorCode;
use oauth::grant::Grant;
use oauth::random::NoRandomness;
use oauth::refresh::{self, RefreshRecord, SealedSuccessor};
use oauth::resource::InvalidTarget;
use oauth::token::{PlainToken, TokenKind};
use oauth::token_request::{Malformed, PresentedClient, PresentedGrant, TokenRequest};
use serde::Serialize;
use store::StoreError;
use store::codes::Redeemed;
use store::tokens::{NewTokens, Rotated};

use crate::app::App;
use crate::audit::Entry;
use crate::clients::AuthenticationError;
use crate::entry::{self, Freshness, NotAdmitted};
use crate::handlers::oauth_error::OAuthError;
use crate::rate_limit::TooMany;
use crate::token_pair::{Successor, TokenPair};

/// Why no tokens are issued. Names the cause for the log; the wire gets the RFC's code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("client authentication failed")]
    Client(OAuthError),
    #[error("the code is unknown or has expired; start the authorization again")]
    UnknownCode,
    #[error("{0}")]
    Code(code::Refusal),
    #[error("the refresh token is unknown or has expired; authorize again")]
    UnknownRefreshToken,
    #[error("{0}")]
    Refresh(refresh::Refusal),
    #[error("a spent token was presented again; the authorization has been revoked, authorize again")]
    Replayed,
    #[error("the login at Forgejo has ended; authorize again")]
    CredentialDead,
    #[error("{0}; ask the operator of this server to be let in")]
    NotAllowed(entry::Refusal),
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: u32 },
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    scope: String,
}

/// Issues tokens for a code or a refresh token.
pub(crate) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, RouteError> {
    let outcome = answer_request(&app, &headers, &body).await;
    outcome.inspect_err(|error| app.metrics.tokens_refused.add([error.reason()]))
}

async fn answer_request(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, RouteError> {
    let request = TokenRequest::read(url::form_urlencoded::parse(body), authorization(headers))?;
    let id = request.client.id.clone();
    let outcome = issue(app, request).await;
    if let Err(refusal) = &outcome {
        refusal.note(app, id.as_str());
    }
    outcome
}

async fn issue(app: &App, request: TokenRequest) -> Result<Response, RouteError> {
    let client = authenticate(app, &request.client).await.map_err(RouteError::Client)?;
    app.site.resource.judge(request.resources.iter().map(String::as_str))?;
    match request.grant {
        PresentedGrant::Code { code, redirect_uri, verifier } => {
            let presented = code::Presented {
                client: &client.id,
                redirect_uri: redirect_uri.as_deref(),
                verifier: verifier.as_deref(),
            };
            redeem(app, &code, presented).await
        }
        PresentedGrant::Refresh { token, scope: _ } => rotate(app, &client, &token).await,
    }
}

/// The `Authorization` header as text.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// The client of a request, if the request is from it.
pub(crate) async fn authenticate(app: &App, presented: &PresentedClient) -> Result<Client, OAuthError> {
    app.clients.authenticate(presented).await.map_err(|error| match error {
        AuthenticationError::Store(error) => {
            tracing::error!(error = %error, "a client could not be read");
            OAuthError::unavailable("the client could not be looked up; try again", 5)
        }
        AuthenticationError::TooMany(TooMany { retry_after }) => OAuthError {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..OAuthError::unavailable(
                "too many requests of this client; nothing was consumed, try again later",
                retry_after,
            )
        },
        AuthenticationError::Unreachable(cause) => {
            tracing::warn!(client.id = %presented.id, error = %cause, "a client cannot be authenticated at present");
            OAuthError::unavailable("the document or the keys of the client cannot be had; try again", 30)
        }
        refusal => {
            tracing::info!(client.id = %presented.id, oauth.refusal = %refusal, "a client is not authenticated");
            OAuthError::invalid_client(refusal.to_string(), presented.by_basic)
        }
    })
}

async fn redeem(app: &App, code: &PlainToken, presented: code::Presented<'_>) -> Result<Response, RouteError> {
    let hash = code.hash();
    let record = app.store.code(&hash).await?.ok_or(RouteError::UnknownCode)?;
    let now = app.clock.now();
    match code::judge(&record, presented, now) {
        code::Verdict::Refuse(refusal) => return Err(RouteError::Code(refusal)),
        code::Verdict::RevokeGrant => {
            app.end_grant(&record.grant, "code_replayed").await?;
            return Err(RouteError::Replayed);
        }
        code::Verdict::Redeem => {}
    }
    refuse_dead(app, &record.grant).await?;
    let (pair, tokens) = mint(app, &record.grant, now)?;
    match app.store.redeem_code(&hash, now, &tokens).await? {
        Redeemed::Issued => {}
        Redeemed::AlreadyUsed { .. } => return Err(RouteError::Code(code::Refusal::Used)),
        Redeemed::Lapsed => return Err(RouteError::UnknownCode),
    }
    app.audit.record("tokens_issued", "ok", &entry(&record.grant));
    Ok(answer(&pair, &record.grant, now))
}

async fn rotate(app: &App, client: &Client, token: &PlainToken) -> Result<Response, RouteError> {
    let hash = token.hash();
    let mut record = app.store.refresh_token(&hash).await?.ok_or(RouteError::UnknownRefreshToken)?;
    // A loser of the race is judged once more by what the winner left behind.
    for _ in 0..2 {
        let now = app.clock.now();
        match refresh::judge(&record, &client.id, now, app.policy.replay_window) {
            refresh::Verdict::Refuse(refusal) => {
                if refusal == refresh::Refusal::Spent {
                    app.audit.record("refresh_replayed", "refused", &entry(&record.grant));
                }
                return Err(RouteError::Refresh(refusal));
            }
            refresh::Verdict::RevokeFamily => {
                app.end_grant(&record.grant, "refresh_replayed").await?;
                return Err(RouteError::Replayed);
            }
            refresh::Verdict::Repeat(sealed) => return repeat(app, &record, token, &sealed, now),
            refresh::Verdict::Rotate => {}
        }
        refuse_dead(app, &record.grant).await?;
        refuse_outsiders(app, &record.grant).await?;
        let (pair, tokens) = mint(app, &record.grant, now)?;
        let successor = if app.policy.replay_window.is_zero() { None } else { Successor::seal(&pair, token) };
        match app.store.rotate(&hash, now, &tokens, successor.as_deref()).await? {
            Rotated::Won => {
                app.audit.record("tokens_refreshed", "ok", &entry(&record.grant));
                return Ok(answer(&pair, &record.grant, now));
            }
            Rotated::Lost(left) => record = left,
            Rotated::Gone => return Err(RouteError::UnknownRefreshToken),
        }
    }
    Err(RouteError::Refresh(refresh::Refusal::Spent))
}

fn repeat(
    app: &App,
    record: &RefreshRecord,
    token: &PlainToken,
    sealed: &SealedSuccessor,
    now: Timestamp,
) -> Result<Response, RouteError> {
    let pair = Successor::open(sealed, token).ok_or(RouteError::Refresh(refresh::Refusal::Spent))?;
    app.audit.record("refresh_replayed", "answered_again", &entry(&record.grant));
    Ok(answer(&pair, &record.grant, now))
}

/// While the upstream login is dead nothing is consumed: after the user's next login the same token serves again.
async fn refuse_dead(app: &App, grant: &Grant) -> Result<(), RouteError> {
    match app.credentials.is_dead(&grant.user.to_shared()).await {
        Ok(false) => Ok(()),
        Ok(true) | Err(CredentialError::Dead(_) | CredentialError::Unknown) => Err(RouteError::CredentialDead),
        Err(CredentialError::Unavailable { reason, retry_after }) => {
            Err(RouteError::Unavailable { reason, retry_after })
        }
    }
}

/// Whoever may not enter gets no tokens. Nothing is consumed: the same token serves if he is let in again.
async fn refuse_outsiders(app: &App, grant: &Grant) -> Result<(), RouteError> {
    app.entry.admit(&grant.user.to_shared(), Freshness::Now).await.map_err(|reason| match reason {
        NotAdmitted::Refused(refusal) => RouteError::NotAllowed(refusal),
        NotAdmitted::LogInAgain => RouteError::CredentialDead,
        NotAdmitted::Unavailable { reason, retry_after } => RouteError::Unavailable { reason, retry_after },
    })
}

fn mint(app: &App, grant: &Grant, now: Timestamp) -> Result<(TokenPair, NewTokens), RouteError> {
    let pair = TokenPair {
        access: PlainToken::generate(TokenKind::Access, app.random.as_ref())?,
        refresh: PlainToken::generate(TokenKind::Refresh, app.random.as_ref())?,
        access_expires_at: now.plus(app.policy.lifetimes.access),
    };
    let tokens = NewTokens {
        access_hash: pair.access.hash(),
        access_expires_at: pair.access_expires_at,
        refresh_hash: pair.refresh.hash(),
        refresh_expires_at: refresh::expiry(grant.created_at, now, &app.policy.lifetimes),
    };
    Ok((pair, tokens))
}

fn answer(pair: &TokenPair, grant: &Grant, now: Timestamp) -> Response {
    let body = TokenResponse {
        access_token: pair.access.expose(),
        token_type: "Bearer",
        expires_in: pair.access_expires_at.since(now).as_secs(),
        refresh_token: pair.refresh.expose(),
        scope: grant.scope.to_string(),
    };
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn entry(grant: &Grant) -> Entry<'_> {
    Entry {
        actor: Some(grant.user.as_str()),
        client: Some(grant.client.as_str()),
        subject: Some(grant.id.as_str()),
        ..Entry::default()
    }
}

// === impl RouteError ===

impl RouteError {
    /// For counting.
    fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Client(_) => "client",
            Self::UnknownCode | Self::Code(_) => "code",
            Self::UnknownRefreshToken | Self::Refresh(_) => "refresh_token",
            Self::Replayed => "replayed",
            Self::CredentialDead => "credential_dead",
            Self::NotAllowed(_) => "not_allowed",
            Self::Unavailable { .. } => "forgejo",
            Self::Target(_) => "target",
            Self::Store(_) => "store",
            Self::Randomness(_) => "randomness",
        }
    }

    /// Writes down why somebody got no tokens. What ended a grant, or was a replay, is written down already.
    fn note(&self, app: &App, client: &str) {
        let text = self.to_string();
        let entry = Entry { client: Some(client), detail: Some(&text), ..Entry::default() };
        match self {
            Self::Client(error) if error.status == StatusCode::UNAUTHORIZED => {
                let entry = Entry { detail: Some(&error.description), ..entry };
                app.audit.record_stranger("client_refused", error.code.as_str(), &entry);
            }
            Self::UnknownCode
            | Self::Code(_)
            | Self::UnknownRefreshToken
            | Self::CredentialDead
            | Self::NotAllowed(_) => {
                app.audit.record_stranger("tokens_refused", ErrorCode::InvalidGrant.as_str(), &entry);
            }
            Self::Refresh(refusal) if *refusal != refresh::Refusal::Spent => {
                app.audit.record_stranger("tokens_refused", ErrorCode::InvalidGrant.as_str(), &entry);
            }
            Self::Target(_) => {
                app.audit.record_stranger("tokens_refused", ErrorCode::InvalidTarget.as_str(), &entry);
            }
            _ => {}
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed(reason) => OAuthError::from(&reason),
            Self::Client(error) => error,
            Self::Target(reason) => OAuthError::bad_request(ErrorCode::InvalidTarget, reason.to_string()),
            Self::UnknownCode
            | Self::Code(_)
            | Self::UnknownRefreshToken
            | Self::Refresh(_)
            | Self::Replayed
            | Self::CredentialDead
            | Self::NotAllowed(_) => {
                tracing::info!(oauth.refusal = %self, "no tokens issued");
                OAuthError::bad_request(ErrorCode::InvalidGrant, self.to_string())
            }
            Self::Unavailable { reason, retry_after } => {
                tracing::warn!(error = reason, "no tokens issued: the login of the user cannot be looked up");
                OAuthError::unavailable("the server is not ready; nothing was consumed, try again", retry_after)
            }
            Self::Store(error) => {
                tracing::error!(error = %error, "tokens could not be stored");
                OAuthError::unavailable("the store does not answer; nothing was consumed, try again", 5)
            }
            Self::Randomness(error) => {
                tracing::error!(error = %error, "no random bytes");
                OAuthError {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    code: ErrorCode::ServerError,
                    description: "the server cannot issue tokens at present".to_owned(),
                    retry_after: None,
                    basic: false,
                }
            }
        }
        .into_response()
    }
}
