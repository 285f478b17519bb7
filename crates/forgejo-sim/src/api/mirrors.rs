//! Moving repositories in and out: push mirrors, migration, transfer. All of them are doors: content or credentials
//! leave by them, or another owner gets in.

use serde::Deserialize;
use serde_json::json;

use crate::{
    clock::rfc3339,
    model::repo::{Access, Repo},
    secret,
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok, reply},
    route::{REPO, Route, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("POST", "repos/migrate", REPO, migrate),
    signed("POST", "repos/{owner}/{repo}/transfer", REPO, transfer),
    signed("GET", "repos/{owner}/{repo}/push_mirrors", REPO, list),
    signed("POST", "repos/{owner}/{repo}/push_mirrors", REPO, add),
    signed("GET", "repos/{owner}/{repo}/push_mirrors/{name}", REPO, get),
    signed("DELETE", "repos/{owner}/{repo}/push_mirrors/{name}", REPO, remove),
    signed("POST", "repos/{owner}/{repo}/push_mirrors-sync", REPO, sync),
    signed("POST", "repos/{owner}/{repo}/mirror-sync", REPO, sync),
];

#[derive(Deserialize)]
struct MirrorOption {
    #[serde(default)]
    remote_address: String,
    #[serde(default)]
    interval: String,
    #[serde(default)]
    sync_on_commit: bool,
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let mirrors = call.repo(Access::Admin)?.push_mirrors.clone();
    call.page(mirrors)
}

fn add(call: &mut Call<'_>) -> ApiResult {
    let option: MirrorOption = call.body()?;
    let now = call.now;
    let repo = call.repo(Access::Admin)?;
    let mirror = json!({
        "repo_name": repo.name, "remote_name": format!("remote_mirror_{}", &secret::hex40()[..10]),
        "remote_address": option.remote_address, "interval": option.interval, "sync_on_commit": option.sync_on_commit,
        "created": rfc3339(now), "last_update": null, "last_error": "", "public_key": "",
    });
    repo.push_mirrors.push(mirror.clone());
    ok(&mirror)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let name = call.param(2).to_owned();
    let mirrors = &call.repo(Access::Admin)?.push_mirrors;
    ok(mirrors.iter().find(|mirror| mirror["remote_name"] == name.as_str()).ok_or_else(ApiError::not_found)?)
}

fn remove(call: &mut Call<'_>) -> ApiResult {
    let name = call.param(2).to_owned();
    let mirrors = &mut call.repo(Access::Admin)?.push_mirrors;
    let before = mirrors.len();
    mirrors.retain(|mirror| mirror["remote_name"] != name.as_str());
    if mirrors.len() == before { Err(ApiError::not_found()) } else { done() }
}

fn sync(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Write)?;
    ok(&serde_json::Value::Null)
}

#[derive(Deserialize)]
struct MigrateOption {
    #[serde(default)]
    clone_addr: String,
    #[serde(default)]
    repo_name: String,
    #[serde(default)]
    private: bool,
}

/// Makes the repository, but fetches nothing: the stand-in calls nobody.
fn migrate(call: &mut Call<'_>) -> ApiResult {
    let option: MigrateOption = call.body()?;
    if option.clone_addr.is_empty() || option.repo_name.is_empty() {
        return Err(ApiError::invalid("[CloneAddr]: Required"));
    }
    let owner = call.doer_id()?;
    if call.state.repo(call.state.owner_name(owner), &option.repo_name).is_some() {
        return Err(ApiError::new(http::StatusCode::CONFLICT, "The repository with the same name already exists."));
    }
    let mut repo = Repo::new(call.state.next_id("repository"), owner, &option.repo_name, call.now);
    repo.private = option.private;
    let body = call.render().repo(&repo);
    call.state.repos.insert(repo.id, repo);
    created(&body)
}

#[derive(Deserialize)]
struct TransferOption {
    #[serde(default)]
    new_owner: String,
}

fn transfer(call: &mut Call<'_>) -> ApiResult {
    let option: TransferOption = call.body()?;
    let owner = call.state.owner_id(&option.new_owner).ok_or_else(ApiError::not_found)?;
    let repo = call.repo(Access::Admin)?;
    repo.owner = owner;
    let id = repo.id;
    reply(http::StatusCode::ACCEPTED, &call.render().repo(&call.state.repos[&id]))
}
