//! Issues of a repository.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::parse_rfc3339,
    model::{
        issue::Issue,
        reference::Source,
        repo::{Access, Repo},
    },
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok, reply},
    route::{ISSUE, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/issues", ISSUE, list),
    signed("POST", "repos/{owner}/{repo}/issues", ISSUE, create),
    open("GET", "repos/{owner}/{repo}/issues/{index}", ISSUE, get),
    signed("PATCH", "repos/{owner}/{repo}/issues/{index}", ISSUE, edit),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}", ISSUE, delete),
    open("GET", "repos/{owner}/{repo}/issue_templates", ISSUE, templates),
    signed("PUT", "repos/{owner}/{repo}/issues/{index}/lock", ISSUE, lock),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/lock", ISSUE, unlock),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/deadline", ISSUE, deadline),
];

/// What a list of issues is narrowed by.
pub(crate) struct Filter {
    state: String,
    kind: String,
    text: String,
    labels: Vec<String>,
    milestones: Vec<String>,
    since: i64,
    before: i64,
    poster: Option<i64>,
    assignee: Option<i64>,
}

// === impl Filter ===

impl Filter {
    /// Reads the query of a call.
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let words =
            |name: &str| call.query(name).split(',').filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        let user = |name: &str, flag: &str| {
            if call.query_flag(flag) {
                return call.doer_id().map(Some);
            }
            match call.query(name) {
                "" => Ok(None),
                login => Ok(Some(call.state.user(login).map_or(-1, |user| user.id))),
            }
        };
        Ok(Self {
            state: call.query("state").to_owned(),
            kind: call.query("type").to_owned(),
            text: call.query("q").to_lowercase(),
            labels: words("labels"),
            milestones: words("milestones"),
            since: call.query_time("since"),
            before: call.query_time("before"),
            poster: user("created_by", "created")?,
            assignee: user("assigned_by", "assigned")?,
        })
    }

    pub(crate) fn lets(&self, repo: &Repo, issue: &Issue) -> bool {
        let label = |wanted: &String| {
            let named = repo.labels.iter().find(|label| label.name.eq_ignore_ascii_case(wanted));
            named.is_some_and(|label| issue.labels.contains(&label.id))
        };
        let milestone = |wanted: &String| {
            let in_it = repo.milestones.iter().find(|milestone| Some(milestone.id) == issue.milestone);
            in_it.is_some_and(|it| it.title.eq_ignore_ascii_case(wanted) || it.id.to_string() == *wanted)
        };
        issue.matches_state(&self.state)
            && match self.kind.as_str() {
                "pulls" => issue.pull.is_some(),
                "issues" => issue.pull.is_none(),
                _ => true,
            }
            && (self.text.is_empty()
                || issue.title.to_lowercase().contains(&self.text)
                || issue.body.to_lowercase().contains(&self.text))
            && self.labels.iter().all(label)
            && (self.milestones.is_empty() || self.milestones.iter().any(milestone))
            && issue.updated >= self.since
            && (self.before == 0 || issue.updated <= self.before)
            && self.poster.is_none_or(|poster| issue.poster == poster)
            && self.assignee.is_none_or(|user| issue.assignees.contains(&user))
    }
}

// === impl Issue ===

impl Issue {
    /// An open issue without anything but its text.
    pub(crate) fn new(id: i64, number: i64, poster: i64, title: &str, body: &str, now: i64) -> Self {
        Self {
            id,
            number,
            poster,
            title: title.to_owned(),
            body: body.to_owned(),
            git_ref: String::new(),
            labels: std::collections::BTreeSet::new(),
            milestone: None,
            assignees: Vec::new(),
            closed_at: None,
            due: None,
            created: now,
            updated: now,
            locked: false,
            comments: Vec::new(),
            times: Vec::new(),
            stopwatches: BTreeMap::new(),
            dependencies: std::collections::BTreeSet::new(),
            events: Vec::new(),
            pull: None,
        }
    }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let filter = Filter::of(call)?;
    let repo = &call.state.repos[&id];
    let issues = repo.issues.values().rev().filter(|issue| filter.lets(repo, issue));
    call.page(issues.map(|issue| call.render().issue(repo, issue)).collect())
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let (repo, number) = call.issue_place()?;
    show(call, repo, number, StatusCode::OK)
}

/// Shows an issue.
pub(crate) fn show(call: &Call<'_>, repo: i64, number: i64, status: StatusCode) -> ApiResult {
    let repo = &call.state.repos[&repo];
    reply(status, &call.render().issue(repo, &repo.issues[&number]))
}

