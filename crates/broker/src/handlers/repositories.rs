//! `/oauth/repositories/{id}`: between the login and the code, a user chooses the repositories that a client may use.
//!
//! The user is known and his credential is stored, as after any login; the client has nothing yet. What it asked for lies sealed in the
//! selection's row. Only "Allow" makes the grant and the code, in one transaction with the row's end.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use forgejo::repositories::{Found, PAGE, RepositoriesError};
use forgejo::token_source::CredentialError;
use oauth::error::ErrorCode;
use oauth::grant::GrantLimits;
use oauth::id::GrantId;
use oauth::scope::Access;
use oauth::token::{PlainToken, TokenKind};
use store::StoreError;
use store::logins::{NewCode, NewGrant};
use store::selections::{Selection, SelectionPurpose};

use crate::app::App;
use crate::audit::Entry;
use crate::browser::{Cookies, add_cookie, csrf_admits, csrf_token, is_from_us, see_other};
use crate::choosing::{self, Answer, LookError, Notice, SettleError, Settled, Step, View};
use crate::clients::FindError;
use crate::entry::{Freshness, NotAdmitted, Refusal};
use crate::failure::{Failure, failures_of};
use crate::handlers::authorize::{client_shown, tell_client};
use crate::login::Consented;
use crate::middleware::RequestId;
use crate::pages::{ClientShown, ErrorPage, Occasion, RepositoriesPage, RepositoryShown};

/// Why nothing can be chosen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the form came from another site")]
    CrossSite,
    #[error("the form carries no valid CSRF token")]
    Csrf,
    #[error("no such choice is under way in this browser: it was finished, took too long, or was begun in another one")]
    NoSuchChoice,
    #[error("the login at Forgejo has ended: {0}")]
    LoginDead(String),
    #[error("Forgejo: {0}")]
    Forgejo(String),
    #[error(transparent)]
    Client(FindError),
    #[error("{0}")]
    NotAllowed(Refusal),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A cause with the request it belongs to.
#[derive(Debug)]
pub(crate) struct RouteError {
    cause: Cause,
    request_id: RequestId,
}

/// A choice with what it is for.
struct Begun {
    selection: Selection,
    consented: Consented,
    browser: PlainToken,
}

/// What a page shows beside repositories.
pub(crate) struct Shown {
    pub(crate) occasion: Occasion,
    pub(crate) client: ClientShown,
    pub(crate) may_write: bool,
    pub(crate) action: String,
    pub(crate) csrf: String,
}

/// Shows the page.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, &id, query.as_deref().unwrap_or_default())
        .await
        .map_err(|cause| RouteError { cause, request_id })
}

/// Takes an answer.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    answer(&app, &headers, &id, &body, &request_id).await.map_err(|cause| RouteError { cause, request_id })
}

async fn show(app: &App, headers: &HeaderMap, id: &str, query: &str) -> Result<Response, Cause> {
    let begun = begun(app, headers, id).await?;
    let request = &begun.consented.request;
    let client = app.clients.find(&request.client).await?;
    let (view, notice) = View::read(query);
    let shown = Shown {
        occasion: Occasion::Connect,
        client: client_shown(client.kind, &client.id, client.metadata.client_name),
        may_write: request.scope.access() == Access::Write,
        action: format!("/oauth/repositories/{id}"),
        csrf: csrf_token(&begun.browser),
    };
    Ok(page(app, &begun.selection, shown, view, notice).await?.into_response())
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    id: &str,
    body: &[u8],
    request_id: &RequestId,
) -> Result<Response, Cause> {
    if !is_from_us(headers, &app.site.issuer) {
        return Err(Cause::CrossSite);
    }
    let begun = begun(app, headers, id).await?;
    let answer = Answer::read(body);
    if !csrf_admits(&begun.browser, &answer.csrf) {
        return Err(Cause::Csrf);
    }
    if answer.step == Step::Leave {
        return deny(app, &begun, request_id).await;
    }
    let here = |notice| Ok(see_other(&format!("/oauth/repositories/{id}?{}", answer.view.query(notice))));
    let Settled { chosen, left_out } = match choosing::settle(app, &begun.selection, &answer.ticked).await {
        Ok(settled) => settled,
        Err(SettleError::TooMany) => return here(Some(Notice::TooMany)),
        Err(SettleError::Forgejo(error)) => return Err(error.into()),
    };
    if !app.store.choose(id, &begun.browser.hash(), &chosen).await? {
        return Err(Cause::NoSuchChoice);
    }
    match answer.step {
        _ if left_out => here(Some(Notice::LeftOut)),
        Step::Allow if chosen.is_empty() => here(Some(Notice::NoneChosen)),
        Step::Allow => allow(app, &begun, chosen.iter().map(|one| one.id).collect(), request_id).await,
        _ => here(None),
    }
}

