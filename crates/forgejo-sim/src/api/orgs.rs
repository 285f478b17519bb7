//! Organisations and their members.

use serde::Deserialize;

use crate::model::account::Org;

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ORG, Route, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    open("GET", "orgs", ORG, list),
    signed("POST", "orgs", ORG, create),
    open("GET", "orgs/{org}", ORG, get),
    signed("PATCH", "orgs/{org}", ORG, edit),
    signed("DELETE", "orgs/{org}", ORG, delete),
    open("GET", "orgs/{org}/repos", ORG, repos),
    open("GET", "orgs/{org}/members", ORG, members),
    open("GET", "orgs/{org}/members/{name}", ORG, is_member),
    signed("DELETE", "orgs/{org}/members/{name}", ORG, remove_member),
    open("GET", "orgs/{org}/public_members", ORG, members),
    open("GET", "orgs/{org}/public_members/{name}", ORG, is_member),
];

#[derive(Deserialize)]
struct OrgOption {
    username: Option<String>,
    full_name: Option<String>,
    description: Option<String>,
    website: Option<String>,
    location: Option<String>,
    visibility: Option<String>,
}

// === impl OrgOption ===

impl OrgOption {
    fn apply(self, org: &mut Org) {
        let set = |field: &mut String, value: Option<String>| {
            if let Some(value) = value {
                *field = value;
            }
        };
        set(&mut org.full_name, self.full_name);
        set(&mut org.description, self.description);
        set(&mut org.website, self.website);
        set(&mut org.location, self.location);
        set(&mut org.visibility, self.visibility.filter(|text| !text.is_empty()));
    }
}

fn list(call: &mut Call<'_>) -> ApiResult {
    let orgs = call.state.orgs.values().filter(|org| org.visibility == "public");
    call.page(orgs.map(|org| call.render().org(org)).collect())
}

fn create(call: &mut Call<'_>) -> ApiResult {
    let mut option: OrgOption = call.body()?;
    let name = option
        .username
        .take()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::invalid("[UserName]: Required"))?;
    if call.state.owner_id(&name).is_some() {
        return Err(ApiError::invalid(format!("user already exists [name: {name}]")));
    }
    let (owner, now) = (call.doer_id()?, call.now);
    let (id, team) = (call.state.next_id("owner"), call.state.next_id("team"));
    let mut org = Org::new(id, &name, team, owner, now);
    option.apply(&mut org);
    let body = call.render().org(&org);
    call.state.orgs.insert(id, org);
    created(&body)
}

fn get(call: &mut Call<'_>) -> ApiResult {
    ok(&call.render().org(call.org()?))
}

fn edit(call: &mut Call<'_>) -> ApiResult {
    let option: OrgOption = call.body()?;
    option.apply(call.own_org()?);
    get(call)
}

fn delete(call: &mut Call<'_>) -> ApiResult {
    let id = call.own_org()?.id;
    if call.state.repos.values().any(|repo| repo.owner == id) {
        return Err(ApiError::invalid("organization still has repositories"));
    }
    call.state.orgs.remove(&id);
    done()
}

fn repos(call: &mut Call<'_>) -> ApiResult {
    let id = call.org()?.id;
    call.page(call.repos_where(|repo| repo.owner == id))
}

fn members(call: &mut Call<'_>) -> ApiResult {
    let members = call.org()?.members();
    call.page(members.into_iter().map(|id| call.render().user_by_id(id)).collect())
}

fn is_member(call: &mut Call<'_>) -> ApiResult {
    let user = call.state.user(call.param(1)).ok_or_else(ApiError::not_found)?.id;
    if call.org()?.has_member(user) { done() } else { Err(ApiError::not_found()) }
}

fn remove_member(call: &mut Call<'_>) -> ApiResult {
    let user = call.state.user(call.param(1)).ok_or_else(ApiError::not_found)?.id;
    for team in &mut call.own_org()?.teams {
        team.members.remove(&user);
    }
    done()
}
