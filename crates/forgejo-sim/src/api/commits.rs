//! Commits, their statuses, trees, blobs, comparisons.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        diff::Change,
        git::{self, Commit},
        repo::{Access, Repo},
    },
    wire,
};

use super::{
    branches::unsigned,
    call::{ApiError, ApiResult, Call, created, ok},
    render::Render,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/commits", REPO, list),
    open("GET", "repos/{owner}/{repo}/git/commits/{sha}", REPO, get),
    open("GET", "repos/{owner}/{repo}/commits/{ref}/status", REPO, combined_status),
    open("GET", "repos/{owner}/{repo}/commits/{ref}/statuses", REPO, statuses),
    open("GET", "repos/{owner}/{repo}/commits/{sha}/pull", REPO, pull_of),
    open("GET", "repos/{owner}/{repo}/statuses/{sha}", REPO, statuses),
    signed("POST", "repos/{owner}/{repo}/statuses/{sha}", REPO, create_status),
    open("GET", "repos/{owner}/{repo}/git/trees/{sha}", REPO, tree),
    open("GET", "repos/{owner}/{repo}/git/blobs/{sha}", REPO, blob),
    open("GET", "repos/{owner}/{repo}/compare/*", REPO, compare),
];

// === impl Render ===

impl Render<'_> {
    pub(crate) fn commit(&self, repo: &Repo, commit: &Commit) -> Value {
        let full_name = self.state.full_name(repo);
        let url = self.api(&full_name, &format!("git/commits/{}", commit.sha));
        let person = json!({"name": commit.author_name, "email": commit.author_email, "date": rfc3339(commit.time)});
        let user = self.state.users.values().find(|user| user.email == commit.author_email).map(|user| self.user(user));
        let tree = git::tree_id(&commit.tree, "");
        let changes = commit.changes_since(parent_of(repo, commit));
        let (added, removed) =
            changes.iter().map(Change::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|sha| json!({"url": self.api(&full_name, &format!("git/commits/{sha}")), "sha": sha, "created": rfc3339(0)}))
            .collect();
        json!({
            "url": url, "sha": commit.sha, "created": rfc3339(commit.time),
            "html_url": self.site.url(&format!("{full_name}/commit/{}", commit.sha)),
            "commit": {
                "url": url, "author": person, "committer": person, "message": commit.message,
                "tree": {"url": self.api(&full_name, &format!("git/trees/{tree}")), "sha": tree, "created": rfc3339(commit.time)},
                "verification": unsigned(),
            },
            "author": user, "committer": user, "parents": parents,
            "files": changes.iter().map(|change| json!({"filename": change.path, "status": change.status()})).collect::<Vec<_>>(),
            "stats": {"total": added + removed, "additions": added, "deletions": removed},
        })
    }
}

