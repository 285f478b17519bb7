//! Branch protections: kept and shown as they were sent.

use serde_json::{Map, Value, json};

use crate::{clock::rfc3339, model::repo::Access};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{REPO, Route, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "repos/{owner}/{repo}/branch_protections", REPO, list),
    signed("POST", "repos/{owner}/{repo}/branch_protections", REPO, create),
    signed("GET", "repos/{owner}/{repo}/branch_protections/*", REPO, get),
    signed("PATCH", "repos/{owner}/{repo}/branch_protections/*", REPO, edit),
    signed("DELETE", "repos/{owner}/{repo}/branch_protections/*", REPO, delete),
];

fn rule_with(base: Value, sent: Map<String, Value>, now: i64) -> Value {
    let mut rule = base;
    for (name, value) in sent {
        if !value.is_null() {
            rule[name] = value;
        }
    }
    rule["updated_at"] = json!(rfc3339(now));
    rule
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let rules = call.repo(Access::Admin)?.protections.clone();
    ok(&Value::Array(rules))
}

fn find<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Value, ApiError> {
    let name = call.param(2).to_owned();
    let rules = &mut call.repo(Access::Admin)?.protections;
    rules.iter_mut().find(|rule| rule["rule_name"] == name.as_str()).ok_or_else(ApiError::not_found)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    ok(find(call)?)
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let mut sent: Map<String, Value> = call.body()?;
    let text = |name: &str| sent.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let name =
        text("rule_name").or_else(|| text("branch_name")).ok_or_else(|| ApiError::invalid("rule_name is required"))?;
    sent.insert("rule_name".to_owned(), json!(name));
    sent.insert("branch_name".to_owned(), json!(name));
    let now = call.now;
    let repo = call.repo(Access::Admin)?;
    if repo.protections.iter().any(|rule| rule["rule_name"] == name.as_str()) {
        return Err(ApiError::forbidden("Branch protection already exist"));
    }
    let base = json!({
        "enable_push": false, "enable_push_whitelist": false, "push_whitelist_usernames": [], "push_whitelist_teams": [],
        "push_whitelist_deploy_keys": false, "enable_merge_whitelist": false, "merge_whitelist_usernames": [],
        "merge_whitelist_teams": [], "enable_status_check": false, "status_check_contexts": [], "required_approvals": 0,
        "enable_approvals_whitelist": false, "approvals_whitelist_username": [], "approvals_whitelist_teams": [],
        "block_on_rejected_reviews": false, "block_on_official_review_requests": false, "block_on_outdated_branch": false,
        "dismiss_stale_approvals": false, "ignore_stale_approvals": false, "require_signed_commits": false,
        "protected_file_patterns": "", "unprotected_file_patterns": "", "apply_to_admins": false, "created_at": rfc3339(now),
    });
    let rule = rule_with(base, sent, now);
    repo.protections.push(rule.clone());
    created(&rule)
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let sent: Map<String, Value> = call.body()?;
    let now = call.now;
    let rule = find(call)?;
    *rule = rule_with(rule.clone(), sent, now);
    ok(&rule.clone())
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let name = find(call)?["rule_name"].clone();
    call.repo(Access::Admin)?.protections.retain(|rule| rule["rule_name"] != name);
    done()
}
