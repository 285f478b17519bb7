//! Which handler answers a path outside the API. One list, grouped.

use http::{Method, StatusCode};

use crate::{
    api, oauth,
    site::Site,
    web,
    wire::{self, Request, Response},
};

/// The provider's paths below `login/oauth`.
const ENDS: [&str; 6] = ["authorize", "access_token", "grant", "userinfo", "keys", "introspect"];

/// Answers a request.
pub(crate) async fn answer(site: &Site, request: &Request) -> Response {
    let Some(segments) = &request.segments else {
        return wire::not_found();
    };
    if segments.len() >= 2 && segments[0] == "api" && segments[1] == "v1" {
        return api::dispatch::answer(site, request, &segments[2..]);
    }
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = if request.method == Method::HEAD { "GET" } else { request.method.as_str() };
    match (method, path.as_slice()) {
        // The token endpoint waits for others when a test has ordered a race.
        ("POST", ["login", "oauth", "access_token"]) => oauth::token::post(site, request).await,
        _ => page(site, request, method, &path),
    }
}

fn page(site: &Site, request: &Request, method: &str, path: &[&str]) -> Response {
    match (method, path) {
        // The OAuth2 provider.
        ("GET" | "POST", ["login", "oauth", "authorize"]) => oauth::authorize::answer(site, request),
        ("POST", ["login", "oauth", "grant"]) => oauth::consent::post(site, request),
        ("GET" | "POST", ["login", "oauth", "userinfo"]) => oauth::userinfo::answer(site, request),
        ("GET", ["login", "oauth", "keys"]) => oauth::discovery::keys(site),
        ("POST", ["login", "oauth", "introspect"]) => oauth::introspect::post(site, request),
        ("GET", [".well-known", "openid-configuration"]) => oauth::discovery::document(site),
        // Pages for people.
        ("GET", ["user", "login"]) => web::login::get(site, request),
        ("POST", ["user", "login"]) => web::login::post(site, request),
        ("POST", ["user", "logout"]) => web::login::log_out(site, request),
        ("GET", ["user", "settings", "change_password"]) => web::login::get_password(site, request),
        ("POST", ["user", "settings", "change_password"]) => web::login::post_password(site, request),
        ("GET", ["user", "settings", "applications"]) => web::settings::applications(site, request),
        ("POST", ["user", "settings", "applications", "oauth2", _, "revoke", grant]) => {
            web::settings::revoke(site, request, grant)
        }
        ("GET", ["user", "settings", "security"]) => web::settings::security(site),
        // Downloads, which take tokens like the API.
        ("GET", ["attachments", uuid]) => web::download::attachment(site, request, uuid),
        ("GET", [owner, repo, "attachments", uuid]) => web::download::attachment_in(site, request, owner, repo, uuid),
        ("GET", [owner, repo, "archive", name @ ..]) => {
            web::download::archive(site, request, owner, repo, &name.join("/"))
        }
        ("GET", [owner, repo, "releases", "download", tag, file]) => {
            web::download::release_file(site, request, (owner, repo), tag, file)
        }
        ("GET", [owner, repo, "raw" | "media", kind @ ("branch" | "tag" | "commit"), rest @ ..]) => {
            web::download::raw(site, request, (owner, repo), kind, &rest.join("/"))
        }
        ("GET", [owner, repo, "info", "refs"]) => web::download::git_refs(site, request, owner, repo),
        // Pages about repositories.
        ("GET", []) => web::browse::home(site, request),
        ("GET", [owner, repo]) => web::browse::repository(site, request, owner, repo),
        ("GET", [owner, repo, "issues" | "pulls", number]) => web::browse::issue(site, request, owner, repo, number),
        // Known paths with a method that they do not have, OPTIONS first: there is no CORS.
        (_, ["login", "oauth", end]) if ENDS.contains(end) => wire::empty(StatusCode::METHOD_NOT_ALLOWED),
        (other, ["user", "login"] | [".well-known", ..] | []) if other != "GET" => {
            wire::empty(StatusCode::METHOD_NOT_ALLOWED)
        }
        ("OPTIONS", _) => wire::empty(StatusCode::METHOD_NOT_ALLOWED),
        _ => wire::not_found(),
    }
}