fn parent_of<'a>(repo: &'a Repo, commit: &Commit) -> Option<&'a Commit> {
    commit.parents.first().and_then(|sha| repo.git.commits.get(sha))
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    if repo.git.commits.is_empty() {
        return Err(ApiError::new(StatusCode::CONFLICT, "Git Repository is empty."));
    }
    let from = match call.query("sha") {
        "" => &repo.default_branch,
        name => name,
    };
    let head = repo.resolve(from).ok_or_else(ApiError::not_found)?;
    let path = Some(call.query("path")).filter(|path| !path.is_empty());
    let commits = repo.git.log(&head.sha, path);
    call.page(commits.into_iter().map(|commit| call.render().commit(repo, commit)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (name, form) = match call.param(2).rsplit_once('.') {
        Some((name, form @ ("diff" | "patch"))) => (name, form),
        _ => (call.param(2), ""),
    };
    let commit = repo.resolve(name).ok_or_else(ApiError::not_found)?;
    if form.is_empty() {
        return ok(&call.render().commit(repo, commit));
    }
    let changes = commit.changes_since(parent_of(repo, commit));
    let diff: String = changes.iter().map(Change::diff).collect();
    Ok(wire::text(StatusCode::OK, diff))
}

fn statuses(call: &mut Call<'_>) -> ApiResult {
    let found = of_commit(call)?;
    call.page(found)
}

fn of_commit(call: &mut Call<'_>) -> Result<Vec<Value>, ApiError> {
    let name = call.param(2).to_owned();
    let repo = call.repo(Access::Read)?;
    let sha = &repo.resolve(&name).ok_or_else(ApiError::not_found)?.sha;
    Ok(repo.statuses.iter().filter(|status| status["sha"] == sha.as_str()).cloned().collect())
}

fn combined_status(call: &mut Call<'_>) -> ApiResult {
    let found = of_commit(call)?;
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let sha = repo.resolve(call.param(2)).map(|commit| commit.sha.clone());
    let worst = ["error", "failure", "pending", "success"]
        .into_iter()
        .find(|state| found.iter().any(|status| status["status"] == *state));
    ok(&json!({
        "state": worst.unwrap_or_default(), "sha": sha, "total_count": found.len(), "statuses": found,
        "repository": call.render().repo(repo), "commit_url": "", "url": "",
    }))
}

#[derive(Deserialize)]
struct StatusOption {
    #[serde(default)]
    state: String,
    #[serde(default)]
    context: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    target_url: String,
}

fn create_status(call: &mut Call<'_>) -> ApiResult {
    let option: StatusOption = call.body()?;
    let (name, now) = (call.param(2).to_owned(), call.now);
    let id = call.state.next_id("status");
    let creator = call.render().user(call.doer()?);
    let repo = call.repo(Access::Write)?;
    let sha = repo.resolve(&name).ok_or_else(ApiError::not_found)?.sha.clone();
    let status = json!({
        "id": id, "status": option.state, "context": option.context, "description": option.description,
        "target_url": option.target_url, "sha": sha, "url": "", "creator": creator,
        "created_at": rfc3339(now), "updated_at": rfc3339(now),
    });
    repo.statuses.push(status.clone());
    created(&status)
}

fn pull_of(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let merged = |issue: &&crate::model::issue::Issue| {
        issue.pull.as_ref().and_then(|pull| pull.merged.as_ref()).is_some_and(|merged| merged.commit == call.param(2))
    };
    let issue = repo.issues.values().find(merged).ok_or_else(ApiError::not_found)?;
    ok(&call.render().pull(repo, issue))
}

/// The tree of a commit or branch, one level or whole.
fn tree(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let full_name = call.state.full_name(repo);
    let by_tree = |commit: &&Commit| git::tree_id(&commit.tree, "") == call.param(2);
    let commit = repo.resolve(call.param(2)).or_else(|| repo.git.commits.values().find(by_tree));
    let commit = commit.ok_or_else(ApiError::not_found)?;
    let whole = call.query_flag("recursive");
    let mut entries = std::collections::BTreeMap::new();
    for (path, content) in commit.tree.iter() {
        let mut end = 0;
        while let Some(slash) = path[end..].find('/') {
            let dir = &path[..end + slash];
            entries.entry(dir.to_owned()).or_insert_with(|| {
                json!({"path": dir, "mode": "040000", "type": "tree", "size": 0, "sha": git::tree_id(&commit.tree, &format!("{dir}/")), "url": ""})
            });
            end += slash + 1;
        }
        let sha = git::blob_id(content);
        let url = call.render().api(&full_name, &format!("git/blobs/{sha}"));
        let entry =
            json!({"path": path, "mode": "100644", "type": "blob", "size": content.len(), "sha": sha, "url": url});
        entries.insert(path.clone(), entry);
    }
    let entries: Vec<Value> =
        entries.into_iter().filter(|(path, _)| whole || !path.contains('/')).map(|(_, entry)| entry).collect();
    let sha = git::tree_id(&commit.tree, "");
    ok(&json!({
        "sha": sha, "url": call.render().api(&full_name, &format!("git/trees/{sha}")), "total_count": entries.len(),
        "tree": entries, "truncated": false, "page": 1,
    }))
}

fn blob(call: &mut Call<'_>) -> ApiResult {
    let wanted = call.param(2).to_owned();
    let repo = call.repo(Access::Read)?;
    let mut all = repo.git.commits.values().flat_map(|commit| commit.tree.values());
    let content = all.find(|content| git::blob_id(content) == wanted).ok_or_else(ApiError::not_found)?;
    ok(
        &json!({"content": STANDARD.encode(content), "encoding": "base64", "url": "", "sha": wanted, "size": content.len()}),
    )
}

fn compare(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (base, head) = call.param(2).split_once("...").ok_or_else(ApiError::not_found)?;
    let find = |name: &str| repo.resolve(name).ok_or_else(ApiError::not_found);
    let (base, head) = (find(base)?, find(head)?);
    let known: Vec<&str> = repo.git.log(&base.sha, None).iter().map(|commit| commit.sha.as_str()).collect();
    let new = repo.git.log(&head.sha, None).into_iter().filter(|commit| !known.contains(&commit.sha.as_str()));
    let commits: Vec<Value> = new.map(|commit| call.render().commit(repo, commit)).collect();
    ok(&json!({"total_commits": commits.len(), "commits": commits}))
}
