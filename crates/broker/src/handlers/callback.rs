//! `GET /oauth/callback`: the browser comes back from Forgejo (oauth.md §6; forgejo.md §4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use forgejo::credential_store::IssuedPair;
use forgejo::oauth_client::{ExchangeError, Identity, IdentityError, for_display};
use oauth::error::ErrorCode;
use oauth::token::TokenHash;
use url::Url;

use crate::app::App;
use crate::audit::Entry;
use crate::browser::{add_cookie, see_other};
use crate::entry::{self, NotJudged};
use crate::failure::{Failure, failures_of};
use crate::login::{self, Aim, PendingLogin};
use crate::middleware::RequestId;
use crate::pages::{ErrorPage, MessagePage, NamedLink};

mod arrival;

use arrival::{Arrival, Onward};

/// Why a login does not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("Forgejo sent no state, or more than one")]
    NoState,
    #[error("no login with this state is under way in this browser, or it was finished before")]
    UnknownState,
    #[error("Forgejo answered {code}: {description}")]
    Refused { code: String, description: String },
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{0}")]
    NotAllowed(entry::Refusal),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A cause with the request it belongs to.
#[derive(Debug)]
pub(crate) struct RouteError {
    cause: Cause,
    request_id: RequestId,
}

#[derive(Default)]
struct Parameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    repeated: bool,
}

/// Finishes the login and sends the browser on: to the client, to the choice of repositories, or to the account page.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    let parameters = Parameters::read(query.as_deref().unwrap_or_default());
    finish(&app, &headers, parameters, &request_id).await.map_err(|cause| {
        cause.note(&app, &request_id);
        RouteError { cause, request_id }
    })
}

async fn finish(
    app: &App,
    headers: &HeaderMap,
    parameters: Parameters,
    request_id: &RequestId,
) -> Result<Response, Cause> {
    let state = parameters.state.filter(|_| !parameters.repeated).ok_or(Cause::NoState)?;
    let returned = login::take(app, headers, &TokenHash::of(&state)).await?.ok_or(Cause::UnknownState)?;
    let PendingLogin { aim, verifier } = returned.pending;
    let clear_cookie = app.cookies.set(&returned.cookie, "", 0);

    let Some(code) = parameters.code else {
        let code = parameters.error.unwrap_or_else(|| "no code".to_owned());
        if code != ErrorCode::AccessDenied.as_str() {
            let description = for_display(&parameters.error_description.unwrap_or_default(), &[]);
            return Err(Cause::Refused { code: for_display(&code, &[]), description });
        }
        let mut response = denied(app, &aim, request_id);
        add_cookie(&mut response, clear_cookie);
        return Ok(response);
    };

    let pair = app.upstream.exchange(&code, &verifier).await?;
    let identity = app.upstream.identity(&pair.access_token).await?;
    refuse_outsiders(app, &aim, &identity, &pair, request_id).await?;
    let missing = missing_scopes(app, &pair).await;
    let arrival = Arrival { pair: &pair, identity: &identity, headers, request_id };
    let Onward { target, cookie } = match aim {
        Aim::Authorize(consented) if consented.choose => arrival.choose(app, *consented).await?,
        Aim::Authorize(consented) => arrival.authorize(app, &consented).await?,
        Aim::Account => arrival.enter_account(app).await?,
    };
    let mut response = if missing.is_empty() { see_other(&target) } else { narrower_grant(app, &missing, &target) };
    add_cookie(&mut response, clear_cookie);
    add_cookie(&mut response, cookie);
    Ok(response)
}

/// Whoever may not enter leaves nothing here: no row, no credential, no grant.
async fn refuse_outsiders(
    app: &App,
    aim: &Aim,
    identity: &Identity,
    pair: &IssuedPair,
    request_id: &RequestId,
) -> Result<(), Cause> {
    let Err(refusal) = app.entry.judge_login(identity, &pair.access_token).await? else { return Ok(()) };
    let client = match aim {
        Aim::Authorize(consented) => Some(consented.request.client.as_str()),
        Aim::Account => None,
    };
    let (id, text) = (identity.id.to_string(), refusal.to_string());
    let entry = Entry {
        client,
        subject: Some(&id),
        request_id: Some(request_id.as_str()),
        detail: Some(&text),
        ..Entry::default()
    };
    app.audit.record("login", refusal.as_str(), &entry);
    Err(Cause::NotAllowed(refusal))
}

/// The user changed his mind at Forgejo.
fn denied(app: &App, aim: &Aim, request_id: &RequestId) -> Response {
    let Aim::Authorize(consented) = aim else {
        return MessagePage {
            title: "You are not logged in".to_owned(),
            text: "Forgejo was told not to let you in here. Nothing has changed.".to_owned(),
            link: Url::parse(&format!("{}/account", app.site.issuer)).ok().as_ref().and_then(NamedLink::to),
        }
        .into_response();
    };
    let request = &consented.request;
    let entry =
        Entry { client: Some(request.client.as_str()), request_id: Some(request_id.as_str()), ..Entry::default() };
    app.audit.record("login", "denied_at_forgejo", &entry);
    let denied = ErrorCode::AccessDenied.as_str();
    see_other(&app.site.answer(request, &[("error", denied), ("error_description", "the user did not allow it")]))
}

