//! Tracked times and stopwatches.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        issue::{Issue, Time},
        repo::{Access, Repo},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ISSUE, REPO, Route, USER, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "repos/{owner}/{repo}/issues/{index}/times", ISSUE, of_issue),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/times", ISSUE, add),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/times", ISSUE, reset),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/times/{id}", ISSUE, delete),
    signed("GET", "repos/{owner}/{repo}/times", REPO, of_repo),
    signed("GET", "user/times", USER, mine),
    signed("GET", "user/stopwatches", USER, stopwatches),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/stopwatch/start", ISSUE, start),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/stopwatch/stop", ISSUE, stop),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/stopwatch/delete", ISSUE, cancel),
];

fn json_of(call: &Call<'_>, repo: &Repo, issue: &Issue, time: &Time) -> Value {
    json!({
        "id": time.id, "created": rfc3339(time.created), "time": time.seconds, "user_id": time.user,
        "user_name": call.state.login(time.user), "issue_id": issue.id, "issue": call.render().issue(repo, issue),
    })
}

fn list(call: &Call<'_>, wanted: impl Fn(&Repo, &Issue, &Time) -> bool) -> ApiResult {
    let mut found = Vec::new();
    for repo in call.state.repos.values() {
        for issue in repo.issues.values() {
            let times = issue.times.iter().filter(|time| wanted(repo, issue, time));
            found.extend(times.map(|time| json_of(call, repo, issue, time)));
        }
    }
    call.page(found)
}

fn of_issue(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = call.issue_place()?;
    list(call, |repo, issue, _| repo.id == id && issue.number == number)
}

fn of_repo(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let user = call.query("user");
    list(call, |repo, _, time| repo.id == id && (user.is_empty() || call.state.login(time.user) == user))
}

fn mine(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    list(call, |_, _, time| time.user == doer)
}

#[derive(Deserialize)]
struct TimeOption {
    time: i64,
    user_name: Option<String>,
}

fn add(call: &mut Call<'_>) -> ApiResult {
    let option: TimeOption = call.body()?;
    let (repo_id, number) = call.issue_place()?;
    call.repo_id(Access::Write)?;
    let user = match option.user_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => call.state.user(name).ok_or_else(ApiError::not_found)?.id,
        None => call.doer_id()?,
    };
    let time = Time { id: call.state.next_id("time"), user, seconds: option.time, created: call.now };
    call.issue()?.times.push(time.clone());
    let repo = &call.state.repos[&repo_id];
    ok(&json_of(call, repo, &repo.issues[&number], &time))
}

fn reset(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    call.issue()?.times.retain(|time| time.user != doer);
    done()
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let (doer, id, is_admin) = (call.doer_id()?, call.number(3)?, call.is_admin());
    let issue = call.issue()?;
    let time = issue.times.iter().find(|time| time.id == id).ok_or_else(ApiError::not_found)?;
    if time.user != doer && !is_admin {
        return Err(ApiError::forbidden("not the user's time"));
    }
    issue.times.retain(|time| time.id != id);
    done()
}

fn stopwatches(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let mut found = Vec::new();
    for repo in call.state.repos.values() {
        for issue in repo.issues.values() {
            let Some(since) = issue.stopwatches.get(&doer) else {
                continue;
            };
            let seconds = call.now - since;
            found.push(json!({
                "created": rfc3339(*since), "seconds": seconds, "duration": format!("{seconds}s"), "issue_index": issue.number,
                "issue_title": issue.title, "repo_owner_name": call.state.owner_name(repo.owner), "repo_name": repo.name,
            }));
        }
    }
    call.page(found)
}

fn start(call: &mut Call<'_>) -> ApiResult {
    let (doer, now) = (call.doer_id()?, call.now);
    call.repo_id(Access::Write)?;
    let issue = call.issue()?;
    if issue.stopwatches.contains_key(&doer) {
        return Err(ApiError::new(http::StatusCode::CONFLICT, "cannot start a stopwatch again if it already exists"));
    }
    issue.stopwatches.insert(doer, now);
    created(&Value::Null)
}

fn stop(call: &mut Call<'_>) -> ApiResult {
    let (doer, now) = (call.doer_id()?, call.now);
    let id = call.state.next_id("time");
    let issue = call.issue()?;
    let since = take_watch(issue, doer)?;
    issue.times.push(Time { id, user: doer, seconds: now - since, created: now });
    created(&Value::Null)
}

fn cancel(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    take_watch(call.issue()?, doer)?;
    done()
}

fn take_watch(issue: &mut Issue, user: i64) -> Result<i64, ApiError> {
    let missing = || ApiError::new(http::StatusCode::CONFLICT, "cannot stop a non-existing stopwatch");
    issue.stopwatches.remove(&user).ok_or_else(missing)
}
