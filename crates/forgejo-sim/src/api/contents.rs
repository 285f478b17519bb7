//! Files: contents in base64, raw bytes, archives; create, change, delete.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    model::{
        git::{self, Commit, Signature, Tree},
        reference::Source,
        repo::{Access, Repo},
    },
    web,
};

use super::{
    branches::unsigned,
    call::{ApiError, ApiResult, Call, created, ok},
    render::Render,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/contents", REPO, root),
    open("GET", "repos/{owner}/{repo}/contents/*", REPO, get),
    signed("POST", "repos/{owner}/{repo}/contents", REPO, change_several),
    signed("POST", "repos/{owner}/{repo}/contents/*", REPO, create),
    signed("PUT", "repos/{owner}/{repo}/contents/*", REPO, update),
    signed("DELETE", "repos/{owner}/{repo}/contents/*", REPO, delete),
    open("GET", "repos/{owner}/{repo}/raw/*", REPO, raw),
    open("GET", "repos/{owner}/{repo}/media/*", REPO, raw),
    open("GET", "repos/{owner}/{repo}/archive/*", REPO, archive),
];

// === impl Render ===

impl Render<'_> {
    /// A file, with its content when `whole`.
    fn file(&self, repo: &Repo, at: &str, path: &str, content: &Bytes, whole: bool) -> Value {
        let full_name = self.state.full_name(repo);
        let sha = git::blob_id(content);
        let url = self.api(&full_name, &format!("contents/{path}?ref={at}"));
        let html = self.site.url(&format!("{full_name}/src/branch/{at}/{path}"));
        let git_url = self.api(&full_name, &format!("git/blobs/{sha}"));
        json!({
            "name": path.rsplit('/').next(), "path": path, "sha": sha, "last_commit_sha": repo.resolve(at).map(|c| c.sha.clone()),
            "type": "file", "size": content.len(), "encoding": if whole { json!("base64") } else { Value::Null },
            "content": if whole { json!(STANDARD.encode(content)) } else { Value::Null }, "target": null,
            "url": url, "html_url": html, "git_url": git_url,
            "download_url": self.site.url(&format!("{full_name}/raw/branch/{at}/{path}")), "submodule_git_url": null,
            "_links": {"self": url, "git": git_url, "html": html},
        })
    }

    fn directory(&self, repo: &Repo, at: &str, path: &str, tree: &Tree) -> Value {
        let full_name = self.state.full_name(repo);
        let sha = git::tree_id(tree, &format!("{path}/"));
        let url = self.api(&full_name, &format!("contents/{path}?ref={at}"));
        let html = self.site.url(&format!("{full_name}/src/branch/{at}/{path}"));
        let git_url = self.api(&full_name, &format!("git/trees/{sha}"));
        json!({
            "name": path.rsplit('/').next(), "path": path, "sha": sha, "last_commit_sha": repo.resolve(at).map(|c| c.sha.clone()),
            "type": "dir", "size": 0, "encoding": null, "content": null, "target": null, "url": url, "html_url": html,
            "git_url": git_url, "download_url": null, "submodule_git_url": null,
            "_links": {"self": url, "git": git_url, "html": html},
        })
    }

    fn listing(&self, repo: &Repo, at: &str, path: &str, tree: &Tree) -> Vec<Value> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut out = Vec::new();
        let mut last_dir = String::new();
        for (name, content) in tree.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            match name[prefix.len()..].split_once('/') {
                None => out.push(self.file(repo, at, name, content, false)),
                Some((dir, _)) if dir != last_dir => {
                    dir.clone_into(&mut last_dir);
                    out.push(self.directory(repo, at, &format!("{prefix}{dir}"), tree));
                }
                Some(_) => {}
            }
        }
        out
    }
}

/// The commit that `ref` names, the default branch's without it.
fn commit_at<'a>(call: &Call<'_>, repo: &'a Repo) -> Result<(String, &'a Commit), ApiError> {
    let name = match call.query("ref") {
        "" => repo.default_branch.as_str(),
        name => name,
    };
    Ok((name.to_owned(), repo.resolve(name).ok_or_else(ApiError::not_found)?))
}

