//! Actions: no runs ever happen here, but the doors are there: runner registration tokens, secrets, variables.
//!
//! As measured, a GET with read scopes hands out a runner registration token of a repository or of the user.

use serde_json::json;

use crate::{
    model::repo::Access,
    secret::{self, SecretKind},
};

use super::{
    call::{ApiError, ApiResult, Call, done, ok},
    route::{ADMIN, ORG, REPO, Route, USER, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "repos/{owner}/{repo}/actions/runners/registration-token", REPO, of_repo),
    signed("GET", "user/actions/runners/registration-token", USER, of_user),
    signed("GET", "orgs/{org}/actions/runners/registration-token", ORG, of_org),
    signed("GET", "admin/runners/registration-token", ADMIN, of_server),
    signed("GET", "repos/{owner}/{repo}/actions/secrets", REPO, list_for_admins),
    signed("PUT", "repos/{owner}/{repo}/actions/secrets/{name}", REPO, accept_for_admins),
    signed("GET", "repos/{owner}/{repo}/actions/variables", REPO, list_for_admins),
    signed("PUT", "user/actions/secrets/{name}", USER, accept),
    signed("GET", "user/actions/variables", USER, list),
    open("GET", "repos/{owner}/{repo}/actions/tasks", REPO, runs),
    open("GET", "repos/{owner}/{repo}/actions/runs", REPO, runs),
    open("GET", "repos/{owner}/{repo}/actions/runs/{id}", REPO, no_run),
    open("GET", "repos/{owner}/{repo}/actions/runs/{id}/jobs", REPO, no_run),
    open("GET", "repos/{owner}/{repo}/actions/jobs/{id}/logs", REPO, no_run),
    signed("POST", "repos/{owner}/{repo}/actions/workflows/{name}/dispatches", REPO, no_workflow),
];

fn give(call: &Call<'_>, slot: &mut Option<String>) -> ApiResult {
    let token = slot.get_or_insert_with(|| call.site.issue(SecretKind::RunnerToken, secret::hex40()));
    ok(&json!({"token": token}))
}

fn of_repo(call: &mut Call<'_>) -> ApiResult {
    let mut slot = call.repo(Access::Admin)?.runner_token.take();
    let answer = give(call, &mut slot);
    call.repo(Access::Admin)?.runner_token = slot;
    answer
}

fn of_user(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let mut slot = call.doer()?.runner_token.clone();
    let answer = give(call, &mut slot);
    if let Some(user) = call.state.users.get_mut(&doer) {
        user.runner_token = slot;
    }
    answer
}

fn of_org(call: &mut Call<'_>) -> ApiResult {
    let mut slot = call.own_org()?.runner_token.take();
    let answer = give(call, &mut slot);
    call.own_org()?.runner_token = slot;
    answer
}

fn of_server(call: &mut Call<'_>) -> ApiResult {
    super::admin::demand(call)?;
    give(call, &mut None)
}

fn list_for_admins(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Admin)?;
    call.page(Vec::new())
}

fn accept_for_admins(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Admin)?;
    done()
}

fn list(call: &mut Call<'_>) -> ApiResult {
    call.page(Vec::new())
}

fn accept(call: &mut Call<'_>) -> ApiResult {
    call.doer_id()?;
    done()
}

fn runs(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Read)?;
    call.counted(&json!({"workflow_runs": [], "total_count": 0}), 0)
}

fn no_run(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Read)?;
    Err(ApiError::not_found())
}

fn no_workflow(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Write)?;
    Err(ApiError::not_found())
}
