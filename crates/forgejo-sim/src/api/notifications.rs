//! Notifications of the caller.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    clock::{parse_rfc3339, rfc3339},
    model::{Notification, repo::Access},
};

use super::{
    call::{ApiError, ApiResult, Call, ok, reply},
    route::{NOTIFICATION, REPO_NOTIFICATION, Route, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "notifications", NOTIFICATION, list),
    signed("PUT", "notifications", NOTIFICATION, mark),
    signed("GET", "notifications/new", NOTIFICATION, new),
    signed("GET", "notifications/threads/{id}", NOTIFICATION, thread),
    signed("PATCH", "notifications/threads/{id}", NOTIFICATION, mark_thread),
    signed("GET", "repos/{owner}/{repo}/notifications", REPO_NOTIFICATION, list_of_repo),
    signed("PUT", "repos/{owner}/{repo}/notifications", REPO_NOTIFICATION, mark_of_repo),
];

/// `None` when the repository is gone or no longer visible.
fn json_of(call: &Call<'_>, row: &Notification) -> Option<Value> {
    let repo = call.state.repos.get(&row.repo).filter(|repo| call.may_see(repo))?;
    let issue = repo.issues.get(&row.issue)?;
    let render = call.render();
    let full_name = call.state.full_name(repo);
    let last = issue.comments.last().map(|comment| comment.id);
    let (kind, path) = if issue.pull.is_some() { ("Pull", "pulls") } else { ("Issue", "issues") };
    let html = call.site.url(&format!("{full_name}/{path}/{}", issue.number));
    let merged = issue.pull.as_ref().is_some_and(|pull| pull.merged.is_some());
    Some(json!({
        "id": row.id, "repository": render.repo(repo), "unread": row.unread, "pinned": row.pinned,
        "updated_at": rfc3339(row.updated), "url": call.site.url(&format!("api/v1/notifications/threads/{}", row.id)),
        "subject": {
            "title": issue.title, "url": render.api(&full_name, &format!("issues/{}", issue.number)), "html_url": html,
            "latest_comment_url": last.map_or(String::new(), |id| render.api(&full_name, &format!("issues/comments/{id}"))),
            "latest_comment_html_url": last.map_or(String::new(), |id| format!("{html}#issuecomment-{id}")),
            "type": kind, "state": if merged { "merged" } else { issue.state() },
        },
    }))
}

/// Which rows a query asks for: unread and pinned ones unless it says otherwise.
fn wanted(call: &Call<'_>, repo: Option<i64>, row: &Notification) -> bool {
    let (since, before) = (call.query_time("since"), call.query_time("before"));
    let statuses: Vec<&str> = call.request.query.all("status-types").collect();
    let in_status = if statuses.is_empty() {
        call.query_flag("all") || row.unread || row.pinned
    } else {
        statuses.iter().any(|status| match *status {
            "unread" => row.unread,
            "pinned" => row.pinned,
            _ => !row.unread && !row.pinned,
        })
    };
    Some(row.user) == call.doer
        && repo.is_none_or(|repo| row.repo == repo)
        && in_status
        && row.updated >= since
        && (before == 0 || row.updated <= before)
}

fn show(call: &Call<'_>, repo: Option<i64>) -> ApiResult {
    let rows = call.state.notifications.iter().rev().filter(|row| wanted(call, repo, row));
    call.page(rows.filter_map(|row| json_of(call, row)).collect())
}

fn list(call: &mut Call<'_>) -> ApiResult {
    show(call, None)
}

fn list_of_repo(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo_id(Access::Read)?;
    show(call, Some(repo))
}

fn new(call: &mut Call<'_>) -> ApiResult {
    let count = call.state.notifications.iter().filter(|row| Some(row.user) == call.doer && row.unread).count();
    ok(&json!({"new": count}))
}

fn mark(call: &mut Call<'_>) -> ApiResult {
    mark_where(call, None)
}

fn mark_of_repo(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo_id(Access::Read)?;
    mark_where(call, Some(repo))
}

/// Marks unread rows as read, or as `to-status` says.
fn mark_where(call: &mut Call<'_>, repo: Option<i64>) -> ApiResult {
    let last_read = parse_rfc3339(call.query("last_read_at")).unwrap_or(call.now);
    let to = call.query("to-status").to_owned();
    let doer = call.doer;
    let mut changed = Vec::new();
    for row in &mut call.state.notifications {
        let fits = Some(row.user) == doer
            && row.unread
            && repo.is_none_or(|repo| row.repo == repo)
            && row.updated <= last_read;
        if fits {
            set(row, &to);
            changed.push(row.clone());
        }
    }
    let body: Vec<Value> = changed.iter().filter_map(|row| json_of(call, row)).collect();
    reply(StatusCode::RESET_CONTENT, &Value::Array(body))
}

fn set(row: &mut Notification, to: &str) {
    match to {
        "unread" => row.unread = true,
        "pinned" => row.pinned = true,
        _ => (row.unread, row.pinned) = (false, false),
    }
}

fn own(call: &Call<'_>) -> Result<usize, ApiError> {
    let id = call.number(0)?;
    let at = call.state.notifications.iter().position(|row| row.id == id).ok_or_else(ApiError::not_found)?;
    if Some(call.state.notifications[at].user) == call.doer {
        Ok(at)
    } else {
        Err(ApiError::forbidden("only user itself and admin are allowed to read/change this thread"))
    }
}

fn thread(call: &mut Call<'_>) -> ApiResult {
    let at = own(call)?;
    ok(&json_of(call, &call.state.notifications[at]).ok_or_else(ApiError::not_found)?)
}

fn mark_thread(call: &mut Call<'_>) -> ApiResult {
    let at = own(call)?;
    let to = call.query("to-status").to_owned();
    set(&mut call.state.notifications[at], &to);
    let body = json_of(call, &call.state.notifications[at]).ok_or_else(ApiError::not_found)?;
    reply(StatusCode::RESET_CONTENT, &body)
}