fn root(call: &mut Call<'_>) -> ApiResult {
    show(call, "")
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let path = call.param(2).to_owned();
    show(call, &path)
}

fn show(call: &mut Call<'_>, path: &str) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (at, commit) = commit_at(call, repo)?;
    if let Some(content) = commit.tree.get(path) {
        return ok(&call.render().file(repo, &at, path, content, true));
    }
    let listing = call.render().listing(repo, &at, path, &commit.tree);
    if listing.is_empty() && !path.is_empty() {
        let message = format!("object does not exist [id: , rel_path: {path}]");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    }
    ok(&Value::Array(listing))
}

/// `raw/{path}?ref=`, or the older `raw/{ref}/{path}`.
fn raw(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let path = call.param(2);
    let (_, commit) = commit_at(call, repo)?;
    let content = commit.tree.get(path).or_else(|| {
        let (at, rest) = path.split_once('/')?;
        repo.resolve(at)?.tree.get(rest)
    });
    let content = content.ok_or_else(ApiError::not_found)?.clone();
    Ok(web::download::file(&content))
}

fn archive(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    web::download::archive_of(repo, call.param(2)).ok_or_else(ApiError::not_found)
}

#[derive(Deserialize, Default)]
struct Person {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
}

#[derive(Deserialize)]
struct FileOption {
    #[serde(default)]
    content: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    branch: String,
    #[serde(default)]
    new_branch: String,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    from_path: String,
    #[serde(default)]
    author: Person,
}

#[derive(Deserialize)]
struct FileOperation {
    operation: String,
    path: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    from_path: String,
}

#[derive(Deserialize)]
struct SeveralOption {
    files: Vec<FileOperation>,
    #[serde(flatten)]
    rest: FileOption,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    change_one(call, "create")
}

fn update(call: &mut Call<'_>) -> ApiResult {
    change_one(call, "update")
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    change_one(call, "delete")
}

fn change_one(call: &mut Call<'_>, operation: &str) -> ApiResult {
    let mut option: FileOption = call.body()?;
    // A DELETE may carry its options in the query instead.
    for (field, name) in [(&mut option.branch, "branch"), (&mut option.sha, "sha"), (&mut option.message, "message")] {
        if field.is_empty() {
            call.query(name).clone_into(field);
        }
    }
    let path = call.param(2).to_owned();
    let one = FileOperation {
        operation: operation.to_owned(),
        path: path.clone(),
        content: std::mem::take(&mut option.content),
        sha: std::mem::take(&mut option.sha),
        from_path: std::mem::take(&mut option.from_path),
    };
    let (id, branch, sha) = commit_changes(call, vec![one], &option)?;
    let repo = &call.state.repos[&id];
    let content = repo.git.commits[&sha].tree.get(&path);
    let body = json!({
        "content": content.map(|content| call.render().file(repo, &branch, &path, content, true)),
        "commit": file_commit(call, repo, &sha), "verification": unsigned(),
    });
    if operation == "create" { created(&body) } else { ok(&body) }
}

fn change_several(call: &mut Call<'_>) -> ApiResult {
    let option: SeveralOption = call.body()?;
    let paths: Vec<String> = option.files.iter().map(|file| file.path.clone()).collect();
    let (id, branch, sha) = commit_changes(call, option.files, &option.rest)?;
    let repo = &call.state.repos[&id];
    let tree = &repo.git.commits[&sha].tree;
    let shown = |path: &String| tree.get(path).map(|content| call.render().file(repo, &branch, path, content, false));
    let files: Vec<Option<Value>> = paths.iter().map(shown).collect();
    created(&json!({"files": files, "commit": file_commit(call, repo, &sha), "verification": unsigned()}))
}