/// What Forgejo granted less than was asked: for a confidential application it keeps the scope of the first login (forgejo.md §4.2).
/// An introspection that fails tells nothing, and the login goes on.
async fn missing_scopes(app: &App, pair: &IssuedPair) -> Vec<String> {
    match app.upstream.granted_scope(&pair.access_token).await {
        Ok(granted) => granted.missing(app.upstream.scopes()),
        Err(error) => {
            tracing::warn!(error = %error, "the scope that Forgejo granted could not be read");
            Vec::new()
        }
    }
}

fn narrower_grant(app: &App, missing: &[String], target: &str) -> Response {
    MessagePage {
        title: "Forgejo granted less than is needed".to_owned(),
        text: format!(
            "Forgejo keeps the permissions of your first login and did not grant: {}. Some tools will fail. To get them, open the settings \
             of your account at {}, Applications, revoke this application's authorization, and connect again. You can also go on as it is.",
            missing.join(", "),
            app.site.forgejo_host,
        ),
        link: Url::parse(target).ok().as_ref().and_then(NamedLink::to),
    }
    .into_response()
}

// === impl Parameters ===

impl Parameters {
    fn read(query: &str) -> Self {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "state" => &mut read.state,
                "code" => &mut read.code,
                "error" => &mut read.error,
                "error_description" => &mut read.error_description,
                _ => continue,
            };
            read.repeated |= slot.replace(value.into_owned()).is_some();
        }
        read
    }
}

// === impl Cause ===

impl Cause {
    /// Writes down that a login failed, where one was under way. Who was refused by the lists is written down already.
    fn note(&self, app: &App, request_id: &RequestId) {
        let text = match self {
            Self::NoState | Self::UnknownState | Self::NotAllowed(_) => return,
            other => other.to_string(),
        };
        let entry = Entry { request_id: Some(request_id.as_str()), detail: Some(&text), ..Entry::default() };
        app.audit.record("login", "failed", &entry);
    }

    /// What the operator should look at, if Forgejo's text tells.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exchange(ExchangeError::Refused(denial) | ExchangeError::ClientRejected(denial)) => denial.hint(),
            _ => None,
        }
    }
}

impl From<NotJudged> for Cause {
    fn from(error: NotJudged) -> Self {
        match error {
            NotJudged::Identity(error) => Self::Identity(error),
            NotJudged::Store(error) => error.into(),
        }
    }
}

failures_of!(Cause);

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let again = "Go back to your application and start the connection again.";
        let operator = "Tell the operator the request id below.";
        let text = self.cause.to_string();
        let (status, title, reason, remedy) = match &self.cause {
            Cause::NoState | Cause::UnknownState => {
                (StatusCode::BAD_REQUEST, "This login cannot be finished", format!("Reason: {text}."), again)
            }
            Cause::Refused { .. } => {
                (StatusCode::BAD_GATEWAY, "Forgejo refused the login", format!("Reason: {text}."), operator)
            }
            Cause::Identity(IdentityError::Blocked(blocked)) => (
                StatusCode::FORBIDDEN,
                "Forgejo does not let this account in",
                format!("Reason: {blocked}."),
                "Log in at Forgejo itself, do what it asks for, and start the connection again.",
            ),
            Cause::NotAllowed(_) => (
                StatusCode::FORBIDDEN,
                "You may not use this server",
                format!("You are logged in at Forgejo, but {text}."),
                "Nothing was granted. Ask the operator of this server to be let in, or log in at Forgejo with another account and start again.",
            ),
            Cause::Exchange(ExchangeError::Unreachable(_)) | Cause::Identity(IdentityError::Unreachable(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Forgejo does not answer",
                "The login could not be finished because Forgejo is not reachable at present.".to_owned(),
                "Try again in a minute, from your application.",
            ),
            Cause::Exchange(_) | Cause::Identity(_) => (
                StatusCode::BAD_GATEWAY,
                "The login at Forgejo did not succeed",
                "Forgejo did not accept what this server sent, or its answer cannot be used.".to_owned(),
                operator,
            ),
            Cause::Failed(failure) => return failure.page("login", &self.request_id).into_response(),
        };
        if status.is_server_error() {
            let hint = self.cause.hint();
            tracing::error!(error = text, hint, request.id = self.request_id.as_str(), "a login failed");
        } else {
            tracing::info!(login.refusal = text, request.id = self.request_id.as_str(), "a login was refused");
        }
        ErrorPage {
            status,
            title: title.to_owned(),
            wrong: reason,
            remedy: remedy.to_owned(),
            request_id: self.request_id.as_str().to_owned(),
            link: None,
        }
        .into_response()
    }
}
