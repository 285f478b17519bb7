//! Webhooks of repositories, users and organisations. Their answers carry the stored Authorization header: a door.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{clock::rfc3339, model::repo::Access};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ORG, REPO, Route, USER, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "repos/{owner}/{repo}/hooks", REPO, list_of_repo),
    signed("POST", "repos/{owner}/{repo}/hooks", REPO, add_to_repo),
    signed("GET", "repos/{owner}/{repo}/hooks/{id}", REPO, get_of_repo),
    signed("PATCH", "repos/{owner}/{repo}/hooks/{id}", REPO, edit_of_repo),
    signed("DELETE", "repos/{owner}/{repo}/hooks/{id}", REPO, remove_of_repo),
    signed("POST", "repos/{owner}/{repo}/hooks/{id}/tests", REPO, test_of_repo),
    signed("GET", "user/hooks", USER, list_of_user),
    signed("POST", "user/hooks", USER, add_to_user),
    signed("GET", "user/hooks/{id}", USER, get_of_user),
    signed("PATCH", "user/hooks/{id}", USER, edit_of_user),
    signed("DELETE", "user/hooks/{id}", USER, remove_of_user),
    signed("GET", "orgs/{org}/hooks", ORG, list_of_org),
    signed("POST", "orgs/{org}/hooks", ORG, add_to_org),
    signed("GET", "orgs/{org}/hooks/{id}", ORG, get_of_org),
    signed("PATCH", "orgs/{org}/hooks/{id}", ORG, edit_of_org),
    signed("DELETE", "orgs/{org}/hooks/{id}", ORG, remove_of_org),
];

/// Whose hooks.
#[derive(Clone, Copy)]
enum Place {
    Repo,
    User,
    Org,
}

// === impl Place ===

impl Place {
    fn hooks<'a>(self, call: &'a mut Call<'_>) -> Result<&'a mut Vec<Value>, ApiError> {
        match self {
            Self::Repo => Ok(&mut call.repo(Access::Admin)?.hooks),
            Self::Org => Ok(&mut call.own_org()?.hooks),
            Self::User => {
                let doer = call.doer_id()?;
                Ok(&mut call.state.users.get_mut(&doer).ok_or_else(ApiError::not_found)?.hooks)
            }
        }
    }

    fn hook<'a>(self, call: &'a mut Call<'_>) -> Result<&'a mut Value, ApiError> {
        let id = match self {
            Self::Repo => call.number(2)?,
            Self::User => call.number(0)?,
            Self::Org => call.number(1)?,
        };
        self.hooks(call)?.iter_mut().find(|hook| hook["id"] == id).ok_or_else(ApiError::not_found)
    }
}

#[derive(Deserialize)]
struct HookOption {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    config: Map<String, Value>,
    events: Option<Vec<String>>,
    branch_filter: Option<String>,
    authorization_header: Option<String>,
    active: Option<bool>,
}

fn list(call: &mut Call<'_>, place: Place) -> ApiResult {
    let hooks = place.hooks(call)?.clone();
    call.page(hooks)
}

fn add(call: &mut Call<'_>, place: Place) -> ApiResult {
    let option: HookOption = call.body()?;
    if !option.config.contains_key("url") || !option.config.contains_key("content_type") {
        return Err(ApiError::invalid("Missing config option: url or content_type"));
    }
    place.hooks(call)?;
    let (id, now) = (call.state.next_id("hook"), call.now);
    let mut config = option.config;
    config.remove("secret");
    let hook = json!({
        "id": id, "type": option.kind, "branch_filter": option.branch_filter.unwrap_or_default(),
        "url": config.get("url"), "content_type": config.get("content_type"), "config": config, "metadata": null,
        "events": option.events.unwrap_or_else(|| vec!["push".to_owned()]),
        "authorization_header": option.authorization_header.unwrap_or_default(), "active": option.active.unwrap_or_default(),
        "created_at": rfc3339(now), "updated_at": rfc3339(now),
    });
    place.hooks(call)?.push(hook.clone());
    created(&hook)
}

fn get(call: &mut Call<'_>, place: Place) -> ApiResult {
    ok(place.hook(call)?)
}

fn edit(call: &mut Call<'_>, place: Place) -> ApiResult {
    let option: HookOption = call.body()?;
    let now = call.now;
    let hook = place.hook(call)?;
    for (name, value) in option.config {
        if name == "url" || name == "content_type" {
            hook[name.as_str()] = value.clone();
        }
        hook["config"][name] = value;
    }
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            hook[name] = value;
        }
    };
    set("events", option.events.map(Value::from));
    set("branch_filter", option.branch_filter.map(Value::from));
    set("authorization_header", option.authorization_header.map(Value::from));
    set("active", option.active.map(Value::from));
    set("updated_at", Some(json!(rfc3339(now))));
    ok(&hook.clone())
}

fn remove(call: &mut Call<'_>, place: Place) -> ApiResult {
    let id = place.hook(call)?["id"].clone();
    place.hooks(call)?.retain(|hook| hook["id"] != id);
    done()
}

fn test_of_repo(call: &mut Call<'_>) -> ApiResult {
    Place::Repo.hook(call)?;
    done()
}

fn list_of_repo(call: &mut Call<'_>) -> ApiResult {
    list(call, Place::Repo)
}

fn add_to_repo(call: &mut Call<'_>) -> ApiResult {
    add(call, Place::Repo)
}

fn get_of_repo(call: &mut Call<'_>) -> ApiResult {
    get(call, Place::Repo)
}

fn edit_of_repo(call: &mut Call<'_>) -> ApiResult {
    edit(call, Place::Repo)
}

fn remove_of_repo(call: &mut Call<'_>) -> ApiResult {
    remove(call, Place::Repo)
}

fn list_of_user(call: &mut Call<'_>) -> ApiResult {
    list(call, Place::User)
}

fn add_to_user(call: &mut Call<'_>) -> ApiResult {
    add(call, Place::User)
}

fn get_of_user(call: &mut Call<'_>) -> ApiResult {
    get(call, Place::User)
}

fn edit_of_user(call: &mut Call<'_>) -> ApiResult {
    edit(call, Place::User)
}

fn remove_of_user(call: &mut Call<'_>) -> ApiResult {
    remove(call, Place::User)
}

fn list_of_org(call: &mut Call<'_>) -> ApiResult {
    list(call, Place::Org)
}

fn add_to_org(call: &mut Call<'_>) -> ApiResult {
    add(call, Place::Org)
}

fn get_of_org(call: &mut Call<'_>) -> ApiResult {
    get(call, Place::Org)
}

fn edit_of_org(call: &mut Call<'_>) -> ApiResult {
    edit(call, Place::Org)
}

fn remove_of_org(call: &mut Call<'_>) -> ApiResult {
    remove(call, Place::Org)
}