/// Applies the operations as one commit; answers repository, branch and commit.
fn commit_changes(
    call: &mut Call<'_>,
    files: Vec<FileOperation>,
    option: &FileOption,
) -> Result<(i64, String, String), ApiError> {
    let user = call.doer()?;
    let (login, email, now) = (user.login.clone(), user.email.clone(), call.now);
    let repo = call.repo(Access::Write)?;
    let branch = if option.branch.is_empty() { repo.default_branch.clone() } else { option.branch.clone() };
    let head = repo.git.branches.get(&branch).cloned();
    if head.is_none() && !repo.git.commits.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("branch does not exist [name: {branch}]")));
    }
    let target = if option.new_branch.is_empty() { branch.clone() } else { option.new_branch.clone() };
    if target != branch && repo.git.branches.contains_key(&target) {
        return Err(ApiError::invalid(format!("branch already exists [name: {target}]")));
    }
    let mut tree = head.as_ref().map(|sha| repo.git.commits[sha].tree.as_ref().clone()).unwrap_or_default();
    let mut summary = String::new();
    for file in files {
        let verb = apply(&mut tree, &file)?;
        summary = format!("{verb} {}\n", file.path);
    }
    let message = if option.message.is_empty() { summary } else { option.message.clone() };
    let author = &option.author;
    let by = Signature {
        name: if author.name.is_empty() { &login } else { &author.name },
        email: if author.email.is_empty() { &email } else { &author.email },
        time: now,
        message: &message,
    };
    let sha = repo.git.commit(&target, tree, head.into_iter().collect(), &by);
    repo.updated = now;
    let id = repo.id;
    let doer = call.doer_id()?;
    call.state.refer(doer, &message, Source::Commit(id, &sha), now);
    Ok((id, target, sha))
}

fn apply(tree: &mut Tree, file: &FileOperation) -> Result<&'static str, ApiError> {
    let path = file.path.trim_matches('/');
    let present = tree.get(path).map(|content| git::blob_id(content));
    let decoded = || {
        let bytes = STANDARD.decode(file.content.replace(['\n', '\r'], ""));
        bytes.map(Bytes::from).map_err(|error| ApiError::invalid(error.to_string()))
    };
    let missing = || ApiError::new(StatusCode::NOT_FOUND, format!("repository file does not exist [path: {path}]"));
    let checked = |known: Option<String>| match known {
        None => Err(missing()),
        Some(sha) if sha != file.sha => {
            Err(ApiError::invalid(format!("sha does not match [given: {}, expected: {sha}]", file.sha)))
        }
        Some(_) => Ok(()),
    };
    match file.operation.as_str() {
        "create" => {
            if present.is_some() {
                return Err(ApiError::invalid(format!("repository file already exists [path: {path}]")));
            }
            tree.insert(path.to_owned(), decoded()?);
            Ok("Add")
        }
        "update" => {
            let from = if file.from_path.is_empty() { path } else { file.from_path.trim_matches('/') };
            checked(tree.get(from).map(|content| git::blob_id(content)))?;
            let content = decoded()?;
            tree.remove(from);
            tree.insert(path.to_owned(), content);
            Ok("Update")
        }
        "delete" => {
            checked(present)?;
            tree.remove(path);
            Ok("Delete")
        }
        other => Err(ApiError::invalid(format!("unsupported operation {other}"))),
    }
}

fn file_commit(call: &Call<'_>, repo: &Repo, sha: &str) -> Value {
    let commit = &repo.git.commits[sha];
    let full_name = call.state.full_name(repo);
    let url = call.render().api(&full_name, &format!("git/commits/{sha}"));
    let person = json!({"name": commit.author_name, "email": commit.author_email, "date": rfc3339(commit.time)});
    let tree = git::tree_id(&commit.tree, "");
    json!({
        "url": url, "sha": sha, "created": rfc3339(commit.time), "html_url": call.site.url(&format!("{full_name}/commit/{sha}")),
        "author": person, "committer": person, "message": commit.message,
        "parents": commit.parents.iter().map(|sha| json!({"url": "", "sha": sha, "created": rfc3339(0)})).collect::<Vec<_>>(),
        "tree": {"url": call.render().api(&full_name, &format!("git/trees/{tree}")), "sha": tree, "created": rfc3339(0)},
    })
}
