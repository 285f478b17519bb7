//! Teams of organisations.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{account::Team, repo::Access};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ORG, Route, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "orgs/{org}/teams", ORG, list),
    signed("POST", "orgs/{org}/teams", ORG, create),
    signed("GET", "orgs/{org}/teams/search", ORG, search),
    signed("GET", "teams/{id}", ORG, get),
    signed("DELETE", "teams/{id}", ORG, delete),
    signed("GET", "teams/{id}/members", ORG, members),
    signed("PUT", "teams/{id}/members/{name}", ORG, add_member),
    signed("DELETE", "teams/{id}/members/{name}", ORG, remove_member),
    signed("GET", "teams/{id}/repos", ORG, repos),
    signed("PUT", "teams/{id}/repos/{owner}/{repo}", ORG, add_repo),
    signed("DELETE", "teams/{id}/repos/{owner}/{repo}", ORG, remove_repo),
];

/// `GET user/teams`.
pub(crate) fn mine(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let orgs = call.state.orgs.values();
    let teams = orgs.flat_map(|org| org.teams.iter().map(move |team| (org, team)));
    let mine = teams.filter(|(_, team)| team.members.contains(&doer));
    call.page(mine.map(|(org, team)| call.render().team(org, team)).collect())
}

/// The organisation's teams, for its members.
fn teams_of(call: &Call<'_>) -> Result<Vec<Value>, ApiError> {
    let (doer, org) = (call.doer_id()?, call.org()?);
    if !org.has_member(doer) && !call.is_admin() {
        return Err(ApiError::forbidden("Must be an organization member"));
    }
    let wanted = call.query("q").to_lowercase();
    let named = org.teams.iter().filter(|team| team.name.to_lowercase().contains(&wanted));
    Ok(named.map(|team| call.render().team(org, team)).collect())
}

fn list(call: &mut Call<'_>) -> ApiResult {
    call.page(teams_of(call)?)
}

fn search(call: &mut Call<'_>) -> ApiResult {
    let found = teams_of(call)?;
    let total = found.len();
    call.counted(&json!({"ok": true, "data": found}), total)
}

#[derive(Deserialize)]
struct TeamOption {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    permission: String,
    #[serde(default)]
    includes_all_repositories: bool,
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let option: TeamOption = call.body()?;
    if option.name.is_empty() {
        return Err(ApiError::invalid("[Name]: Required"));
    }
    let org = call.own_org()?.id;
    let id = call.state.next_id("team");
    let team = Team {
        id,
        name: option.name,
        description: option.description,
        access: Access::parse(&option.permission).unwrap_or(Access::Read),
        members: BTreeSet::new(),
        repos: BTreeSet::new(),
        all_repos: option.includes_all_repositories,
    };
    let body = call.render().team(&call.state.orgs[&org], &team);
    call.own_org()?.teams.push(team);
    created(&body)
}

/// The team that the first variable names, for members of its organisation or, to write, for its owners.
fn team_id(call: &Call<'_>, writes: bool) -> Result<i64, ApiError> {
    let doer = call.doer_id()?;
    let (org, team) = call.state.team(call.number(0)?).ok_or_else(ApiError::not_found)?;
    if call.is_admin() || org.is_owner(doer) || (!writes && org.has_member(doer)) {
        Ok(team.id)
    } else if writes && org.has_member(doer) {
        Err(ApiError::forbidden("Must be an organization owner"))
    } else {
        Err(ApiError::not_found())
    }
}

fn team<'a>(call: &'a mut Call<'_>, writes: bool) -> Result<&'a mut Team, ApiError> {
    let id = team_id(call, writes)?;
    call.state.team_mut(id).ok_or_else(ApiError::not_found)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    let id = team_id(call, false)?;
    let (org, team) = call.state.team(id).ok_or_else(ApiError::not_found)?;
    ok(&call.render().team(org, team))
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = team_id(call, true)?;
    for org in call.state.orgs.values_mut() {
        org.teams.retain(|team| team.id != id);
    }
    done()
}

fn members(call: &mut Call<'_>) -> ApiResult {
    let members = team(call, false)?.members.clone();
    call.page(members.into_iter().map(|id| call.render().user_by_id(id)).collect())
}

fn add_member(call: &mut Call<'_>) -> ApiResult {
    let user = call.state.user(call.param(1)).ok_or_else(ApiError::not_found)?.id;
    team(call, true)?.members.insert(user);
    done()
}

fn remove_member(call: &mut Call<'_>) -> ApiResult {
    let user = call.state.user(call.param(1)).ok_or_else(ApiError::not_found)?.id;
    team(call, true)?.members.remove(&user);
    done()
}

fn repos(call: &mut Call<'_>) -> ApiResult {
    let id = team_id(call, false)?;
    let (org, team) = call.state.team(id).ok_or_else(ApiError::not_found)?;
    call.page(call.repos_where(|repo| repo.owner == org.id && team.reaches(repo.id)))
}

fn named_repo(call: &Call<'_>) -> Result<i64, ApiError> {
    Ok(call.state.repo(call.param(1), call.param(2)).ok_or_else(ApiError::not_found)?.id)
}

fn add_repo(call: &mut Call<'_>) -> ApiResult {
    let repo = named_repo(call)?;
    team(call, true)?.repos.insert(repo);
    done()
}

fn remove_repo(call: &mut Call<'_>) -> ApiResult {
    let repo = named_repo(call)?;
    team(call, true)?.repos.remove(&repo);
    done()
}