async fn allow(app: &App, begun: &Begun, ids: Vec<i64>, request_id: &RequestId) -> Result<Response, Cause> {
    let Begun { selection, consented, browser } = begun;
    app.entry.admit(&selection.user.to_shared(), Freshness::Now).await?;
    let request = &consented.request;
    let own_code = PlainToken::generate(TokenKind::Code, app.random.as_ref())?;
    let (now, id) = (app.clock.now(), GrantId::generate(app.random.as_ref())?);
    let limits = GrantLimits { repositories: Some(ids) };
    let grant = NewGrant {
        id: id.clone(),
        client: &request.client,
        scope: request.scope,
        asked: consented.asked,
        limits: &limits,
        resource: app.site.resource.as_str(),
    };
    let code = NewCode {
        hash: own_code.hash(),
        code_challenge: &request.code_challenge,
        redirect_uri: request.redirect_uri.as_str(),
        expires_at: now.plus(app.policy.lifetimes.code),
    };
    if !app.store.complete_selection(selection, &browser.hash(), &grant, &code, now).await? {
        return Err(Cause::NoSuchChoice);
    }
    app.audit.record("login", "ok", &entry(begun, Some(&id), request_id));
    Ok(leave(app, begun, see_other(&app.site.answer(request, &[("code", own_code.expose())]))))
}

async fn deny(app: &App, begun: &Begun, request_id: &RequestId) -> Result<Response, Cause> {
    let request = &begun.consented.request;
    let client = app.clients.find(&request.client).await?;
    if !app.store.end_selection(&begun.selection.id, &begun.browser.hash()).await? {
        return Err(Cause::NoSuchChoice);
    }
    app.audit.record("consent", "denied", &entry(begun, None, request_id));
    let (state, text) = (request.state.as_deref(), "the user did not allow it");
    let told = tell_client(app, &client, &request.redirect_uri, state, ErrorCode::AccessDenied, text, request_id);
    Ok(leave(app, begun, told))
}

fn leave(app: &App, begun: &Begun, mut response: Response) -> Response {
    add_cookie(&mut response, app.cookies.set(&app.cookies.selection(&begun.selection.id), "", 0));
    response
}

fn entry<'a>(begun: &'a Begun, grant: Option<&'a GrantId>, request_id: &'a RequestId) -> Entry<'a> {
    Entry {
        actor: Some(begun.selection.user.as_str()),
        client: Some(begun.consented.request.client.as_str()),
        subject: grant.map(GrantId::as_str),
        request_id: Some(request_id.as_str()),
        ..Entry::default()
    }
}

/// A choice that this browser began, and that is for a client.
async fn begun(app: &App, headers: &HeaderMap, id: &str) -> Result<Begun, Cause> {
    let browser = Cookies::read(headers, &app.cookies.selection(id)).ok_or(Cause::NoSuchChoice)?;
    let selection = app.store.selection(id, &browser.hash(), app.clock.now()).await?.ok_or(Cause::NoSuchChoice)?;
    let SelectionPurpose::Authorize(sealed) = &selection.purpose else { return Err(Cause::NoSuchChoice) };
    let consented = choosing::open(sealed, id, app).ok_or(Cause::NoSuchChoice)?;
    // Judged at his login, which may be an hour ago.
    app.entry.admit(&selection.user.to_shared(), Freshness::Usual).await?;
    Ok(Begun { selection, consented, browser })
}

