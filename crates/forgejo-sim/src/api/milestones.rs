//! Milestones of a repository.

use serde::Deserialize;

use crate::{
    clock::parse_rfc3339,
    model::{
        issue::Milestone,
        repo::{Access, Repo},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ISSUE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/milestones", ISSUE, list),
    signed("POST", "repos/{owner}/{repo}/milestones", ISSUE, create),
    open("GET", "repos/{owner}/{repo}/milestones/{id}", ISSUE, get),
    signed("PATCH", "repos/{owner}/{repo}/milestones/{id}", ISSUE, edit),
    signed("DELETE", "repos/{owner}/{repo}/milestones/{id}", ISSUE, delete),
];

#[derive(Deserialize)]
struct MilestoneOption {
    title: Option<String>,
    description: Option<String>,
    state: Option<String>,
    due_on: Option<String>,
}

/// A milestone by id or title.
fn find(call: &Call<'_>, repo: &Repo) -> Result<i64, ApiError> {
    let wanted = call.param(2);
    let is_it = |milestone: &&Milestone| milestone.id.to_string() == wanted || milestone.title == wanted;
    Ok(repo.milestones.iter().find(is_it).ok_or_else(ApiError::not_found)?.id)
}

fn show(call: &Call<'_>, repo: i64, id: i64, is_new: bool) -> ApiResult {
    let repo = &call.state.repos[&repo];
    let milestone = repo.milestones.iter().find(|milestone| milestone.id == id).ok_or_else(ApiError::not_found)?;
    let body = call.render().milestone(repo, milestone);
    if is_new { created(&body) } else { ok(&body) }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (state, name) = (call.query("state"), call.query("name").to_lowercase());
    let fits = |milestone: &&Milestone| {
        let in_state = match state {
            "all" => true,
            "closed" => milestone.closed_at.is_some(),
            _ => milestone.closed_at.is_none(),
        };
        in_state && milestone.title.to_lowercase().contains(&name)
    };
    let found = repo.milestones.iter().filter(fits);
    call.page(found.map(|milestone| call.render().milestone(repo, milestone)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let milestone = find(call, &call.state.repos[&id])?;
    show(call, id, milestone, false)
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: MilestoneOption = call.body()?;
    let repo = call.repo_id(Access::Write)?;
    let title = option.title.filter(|title| !title.is_empty()).ok_or_else(|| ApiError::invalid("[Title]: Required"))?;
    let (id, now) = (call.state.next_id("milestone"), call.now);
    let milestone = Milestone {
        id,
        title,
        description: option.description.unwrap_or_default(),
        closed_at: (option.state.as_deref() == Some("closed")).then_some(now),
        due: option.due_on.as_deref().and_then(parse_rfc3339),
        created: now,
        updated: now,
    };
    call.repo(Access::Write)?.milestones.push(milestone);
    show(call, repo, id, true)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: MilestoneOption = call.body()?;
    let (repo_id, now) = (call.repo_id(Access::Write)?, call.now);
    let id = find(call, &call.state.repos[&repo_id])?;
    let repo = call.repo(Access::Write)?;
    if let Some(milestone) = repo.milestones.iter_mut().find(|milestone| milestone.id == id) {
        if let Some(title) = option.title.filter(|title| !title.is_empty()) {
            milestone.title = title;
        }
        if let Some(description) = option.description {
            milestone.description = description;
        }
        match option.state.as_deref() {
            Some("closed") => milestone.closed_at = Some(now),
            Some("open") => milestone.closed_at = None,
            _ => {}
        }
        if let Some(due) = option.due_on.as_deref() {
            milestone.due = parse_rfc3339(due);
        }
        milestone.updated = now;
    }
    show(call, repo_id, id, false)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let repo_id = call.repo_id(Access::Write)?;
    let id = find(call, &call.state.repos[&repo_id])?;
    let repo = call.repo(Access::Write)?;
    repo.milestones.retain(|milestone| milestone.id != id);
    for issue in repo.issues.values_mut().filter(|issue| issue.milestone == Some(id)) {
        issue.milestone = None;
    }
    done()
}
