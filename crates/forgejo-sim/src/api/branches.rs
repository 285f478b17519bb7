//! Branches and tags.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        git::Commit,
        repo::{Access, Repo},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    render::Render,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/branches", REPO, list),
    signed("POST", "repos/{owner}/{repo}/branches", REPO, create),
    open("GET", "repos/{owner}/{repo}/branches/*", REPO, get),
    signed("DELETE", "repos/{owner}/{repo}/branches/*", REPO, delete),
    open("GET", "repos/{owner}/{repo}/tags", REPO, tags),
    signed("POST", "repos/{owner}/{repo}/tags", REPO, create_tag),
    open("GET", "repos/{owner}/{repo}/tags/*", REPO, get_tag),
    signed("DELETE", "repos/{owner}/{repo}/tags/*", REPO, delete_tag),
    open("GET", "repos/{owner}/{repo}/git/refs", REPO, refs),
    open("GET", "repos/{owner}/{repo}/git/refs/*", REPO, refs_below),
];

// === impl Render ===

impl Render<'_> {
    pub(crate) fn payload_commit(&self, repo: &Repo, commit: &Commit) -> Value {
        let person = json!({"name": commit.author_name, "email": commit.author_email, "username": commit.author_name});
        json!({
            "id": commit.sha, "message": commit.message,
            "url": self.site.url(&format!("{}/commit/{}", self.state.full_name(repo), commit.sha)),
            "author": person, "committer": person, "verification": unsigned(),
            "timestamp": rfc3339(commit.time), "added": null, "removed": null, "modified": null,
        })
    }

    fn branch(&self, repo: &Repo, name: &str, sha: &str) -> Value {
        let may_push = self.state.access(self.doer, repo) >= Access::Write;
        let rule = repo.protections.iter().find(|rule| rule["rule_name"] == name);
        json!({
            "name": name, "commit": repo.git.commits.get(sha).map(|commit| self.payload_commit(repo, commit)),
            "protected": rule.is_some(), "required_approvals": rule.map_or(json!(0), |rule| rule["required_approvals"].clone()),
            "enable_status_check": false, "status_check_contexts": [], "user_can_push": may_push, "user_can_merge": may_push,
            "effective_branch_protection_name": if rule.is_some() { name } else { "" },
        })
    }

    fn tag(&self, repo: &Repo, name: &str, sha: &str) -> Value {
        let full_name = self.state.full_name(repo);
        let time = repo.git.commits.get(sha).map_or(0, |commit| commit.time);
        json!({
            "name": name, "message": "", "id": sha,
            "commit": {"url": self.api(&full_name, &format!("git/commits/{sha}")), "sha": sha, "created": rfc3339(time)},
            "zipball_url": self.site.url(&format!("{full_name}/archive/{name}.zip")),
            "tarball_url": self.site.url(&format!("{full_name}/archive/{name}.tar.gz")),
            "archive_download_count": {"zip": 0, "tar_gz": 0},
        })
    }
}

pub(crate) fn unsigned() -> Value {
    json!({"verified": false, "reason": "gpg.error.not_signed_commit", "signature": "", "signer": null, "payload": ""})
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let branches = repo.git.branches.iter();
    call.page(branches.map(|(name, sha)| call.render().branch(repo, name, sha)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let name = call.param(2);
    let sha = repo.git.branches.get(name).ok_or_else(ApiError::not_found)?;
    ok(&call.render().branch(repo, name, sha))
}

#[derive(Deserialize)]
struct CreateBranch {
    #[serde(rename = "new_branch_name")]
    name: String,
    #[serde(default, rename = "old_branch_name")]
    old_branch: String,
    #[serde(default, rename = "old_ref_name")]
    old_ref: String,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: CreateBranch = call.body()?;
    let repo = call.repo(Access::Write)?;
    let from = [option.old_ref, option.old_branch].into_iter().find(|name| !name.is_empty());
    let from = from.unwrap_or_else(|| repo.default_branch.clone());
    let name = option.name;
    if name.is_empty() || name.contains("..") || name.contains(' ') || name.ends_with('/') {
        return Err(ApiError::invalid("[NewBranchName]: GitRefName"));
    }
    if repo.git.branches.contains_key(&name) {
        return Err(ApiError::new(StatusCode::CONFLICT, "The branch already exists."));
    }
    let commit = repo.resolve(&from);
    let sha = commit.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "The old branch does not exist"))?.sha.clone();
    repo.git.branches.insert(name.clone(), sha.clone());
    let id = repo.id;
    created(&call.render().branch(&call.state.repos[&id], &name, &sha))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let name = call.param(2).to_owned();
    let repo = call.repo(Access::Write)?;
    if name == repo.default_branch {
        return Err(ApiError::forbidden("default branch"));
    }
    if repo.git.branches.remove(&name).is_some() { done() } else { Err(ApiError::not_found()) }
}

fn tags(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    call.page(repo.git.tags.iter().map(|(name, sha)| call.render().tag(repo, name, sha)).collect())
}

fn get_tag(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let sha = repo.git.tags.get(call.param(2)).ok_or_else(ApiError::not_found)?;
    ok(&call.render().tag(repo, call.param(2), sha))
}

#[derive(Deserialize)]
struct CreateTag {
    tag_name: String,
    #[serde(default)]
    target: String,
}

fn create_tag(call: &mut Call<'_>) -> ApiResult {
    let option: CreateTag = call.body()?;
    let repo = call.repo(Access::Write)?;
    if repo.git.tags.contains_key(&option.tag_name) {
        return Err(ApiError::new(StatusCode::CONFLICT, "tag already exists"));
    }
    let target = if option.target.is_empty() { repo.default_branch.clone() } else { option.target };
    let commit = repo.resolve(&target);
    let sha = commit.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "target not found"))?.sha.clone();
    repo.git.tags.insert(option.tag_name.clone(), sha.clone());
    let id = repo.id;
    created(&call.render().tag(&call.state.repos[&id], &option.tag_name, &sha))
}

fn delete_tag(call: &mut Call<'_>) -> ApiResult {
    let name = call.param(2).to_owned();
    let repo = call.repo(Access::Write)?;
    if repo.releases.iter().any(|release| release.tag == name) {
        return Err(ApiError::new(StatusCode::CONFLICT, "a tag attached to a release cannot be deleted directly"));
    }
    if repo.git.tags.remove(&name).is_some() { done() } else { Err(ApiError::not_found()) }
}

fn refs(call: &mut Call<'_>) -> ApiResult {
    refs_with(call, "")
}

fn refs_below(call: &mut Call<'_>) -> ApiResult {
    let prefix = format!("refs/{}", call.param(2));
    refs_with(call, &prefix)
}

fn refs_with(call: &mut Call<'_>, prefix: &str) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let full_name = call.state.full_name(repo);
    let heads = repo.git.branches.iter().map(|(name, sha)| (format!("refs/heads/{name}"), sha));
    let tags = repo.git.tags.iter().map(|(name, sha)| (format!("refs/tags/{name}"), sha));
    let found: Vec<Value> = heads
        .chain(tags)
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, sha)| {
            let object = json!({"type": "commit", "sha": sha, "url": call.render().api(&full_name, &format!("git/commits/{sha}"))});
            json!({"ref": name, "url": call.render().api(&full_name, &format!("git/{name}")), "object": object})
        })
        .collect();
    if found.is_empty() { Err(ApiError::not_found()) } else { ok(&Value::Array(found)) }
}
