//! Pull requests: list, get, diff, files, commits, create, edit, merge.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::{parse_rfc3339, rfc3339},
    model::{
        diff::Change,
        git::{self, Commit, Signature},
        issue::{Issue, Merged, Pull},
        reference::Source,
        repo::{Access, MergedBranch, Repo},
    },
    wire,
};

use super::{
    call::{ApiError, ApiResult, Call, done, ok, reply},
    issues::{EditIssue, apply_edit, refer, user_ids},
    render::Render,
    route::{REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/pulls", REPO, list),
    signed("POST", "repos/{owner}/{repo}/pulls", REPO, create),
    open("GET", "repos/{owner}/{repo}/pulls/{index}", REPO, get),
    signed("PATCH", "repos/{owner}/{repo}/pulls/{index}", REPO, edit),
    open("GET", "repos/{owner}/{repo}/pulls/{base}/{head}", REPO, between),
    open("GET", "repos/{owner}/{repo}/pulls/{index}/files", REPO, files),
    open("GET", "repos/{owner}/{repo}/pulls/{index}/commits", REPO, commits),
    open("GET", "repos/{owner}/{repo}/pulls/{index}/merge", REPO, is_merged),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/merge", REPO, merge),
    signed("POST", "repos/{owner}/{repo}/pulls/{index}/update", REPO, update),
];

// === impl Pull ===

impl Pull {
    /// An open pull request between two branches.
    pub(crate) fn new(head: &str, base: &str, head_repo: i64) -> Self {
        Self {
            head: head.to_owned(),
            base: base.to_owned(),
            head_repo,
            merged: None,
            reviewers: std::collections::BTreeSet::new(),
            reviews: Vec::new(),
        }
    }
}

/// The two ends of a pull request.
struct Ends<'a> {
    head: &'a Commit,
    base: &'a Commit,
    head_repo: &'a Repo,
}

// === impl Ends ===

impl<'a> Ends<'a> {
    /// `None` when a branch is gone.
    fn of(render: &Render<'a>, repo: &'a Repo, pull: &Pull) -> Option<Self> {
        let head_repo = render.state.repos.get(&pull.head_repo).unwrap_or(repo);
        let (head, base) = match &pull.merged {
            Some(merged) => (merged.head.as_str(), merged.base.as_str()),
            None => (pull.head.as_str(), pull.base.as_str()),
        };
        let head = head_repo.resolve(head).or_else(|| repo.resolve(head))?;
        Some(Self { head, base: repo.resolve(base)?, head_repo })
    }

