//! Labels of repositories and organisations, and on issues.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::model::{issue::Label, repo::Access};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    render::label_at,
    route::{ISSUE, ORG, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "repos/{owner}/{repo}/labels", ISSUE, list),
    signed("POST", "repos/{owner}/{repo}/labels", ISSUE, create),
    open("GET", "repos/{owner}/{repo}/labels/{id}", ISSUE, get),
    signed("PATCH", "repos/{owner}/{repo}/labels/{id}", ISSUE, edit),
    signed("DELETE", "repos/{owner}/{repo}/labels/{id}", ISSUE, delete),
    open("GET", "repos/{owner}/{repo}/issues/{index}/labels", ISSUE, of_issue),
    signed("POST", "repos/{owner}/{repo}/issues/{index}/labels", ISSUE, add),
    signed("PUT", "repos/{owner}/{repo}/issues/{index}/labels", ISSUE, replace),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/labels", ISSUE, clear),
    signed("DELETE", "repos/{owner}/{repo}/issues/{index}/labels/{id}", ISSUE, remove),
    open("GET", "orgs/{org}/labels", ORG, list_org),
    signed("POST", "orgs/{org}/labels", ORG, create_org),
    open("GET", "orgs/{org}/labels/{id}", ORG, get_org),
    signed("PATCH", "orgs/{org}/labels/{id}", ORG, edit_org),
    signed("DELETE", "orgs/{org}/labels/{id}", ORG, delete_org),
];

#[derive(Deserialize)]
struct LabelOption {
    name: Option<String>,
    color: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct IssueLabels {
    #[serde(default)]
    labels: Vec<Value>,
}

/// The ids of labels given by number or name, of the repository or its organisation.
pub(crate) fn ids_of(call: &Call<'_>, repo: i64, wanted: &[Value]) -> Result<Vec<i64>, ApiError> {
    let repo = &call.state.repos[&repo];
    let of_org = call.state.orgs.get(&repo.owner).map_or(&[][..], |org| &org.labels);
    let find = |value: &Value| {
        let is_it = |label: &&Label| match value {
            Value::String(name) => label.name == *name,
            other => other.as_i64() == Some(label.id),
        };
        repo.labels.iter().chain(of_org).find(is_it).map(|label| label.id)
    };
    wanted
        .iter()
        .map(|value| find(value).ok_or_else(|| ApiError::invalid(format!("label does not exist: {value}"))))
        .collect()
}

fn new_label(call: &mut Call<'_>) -> Result<Label, ApiError> {
    let option: LabelOption = call.body()?;
    let name = option.name.filter(|name| !name.is_empty()).ok_or_else(|| ApiError::invalid("[Name]: Required"))?;
    let color = color(option.color.as_deref().unwrap_or_default())?;
    Ok(Label { id: call.state.next_id("label"), name, color, description: option.description.unwrap_or_default() })
}

fn change(label: &mut Label, option: LabelOption) -> Result<(), ApiError> {
    if let Some(color_text) = option.color {
        label.color = color(&color_text)?;
    }
    label.name = option.name.unwrap_or_else(|| label.name.clone());
    label.description = option.description.unwrap_or_else(|| label.description.clone());
    Ok(())
}

/// Six hexadecimal digits, with or without `#`.
fn color(text: &str) -> Result<String, ApiError> {
    let digits = text.trim_start_matches('#').to_ascii_lowercase();
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(digits)
    } else {
        Err(ApiError::invalid("bad color code"))
    }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let id = call.repo_id(Access::Read)?;
    let repo = &call.state.repos[&id];
    call.page(repo.labels.iter().map(|label| call.render().label(repo, label)).collect())
}

fn show(call: &Call<'_>, repo: i64, id: i64, is_new: bool) -> ApiResult {
    let repo = &call.state.repos[&repo];
    let label = repo.labels.iter().find(|label| label.id == id).ok_or_else(ApiError::not_found)?;
    let body = call.render().label(repo, label);
    if is_new { created(&body) } else { ok(&body) }
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let repo_id = call.repo_id(Access::Write)?;
    let label = new_label(call)?;
    let id = label.id;
    call.repo(Access::Write)?.labels.push(label);
    show(call, repo_id, id, true)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo_id(Access::Read)?;
    show(call, repo, call.number(2)?, false)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: LabelOption = call.body()?;
    let id = call.number(2)?;
    let repo = call.repo(Access::Write)?;
    let label = repo.labels.iter_mut().find(|label| label.id == id).ok_or_else(ApiError::not_found)?;
    change(label, option)?;
    let repo = repo.id;
    show(call, repo, id, false)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(2)?;
    let repo = call.repo(Access::Write)?;
    repo.labels.retain(|label| label.id != id);
    for issue in repo.issues.values_mut() {
        issue.labels.remove(&id);
    }
    done()
}

fn of_issue(call: &mut Call<'_>) -> ApiResult {
    let (id, number) = call.issue_place()?;
    let repo = &call.state.repos[&id];
    ok(&Value::Array(call.render().labels_of(repo, &repo.issues[&number])))
}

fn add(call: &mut Call<'_>) -> ApiResult {
    set(call, Extend::extend)
}

fn replace(call: &mut Call<'_>) -> ApiResult {
    set(call, |labels, new| *labels = new.into_iter().collect())
}

fn set(call: &mut Call<'_>, change: fn(&mut BTreeSet<i64>, Vec<i64>)) -> ApiResult {
    let option: IssueLabels = call.body()?;
    let repo = call.repo_id(Access::Write)?;
    let ids = ids_of(call, repo, &option.labels)?;
    let now = call.now;
    let issue = call.issue()?;
    change(&mut issue.labels, ids);
    issue.updated = now;
    of_issue(call)
}

fn clear(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Write)?;
    call.issue()?.labels.clear();
    done()
}

fn remove(call: &mut Call<'_>) -> ApiResult {
    let repo = call.repo_id(Access::Write)?;
    let name = call.param(3);
    let wanted = name.parse::<i64>().map_or_else(|_| Value::from(name), Value::from);
    let ids = ids_of(call, repo, &[wanted])?;
    let issue = call.issue()?;
    for id in ids {
        issue.labels.remove(&id);
    }
    done()
}

fn org_label(call: &Call<'_>, label: &Label) -> Value {
    label_at(label, &call.site.url(&format!("api/v1/orgs/{}/labels/{}", call.param(0), label.id)))
}

fn list_org(call: &mut Call<'_>) -> ApiResult {
    let labels = call.org()?.labels.clone();
    call.page(labels.iter().map(|label| org_label(call, label)).collect())
}

fn create_org(call: &mut Call<'_>) -> ApiResult {
    call.own_org()?;
    let label = new_label(call)?;
    call.own_org()?.labels.push(label.clone());
    created(&org_label(call, &label))
}

fn get_org(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(1)?;
    let label = call.org()?.labels.iter().find(|label| label.id == id).ok_or_else(ApiError::not_found)?;
    ok(&org_label(call, label))
}

fn edit_org(call: &mut Call<'_>) -> ApiResult {
    let option: LabelOption = call.body()?;
    let id = call.number(1)?;
    let org = call.own_org()?;
    let label = org.labels.iter_mut().find(|label| label.id == id).ok_or_else(ApiError::not_found)?;
    change(label, option)?;
    get_org(call)
}

fn delete_org(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(1)?;
    call.own_org()?.labels.retain(|label| label.id != id);
    done()
}
