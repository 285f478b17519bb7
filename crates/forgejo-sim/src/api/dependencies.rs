//! Which issues must be closed before others, also across repositories.

use http::StatusCode;
use serde::Deserialize;

use crate::model::reference::Happening;

use super::{
    call::{ApiError, ApiResult, Call},
    issues::show,
    route::{ISSUE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/issues/{index}/dependencies", ISSUE, dependencies),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/dependencies", ISSUE, add_dependency),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/dependencies", ISSUE, remove_dependency),
    open("GET", "repos/{owner}/{repo}/issues/{index}/blocks", ISSUE, blocks),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/blocks", ISSUE, add_block),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/blocks", ISSUE, remove_block),
];

#[derive(Deserialize)]
struct IssueMeta {
    index: i64,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    repo: String,
}

/// The issue that a body names, in this or another repository that the caller may see.
fn other_issue(call: &Call<'_>, here: i64) -> Result<(i64, i64), ApiError> {
    let meta: IssueMeta = call.body()?;
    let repo = if meta.repo.is_empty() {
        &call.state.repos[&here]
    } else {
        let found = call.state.repo(&meta.owner, &meta.repo).filter(|repo| call.may_see(repo));
        found.ok_or_else(ApiError::not_found)?
    };
    repo.issues.get(&meta.index).ok_or_else(ApiError::not_found)?;
    Ok((repo.id, meta.index))
}

fn dependencies(call: &mut Call<'_>) -> ApiResult {
    let places: Vec<(i64, i64)> = call.issue()?.dependencies.iter().copied().collect();
    list_places(call, &places)
}

fn blocks(call: &mut Call<'_>) -> ApiResult {
    let here = call.issue_place()?;
    let all = call.state.repos.values().flat_map(|repo| repo.issues.values().map(move |issue| (repo.id, issue)));
    let places: Vec<(i64, i64)> =
        all.filter(|(_, issue)| issue.dependencies.contains(&here)).map(|(repo, issue)| (repo, issue.number)).collect();
    list_places(call, &places)
}

fn list_places(call: &Call<'_>, places: &[(i64, i64)]) -> ApiResult {
    let found = places.iter().filter_map(|(repo, number)| {
        let repo = call.state.repos.get(repo).filter(|repo| call.may_see(repo))?;
        Some(call.render().issue(repo, repo.issues.get(number)?))
    });
    call.page(found.collect())
}

fn add_dependency(call: &mut Call<'_>) -> ApiResult {
    let here = call.issue_place()?;
    let other = other_issue(call, here.0)?;
    if !call.issue_to_write()?.dependencies.insert(other) {
        return Err(ApiError::invalid("Issue dependency does already exist"));
    }
    let (doer, now) = (call.doer_id()?, call.now);
    call.state.happened(here.0, here.1, doer, Happening::Depends(other.0, other.1), now);
    show(call, other.0, other.1, StatusCode::CREATED)
}

fn remove_dependency(call: &mut Call<'_>) -> ApiResult {
    let here = call.issue_place()?;
    let other = other_issue(call, here.0)?;
    if !call.issue_to_write()?.dependencies.remove(&other) {
        return Err(ApiError::not_found());
    }
    show(call, other.0, other.1, StatusCode::OK)
}

fn add_block(call: &mut Call<'_>) -> ApiResult {
    set_block(call, true)
}

fn remove_block(call: &mut Call<'_>) -> ApiResult {
    set_block(call, false)
}

fn set_block(call: &mut Call<'_>, wanted: bool) -> ApiResult {
    let here = call.issue_place()?;
    let (repo, number) = other_issue(call, here.0)?;
    call.issue_to_write()?;
    let other = call.state.repos.get_mut(&repo).and_then(|repo| repo.issues.get_mut(&number));
    let dependencies = &mut other.ok_or_else(ApiError::not_found)?.dependencies;
    if wanted {
        dependencies.insert(here);
    } else if !dependencies.remove(&here) {
        return Err(ApiError::not_found());
    }
    show(call, repo, number, if wanted { StatusCode::CREATED } else { StatusCode::OK })
}
