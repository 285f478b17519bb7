//! `/oauth/authorize`: the authorization request, the consent page and its answer (OAuth 2.1 §4.1.1; oauth.md §4.2, §6).
//!
//! Consent can't be skipped: the page comes first, every time; only its POST makes the upstream state, the cookie that binds it to this
//! browser, and the durable row. The GET writes nothing, so opening a link twice, or a thousand times, leaves no trace.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use oauth::authorize::{AuthorizationRequest, PageReason, Parameters, Refusal};
use oauth::client::{Client, ClientKind};
use oauth::error::ErrorCode;
use oauth::id::ClientId;
use oauth::redirect_uri::{AllowList, RedirectUri};
use oauth::scope::{Access, ScopeSet};
use oauth::token::{PlainToken, TokenKind};
use url::Url;

use crate::app::App;
use crate::audit::Entry;
use crate::browser::{Cookies, add_cookie, csrf_admits, csrf_token, is_from_us, see_other};
use crate::clients::FindError;
use crate::display::display_name;
use crate::failure::{Failure, failures_of};
use crate::handlers::consent::{ConsentTicket, FORM_LIFETIME, InvalidTicket};
use crate::login::{self, Aim, Consented};
use crate::middleware::RequestId;
use crate::pages::{ClientShown, ConsentPage, Destination, ErrorPage, MessagePage, NamedLink};

/// Why no consent page is shown, or its answer does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("{0}")]
    Request(PageReason),
    #[error(transparent)]
    Client(FindError),
    #[error("the form carries no valid CSRF token")]
    Csrf,
    #[error("the browser sent no cookie")]
    NoCookie,
    #[error("the form came from another site")]
    CrossSite,
    #[error("{0}")]
    Ticket(#[from] InvalidTicket),
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A cause with the request it belongs to.
#[derive(Debug)]
pub(crate) struct RouteError {
    cause: Cause,
    request_id: RequestId,
}

/// Shows the consent page.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, query.as_deref().unwrap_or_default(), &request_id)
        .await
        .map_err(|cause| RouteError { cause, request_id })
}

/// Takes the user's answer.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    decide(&app, &headers, &body, &request_id).await.map_err(|cause| RouteError { cause, request_id })
}

async fn show(app: &App, headers: &HeaderMap, query: &str, request_id: &RequestId) -> Result<Response, Cause> {
    let parameters = Parameters::from_pairs(url::form_urlencoded::parse(query.as_bytes()));
    let id = parameters.client_id().map_err(Cause::Request)?;
    let client = app.clients.find(&id).await?;
    // The operator has written the URIs of his own clients himself: they are their own allow-list.
    let own = (client.kind == ClientKind::Static).then(|| AllowList::new(client.metadata.redirect_uris.clone()));
    let allowed = own.as_ref().unwrap_or(&app.policy.redirect_uris);
    let request = match parameters.judge(&client, allowed, &app.site.resource) {
        Ok(request) => request,
        Err(Refusal::Page(reason)) => return Err(Cause::Request(reason)),
        Err(Refusal::Redirect { redirect_uri, state, code, description }) => {
            tracing::info!(client.id = %client.id, oauth.error = %code, oauth.refusal = description, "authorization refused");
            return Ok(tell_client(app, &client, &redirect_uri, state.as_deref(), code, &description, request_id));
        }
    };
    let name = app.cookies.consent();
    let cookie = match Cookies::read(headers, &name) {
        Some(cookie) => cookie,
        None => PlainToken::generate(TokenKind::Browser, app.random.as_ref())?,
    };
    let sealed = ConsentTicket::seal(request.clone(), &cookie, app.clock.now(), &app.keys).ok_or(Failure::Seal)?;
    let page = consent_page(app, &client, &request, sealed, csrf_token(&cookie));
    let mut response = page.into_response();
    // Set anew each time: it has to live as long as the form that is shown now.
    let seconds = i64::try_from(FORM_LIFETIME.as_secs()).unwrap_or(3600);
    add_cookie(&mut response, app.cookies.set(&name, cookie.expose(), seconds));
    Ok(response)
}

async fn decide(app: &App, headers: &HeaderMap, body: &[u8], request_id: &RequestId) -> Result<Response, Cause> {
    if !is_from_us(headers, &app.site.issuer) {
        return Err(Cause::CrossSite);
    }
    let mut form = Answer::default();
    for (name, value) in url::form_urlencoded::parse(body) {
        match name.as_ref() {
            "request" => form.request = value.into_owned(),
            "csrf" => form.csrf = value.into_owned(),
            "decision" => form.approved = value == "approve",
            "access" => form.read_only = value == "read",
            "repositories" => form.choose = value == "choose",
            _ => {}
        }
    }
    let cookie = Cookies::read(headers, &app.cookies.consent()).ok_or(Cause::NoCookie)?;
    if !csrf_admits(&cookie, &form.csrf) {
        return Err(Cause::Csrf);
    }
    let request = ConsentTicket::open(&form.request, &cookie, app.clock.now(), &app.keys)?;
    let client = app.clients.find(&request.client).await?;
    let entry = Entry { client: Some(client.id.as_str()), request_id: Some(request_id.as_str()), ..Entry::default() };
    if !form.approved {
        app.audit.record("consent", "denied", &entry);
        let (state, text) = (request.state.as_deref(), "the user did not allow it");
        return Ok(tell_client(app, &client, &request.redirect_uri, state, ErrorCode::AccessDenied, text, request_id));
    }
    app.clients.record(&client).await?;
    app.audit.record("consent", if form.read_only { "read" } else { "as_asked" }, &entry);
    let (mut request, asked) = (request.clone(), request.scope);
    if form.read_only {
        request.scope = asked.narrowed_to(ScopeSet::READ);
    }
    Ok(login::begin(app, Aim::Authorize(Box::new(Consented { request, asked, choose: form.choose }))).await?)
}