#[derive(Deserialize)]
struct CreateIssue {
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "ref")]
    git_ref: String,
    #[serde(default)]
    assignees: Option<Vec<String>>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    milestone: i64,
    #[serde(default)]
    labels: Option<Vec<Value>>,
    #[serde(default)]
    closed: bool,
    due_date: Option<String>,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: CreateIssue = call.body()?;
    if option.title.is_empty() {
        return Err(ApiError::invalid("[Title]: Required"));
    }
    let (doer, repo_id, now) = (call.doer_id()?, call.repo_id(Access::Read)?, call.now);
    let may_write = call.state.access(Some(doer), &call.state.repos[&repo_id]) >= Access::Write;
    let id = call.state.next_id("issue");
    let repo = &call.state.repos[&repo_id];
    let mut issue = Issue::new(id, repo.next_number(), doer, &option.title, &option.body, now);
    issue.git_ref = option.git_ref;
    if may_write {
        let names: Vec<String> = option.assignees.unwrap_or_default().into_iter().chain(option.assignee).collect();
        issue.assignees = user_ids(call, &names)?;
        issue.labels = super::labels::ids_of(call, repo_id, &option.labels.unwrap_or_default())?.into_iter().collect();
        issue.milestone = Some(option.milestone).filter(|milestone| *milestone > 0);
        issue.due = option.due_date.as_deref().and_then(parse_rfc3339);
    }
    issue.closed_at = option.closed.then_some(now);
    let number = issue.number;
    if let Some(repo) = call.state.repos.get_mut(&repo_id) {
        repo.issues.insert(number, issue);
        repo.updated = now;
    }
    call.state.notify(repo_id, number, doer, now);
    refer(call, repo_id, number, &format!("{}\n{}", option.title, option.body));
    show(call, repo_id, number, StatusCode::CREATED)
}

/// Notes what a text in an issue, pull request or comment refers to.
pub(crate) fn refer(call: &mut Call<'_>, repo: i64, number: i64, text: &str) {
    if let Some(doer) = call.doer {
        call.state.refer(doer, text, Source::Issue(repo, number), call.now);
    }
}

/// The ids of named users; an unknown name is a 422.
pub(crate) fn user_ids(call: &Call<'_>, names: &[String]) -> Result<Vec<i64>, ApiError> {
    let find = |name: &String| {
        let user = call.state.user(name).map(|user| user.id);
        user.ok_or_else(|| ApiError::invalid(format!("Assignee does not exist: [name: {name}]")))
    };
    names.iter().filter(|name| !name.is_empty()).map(find).collect()
}

#[derive(Deserialize)]
pub(crate) struct EditIssue {
    title: Option<String>,
    body: Option<String>,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    assignees: Option<Vec<String>>,
    assignee: Option<String>,
    milestone: Option<i64>,
    labels: Option<Vec<Value>>,
    pub(crate) state: Option<String>,
    pub(crate) base: Option<String>,
    due_date: Option<String>,
    unset_due_date: Option<bool>,
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: EditIssue = call.body()?;
    let (repo, number) = apply_edit(call, &option)?;
    show(call, repo, number, StatusCode::CREATED)
}

/// Changes an issue or a pull request; answers its place.
pub(crate) fn apply_edit(call: &mut Call<'_>, option: &EditIssue) -> Result<(i64, i64), ApiError> {
    let (repo_id, number) = call.issue_place()?;
    let (doer, now) = (call.doer_id()?, call.now);
    let assignees = match (&option.assignees, &option.assignee) {
        (None, None) => None,
        (list, one) => {
            let names: Vec<String> = list.iter().flatten().chain(one).cloned().collect();
            Some(user_ids(call, &names)?)
        }
    };
    let labels = match &option.labels {
        Some(labels) => Some(super::labels::ids_of(call, repo_id, labels)?),
        None => None,
    };
    let may_write = call.state.access(Some(doer), &call.state.repos[&repo_id]) >= Access::Write;
    let issue = call.issue_to_write()?;
    if let Some(title) = option.title.as_ref().filter(|title| !title.is_empty()) {
        issue.title.clone_from(title);
    }
    if let Some(body) = &option.body {
        issue.body.clone_from(body);
    }
    if let Some(git_ref) = &option.git_ref {
        issue.git_ref.clone_from(git_ref);
    }
    match option.state.as_deref() {
        Some("closed") => issue.closed_at = issue.closed_at.or(Some(now)),
        Some("open") => issue.closed_at = None,
        _ => {}
    }
    if may_write {
        if let Some(assignees) = assignees {
            issue.assignees = assignees;
        }
        if let Some(labels) = labels {
            issue.labels = labels.into_iter().collect();
        }
        if let Some(milestone) = option.milestone {
            issue.milestone = Some(milestone).filter(|id| *id > 0);
        }
        if let Some(due) = option.due_date.as_deref() {
            issue.due = parse_rfc3339(due);
        }
        if option.unset_due_date == Some(true) {
            issue.due = None;
        }
    }
    issue.updated = now;
    call.state.notify(repo_id, number, doer, now);
    for text in [&option.title, &option.body].into_iter().flatten() {
        refer(call, repo_id, number, text);
    }
    Ok((repo_id, number))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let (_, number) = call.issue_place()?;
    call.repo(Access::Admin)?.issues.remove(&number);
    done()
}

fn templates(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Read)?;
    ok(&json!([]))
}

fn lock(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Write)?;
    call.issue()?.locked = true;
    done()
}

fn unlock(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Write)?;
    call.issue()?.locked = false;
    done()
}

#[derive(Deserialize)]
struct DeadlineOption {
    due_date: Option<String>,
}

fn deadline(call: &mut Call<'_>) -> ApiResult {
    let option: DeadlineOption = call.body()?;
    call.repo_id(Access::Write)?;
    let issue = call.issue()?;
    issue.due = option.due_date.as_deref().and_then(parse_rfc3339);
    let due = issue.due.map(crate::clock::rfc3339);
    created(&json!({"due_date": due}))
}