/// The page with what the user finds. While Forgejo does not answer, what he has ticked is still shown.
pub(crate) async fn page(
    app: &App,
    selection: &Selection,
    shown: Shown,
    view: View,
    notice: Option<Notice>,
) -> Result<RepositoriesPage, LookError> {
    let mut notice = notice.map(Notice::text).unwrap_or_default();
    let found = match choosing::look(app, selection, &view).await {
        Ok(found) => found,
        Err(LookError::Forgejo(error)) if !is_dead(&error) => {
            tracing::warn!(error = %error, "repositories could not be looked up");
            notice = match error {
                RepositoriesError::Refused(_) => {
                    "Forgejo does not let this server list your repositories. Revoke it under Applications in your Forgejo settings, and start the connection again.".to_owned()
                }
                _ => "Forgejo does not answer at present. What you have ticked is kept; search again in a minute.".to_owned(),
            };
            Found::default()
        }
        Err(error) => return Err(error),
    };
    let user = app.store.user(&selection.user).await?;
    let page = view.page.max(1);
    let is_chosen = |id: i64| selection.chosen.iter().any(|one| one.id == id);
    let more = found.total.is_some_and(|total| u64::from(page) * u64::from(PAGE) < total);
    let repositories = found.repositories.iter().filter(|repository| !is_chosen(repository.id));
    Ok(RepositoriesPage {
        occasion: shown.occasion,
        client: shown.client,
        may_write: shown.may_write,
        login: user.and_then(|user| crate::display::display_name(&user.login)).unwrap_or_default(),
        forgejo_host: app.site.forgejo_host.clone(),
        action: shown.action,
        csrf: shown.csrf,
        notice,
        chosen: selection.chosen.iter().map(|one| RepositoryShown::named(one.id, &one.name)).collect(),
        found: repositories
            .map(|repository| RepositoryShown {
                private: repository.private,
                archived: repository.archived,
                ..RepositoryShown::named(repository.id, &repository.full_name).described(&repository.description)
            })
            .collect(),
        text: view.text,
        total: found.total,
        previous: (page > 1).then(|| page - 1),
        next: more.then(|| page + 1),
    })
}

fn is_dead(error: &RepositoriesError) -> bool {
    matches!(error, RepositoriesError::Credential(CredentialError::Dead(_)))
}

failures_of!(Cause);

impl From<NotAdmitted> for Cause {
    fn from(reason: NotAdmitted) -> Self {
        match reason {
            NotAdmitted::Refused(refusal) => Self::NotAllowed(refusal),
            NotAdmitted::LogInAgain => Self::LoginDead(reason.to_string()),
            NotAdmitted::Unavailable { reason, .. } => Self::Forgejo(reason),
        }
    }
}

impl From<RepositoriesError> for Cause {
    fn from(error: RepositoriesError) -> Self {
        match error {
            RepositoriesError::Credential(CredentialError::Dead(reason)) => Self::LoginDead(reason),
            error => Self::Forgejo(error.to_string()),
        }
    }
}

impl From<LookError> for Cause {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Store(error) => error.into(),
            LookError::Forgejo(error) => error.into(),
        }
    }
}

impl From<FindError> for Cause {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(error) => error.into(),
            other => Self::Client(other),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.cause.to_string();
        let again = "Go back to your application and start the connection again.";
        let (status, title, remedy) = match &self.cause {
            Cause::CrossSite | Cause::Csrf => (StatusCode::FORBIDDEN, "This form does not count", again),
            Cause::NoSuchChoice => (StatusCode::BAD_REQUEST, "There is nothing to choose here", again),
            Cause::LoginDead(_) => (StatusCode::FORBIDDEN, "Your login at Forgejo has ended", again),
            Cause::Client(FindError::Document { .. }) => (
                StatusCode::BAD_REQUEST,
                "This application cannot be verified at present",
                "Reload this page in a minute; what you have ticked is kept.",
            ),
            Cause::Client(_) | Cause::Failed(Failure::Store(StoreError::ClientGone(_))) => (
                StatusCode::BAD_REQUEST,
                "This application is not known here any more",
                "Remove the connection in your application and add it again: it then registers anew.",
            ),
            Cause::Forgejo(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Forgejo does not answer",
                "Go back and try again in a minute; what you had ticked before this step is kept.",
            ),
            Cause::NotAllowed(_) => (
                StatusCode::FORBIDDEN,
                "You may not use this server any more",
                "Nothing was granted. Ask the operator of this server to be let in, and start again from your application.",
            ),
            Cause::Failed(failure) => return failure.page("choice of repositories", &self.request_id).into_response(),
        };
        let request_id = self.request_id.as_str().to_owned();
        let wrong = if status.is_server_error() {
            tracing::error!(error = text, request.id = request_id, "repositories could not be chosen");
            "The request could not be handled.".to_owned()
        } else {
            tracing::info!(request.id = request_id, repositories.refusal = text, "repositories were not chosen");
            match &self.cause {
                Cause::Client(FindError::Document { client, .. }) => {
                    format!("The application describes itself at {client}, and that description could not be used.")
                }
                _ => format!("Reason: {text}."),
            }
        };
        ErrorPage { status, title: title.to_owned(), wrong, remedy: remedy.to_owned(), request_id, link: None }
            .into_response()
    }
}