    fn merge_base(&self, repo: &'a Repo) -> &'a Commit
    where
        Self: 'a,
    {
        let known: Vec<&Commit> = repo.git.log(&self.base.sha, None);
        let theirs = self.head_repo.git.log(&self.head.sha, None);
        let shared = |commit: &&Commit| theirs.iter().any(|other| other.sha == commit.sha);
        known.into_iter().find(shared).unwrap_or(self.base)
    }

    fn changes(&self, repo: &'a Repo) -> Vec<Change> {
        self.head.changes_since(Some(self.merge_base(repo)))
    }
}

// === impl Render ===

impl Render<'_> {
    pub(crate) fn pull(&self, repo: &Repo, issue: &Issue) -> Value {
        let Some(pull) = &issue.pull else {
            return Value::Null;
        };
        let full_name = self.state.full_name(repo);
        let url = self.site.url(&format!("{full_name}/pulls/{}", issue.number));
        let head_repo = self.state.repos.get(&pull.head_repo);
        let ends = Ends::of(self, repo, pull);
        let end = |name: &str, sha: Option<&str>, repo: Option<&Repo>| {
            json!({"label": name, "ref": name, "sha": sha.unwrap_or_default(), "repo_id": repo.map_or(-1, |repo| repo.id),
                "repo": repo.map(|repo| self.repo(repo))})
        };
        let merged = pull.merged.as_ref();
        let assignees: Vec<Value> = issue.assignees.iter().map(|id| self.user_by_id(*id)).collect();
        let changes = ends.as_ref().map(|ends| ends.changes(repo)).unwrap_or_default();
        let (added, removed) =
            changes.iter().map(Change::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        json!({
            "id": issue.id, "url": url, "number": issue.number, "user": self.user_by_id(issue.poster),
            "title": issue.title, "body": issue.body, "labels": self.labels_of(repo, issue),
            "milestone": self.milestone_of(repo, issue), "assignee": assignees.first(), "assignees": assignees,
            "requested_reviewers": pull.reviewers.iter().map(|id| self.user_by_id(*id)).collect::<Vec<_>>(),
            "state": issue.state(), "draft": issue.title.starts_with("WIP:"), "is_locked": issue.locked,
            "comments": issue.comments.len(), "additions": added, "deletions": removed, "changed_files": changes.len(),
            "html_url": url, "diff_url": format!("{url}.diff"), "patch_url": format!("{url}.patch"),
            "mergeable": merged.is_none() && ends.is_some(), "merged": merged.is_some(),
            "merged_at": merged.map(|merged| rfc3339(merged.at)), "merge_commit_sha": merged.map(|merged| &merged.commit),
            "merged_by": merged.map(|merged| self.user_by_id(merged.by)), "allow_maintainer_edit": false,
            "base": end(&pull.base, ends.as_ref().map(|ends| ends.base.sha.as_str()), Some(repo)),
            "head": end(&pull.head, ends.as_ref().map(|ends| ends.head.sha.as_str()), head_repo),
            "merge_base": ends.as_ref().map_or("", |ends| ends.merge_base(repo).sha.as_str()),
            "due_date": issue.due.map(rfc3339), "created_at": rfc3339(issue.created), "updated_at": rfc3339(issue.updated),
            "closed_at": issue.closed_at.map(rfc3339), "pin_order": 0, "flow": 0,
        })
    }
}

/// The repository and number of the pull request that the third variable names.
pub(crate) fn place(call: &Call<'_>) -> Result<(i64, i64), ApiError> {
    let (repo, number) = call.issue_place()?;
    if call.state.repos[&repo].issues[&number].pull.is_none() {
        return Err(ApiError::not_found());
    }
    Ok((repo, number))
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let mut pulls: Vec<&Issue> = repo
        .issues
        .values()
        .rev()
        .filter(|issue| issue.pull.is_some() && issue.matches_state(call.query("state")))
        .collect();
    match call.query("sort") {
        "oldest" => pulls.sort_by_key(|issue| issue.number),
        "recentupdate" => pulls.sort_by_key(|issue| std::cmp::Reverse(issue.updated)),
        "leastupdate" => pulls.sort_by_key(|issue| issue.updated),
        "mostcomment" => pulls.sort_by_key(|issue| std::cmp::Reverse(issue.comments.len())),
        "leastcomment" => pulls.sort_by_key(|issue| issue.comments.len()),
        _ => {}
    }
    call.page(pulls.into_iter().map(|issue| call.render().pull(repo, issue)).collect())
}

/// `pulls/{index}`, and `pulls/{index}.diff` or `.patch`.
fn get(call: &mut Call<'_>) -> ApiResult {
    let (name, form) = call.param(2).split_once('.').unwrap_or((call.param(2), ""));
    let (name, form) = (name.to_owned(), form.to_owned());
    call.params[2] = name;
    let (id, number) = place(call)?;
    match form.as_str() {
        "" => show(call, id, number, StatusCode::OK),
        "diff" | "patch" => diff(call, id, number, &form),
        _ => Err(ApiError::not_found()),
    }
}

fn diff(call: &Call<'_>, id: i64, number: i64, form: &str) -> ApiResult {
    let repo = &call.state.repos[&id];
    let issue = &repo.issues[&number];
    let render = call.render();
    let ends = issue.pull.as_ref().and_then(|pull| Ends::of(&render, repo, pull)).ok_or_else(ApiError::not_found)?;
    let mut out = String::new();
    if form == "patch" {
        let (sha, name, email) = (&ends.head.sha, &ends.head.author_name, &ends.head.author_email);
        out = format!(
            "From {sha} Mon Sep 17 00:00:00 2001\nFrom: {name} <{email}>\nSubject: [PATCH] {}\n---\n",
            issue.title
        );
    }
    out.extend(ends.changes(repo).iter().map(Change::diff));
    Ok(wire::text(StatusCode::OK, out))
}

fn show(call: &Call<'_>, repo: i64, number: i64, status: StatusCode) -> ApiResult {
    let repo = &call.state.repos[&repo];
    reply(status, &call.render().pull(repo, &repo.issues[&number]))
}

fn between(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let (base, head) = (call.param(2), call.param(3));
    let fits = |issue: &&Issue| issue.pull.as_ref().is_some_and(|pull| pull.base == base && pull.head == head);
    let issue = repo.issues.values().find(fits).ok_or_else(ApiError::not_found)?;
    ok(&call.render().pull(repo, issue))
}

fn files(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = place(call)?;
    let repo = &call.state.repos[&id];
    let full_name = call.state.full_name(repo);
    let render = call.render();
    let ends = repo.issues[&number].pull.as_ref().and_then(|pull| Ends::of(&render, repo, pull));
    let ends = ends.ok_or_else(ApiError::not_found)?;
    let sha = &ends.head.sha;
    let files = ends.changes(repo).into_iter().map(|change| {
        let (added, removed) = change.counts();
        let path = &change.path;
        json!({
            "filename": path, "status": change.status(), "additions": added, "deletions": removed, "changes": added + removed,
            "html_url": call.site.url(&format!("{full_name}/src/commit/{sha}/{path}")),
            "contents_url": render.api(&full_name, &format!("contents/{path}?ref={sha}")),
            "raw_url": call.site.url(&format!("{full_name}/raw/commit/{sha}/{path}")),
        })
    });
    call.page(files.collect())
}

fn commits(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = place(call)?;
    let repo = &call.state.repos[&id];
    let render = call.render();
    let ends = repo.issues[&number].pull.as_ref().and_then(|pull| Ends::of(&render, repo, pull));
    let ends = ends.ok_or_else(ApiError::not_found)?;
    let known: Vec<&str> = repo.git.log(&ends.base.sha, None).iter().map(|commit| commit.sha.as_str()).collect();
    let new =
        ends.head_repo.git.log(&ends.head.sha, None).into_iter().filter(|commit| !known.contains(&commit.sha.as_str()));
    call.page(new.map(|commit| render.commit(ends.head_repo, commit)).collect())
}

#[derive(Deserialize)]
struct CreatePull {
    #[serde(default)]
    head: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    assignee: Option<String>,
    assignees: Option<Vec<String>>,
    #[serde(default)]
    milestone: i64,
    labels: Option<Vec<Value>>,
    due_date: Option<String>,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: CreatePull = call.body()?;
    let (doer, repo_id, now) = (call.doer_id()?, call.repo_id(Access::Read)?, call.now);
    if option.title.is_empty() {
        return Err(ApiError::invalid("[Title]: Required"));
    }
    let repo = &call.state.repos[&repo_id];
    // `user:branch` names a branch of that user's fork.
    let (head_repo, head) = match option.head.split_once(':') {
        Some((owner, branch)) => {
            let owner = call.state.owner_id(owner).ok_or_else(ApiError::not_found)?;
            let mut forks = call.state.repos.values().filter(|other| other.owner == owner && call.may_see(other));
            let fork = forks.find(|other| other.id == repo_id || other.fork_of == Some(repo_id));
            (fork.ok_or_else(ApiError::not_found)?, branch.to_owned())
        }
        None => (repo, option.head.clone()),
    };
    if !head_repo.git.branches.contains_key(&head) || !repo.git.branches.contains_key(&option.base) {
        return Err(ApiError::not_found());
    }
    let same = |issue: &Issue| {
        let open = issue.closed_at.is_none();
        open && issue
            .pull
            .as_ref()
            .is_some_and(|pull| pull.head == head && pull.base == option.base && pull.head_repo == head_repo.id)
    };
    if let Some(issue) = repo.issues.values().find(|issue| same(issue)) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("pull request already exists for these targets [index: {}]", issue.number),
        ));
    }
    let names: Vec<String> = option.assignees.unwrap_or_default().into_iter().chain(option.assignee).collect();
    let mut issue = Issue::new(0, repo.next_number(), doer, &option.title, &option.body, now);
    issue.pull = Some(Pull::new(&head, &option.base, head_repo.id));
    issue.assignees = user_ids(call, &names)?;
    issue.labels = super::labels::ids_of(call, repo_id, &option.labels.unwrap_or_default())?.into_iter().collect();
    issue.milestone = Some(option.milestone).filter(|id| *id > 0);
    issue.due = option.due_date.as_deref().and_then(parse_rfc3339);
    issue.id = call.state.next_id("issue");
    let number = issue.number;
    if let Some(repo) = call.state.repos.get_mut(&repo_id) {
        repo.issues.insert(number, issue);
    }
    call.state.notify(repo_id, number, doer, now);
    refer(call, repo_id, number, &format!("{}\n{}", option.title, option.body));
    show(call, repo_id, number, StatusCode::CREATED)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    place(call)?;
    let option: EditIssue = call.body()?;
    let (repo, number) = apply_edit(call, &option)?;
    if let Some(base) = option.base.filter(|base| !base.is_empty()) {
        if !call.state.repos[&repo].git.branches.contains_key(&base) {
            return Err(ApiError::not_found());
        }
        if let Some(pull) = call.issue()?.pull.as_mut() {
            pull.base = base;
        }
    }
    show(call, repo, number, StatusCode::CREATED)
}

