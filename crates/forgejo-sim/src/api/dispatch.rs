//! An API call's way: credential, state of the user, sudo, scope, handler. The order is Forgejo's.

use http::StatusCode;

use crate::{
    model::State,
    scope::Category,
    site::Site,
    wire::{self, Request, Response},
};

use super::{
    call::{ApiError, ApiResult, Call},
    identity::{self, HeldBack},
    route::{self, Found, Route},
};

/// Answers a request whose path, below `api/v1`, is `segments`.
pub(crate) fn answer(site: &Site, request: &Request, segments: &[String]) -> Response {
    let (route, params) = match route::find(&request.method, segments) {
        Found::Route(route, params) => (route, params),
        Found::OtherMethods => return wire::empty(StatusCode::METHOD_NOT_ALLOWED),
        Found::Nothing => return wire::not_found(),
    };
    let mut response = run(site, request, route, params).unwrap_or_else(|error| error.into_response(site));
    if !response.headers().contains_key("cache-control") {
        wire::set_header(&mut response, "cache-control", "max-age=0, private, must-revalidate, no-transform");
    }
    response
}

fn run(site: &Site, request: &Request, route: &Route, params: Vec<String>) -> ApiResult {
    let mut state = site.state.lock();
    let identity =
        identity::of_request(site, &state, request).map_err(|bad| ApiError::new(StatusCode::UNAUTHORIZED, bad.0))?;
    let (mut doer, scope) = identity.map_or((None, None), |identity| (Some(identity.user), identity.scope));
    if let Some(user) = doer.and_then(|id| state.users.get(&id))
        && let Some(held_back) = HeldBack::of(site, user)
    {
        return Err(ApiError::forbidden(held_back.message(site)));
    }
    // The door of a site administrator's token: whatever its scope, it may become anybody.
    let sudo = match request.query.value("sudo") {
        "" => request.header("sudo"),
        name => name,
    };
    if !sudo.is_empty() {
        if !doer.and_then(|id| state.users.get(&id)).is_some_and(|user| user.admin) {
            return Err(ApiError::forbidden("Only administrators allowed to sudo."));
        }
        doer = Some(state.user(sudo).ok_or_else(ApiError::not_found)?.id);
    }
    if route.signed_in && doer.is_none() {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "token is required"));
    }
    if let Some(scope) = &scope {
        let writes = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        for wanted in route.scopes {
            if !scope.allows(writes, wanted) {
                return Err(ApiError::forbidden(missing(writes, wanted)));
            }
        }
    }
    if let Some(response) = moved(site, &state, request, route, &params) {
        return Ok(response);
    }
    let now = site.now();
    (route.handler)(&mut Call { site, state: &mut state, request, params, doer, scope, now })
}

/// A repository that has another name now: the way there, which Forgejo tells to anybody.
fn moved(site: &Site, state: &State, request: &Request, route: &Route, params: &[String]) -> Option<Response> {
    let [owner, name, ..] = params else { return None };
    let repo = route.path.starts_with("repos/{owner}/{repo}").then(|| state.renamed(owner, name)).flatten()?;
    let path = request.path.trim_start_matches('/').replacen(&format!("{owner}/{name}"), &state.full_name(repo), 1);
    let mut to = url::Url::parse(&site.url(&path)).ok()?;
    to.set_query(Some(&request.raw_query).filter(|query| !query.is_empty()).map(String::as_str));
    let mut response = wire::empty(StatusCode::TEMPORARY_REDIRECT);
    wire::set_header(&mut response, "location", &to[url::Position::BeforePath..]);
    Some(response)
}

fn missing(writes: bool, wanted: &[Category]) -> String {
    let level = if writes { "write" } else { "read" };
    let names: Vec<String> = wanted.iter().map(|category| format!("{level}:{}", category.name())).collect();
    format!("token does not have at least one of required scope(s): [{}]", names.join(" "))
}