/// An error for the client: by redirect where that is harmless, else on a page that names the host and links to it.
pub(crate) fn tell_client(
    app: &App,
    client: &Client,
    uri: &RedirectUri,
    state: Option<&str>,
    code: ErrorCode,
    description: &str,
    request_id: &RequestId,
) -> Response {
    let mut pairs = vec![("error", code.as_str()), ("error_description", description)];
    pairs.extend(state.map(|state| ("state", state)));
    pairs.push(("iss", app.site.issuer.as_str()));
    let target = uri.with_query(&pairs);
    if client.is_trusted_with(uri) {
        return see_other(&target);
    }
    let link = Url::parse(&target).ok().as_ref().and_then(NamedLink::to);
    if code == ErrorCode::AccessDenied {
        return MessagePage::denied(link).into_response();
    }
    ErrorPage {
        status: StatusCode::BAD_REQUEST,
        title: "This request cannot be granted".to_owned(),
        wrong: format!("The program sent a request that is not valid: {description}."),
        remedy: "Tell the makers of the program, or follow the link to let it know.".to_owned(),
        request_id: request_id.as_str().to_owned(),
        link,
    }
    .into_response()
}

fn consent_page(
    app: &App,
    client: &Client,
    request: &AuthorizationRequest,
    sealed: String,
    csrf: String,
) -> ConsentPage {
    let destination = Url::parse(request.redirect_uri.as_str());
    ConsentPage {
        client: client_shown(client.kind, &client.id, client.metadata.client_name.clone()),
        destination: destination
            .map_or_else(|_| Destination::App(request.redirect_uri.as_str().to_owned()), |url| Destination::of(&url)),
        forgejo_host: app.site.forgejo_host.clone(),
        may_write: request.scope.access() == Access::Write,
        request: sealed,
        csrf,
    }
}

/// A client as pages show it.
pub(crate) fn client_shown(kind: ClientKind, id: &ClientId, name: Option<String>) -> ClientShown {
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    match kind {
        ClientKind::Static => ClientShown::Registered { name },
        ClientKind::Dynamic => ClientShown::Unverified { name },
        ClientKind::MetadataDocument => ClientShown::Published { name, host: host(id.as_str()).unwrap_or_default() },
    }
}

failures_of!(Cause);

impl From<FindError> for Cause {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(error) => error.into(),
            other => Self::Client(other),
        }
    }
}

#[derive(Default)]
struct Answer {
    request: String,
    csrf: String,
    approved: bool,
    read_only: bool,
    choose: bool,
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.cause.to_string();
        let (status, title, remedy) = match &self.cause {
            Cause::Request(_) => (
                StatusCode::BAD_REQUEST,
                "This authorization request is not valid",
                "Start again from your application. If this page comes back, tell its makers what is written here.",
            ),
            Cause::Client(FindError::Document { .. }) => (
                StatusCode::BAD_REQUEST,
                "This application cannot be verified at present",
                "Try again in a minute. If this page comes back, tell the operator the request id below.",
            ),
            Cause::Client(_) => (
                StatusCode::BAD_REQUEST,
                "This application is not known here any more",
                "Remove the connection in your application and add it again: it then registers anew.",
            ),
            Cause::NoCookie => (
                StatusCode::BAD_REQUEST,
                "Your browser keeps no cookies for this site",
                "Allow cookies for this site, or open the link in your usual browser instead of one inside another application.",
            ),
            Cause::Csrf | Cause::CrossSite | Cause::Ticket(_) => (
                StatusCode::FORBIDDEN,
                "This form does not count",
                "Go back to your application and start the connection again.",
            ),
            Cause::Failed(failure) => return failure.page("consent", &self.request_id).into_response(),
        };
        let wrong = match &self.cause {
            // What exactly went wrong in a fetch would show a stranger what can be reached from here. It is in the log.
            Cause::Client(FindError::Document { client, .. }) => {
                format!("The application describes itself at {client}, and that description could not be used.")
            }
            // No more of it than tells which one: a link can say anything here.
            Cause::Client(FindError::Unknown(client)) => {
                let client = display_name(client.as_str()).unwrap_or_default();
                format!("Reason: the client “{client}” is not known here.")
            }
            _ => format!("Reason: {text}."),
        };
        tracing::info!(request.id = self.request_id.as_str(), authorize.refusal = text, "no consent");
        let request_id = self.request_id.as_str().to_owned();
        ErrorPage { status, title: title.to_owned(), wrong, remedy: remedy.to_owned(), request_id, link: None }
            .into_response()
    }
}