fn is_merged(call: &mut Call<'_>) -> ApiResult {
    let (repo, number) = place(call)?;
    let merged = call.state.repos[&repo].issues[&number].pull.as_ref().is_some_and(|pull| pull.merged.is_some());
    if merged { done() } else { Err(ApiError::not_found()) }
}

/// The merged branch goes where the merger may write, in a fork too.
fn delete_head(call: &mut Call<'_>, pull: &Pull) {
    let Some(repo) = call.state.repos.get(&pull.head_repo) else { return };
    if call.state.access(call.doer, repo) >= Access::Write
        && pull.head != repo.default_branch
        && let Some(repo) = call.state.repos.get_mut(&pull.head_repo)
    {
        repo.git.branches.remove(&pull.head);
    }
}

/// Merges the base branch into the head branch, which may be a fork's.
fn update(call: &mut Call<'_>) -> ApiResult {
    let (repo_id, number) = place(call)?;
    let user = call.doer()?.clone();
    let pull = call.state.repos[&repo_id].issues[&number].pull.clone().ok_or_else(ApiError::not_found)?;
    let head_repo = call.state.repos.get(&pull.head_repo).ok_or_else(ApiError::not_found)?;
    call.check_repo(head_repo, Access::Write)?;
    let render = call.render();
    let ends = Ends::of(&render, &call.state.repos[&repo_id], &pull).ok_or_else(ApiError::not_found)?;
    let (head, base) = (ends.head.clone(), ends.base.clone());
    let mut tree = base.tree.as_ref().clone();
    tree.extend(head.tree.iter().map(|(path, content)| (path.clone(), content.clone())));
    let message = format!("Merge branch '{}' into {}\n", pull.base, pull.head);
    let signature = Signature { name: &user.login, email: &user.email, time: call.now, message: &message };
    let repo = call.state.repos.get_mut(&pull.head_repo).ok_or_else(ApiError::not_found)?;
    repo.git.commits.entry(base.sha.clone()).or_insert_with(|| base.clone());
    git::Git::commit(&mut repo.git, &pull.head, tree, vec![head.sha, base.sha], &signature);
    Ok(wire::empty(StatusCode::OK))
}

