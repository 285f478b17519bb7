//! Plain pages about what is there: home, a repository, an issue.

use std::fmt::Write as _;

use http::StatusCode;

use crate::{
    api::misc::render,
    model::{
        State,
        repo::{Access, Repo},
    },
    site::Site,
    wire::{self, Request, Response},
};

use super::{
    page::{self, escape},
    session::Browser,
};

pub(crate) fn home(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let user = browser.user(&state);
    let mut rows = String::new();
    for repo in state.repos.values().filter(|repo| state.access(user, repo) >= Access::Read) {
        let name = escape(&state.full_name(repo));
        let lock = if repo.private { " (private)" } else { "" };
        let _ = write!(
            rows,
            "<li><a href=\"{}{name}\">{name}</a>{lock} {}</li>",
            escape(&site.root),
            escape(&repo.description)
        );
    }
    let root = escape(&site.root);
    let account = if user.is_some() {
        let csrf = page::csrf_field(site, browser.csrf(&state));
        format!(
            "<p><a href=\"{root}user/settings/applications\">Applications</a></p>\
<form method=\"post\" action=\"{}/user/logout\">{csrf}<button class=\"plain\">Sign out</button></form>",
            escape(&site.base_path)
        )
    } else {
        format!("<p><a href=\"{root}user/login\">Sign in</a></p>")
    };
    let body = format!("<h1>Repositories</h1><ul>{rows}</ul>{account}");
    let html = page::layout(site, "Home", user.map(|user| state.login(user)), "wide", &body);
    browser.finish(site, &state, wire::html(StatusCode::OK, html))
}

/// Shows a repository that the browser's user may read.
fn shown(
    site: &Site,
    request: &Request,
    owner: &str,
    name: &str,
    body: impl FnOnce(&State, &Repo) -> Option<String>,
) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let user = browser.user(&state);
    let repo = state.repo(owner, name).filter(|repo| state.access(user, repo) >= Access::Read);
    let page = repo.and_then(|repo| Some((state.full_name(repo), body(&state, repo)?)));
    let response = match page {
        Some((title, body)) => {
            wire::html(StatusCode::OK, page::layout(site, &title, user.map(|user| state.login(user)), "wide", &body))
        }
        None => wire::html(
            StatusCode::NOT_FOUND,
            page::message(site, "Not found", "The page you are looking for is not here."),
        ),
    };
    browser.finish(site, &state, response)
}

pub(crate) fn repository(site: &Site, request: &Request, owner: &str, name: &str) -> Response {
    shown(site, request, owner, name.strip_suffix(".git").unwrap_or(name), |state, repo| {
        let full_name = state.full_name(repo);
        let (mut files, mut issues) = (String::new(), String::new());
        let tree = repo.resolve(&repo.default_branch).map(|commit| commit.tree.clone()).unwrap_or_default();
        for path in tree.keys() {
            let url = site.url(&format!("{full_name}/raw/branch/{}/{path}", repo.default_branch));
            let _ = write!(files, "<li><a href=\"{}\">{}</a></li>", escape(&url), escape(path));
        }
        for issue in repo.issues.values().rev() {
            let kind = if issue.pull.is_some() { "pulls" } else { "issues" };
            let url = site.url(&format!("{full_name}/{kind}/{}", issue.number));
            let _ = write!(
                issues,
                "<li><a href=\"{}\">#{} {}</a> ({})</li>",
                escape(&url),
                issue.number,
                escape(&issue.title),
                issue.state()
            );
        }
        let readme =
            tree.get("README.md").and_then(|content| std::str::from_utf8(content).ok()).map(render).unwrap_or_default();
        Some(format!(
            "<h1>{}</h1><p>{}</p><ul>{files}</ul>{readme}<h1>Issues and pull requests</h1><ul>{issues}</ul>",
            escape(&full_name),
            escape(&repo.description)
        ))
    })
}

pub(crate) fn issue(site: &Site, request: &Request, owner: &str, name: &str, number: &str) -> Response {
    shown(site, request, owner, name, |state, repo| {
        let issue = repo.issues.get(&number.parse().ok()?)?;
        let mut body = format!(
            "<h1>#{} {}</h1><p><b>{}</b>, {}</p>{}",
            issue.number,
            escape(&issue.title),
            escape(state.login(issue.poster)),
            issue.state(),
            render(&issue.body)
        );
        for comment in &issue.comments {
            let _ = write!(body, "<hr><p><b>{}</b></p>{}", escape(state.login(comment.poster)), render(&comment.body));
        }
        Some(body)
    })
}
