//! The table of API routes and how a path finds its line in it.

use http::Method;

use crate::scope::Category;

use super::call::{ApiResult, Call};

/// What a route does.
pub(crate) type Handler = fn(&mut Call<'_>) -> ApiResult;

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Segments below `api/v1`; `{name}` takes one segment, a final `*` takes the rest.
    pub(crate) path: &'static str,
    /// The checks of a token's scope, one after the other.
    pub(crate) scopes: &'static [&'static [Category]],
    /// Whether nobody may call it without a credential.
    pub(crate) signed_in: bool,
    pub(crate) handler: Handler,
}

/// What became of a path.
pub(crate) enum Found {
    Route(&'static Route, Vec<String>),
    /// The path is known, the method is not.
    OtherMethods,
    Nothing,
}

pub(crate) const NONE: &[&[Category]] = &[];
pub(crate) const USER: &[&[Category]] = &[&[Category::User]];
pub(crate) const REPO: &[&[Category]] = &[&[Category::Repository]];
pub(crate) const ISSUE: &[&[Category]] = &[&[Category::Issue]];
pub(crate) const ORG: &[&[Category]] = &[&[Category::Organization]];
pub(crate) const ORG_REPO: &[&[Category]] = &[&[Category::Organization, Category::Repository]];
pub(crate) const USER_ORG: &[&[Category]] = &[&[Category::User, Category::Organization]];
pub(crate) const USER_REPO: &[&[Category]] = &[&[Category::User], &[Category::User, Category::Repository]];
pub(crate) const NOTIFICATION: &[&[Category]] = &[&[Category::Notification]];
pub(crate) const REPO_NOTIFICATION: &[&[Category]] = &[&[Category::Repository], &[Category::Notification]];
pub(crate) const ADMIN: &[&[Category]] = &[&[Category::Admin]];

/// A route that anyone may call.
pub(crate) const fn open(
    method: &'static str,
    path: &'static str,
    scopes: &'static [&'static [Category]],
    handler: Handler,
) -> Route {
    Route { method, path, scopes, signed_in: false, handler }
}

/// A route that demands a credential.
pub(crate) const fn signed(
    method: &'static str,
    path: &'static str,
    scopes: &'static [&'static [Category]],
    handler: Handler,
) -> Route {
    Route { method, path, scopes, signed_in: true, handler }
}

/// All areas' tables.
const AREAS: &[&[Route]] = &[
    super::misc::ROUTES,
    super::users::ROUTES,
    super::applications::ROUTES,
    super::keys::ROUTES,
    super::search::ROUTES,
    super::repos::ROUTES,
    super::mirrors::ROUTES,
    super::branches::ROUTES,
    super::protections::ROUTES,
    super::commits::ROUTES,
    super::contents::ROUTES,
    super::issues::ROUTES,
    super::dependencies::ROUTES,
    super::comments::ROUTES,
    super::labels::ROUTES,
    super::milestones::ROUTES,
    super::times::ROUTES,
    super::pulls::ROUTES,
    super::reviews::ROUTES,
    super::releases::ROUTES,
    super::attachments::ROUTES,
    super::hooks::ROUTES,
    super::wiki::ROUTES,
    super::actions::ROUTES,
    super::orgs::ROUTES,
    super::teams::ROUTES,
    super::notifications::ROUTES,
    super::admin::ROUTES,
];

/// The most literal route that fits; HEAD is served by GET.
pub(crate) fn find(method: &Method, segments: &[String]) -> Found {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let (mut best, mut other) = (None, false);
    for route in AREAS.iter().copied().flatten() {
        let Some((params, literal)) = fit(route.path, segments) else {
            continue;
        };
        if route.method != method {
            other = true;
        } else if best.as_ref().is_none_or(|(_, _, most)| literal > *most) {
            best = Some((route, params, literal));
        }
    }
    match best {
        Some((route, params, _)) => Found::Route(route, params),
        None if other => Found::OtherMethods,
        None => Found::Nothing,
    }
}

/// The values of a template's variables, and how many segments were literal.
fn fit(template: &str, segments: &[String]) -> Option<(Vec<String>, usize)> {
    let (mut params, mut literal) = (Vec::new(), 0);
    let mut at = 0;
    for part in template.split('/') {
        if part == "*" {
            let rest = segments.get(at..).filter(|rest| !rest.is_empty())?;
            params.push(rest.join("/"));
            return Some((params, literal));
        }
        let segment = segments.get(at)?;
        at += 1;
        if part.starts_with('{') {
            params.push(segment.clone());
        } else if part == segment {
            literal += 1;
        } else {
            return None;
        }
    }
    (at == segments.len()).then_some((params, literal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn the_more_literal_route_wins() {
        let Found::Route(route, params) = find(&Method::GET, &path("repos/issues/search")) else { panic!("not found") };
        assert_eq!((route.path, params.len()), ("repos/issues/search", 0));
        let Found::Route(route, params) = find(&Method::GET, &path("repos/alice/hello/contents/a/b")) else {
            panic!("not found")
        };
        assert_eq!((route.path, params[2].as_str()), ("repos/{owner}/{repo}/contents/*", "a/b"));
        assert!(matches!(find(&Method::POST, &path("version")), Found::OtherMethods));
        assert!(matches!(find(&Method::GET, &path("nothing/here/at/all")), Found::Nothing));
    }

    #[test]
    fn no_route_is_written_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for route in AREAS.iter().copied().flatten() {
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
        }
    }
}
