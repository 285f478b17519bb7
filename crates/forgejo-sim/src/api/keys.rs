//! SSH keys of users and deploy keys of repositories: doors, for a key opens what no token scope limits.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{clock::rfc3339, model::repo::Access};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{REPO, Route, USER, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "user/keys", USER, list_mine),
    signed("POST", "user/keys", USER, add_mine),
    signed("GET", "user/keys/{id}", USER, get_mine),
    signed("DELETE", "user/keys/{id}", USER, delete_mine),
    open("GET", "users/{name}/keys", USER, list_of),
    signed("GET", "user/gpg_keys", USER, none),
    open("GET", "users/{name}/gpg_keys", USER, none),
    signed("GET", "repos/{owner}/{repo}/keys", REPO, list_deploy),
    signed("POST", "repos/{owner}/{repo}/keys", REPO, add_deploy),
    signed("GET", "repos/{owner}/{repo}/keys/{id}", REPO, get_deploy),
    signed("DELETE", "repos/{owner}/{repo}/keys/{id}", REPO, delete_deploy),
];

#[derive(Deserialize)]
struct KeyOption {
    #[serde(default)]
    title: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    read_only: bool,
}

fn none(call: &mut Call<'_>) -> ApiResult {
    call.page(Vec::new())
}

fn list_mine(call: &mut Call<'_>) -> ApiResult {
    let keys = call.doer()?.keys.clone();
    call.page(keys)
}

fn list_of(call: &mut Call<'_>) -> ApiResult {
    let keys = call.state.user(call.param(0)).ok_or_else(ApiError::not_found)?.keys.clone();
    call.page(keys)
}

fn add_mine(call: &mut Call<'_>) -> ApiResult {
    let key = new_key(call, "user/keys")?;
    let doer = call.doer_id()?;
    if let Some(user) = call.state.users.get_mut(&doer) {
        user.keys.push(key.clone());
    }
    created(&key)
}

fn get_mine(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(0)?;
    ok(find(&call.doer()?.keys, id)?)
}

fn delete_mine(call: &mut Call<'_>) -> ApiResult {
    let (doer, id) = (call.doer_id()?, call.number(0)?);
    let user = call.state.users.get_mut(&doer).ok_or_else(ApiError::not_found)?;
    remove(&mut user.keys, id)
}

fn list_deploy(call: &mut Call<'_>) -> ApiResult {
    let keys = call.repo(Access::Admin)?.keys.clone();
    call.page(keys)
}

fn add_deploy(call: &mut Call<'_>) -> ApiResult {
    call.repo_id(Access::Admin)?;
    let key = new_key(call, "repos/keys")?;
    call.repo(Access::Admin)?.keys.push(key.clone());
    created(&key)
}

fn get_deploy(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(2)?;
    ok(find(&call.repo(Access::Admin)?.keys, id)?)
}

fn delete_deploy(call: &mut Call<'_>) -> ApiResult {
    let id = call.number(2)?;
    remove(&mut call.repo(Access::Admin)?.keys, id)
}

fn new_key(call: &mut Call<'_>, place: &str) -> Result<Value, ApiError> {
    let option: KeyOption = call.body()?;
    if !option.key.starts_with("ssh-") && !option.key.starts_with("ecdsa-") {
        return Err(ApiError::invalid("Invalid key content: SSH: no key found"));
    }
    let id = call.state.next_id("key");
    let print = STANDARD_NO_PAD.encode(digest(&SHA256, option.key.as_bytes()));
    Ok(json!({
        "id": id, "key_id": id, "title": option.title, "key": option.key, "fingerprint": format!("SHA256:{print}"),
        "url": call.site.url(&format!("api/v1/{place}/{id}")), "created_at": rfc3339(call.now), "read_only": option.read_only,
        "key_type": "user", "user": call.render().user(call.doer()?),
    }))
}

fn find(list: &[Value], id: i64) -> Result<&Value, ApiError> {
    list.iter().find(|item| item["id"] == id).ok_or_else(ApiError::not_found)
}

fn remove(list: &mut Vec<Value>, id: i64) -> ApiResult {
    find(list, id)?;
    list.retain(|item| item["id"] != id);
    done()
}
