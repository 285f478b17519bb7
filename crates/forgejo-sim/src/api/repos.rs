//! Repositories: get, create, edit, delete, fork; topics, collaborators, languages.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{
    git::{Signature, Tree},
    repo::{Access, MergedBranch, Repo},
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok, reply},
    route::{ADMIN, ORG_REPO, REPO, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}", REPO, get),
    signed("PATCH", "repos/{owner}/{repo}", REPO, edit),
    signed("DELETE", "repos/{owner}/{repo}", REPO, delete),
    open("GET", "repos/{owner}/{repo}/forks", REPO, forks),
    signed("POST", "repos/{owner}/{repo}/forks", REPO, fork),
    signed("POST", "orgs/{org}/repos", ORG_REPO, create_in_org),
    signed("POST", "org/{org}/repos", ORG_REPO, create_in_org),
    signed("POST", "admin/users/{name}/repos", ADMIN, create_for),
    open("GET", "repos/{owner}/{repo}/topics", REPO, topics),
    signed("PUT", "repos/{owner}/{repo}/topics", REPO, set_topics),
    signed("PUT", "repos/{owner}/{repo}/topics/{topic}", REPO, add_topic),
    signed("DELETE", "repos/{owner}/{repo}/topics/{topic}", REPO, remove_topic),
    signed("GET", "repos/{owner}/{repo}/collaborators", REPO, collaborators),
    signed("GET", "repos/{owner}/{repo}/collaborators/{name}", REPO, is_collaborator),
    signed("PUT", "repos/{owner}/{repo}/collaborators/{name}", REPO, add_collaborator),
    signed("DELETE", "repos/{owner}/{repo}/collaborators/{name}", REPO, remove_collaborator),
    signed("GET", "repos/{owner}/{repo}/collaborators/{name}/permission", REPO, permission),
    signed("GET", "repos/{owner}/{repo}/assignees", REPO, assignees),
    signed("GET", "repos/{owner}/{repo}/reviewers", REPO, assignees),
    open("GET", "repos/{owner}/{repo}/languages", REPO, languages),
    open("GET", "repos/{owner}/{repo}/stargazers", REPO, stargazers),
];

#[derive(Deserialize)]
struct CreateRepo {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    auto_init: bool,
    #[serde(default)]
    template: bool,
    #[serde(default)]
    default_branch: String,
}

#[derive(Deserialize)]
struct EditRepo {
    name: Option<String>,
    description: Option<String>,
    website: Option<String>,
    private: Option<bool>,
    archived: Option<bool>,
    template: Option<bool>,
    default_branch: Option<String>,
    default_delete_branch_after_merge: Option<bool>,
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    ok(&call.render().repo(&call.state.repos[&id]))
}

/// `GET repositories/{id}`.
pub(crate) fn by_id(call: &mut Call<'_>) -> ApiResult {
    let repo = call.state.repos.get(&call.number(0)?).ok_or_else(ApiError::not_found)?;
    call.check_repo(repo, Access::Read)?;
    ok(&call.render().repo(repo))
}

pub(crate) fn create_mine(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    create(call, doer)
}

fn create_in_org(call: &mut Call<'_>) -> ApiResult {
    let org = call.own_org()?.id;
    create(call, org)
}

fn create_for(call: &mut Call<'_>) -> ApiResult {
    super::admin::demand(call)?;
    let owner = call.state.owner_id(call.param(0)).ok_or_else(ApiError::not_found)?;
    create(call, owner)
}

