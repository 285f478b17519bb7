//! `GET /account`: what a user has granted and what happened lately, after a login through Forgejo; `POST /account/end` ends it all.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use oauth::token::{PlainToken, TokenKind};

use crate::account::Visitor;
use crate::app::App;
use crate::browser::{Cookies, csrf_token};
use crate::handlers::authorize::{add_cookie, see_other};
use crate::handlers::consent::FORM_LIFETIME;
use crate::middleware::RequestId;
use crate::pages::{AccountPage, EntryPage};

pub(crate) mod activity;
pub(crate) mod connection;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod notice;
mod refused;
pub(crate) mod repositories;
mod shown;

use notice::Notice;
use refused::{Cause, RouteError};

/// Events on the page itself.
const RECENT_EVENTS: u32 = 12;

/// Shows the page, or asks to log in.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, query.as_deref()).await.map_err(|cause| cause.of(request_id))
}

/// Ends all connections.
pub(crate) async fn end_all(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    let end = async {
        let (visitor, _) = admit(&app, &headers, &body).await?;
        for grant in app.store.grants_of_user(visitor.user()).await? {
            app.end_grant(&grant, "all_by_user").await?;
        }
        Ok(see_other(&Notice::AllEnded.at("/account")))
    };
    end.await.map_err(|cause: Cause| cause.of(request_id))
}

async fn show(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Response, Cause> {
    let notice = Notice::read(query);
    let Some(visitor) = Visitor::of(app, headers).await? else {
        return entry(app, headers, notice.filter(|notice| notice.is_for_strangers()));
    };
    let login = shown::login(app, &visitor).await?;
    let connections = app.store.connections_of(visitor.user()).await?;
    let page = AccountPage {
        login,
        forgejo_host: app.site.forgejo_host.clone(),
        csrf: visitor.csrf(),
        notice: Notice::text(notice),
        connections: connections.iter().map(|connection| shown::connection(app, connection)).collect(),
        activity: shown::activity(app, &visitor, RECENT_EVENTS, None).await?.0,
    };
    Ok(page.into_response())
}

/// The page before the login. Shows whether it knows the visitor by nothing else.
fn entry(app: &App, headers: &HeaderMap, notice: Option<Notice>) -> Result<Response, Cause> {
    let name = app.cookies.consent();
    let cookie = match Cookies::read(headers, &name) {
        Some(cookie) => cookie,
        None => PlainToken::generate(TokenKind::Browser, app.random.as_ref())?,
    };
    let page =
        EntryPage { forgejo_host: app.site.forgejo_host.clone(), csrf: csrf_token(&cookie), why: Notice::text(notice) };
    let mut response = page.into_response();
    let seconds = i64::try_from(FORM_LIFETIME.as_secs()).unwrap_or(3600);
    add_cookie(&mut response, app.cookies.set(&name, cookie.expose(), seconds));
    Ok(response)
}

/// The fields of a form.
type Fields = Vec<(String, String)>;

/// Who sent a form that changes something, if he is logged in and the form is one of ours; and its fields.
async fn admit(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<(Visitor, Fields), Cause> {
    if !crate::browser::is_from_us(headers, &app.site.issuer) {
        return Err(Cause::CrossSite);
    }
    let visitor = Visitor::of(app, headers).await?.ok_or(Cause::NotLoggedIn)?;
    let fields: Fields = url::form_urlencoded::parse(body).into_owned().collect();
    if visitor.admits(field(&fields, "csrf")) { Ok((visitor, fields)) } else { Err(Cause::Csrf) }
}

/// A field's value; empty if it is not there.
fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}
