//! Comments on issues and pull requests.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{
    issue::{Comment, Issue},
    reference::{Event, Happening},
    repo::{Access, Repo},
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    issues::refer,
    route::{ISSUE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/issues/comments", ISSUE, all),
    open("GET", "repos/{owner}/{repo}/issues/{index}/comments", ISSUE, list),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/comments", ISSUE, create),
    open("GET", "repos/{owner}/{repo}/issues/{index}/timeline", ISSUE, timeline),
    open("GET", "repos/{owner}/{repo}/issues/comments/{id}", ISSUE, get),
    signed("PATCH", "repos/{owner}/{repo}/issues/comments/{id}", ISSUE, edit),
    signed("DELETE", "repos/{owner}/{repo}/issues/comments/{id}", ISSUE, delete),
];

#[derive(Deserialize)]
struct CommentOption {
    #[serde(default)]
    body: String,
}

/// The comment that the third variable names.
fn find<'a>(call: &Call<'_>, repo: &'a Repo) -> Result<(&'a Issue, &'a Comment), ApiError> {
    let id = call.number(2)?;
    let mut all = repo.issues.values().flat_map(|issue| issue.comments.iter().map(move |comment| (issue, comment)));
    all.find(|(_, comment)| comment.id == id).ok_or_else(ApiError::not_found)
}

/// A comment may be changed by its poster and by those who may write to the repository.
fn to_write(call: &Call<'_>) -> Result<(i64, i64, i64), ApiError> {
    let (doer, id) = (call.doer_id()?, call.repo_id(Access::Read)?);
    let repo = &call.state.repos[&id];
    let (issue, comment) = find(call, repo)?;
    if comment.poster != doer && call.state.access(Some(doer), repo) < Access::Write {
        return Err(ApiError::forbidden("user should have a permission to write to a repo"));
    }
    Ok((id, issue.number, comment.id))
}

fn in_window(call: &Call<'_>, comment: &Comment) -> bool {
    let (since, before) = (call.query_time("since"), call.query_time("before"));
    comment.updated >= since && (before == 0 || comment.updated <= before)
}

/// Forgejo pages the comments of a repository, but not those of one issue.
fn all(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let comments = repo.issues.values().flat_map(|issue| issue.comments.iter().map(move |comment| (issue, comment)));
    let shown = comments.filter(|(_, comment)| in_window(call, comment));
    call.page(shown.map(|(issue, comment)| call.render().comment(repo, issue, comment)).collect())
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = call.issue_place()?;
    let repo = &call.state.repos[&id];
    let issue = &repo.issues[&number];
    let comments = issue.comments.iter().filter(|comment| in_window(call, comment));
    let comments: Vec<Value> = comments.map(|comment| call.render().comment(repo, issue, comment)).collect();
    let total = comments.len();
    call.counted(&Value::Array(comments), total)
}

fn timeline(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = call.issue_place()?;
    let repo = &call.state.repos[&id];
    let issue = &repo.issues[&number];
    let events = issue.comments.iter().map(|comment| {
        let mut event = call.render().comment(repo, issue, comment);
        event["type"] = json!("comment");
        event
    });
    let mut events: Vec<Value> = events.chain(issue.events.iter().filter_map(|event| happening(call, event))).collect();
    events.sort_by_key(|event| event["id"].as_i64());
    call.page(events)
}

/// An event other than a comment. One about what the caller may not see is not shown; one about a commit shows its message to everybody.
fn happening(call: &Call<'_>, event: &Event) -> Option<Value> {
    let issue_of = |repo: &i64, number: &i64| {
        let repo = call.state.repos.get(repo).filter(|repo| call.may_see(repo))?;
        Some(call.render().issue(repo, repo.issues.get(number)?))
    };
    let mut shown = match &event.what {
        Happening::Mentioned(repo, number) => json!({"type": "issue_ref", "ref_issue": issue_of(repo, number)?}),
        Happening::Depends(repo, number) => {
            json!({"type": "add_dependency", "dependent_issue": issue_of(repo, number)?})
        }
        Happening::MentionedByCommit(repo, sha, message) => {
            let name = call.state.full_name(call.state.repos.get(repo)?);
            let body = format!("<a href=\"/{name}/commit/{sha}\">{}</a>", message.trim());
            json!({"type": "commit_ref", "ref_commit_sha": sha, "body": body})
        }
    };
    for (member, value) in [
        ("id", json!(event.id)),
        ("user", call.render().user_by_id(event.doer)),
        ("created_at", json!(crate::clock::rfc3339(event.created))),
    ] {
        shown[member] = value;
    }
    Some(shown)
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: CommentOption = call.body()?;
    if option.body.is_empty() {
        return Err(ApiError::invalid("[Body]: Required"));
    }
    let (doer, now) = (call.doer_id()?, call.now);
    let (repo_id, number) = call.issue_place()?;
    let may_write = call.state.access(Some(doer), &call.state.repos[&repo_id]) >= Access::Write;
    let id = call.state.next_id("comment");
    let issue = call.issue()?;
    if issue.locked && !may_write {
        return Err(ApiError::forbidden("issue is locked"));
    }
    issue.comments.push(Comment { id, poster: doer, body: option.body.clone(), created: now, updated: now });
    issue.updated = now;
    call.state.notify(repo_id, number, doer, now);
    refer(call, repo_id, number, &option.body);
    let repo = &call.state.repos[&repo_id];
    let issue = &repo.issues[&number];
    let comment = issue.comments.last().ok_or_else(ApiError::not_found)?;
    created(&call.render().comment(repo, issue, comment))
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (issue, comment) = find(call, repo)?;
    ok(&call.render().comment(repo, issue, comment))
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: CommentOption = call.body()?;
    let (repo_id, number, id) = to_write(call)?;
    let now = call.now;
    if let Some(issue) = call.state.repos.get_mut(&repo_id).and_then(|repo| repo.issues.get_mut(&number))
        && let Some(comment) = issue.comments.iter_mut().find(|comment| comment.id == id)
    {
        comment.body = option.body;
        comment.updated = now;
    }
    get(call)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let (repo_id, number, id) = to_write(call)?;
    if let Some(issue) = call.state.repos.get_mut(&repo_id).and_then(|repo| repo.issues.get_mut(&number)) {
        issue.comments.retain(|comment| comment.id != id);
    }
    done()
}