fn create(call: &mut Call<'_>, owner: i64) -> ApiResult {
    let option: CreateRepo = call.body()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if option.name.is_empty() || !option.name.chars().all(is_name) {
        return Err(ApiError::invalid("[Name]: AlphaDashDot"));
    }
    let owner_name = call.state.owner_name(owner).to_owned();
    if call.state.repo(&owner_name, &option.name).is_some() {
        return Err(ApiError::new(StatusCode::CONFLICT, "The repository with the same name already exists."));
    }
    let mut repo = Repo::new(call.state.next_id("repository"), owner, &option.name, call.now);
    repo.description = option.description;
    repo.private = option.private;
    repo.template = option.template;
    if !option.default_branch.is_empty() {
        repo.default_branch = option.default_branch;
    }
    if option.auto_init {
        let user = call.doer()?;
        let readme = format!("# {}\n\n{}\n", repo.name, repo.description);
        let by = Signature { name: &user.login, email: &user.email, time: call.now, message: "Initial commit\n" };
        let branch = repo.default_branch.clone();
        repo.git.commit(&branch, Tree::from([("README.md".to_owned(), Bytes::from(readme))]), Vec::new(), &by);
    }
    let body = call.render().repo(&repo);
    call.state.repos.insert(repo.id, repo);
    created(&body)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: EditRepo = call.body()?;
    let id = call.repo_id(Access::Read)?;
    if call.state.access(call.doer, &call.state.repos[&id]) < Access::Admin {
        call.repo_id(Access::Admin)?;
    }
    let now = call.now;
    if let Some(name) = option.name.filter(|name| *name != call.state.repos[&id].name) {
        call.state.rename_repo(id, &name);
    }
    let repo = call.state.repos.get_mut(&id).ok_or_else(ApiError::not_found)?;
    let set = |field: &mut String, value: Option<String>| {
        if let Some(value) = value {
            *field = value;
        }
    };
    set(&mut repo.description, option.description);
    set(&mut repo.website, option.website);
    set(&mut repo.default_branch, option.default_branch);
    repo.private = option.private.unwrap_or(repo.private);
    repo.archived = option.archived.unwrap_or(repo.archived);
    repo.template = option.template.unwrap_or(repo.template);
    repo.merged_branch = match option.default_delete_branch_after_merge {
        Some(true) => MergedBranch::Goes,
        Some(false) => MergedBranch::Stays,
        None => repo.merged_branch,
    };
    repo.updated = now;
    ok(&call.render().repo(&call.state.repos[&id]))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Admin)?;
    call.state.repos.remove(&id);
    call.state.attachments.retain(|_, asset| asset.repo != id);
    call.state.notifications.retain(|notification| notification.repo != id);
    done()
}

fn forks(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    call.page(call.repos_where(|repo| repo.fork_of == Some(id)))
}

#[derive(Deserialize)]
struct ForkOption {
    organization: Option<String>,
    name: Option<String>,
}

fn fork(call: &mut Call<'_>) -> ApiResult {
    let option: ForkOption = call.body()?;
    let source = call.repo_id(Access::Read)?;
    let owner = match option.organization.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => call.state.org(name).ok_or_else(|| ApiError::invalid("organization does not exist"))?.id,
        None => call.doer_id()?,
    };
    let from = &call.state.repos[&source];
    let name = option.name.unwrap_or_else(|| from.name.clone());
    let (git, private, branch) = (from.git.clone(), from.private, from.default_branch.clone());
    let owner_name = call.state.owner_name(owner).to_owned();
    if call.state.repo(&owner_name, &name).is_some() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("repository is already forked by user [{owner_name}]"),
        ));
    }
    let mut repo = Repo::new(call.state.next_id("repository"), owner, &name, call.now);
    repo.git = git;
    repo.private = private;
    repo.default_branch = branch;
    repo.fork_of = Some(source);
    let body = call.render().repo(&repo);
    call.state.repos.insert(repo.id, repo);
    reply(StatusCode::ACCEPTED, &body)
}

fn topics(call: &mut Call<'_>) -> ApiResult {
    let topics: Vec<String> = call.repo(Access::Read)?.topics.iter().cloned().collect();
    let total = topics.len();
    call.counted(&json!({"topics": topics}), total)
}

#[derive(Deserialize)]
struct TopicsOption {
    topics: Vec<String>,
}