#[derive(Deserialize)]
struct MergeOption {
    #[serde(rename = "Do", default)]
    style: String,
    #[serde(rename = "MergeTitleField", default)]
    title: String,
    #[serde(rename = "MergeMessageField", default)]
    message: String,
    delete_branch_after_merge: Option<bool>,
    #[serde(default)]
    head_commit_id: String,
}

fn merge(call: &mut Call<'_>) -> ApiResult {
    let option: MergeOption = call.body()?;
    let (repo_id, number) = place(call)?;
    call.repo_id(Access::Write)?;
    if !matches!(option.style.as_str(), "merge" | "rebase" | "rebase-merge" | "squash" | "fast-forward-only") {
        return Err(ApiError::invalid("[Do]: Required"));
    }
    let (by, now) = (call.doer_id()?, call.now);
    let user = call.doer()?.clone();
    let repo = &call.state.repos[&repo_id];
    let issue = &repo.issues[&number];
    let render = call.render();
    let Some(pull) = issue.pull.clone().filter(|pull| pull.merged.is_none() && issue.closed_at.is_none()) else {
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Please try again later"));
    };
    let ends = Ends::of(&render, repo, &pull).ok_or_else(ApiError::not_found)?;
    if !option.head_commit_id.is_empty() && option.head_commit_id != ends.head.sha {
        return Err(ApiError::new(StatusCode::CONFLICT, "head out of date"));
    }
    let mut tree = ends.base.tree.as_ref().clone();
    for change in ends.changes(repo) {
        match change.after {
            Some(content) => tree.insert(change.path, content),
            None => tree.remove(&change.path),
        };
    }
    let (head, base) = (ends.head.clone(), ends.base.sha.clone());
    let title = if option.title.is_empty() {
        format!("Merge pull request '{}' (#{number})", issue.title)
    } else {
        option.title
    };
    let message = format!("{title}\n\n{}\n", option.message);
    let history: Vec<Commit> = ends.head_repo.git.log(&head.sha, None).into_iter().cloned().collect();
    let repo = call.state.repos.get_mut(&repo_id).ok_or_else(ApiError::not_found)?;
    for commit in history {
        repo.git.commits.entry(commit.sha.clone()).or_insert(commit);
    }
    let parents = if option.style == "squash" { vec![base.clone()] } else { vec![base.clone(), head.sha.clone()] };
    let signature = Signature { name: &user.login, email: &user.email, time: now, message: &message };
    let commit = git::Git::commit(&mut repo.git, &pull.base, tree, parents, &signature);
    if let Some(issue) = repo.issues.get_mut(&number) {
        issue.closed_at = Some(now);
        issue.updated = now;
        if let Some(pull) = &mut issue.pull {
            pull.merged = Some(Merged { at: now, by, commit: commit.clone(), head: head.sha, base });
        }
    }
    call.state.refer(by, &message, Source::Commit(repo_id, &commit), now);
    let deletes =
        option.delete_branch_after_merge.unwrap_or(call.state.repos[&repo_id].merged_branch == MergedBranch::Goes);
    if deletes {
        delete_head(call, &pull);
    }
    Ok(wire::empty(StatusCode::OK))
}