fn set_topics(call: &mut Call<'_>) -> ApiResult {
    let option: TopicsOption = call.body()?;
    if option.topics.iter().any(|topic| !is_topic(topic)) {
        return Err(ApiError::invalid("Topic names are invalid"));
    }
    call.repo(Access::Admin)?.topics = option.topics.into_iter().collect();
    done()
}

fn add_topic(call: &mut Call<'_>) -> ApiResult {
    let topic = call.param(2).to_lowercase();
    if !is_topic(&topic) {
        return Err(ApiError::invalid("Topic name is invalid"));
    }
    call.repo(Access::Admin)?.topics.insert(topic);
    done()
}

fn remove_topic(call: &mut Call<'_>) -> ApiResult {
    let topic = call.param(2).to_lowercase();
    if call.repo(Access::Admin)?.topics.remove(&topic) { done() } else { Err(ApiError::not_found()) }
}

fn is_topic(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= 35
        && topic.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn collaborators(call: &mut Call<'_>) -> ApiResult {
    let ids: Vec<i64> = call.repo(Access::Write)?.collaborators.keys().copied().collect();
    call.page(ids.into_iter().map(|id| call.render().user_by_id(id)).collect())
}

fn named(call: &Call<'_>) -> Result<i64, ApiError> {
    Ok(call.state.user(call.param(2)).ok_or_else(|| ApiError::invalid("user does not exist"))?.id)
}

fn is_collaborator(call: &mut Call<'_>) -> ApiResult {
    let user = named(call)?;
    if call.repo(Access::Read)?.collaborators.contains_key(&user) { done() } else { Err(ApiError::not_found()) }
}

#[derive(Deserialize)]
struct CollaboratorOption {
    #[serde(default)]
    permission: String,
}

fn add_collaborator(call: &mut Call<'_>) -> ApiResult {
    let option: CollaboratorOption = call.body()?;
    let user = named(call)?;
    let access = Access::parse(&option.permission).unwrap_or(Access::Write);
    call.repo(Access::Admin)?.collaborators.insert(user, access);
    done()
}

fn remove_collaborator(call: &mut Call<'_>) -> ApiResult {
    let user = named(call)?;
    call.repo(Access::Admin)?.collaborators.remove(&user);
    done()
}

fn permission(call: &mut Call<'_>) -> ApiResult {
    let (id, user) = (call.repo_id(Access::Read)?, named(call)?);
    let repo = &call.state.repos[&id];
    let name = if repo.owner == user { "owner" } else { call.state.access(Some(user), repo).as_str() };
    ok(&json!({"permission": name, "role_name": name, "user": call.render().user_by_id(user)}))
}

/// Who may be assigned an issue: everybody with write access.
fn assignees(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    let works_here = |user: i64| {
        repo.owner == user || repo.collaborators.contains_key(&user) || {
            call.state.orgs.get(&repo.owner).is_some_and(|org| org.has_member(user))
        }
    };
    let users = call.state.users.values().filter(|user| works_here(user.id));
    ok(&Value::Array(users.map(|user| call.render().user(user)).collect()))
}

fn languages(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo(Access::Read)?;
    let mut sizes = serde_json::Map::new();
    let tree = repo.resolve(&repo.default_branch).map(|commit| commit.tree.clone()).unwrap_or_default();
    for (path, content) in tree.iter() {
        let language = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("rs") => "Rust",
            Some("go") => "Go",
            Some("py") => "Python",
            Some("sh") => "Shell",
            _ => continue,
        };
        let size = sizes.get(language).and_then(Value::as_u64).unwrap_or_default() + content.len() as u64;
        sizes.insert(language.to_owned(), json!(size));
    }
    ok(&Value::Object(sizes))
}

fn stargazers(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let users = call.state.users.values().filter(|user| user.starred.contains(&id));
    call.page(users.map(|user| call.render().user(user)).collect())
}
